//! `key retire`: the end of a grace before its time. The successor goes on, whatever both are called.

use clap::Args;

use super::{fault, output};
use crate::app::Core;

#[derive(Debug, Args)]
pub(in crate::cli) struct RetireArgs {
    /// Server code of the group
    code: String,
    /// The old key's name, or its last four characters
    key: String,
    /// Why; kept in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn retire(core: &Core, args: &RetireArgs) -> anyhow::Result<()> {
    let by = crate::cli::by(core, args.reason.as_deref());
    let retired = core.calls(None).retire_named_key(&args.code, &args.key, &by).await.map_err(fault)?;
    if args.json {
        return output::json(&retired);
    }
    output::say(format_args!(
        "the old key …{} ({}) of {} is refused from the next request on; its successor goes on",
        retired.hint, retired.name, args.code
    ))
}
