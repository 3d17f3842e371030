//! `group`: list, show, create, set, enable, disable, delete.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, account, exit, output};
use crate::{
    app::Core,
    clock::rfc3339,
    dispatch::{Known, defaults::DefaultGroup},
    gate::GroupPolicy,
    store::{
        keys::Key,
        policy::{Group, GroupChange},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum GroupCommand {
    /// All groups
    List {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// One group with its tools and keys (not the keys themselves)
    Show {
        /// Server code
        code: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Makes a group and its key, and shows the key once
    Create(CreateArgs),
    /// Changes which accounts open the group, and whose data its tools may see
    Set(SetArgs),
    /// Accepts the group's keys again
    Enable {
        /// Server code
        code: String,
    },
    /// Refuses the group's keys, at once
    Disable {
        /// Server code
        code: String,
    },
    /// Deletes a group with its keys
    Delete {
        /// Server code
        code: String,
        /// Without it nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Server code: 1 to 24 of a-z 0-9 _ -, the first a letter or digit
    #[arg(value_parser = server_code)]
    code: String,
    /// Name for people [default: the code]
    #[arg(long)]
    name: Option<String>,
    /// What the group is for; agents read it
    #[arg(long, default_value = "")]
    description: String,
    /// A tool the group offers (repeatable)
    #[arg(long = "tool", value_name = "NAME")]
    tools: Vec<String>,
    /// Its tools see only the customers of registrations in progress, by the subject id an agent is told
    #[arg(long)]
    subject_scoped: bool,
    /// Roles of accounts that may open it, such as admin,doctor [default: none]
    #[arg(long, value_name = "A,B", value_parser = account::roles)]
    roles: Option<account::Names>,
    /// Tiers of accounts that may open it, such as internal [default: none]
    #[arg(long, value_name = "X,Y", value_parser = account::tiers)]
    tiers: Option<account::Names>,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct SetArgs {
    /// Server code
    code: String,
    /// Roles of accounts that may open the group, such as admin,doctor; "" for none
    #[arg(long, value_name = "A,B", value_parser = account::roles, group = "what")]
    roles: Option<account::Names>,
    /// Tiers of accounts that may open the group (one of the roles and one of the tiers are needed), such as internal; "" for none
    #[arg(long, value_name = "X,Y", value_parser = account::tiers, group = "what")]
    tiers: Option<account::Names>,
    /// true: only the customers of registrations in progress, by subject id; false: everybody
    #[arg(long, value_name = "BOOL", group = "what")]
    subject_scoped: Option<bool>,
}

pub(super) async fn run(command: GroupCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        GroupCommand::List { json } => list(core, json)?,
        GroupCommand::Show { code, json } => show(core, &code, json)?,
        GroupCommand::Create(args) => create(core, &args).await?,
        GroupCommand::Set(args) => set(core, args).await?,
        GroupCommand::Enable { code } => {
            core.store.set_group_enabled(&code, true, super::by(core, None)).await?;
            output::say(format_args!("{code} is enabled; in force for the next request"))?;
        }
        GroupCommand::Disable { code } => {
            core.store.set_group_enabled(&code, false, super::by(core, None)).await?;
            output::say(format_args!("{code} is disabled; in force for the next request"))?;
        }
        GroupCommand::Delete { code, yes } => delete(core, &code, yes).await?,
    }
    Ok(exit::OK)
}

/// The group called `code`, or how to find out what there is.
pub(super) fn find(core: &Core, code: &str) -> anyhow::Result<std::sync::Arc<GroupPolicy>> {
    let policy = core.gate.policy().current()?;
    let group = policy.group(code).cloned();
    group.ok_or_else(|| {
        let codes: Vec<_> = policy.groups().iter().map(|group| group.group.server_code.as_str()).collect();
        Fault::new(exit::NOT_FOUND, format!("there is no group {code}; there are: {}", codes.join(", "))).into()
    })
}

/// The tools the group offers: enabled, and fit for it. Those this version does not have are shown, as they are kept.
fn offered<'a>(core: &Core, group: &'a GroupPolicy) -> Vec<&'a str> {
    let fits = |name: &str| core.dispatch.catalogue().definition(name).is_none_or(|known| known.fits(&group.group));
    group.tools.iter().filter(|tool| tool.enabled && fits(&tool.tool_name)).map(|tool| tool.tool_name.as_str()).collect()
}

fn summary(core: &Core, group: &GroupPolicy) -> Value {
    json!({
        "server_code": group.group.server_code, "name": group.group.name, "description": group.group.description,
        "enabled": group.group.enabled, "subject_scoped": group.group.subject_scoped, "tools": offered(core, group), "allowed_roles": group.group.allowed_roles,
        "user_tier_access": group.group.user_tier_access, "id": group.group.id,
        "created_at": rfc3339(group.group.created_at), "updated_at": rfc3339(group.group.updated_at),
    })
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let policy = core.gate.policy().current()?;
    if as_json {
        return output::json(&policy.groups().iter().map(|group| summary(core, group)).collect::<Vec<_>>());
    }
    let rows = policy.groups().iter().map(|group| {
        vec![
            group.group.server_code.clone(),
            group.group.name.clone(),
            output::yes(group.group.enabled),
            output::yes(group.group.subject_scoped),
            offered(core, group).join(", "),
        ]
    });
    output::table(&["GROUP", "NAME", "ENABLED", "SUBJECT-SCOPED", "TOOLS"], rows)
}

fn show(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let group = find(core, code)?;
    let keys = core.store.keys_of(&group.group.id)?;
    if as_json {
        let mut value = summary(core, &group);
        if let Some(object) = value.as_object_mut() {
            let tools: Vec<_> = group
                .tools
                .iter()
                .map(|tool| {
                    json!({
                        "tool_name": tool.tool_name, "enabled": tool.enabled, "timeout_seconds": tool.timeout_seconds,
                        "description": tool.description, "config_data": tool.config_data, "version": tool.version,
                    })
                })
                .collect();
            object.insert("tool_policies".into(), tools.into());
            object.insert("keys".into(), keys.iter().map(Key::facts).collect());
        }
        return output::json(&value);
    }
    output::say(format_args!(
        "{} ({}) {}{}",
        group.group.server_code,
        group.group.name,
        if group.group.enabled { "enabled" } else { "disabled" },
        if group.group.subject_scoped { ", subject-scoped" } else { "" }
    ))?;
    output::say(format_args!("{}\n", group.group.description))?;
    say_access(&group.group)?;
    output::say("")?;
    output::table(
        &["TOOL", "ENABLED", "TIMEOUT", "CONFIG"],
        group.tools.iter().map(|tool| {
            vec![
                tool.tool_name.clone(),
                output::yes(tool.enabled),
                format!("{} s", tool.timeout_seconds),
                serde_json::Value::Object(tool.config_data.clone()).to_string(),
            ]
        }),
    )?;
    output::say("")?;
    let now = core.clock.now_ms();
    output::table(&super::key::HEADINGS, keys.iter().map(|key| super::key::line(key, now)))
}

async fn create(core: &Core, args: &CreateArgs) -> anyhow::Result<()> {
    // The shape of a default group borrows for ever; a group from the command line is filled in afterwards.
    let empty = DefaultGroup {
        server_code: "",
        name: "",
        description: "",
        tiers: &[],
        roles: &[],
        subject_scoped: args.subject_scoped,
        tools: &[],
    };
    let by = super::by(core, None);
    let (mut new, key) = core.new_group(&empty, &by.actor)?;
    new.group.server_code.clone_from(&args.code);
    new.group.name = args.name.clone().unwrap_or_else(|| args.code.clone());
    new.group.description.clone_from(&args.description);
    new.group.allowed_roles = args.roles.clone().map(|names| names.0).unwrap_or_default();
    new.group.user_tier_access = args.tiers.clone().map(|names| names.0).unwrap_or_default();
    for name in &args.tools {
        let known = super::tool::definition(core, name)?;
        must_fit(known, &new.group)?;
        new.tools.push(core.new_tool(&new.group.id, &known.tool));
    }
    core.store.create_groups(vec![new], by).await?;
    if args.json {
        return output::json(&json!({"server_code": args.code, "key": key.expose()}));
    }
    output::say(format_args!("made the group {}; its key (shown once):\n{}", args.code, key.expose()))
}

/// A tool that a group would never offer is not added to it.
pub(super) fn must_fit(known: &Known, group: &Group) -> anyhow::Result<()> {
    if known.fits(group) {
        return Ok(());
    }
    let text = format!(
        "{} can reach anybody's data, and {} is subject-scoped: it would not be offered there. Use another group, or free this one with `anmei-mcp group set {} --subject-scoped false`",
        known.tool.name(),
        group.server_code,
        group.server_code
    );
    Err(Fault::new(exit::USAGE, text).into())
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let before = find(core, &args.code)?;
    let change = GroupChange {
        allowed_roles: args.roles.map(|names| names.0),
        user_tier_access: args.tiers.map(|names| names.0),
        subject_scoped: args.subject_scoped,
    };
    let (access, scope) = (change.allowed_roles.is_some() || change.user_tier_access.is_some(), change.subject_scoped);
    core.store.change_group(&args.code, change, super::by(core, None)).await?;
    let after = find(core, &args.code)?;
    if access {
        say_access(&after.group)?;
    }
    if let Some(subject_scoped) = scope {
        let seen = if subject_scoped { "only the customers of registrations in progress" } else { "everybody" };
        output::say(format_args!("the tools of {} see {seen}; in force for the next request", args.code))?;
    }
    let (offered, hidden) = (offered(core, &after), offered(core, &before));
    let hidden: Vec<_> = hidden.into_iter().filter(|name| !offered.contains(name)).collect();
    if hidden.is_empty() { Ok(()) } else { output::say(format_args!("not offered any more: {}", hidden.join(", "))) }
}

fn say_access(group: &Group) -> anyhow::Result<()> {
    let code = &group.server_code;
    if group.allowed_roles.is_empty() || group.user_tier_access.is_empty() {
        return output::say(format_args!("no account opens {code}: both a role and a tier must be listed; its key opens it"));
    }
    let (roles, tiers) = (group.allowed_roles.join(" or "), group.user_tier_access.join(" or "));
    output::say(format_args!("accounts with the role {roles} and the tier {tiers} open {code}; in force for the next request"))
}

async fn delete(core: &Core, code: &str, yes: bool) -> anyhow::Result<()> {
    let group = find(core, code)?;
    if !yes {
        let text = format!(
            "this deletes the group {code} with its keys and the settings of its {} tools; say --yes if that is meant",
            group.tools.len()
        );
        return Err(Fault::new(exit::USAGE, text).into());
    }
    core.store.delete_group(code, super::by(core, None)).await?;
    output::say(format_args!("deleted the group {code}; its keys are refused from the next request on"))
}

fn server_code(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if first && rest && text.len() <= 24 {
        Ok(text.into())
    } else {
        Err("a server code is 1 to 24 of a-z 0-9 _ -, the first a letter or digit".into())
    }
}
