//! `key rotate`: a successor for a key, and a time in which both are good.

use clap::Args;

use super::{End, RotatedKey, Wanted, Which, fault, output, until};
use crate::{admin::calls::keys::Rotation, app::Core, config::HumanDuration};

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArgs {
    /// Server code of the group
    code: String,
    #[command(flatten)]
    which: Which,
    /// How long the old key stays valid, such as 24h or 0s [default: keys.default_grace]
    #[arg(long)]
    grace: Option<HumanDuration>,
    /// When the new key ends [default: after as long a life as the old one was given]
    #[arg(long, value_name = "DATE|DURATION")]
    expires: Option<End>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn rotate(core: &Core, args: &RotateArgs) -> anyhow::Result<()> {
    let by = crate::cli::by(core, args.which.reason.as_deref());
    let rotation = Rotation { grace: args.grace, expires: args.expires };
    let rotated = core.calls(None).rotate_key(&args.code, Wanted::named(args.which.key.as_deref()), rotation, &by).await;
    let rotated = rotated.map_err(fault)?;
    if args.json {
        return output::json(&rotated);
    }
    let RotatedKey { key, old_hint, old_key_valid_until, retires_after_quiet, .. } = &rotated;
    output::say(key.key.expose())?;
    let code = &args.code;
    match old_key_valid_until {
        None => output::say(format_args!("{code} had no key to be replaced; this one opens it{}", until(key))),
        Some(end) => output::say(format_args!(
            "the old key …{old_hint} of {code} is valid until {end}{}. `anmei-mcp key usage {code}` shows who still uses it",
            quiet(retires_after_quiet.as_deref())
        )),
    }
}

/// The end that comes before the grace's, if one can.
fn quiet(after: Option<&str>) -> String {
    after.map_or_else(String::new, |quiet| format!(", or until nobody has used it for {quiet}"))
}
