//! `key`: list, show, add, rename, rotate, retire, revoke, and who uses which.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{exit, fault, output};
use crate::{
    admin::calls::keys::{End, KeyState, KeyView, RotatedKey, ShownKey, Wanted, is_key_name},
    app::Core,
};

pub(super) mod open;
mod retire;
mod rotate;
mod usage;

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
    /// Ends the grace of an old key, and leaves its successor as it is
    Retire(retire::RetireArgs),
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
        KeyCommand::Retire(args) => retire::retire(core, &args).await?,
        KeyCommand::Revoke { code, which, json } => revoke(core, &code, &which, json).await?,
        KeyCommand::Usage { code, key, json } => usage::show(core, &code, key.as_deref(), json).await?,
    }
    Ok(exit::OK)
}

fn list(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let keys = core.calls(None).keys(code).map_err(fault)?;
    if as_json {
        return output::json(&keys);
    }
    output::table(&HEADINGS, keys.iter().map(line))
}

/// What a table says of each key.
pub(super) const HEADINGS: [&str; 8] = ["KEY", "NAME", "STATE", "MADE BY", "CREATED", "LAST USED", "FROM", "BY"];

/// One key in such a table.
pub(super) fn line(key: &KeyView) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    vec![
        format!("…{}", key.hint),
        key.name.clone(),
        state(key),
        key.created_by.clone(),
        key.created_at.clone(),
        text(&key.last_used_at),
        text(&key.last_used_address),
        text(&key.last_used_client),
    ]
}

/// What is said of a key among other things of its group.
pub(super) fn facts(key: &KeyView) -> Value {
    let mut facts = serde_json::to_value(key).unwrap_or_default();
    if let Some(object) = facts.as_object_mut() {
        for name in ["state", "valid_until", "ended_at", "can_be_shown"] {
            object.remove(name);
        }
    }
    facts
}

/// How a key stands, for people.
fn state(key: &KeyView) -> String {
    let end = || key.ended_at.as_deref().unwrap_or("-");
    match (key.state, &key.valid_until) {
        (KeyState::Current, None) => "current".into(),
        (KeyState::Current, Some(until)) => format!("current until {until}"),
        (KeyState::InGrace, until) => format!("in grace until {}", until.as_deref().unwrap_or("-")),
        (KeyState::Expired, _) => format!("expired on {}", end()),
        (KeyState::Replaced, _) if key.retired_at.is_some() => format!("replaced, retired on {}", end()),
        (KeyState::Replaced, _) => format!("replaced, grace ended on {}", end()),
        (KeyState::Revoked, _) => format!("revoked on {}", end()),
    }
}

async fn show(core: &Core, code: &str, which: &Which, as_json: bool) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let by = super::by(core, which.reason.as_deref());
    let shown = calls.reveal_key(code, Wanted::named(which.key.as_deref()), &by).await.map_err(fault)?;
    if as_json {
        let mut value = serde_json::to_value(&shown)?;
        if let Some(object) = value.as_object_mut() {
            let stale = calls.stale_callers(None).map_err(fault)?;
            let of_key: Vec<_> = stale.into_iter().filter(|caller| caller.key_id == shown.facts.id).collect();
            object.insert("stale_callers".into(), serde_json::to_value(of_key)?);
        }
        return output::json(&value);
    }
    output::say(shown.key.expose())
}

async fn add(core: &Core, args: &AddArgs) -> anyhow::Result<()> {
    let by = super::by(core, args.reason.as_deref());
    let shown = core.calls(None).add_key(&args.code, (&args.name, args.expires), &by).await.map_err(fault)?;
    if args.json {
        return output::json(&shown);
    }
    output::say(shown.key.expose())?;
    output::say(format_args!("the key {} opens {}{}", args.name, args.code, until(&shown)))
}

fn until(shown: &ShownKey) -> String {
    let end = shown.facts.expires_at.as_ref();
    end.map_or_else(|| " until it is rotated or revoked".into(), |end| format!(" until {end}"))
}

async fn rename(core: &Core, code: &str, (wanted, name): (&str, &str), as_json: bool) -> anyhow::Result<()> {
    let renamed = core.calls(None).rename_key(code, (Wanted::Named(wanted), name), None, &super::by(core, None)).await;
    let (before, key) = renamed.map_err(fault)?;
    if as_json {
        return output::json(&json!({"server_code": code, "id": key.id, "before": before, "name": name}));
    }
    output::say(format_args!("the key {before} of {code} is called {name}"))
}

async fn revoke(core: &Core, code: &str, which: &Which, as_json: bool) -> anyhow::Result<()> {
    let by = super::by(core, which.reason.as_deref());
    let revoked = core.calls(None).revoke_keys(code, Wanted::named(which.key.as_deref()), &by).await.map_err(fault)?;
    if as_json {
        return output::json(&json!({"server_code": code, "revoked": revoked}));
    }
    output::say(format_args!(
        "revoked {revoked} key(s) of {code}; in force for the next request, and open streams end within a second. `anmei-mcp key add {code} --name NAME` makes a new one"
    ))
}

/// A name that fits a table, a URL and an audit line.
fn name(text: &str) -> Result<String, String> {
    if is_key_name(text) {
        Ok(text.into())
    } else {
        Err("a key's name is 1 to 64 letters, digits, or - _ . @, such as dify-production".into())
    }
}
