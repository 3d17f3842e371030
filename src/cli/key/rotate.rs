//! `key rotate`: a successor for a key, and a time in which both are good.

use clap::Args;

use super::{End, Key, Order, Which, keys_of, made, output, pick, rfc3339, shown, until};
use crate::{app::Core, config::HumanDuration, store::audit::By};

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
    let (group_id, keys) = keys_of(core, &args.code)?;
    let by = crate::cli::by(core, args.which.reason.as_deref());
    let grace = args.grace.unwrap_or(core.config.keys.default_grace);
    let old = match &args.which.key {
        Some(wanted) => pick::current_named(&keys, &args.code, wanted)?,
        None if !keys.iter().any(Key::is_current) => return first(core, args, &group_id, by).await,
        None => pick::current(&keys, &args.code)?,
    };
    let expires_at = match args.expires {
        Some(end) => Some(end.after(by.at)?),
        None => old.expires_at.map(|end| by.at + (end - old.created_at)),
    };
    let until_ms = by.at.saturating_add(grace.as_ms());
    let (key, text) = core.mint(Order { group_id: &group_id, name: &old.name, created_by: &by.actor, expires_at })?;
    core.store.rotate_key(&old.id, key.clone(), until_ms, by).await?;
    let until_ms = until_ms.min(old.expires_at.unwrap_or(i64::MAX));
    if args.json {
        let mut value = shown(core, &args.code, &key, &text);
        if let Some(object) = value.as_object_mut() {
            object.insert("replaces".into(), old.id.clone().into());
            object.insert("old_key_valid_until".into(), rfc3339(until_ms).into());
        }
        return output::json(&value);
    }
    output::say(text.expose())?;
    output::say(format_args!(
        "the old key …{} of {code} is valid until {}{}. `anmei-mcp key usage {code}` shows who still uses it",
        old.hint,
        rfc3339(until_ms),
        quiet(core),
        code = args.code
    ))
}

/// A group without a current key gets one: there is nothing to be replaced.
async fn first(core: &Core, args: &RotateArgs, group_id: &str, by: By) -> anyhow::Result<()> {
    let expires_at = args.expires.map(|end| end.after(by.at)).transpose()?;
    let (key, text) = made(core, group_id, ("default", expires_at), by).await?;
    if args.json {
        return output::json(&shown(core, &args.code, &key, &text));
    }
    output::say(text.expose())?;
    output::say(format_args!("{} had no key to be replaced; this one opens it{}", args.code, until(expires_at)))
}

fn quiet(core: &Core) -> String {
    let quiet = core.config.keys.retire_after_quiet;
    if quiet.is_zero() { String::new() } else { format!(", or until nobody has used it for {quiet}") }
}
