//! `key`: show, rotate, revoke.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Fault, exit, group, output};
use crate::{app::Core, clock::rfc3339, config::HumanDuration, gate::keys, secret::SecretText, store::policy::Key};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Shows the group's current key
    Show {
        /// Server code of the group
        code: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Makes a new key; the old one stays valid for the grace
    Rotate {
        /// Server code of the group
        code: String,
        /// How long the old key stays valid, such as 24h or 0s [default: keys.default_grace]
        #[arg(long)]
        grace: Option<HumanDuration>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Refuses the group's keys from the next request on
    Revoke {
        /// Server code of the group
        code: String,
        /// Only the key that ends with these four characters
        #[arg(long, value_name = "LAST4")]
        key: Option<String>,
    },
}

pub(super) async fn run(command: KeyCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        KeyCommand::Show { code, json } => show(core, &code, json).await?,
        KeyCommand::Rotate { code, grace, json } => rotate(core, &code, grace, json).await?,
        KeyCommand::Revoke { code, key } => revoke(core, &code, key.as_deref()).await?,
    }
    Ok(exit::OK)
}

fn keys_of(core: &Core, code: &str) -> anyhow::Result<(String, Vec<Key>)> {
    let group = group::find(core, code)?;
    let id = group.group.id.clone();
    let keys = core.store.policy()?.keys.into_iter().filter(|key| key.group_id == id).collect();
    Ok((id, keys))
}

/// The group's current key as text, or why it cannot be shown. The look is on record.
pub(super) async fn reveal(core: &Core, code: &str, _reason: &str) -> anyhow::Result<Result<SecretText, keys::Hidden>> {
    let (_, keys) = keys_of(core, code)?;
    let text = keys::reveal(current(&keys, code)?, &core.master);
    if text.is_ok() {
        tracing::warn!(group.code = code, key.id = current(&keys, code)?.id, "a key was shown");
    }
    Ok(text)
}

fn current<'a>(keys: &'a [Key], code: &str) -> anyhow::Result<&'a Key> {
    let current = keys.iter().rfind(|key| key.revoked_at.is_none() && key.expires_at.is_none());
    Ok(current
        .ok_or_else(|| Fault::new(exit::NOT_FOUND, format!("{code} has no key in force; make one with `anmei-mcp key rotate {code}`")))?)
}

async fn show(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let (_, keys) = keys_of(core, code)?;
    let current = current(&keys, code)?;
    let text = reveal(core, code, "key show").await?.map_err(|hidden| Fault::new(exit::FAILURE, hidden.to_string()))?;
    if as_json {
        let mut value = facts(current);
        if let Some(object) = value.as_object_mut() {
            object.insert("server_code".into(), code.into());
            object.insert("key".into(), text.expose().into());
        }
        return output::json(&value);
    }
    output::say(text.expose())
}

async fn rotate(core: &Core, code: &str, grace: Option<HumanDuration>, as_json: bool) -> anyhow::Result<()> {
    let (group_id, _) = keys_of(core, code)?;
    let grace = grace.unwrap_or(core.config.keys.default_grace);
    let (key, text) = keys::mint(&group_id, "default", &core.master, core.reveal(), core.clock.as_ref())?;
    let until = core.clock.now_ms() + grace.as_ms();
    core.store.rotate_key(key, until).await?;
    if as_json {
        return output::json(&json!({"server_code": code, "key": text.expose(), "old_key_valid_until": rfc3339(until)}));
    }
    output::say(text.expose())?;
    output::say(format_args!("the old key of {code} is valid until {}", rfc3339(until)))
}

async fn revoke(core: &Core, code: &str, hint: Option<&str>) -> anyhow::Result<()> {
    let (group_id, keys) = keys_of(core, code)?;
    let only = match hint {
        None => None,
        Some(hint) => {
            let found: Vec<_> = keys.iter().filter(|key| key.revoked_at.is_none() && key.hint == hint).collect();
            match found.as_slice() {
                [one] => Some(one.id.clone()),
                found => {
                    return Err(Fault::new(
                        exit::NOT_FOUND,
                        format!("{} keys of {code} end with {hint}; `anmei-mcp group show {code}` lists them", found.len()),
                    )
                    .into());
                }
            }
        }
    };
    let revoked = core.store.revoke_keys(&group_id, only.as_deref(), core.clock.now_ms()).await?;
    output::say(format_args!(
        "revoked {revoked} key(s) of {code}; in force for the next request. `anmei-mcp key rotate {code}` makes a new one"
    ))
}

/// What may be said of a key without showing it.
pub(super) fn facts(key: &Key) -> Value {
    json!({
        "id": key.id, "name": key.name, "hint": key.hint, "created_at": rfc3339(key.created_at),
        "expires_at": key.expires_at.map(rfc3339), "revoked_at": key.revoked_at.map(rfc3339), "last_used_at": key.last_used_at.map(rfc3339),
    })
}

/// How a key stands at `now`.
pub(super) fn state(key: &Key, now: i64) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked".into(),
        (None, Some(end)) if end <= now => "expired".into(),
        (None, Some(end)) => format!("in grace until {}", rfc3339(end)),
        (None, None) => "current".into(),
    }
}
