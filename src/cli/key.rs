//! `key`: list, show, add, rename, rotate, revoke, and who uses which.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, exit, group, output};
use crate::{
    app::Core,
    clock::rfc3339,
    gate::{
        keys::{self, Order},
        lifetime::{Lifetime, Standing},
    },
    secret::SecretText,
    store::{
        audit::By,
        keys::{Key, KeyUse},
    },
};

mod end;
pub(super) mod open;
mod pick;
mod rotate;
mod usage;

use end::End;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// The group's keys, and how each stands
    List {
        /// Server code of the group
        code: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Shows a key; each look is a row of the audit log
    Show {
        /// Server code of the group
        code: String,
        #[command(flatten)]
        which: Which,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Makes a further key, and shows it
    Add(AddArgs),
    /// Gives a key another name
    Rename {
        /// Server code of the group
        code: String,
        /// The key's name, or its last four characters
        key: String,
        /// Its new name
        #[arg(value_parser = name)]
        name: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Puts a new key in the place of one; the old one stays valid for the grace
    Rotate(rotate::RotateArgs),
    /// Refuses a key, or all keys of the group, from the next request on, and ends what is open with it
    Revoke {
        /// Server code of the group
        code: String,
        #[command(flatten)]
        which: Which,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Who uses the group's keys: clients, addresses, and which of them still use a replaced one
    Usage {
        /// Server code of the group
        code: String,
        /// Only this key: its name, or its last four characters
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

/// Which key, and why.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The key's name, or its last four characters
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Why; kept in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Server code of the group
    code: String,
    /// What the key is called, such as who is to hold it
    #[arg(long, value_parser = name)]
    name: String,
    /// When it ends: a date (2027-01-31), a moment (2027-01-31T18:00:00+08:00), or from now on (30d) [default: never]
    #[arg(long, value_name = "DATE|DURATION")]
    expires: Option<End>,
    /// Why; kept in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: KeyCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        KeyCommand::List { code, json } => list(core, &code, json)?,
        KeyCommand::Show { code, which, json } => show(core, &code, &which, json).await?,
        KeyCommand::Add(args) => add(core, &args).await?,
        KeyCommand::Rename { code, key, name, json } => rename(core, &code, (&key, &name), json).await?,
        KeyCommand::Rotate(args) => rotate::rotate(core, &args).await?,
        KeyCommand::Revoke { code, which, json } => revoke(core, &code, &which, json).await?,
        KeyCommand::Usage { code, key, json } => usage::show(core, &code, key.as_deref(), json)?,
    }
    Ok(exit::OK)
}

/// The group's id and its keys, by creation.
fn keys_of(core: &Core, code: &str) -> anyhow::Result<(String, Vec<Key>)> {
    let id = group::find(core, code)?.group.id.clone();
    let keys = core.store.keys_of(&id)?;
    Ok((id, keys))
}

/// The group's current key as text, or why it cannot be shown. The look is on record.
pub(super) async fn reveal(
    core: &Core,
    (code, wanted): (&str, Option<&str>),
    reason: &str,
) -> anyhow::Result<Result<SecretText, keys::Hidden>> {
    let (_, keys) = keys_of(core, code)?;
    let key = match wanted {
        Some(wanted) => pick::in_force(&keys, code, wanted, core.clock.now_ms())?,
        None => pick::current(&keys, code)?,
    };
    let text = keys::reveal(key, &core.master);
    if text.is_ok() {
        core.store.note_key_shown(key, super::by(core, Some(reason))).await?;
        tracing::warn!(group.code = code, key.id = key.id, "a key was shown");
    }
    Ok(text)
}

fn list(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let (_, keys) = keys_of(core, code)?;
    let now = core.clock.now_ms();
    if as_json {
        return output::json(&keys.iter().map(|key| with_standing(key, now)).collect::<Vec<_>>());
    }
    output::table(&HEADINGS, keys.iter().map(|key| line(key, now)))
}

/// What a table says of each key.
pub(super) const HEADINGS: [&str; 8] = ["KEY", "NAME", "STATE", "MADE BY", "CREATED", "LAST USED", "FROM", "BY"];

/// One key in such a table.
pub(super) fn line(key: &Key, now: i64) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    vec![
        format!("…{}", key.hint),
        key.name.clone(),
        state(key, now),
        key.created_by.clone(),
        rfc3339(key.created_at),
        output::moment(key.last_used_at),
        text(&key.last_used_address),
        text(&key.last_used_client),
    ]
}

/// What may be said of a key without showing it, and how it stands.
pub(super) fn with_standing(key: &Key, now: i64) -> Value {
    let mut facts = key.facts();
    if let Some(object) = facts.as_object_mut() {
        let state = match Lifetime::from(key).at(now) {
            Standing::Current => "current",
            Standing::InGrace { .. } => "in_grace",
            Standing::Expired { .. } => "expired",
            Standing::Replaced { .. } => "replaced",
            Standing::Revoked { .. } => "revoked",
        };
        object.insert("state".into(), state.into());
    }
    facts
}

/// How a key stands at `now`, for people.
fn state(key: &Key, now: i64) -> String {
    match Lifetime::from(key).at(now) {
        Standing::Current => key.expires_at.map_or_else(|| "current".into(), |end| format!("current until {}", rfc3339(end))),
        Standing::InGrace { until } => format!("in grace until {}", rfc3339(until)),
        Standing::Expired { at } => format!("expired on {}", rfc3339(at)),
        Standing::Replaced { ended_at, retired: true, .. } => format!("replaced, retired unused on {}", rfc3339(ended_at)),
        Standing::Replaced { ended_at, .. } => format!("replaced, grace ended on {}", rfc3339(ended_at)),
        Standing::Revoked { at } => format!("revoked on {}", rfc3339(at)),
    }
}

async fn show(core: &Core, code: &str, which: &Which, as_json: bool) -> anyhow::Result<()> {
    let (_, keys) = keys_of(core, code)?;
    let key = match &which.key {
        Some(wanted) => pick::in_force(&keys, code, wanted, core.clock.now_ms())?,
        None => pick::current(&keys, code)?,
    };
    let text = keys::reveal(key, &core.master).map_err(|hidden| Fault::new(exit::FAILURE, hidden.to_string()))?;
    core.store.note_key_shown(key, super::by(core, which.reason.as_deref())).await?;
    tracing::warn!(group.code = code, key.id = key.id, "a key was shown");
    if as_json {
        let mut value = shown(core, code, key, &text);
        if let Some(object) = value.as_object_mut() {
            object.insert("stale_callers".into(), super::tool::stale::of_key(core, &key.id)?.into());
        }
        return output::json(&value);
    }
    output::say(text.expose())
}

/// A key with its text.
fn shown(core: &Core, code: &str, key: &Key, text: &SecretText) -> Value {
    let mut value = with_standing(key, core.clock.now_ms());
    if let Some(object) = value.as_object_mut() {
        object.insert("server_code".into(), code.into());
        object.insert("key".into(), text.expose().into());
    }
    value
}

async fn add(core: &Core, args: &AddArgs) -> anyhow::Result<()> {
    let group_id = group::find(core, &args.code)?.group.id.clone();
    let by = super::by(core, args.reason.as_deref());
    let expires_at = args.expires.map(|end| end.after(by.at)).transpose()?;
    let (key, text) = made(core, &group_id, (&args.name, expires_at), by).await?;
    if args.json {
        return output::json(&shown(core, &args.code, &key, &text));
    }
    output::say(text.expose())?;
    output::say(format_args!("the key {} opens {}{}", args.name, args.code, until(expires_at)))
}

/// A further key, stored.
async fn made(core: &Core, group_id: &str, (name, expires_at): (&str, Option<i64>), by: By) -> anyhow::Result<(Key, SecretText)> {
    let (key, text) = core.mint(Order { group_id, name, created_by: &by.actor, expires_at })?;
    core.store.add_key(key.clone(), by).await?;
    Ok((key, text))
}

fn until(expires_at: Option<i64>) -> String {
    expires_at.map_or_else(|| " until it is rotated or revoked".into(), |end| format!(" until {}", rfc3339(end)))
}

async fn rename(core: &Core, code: &str, (wanted, name): (&str, &str), as_json: bool) -> anyhow::Result<()> {
    let (_, keys) = keys_of(core, code)?;
    let key = pick::in_force(&keys, code, wanted, core.clock.now_ms())?;
    core.store.rename_key(&key.id, name, super::by(core, None)).await?;
    if as_json {
        return output::json(&json!({"server_code": code, "id": key.id, "before": key.name, "name": name}));
    }
    output::say(format_args!("the key {} of {code} is called {name}", key.name))
}

async fn revoke(core: &Core, code: &str, which: &Which, as_json: bool) -> anyhow::Result<()> {
    let (_, keys) = keys_of(core, code)?;
    let ids: Vec<String> = match &which.key {
        Some(wanted) => pick::all_named(&keys, code, wanted)?.iter().map(|key| key.id.clone()).collect(),
        None => keys.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.id.clone()).collect(),
    };
    let revoked = core.store.revoke_keys(ids, super::by(core, which.reason.as_deref())).await?;
    if as_json {
        return output::json(&json!({"server_code": code, "revoked": revoked}));
    }
    output::say(format_args!(
        "revoked {revoked} key(s) of {code}; in force for the next request, and open streams end within a second. `anmei-mcp key add {code} --name NAME` makes a new one"
    ))
}

/// A name that fits a table, a URL and an audit line.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if (1..=64).contains(&text.chars().count()) && text.chars().all(good) {
        Ok(text.into())
    } else {
        Err("a key's name is 1 to 64 letters, digits, or - _ . @, such as dify-production".into())
    }
}

/// Uses of one key.
fn uses_of<'a>(uses: &'a [KeyUse], key: &'a Key) -> impl Iterator<Item = &'a KeyUse> {
    uses.iter().filter(|one| one.key_id == key.id)
}
