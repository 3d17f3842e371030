//! `group`: list, show, create, enable, disable, delete.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, exit, output};
use crate::{app::Core, clock::rfc3339, dispatch::defaults::DefaultGroup, gate::GroupPolicy};

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
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: GroupCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        GroupCommand::List { json } => list(core, json)?,
        GroupCommand::Show { code, json } => show(core, &code, json)?,
        GroupCommand::Create(args) => create(core, &args).await?,
        GroupCommand::Enable { code } => {
            core.store.set_group_enabled(&code, true, core.clock.now_ms()).await?;
            output::say(format_args!("{code} is enabled; in force for the next request"))?;
        }
        GroupCommand::Disable { code } => {
            core.store.set_group_enabled(&code, false, core.clock.now_ms()).await?;
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

fn summary(group: &GroupPolicy) -> Value {
    let enabled: Vec<_> = group.tools.iter().filter(|tool| tool.enabled).map(|tool| &tool.tool_name).collect();
    json!({
        "server_code": group.group.server_code, "name": group.group.name, "description": group.group.description,
        "enabled": group.group.enabled, "tools": enabled, "allowed_roles": group.group.allowed_roles,
        "user_tier_access": group.group.user_tier_access, "id": group.group.id,
        "created_at": rfc3339(group.group.created_at), "updated_at": rfc3339(group.group.updated_at),
    })
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let policy = core.gate.policy().current()?;
    if as_json {
        return output::json(&policy.groups().iter().map(|group| summary(group)).collect::<Vec<_>>());
    }
    let rows = policy.groups().iter().map(|group| {
        let names: Vec<_> = group.tools.iter().filter(|tool| tool.enabled).map(|tool| tool.tool_name.as_str()).collect();
        vec![group.group.server_code.clone(), group.group.name.clone(), output::yes(group.group.enabled), names.join(", ")]
    });
    output::table(&["GROUP", "NAME", "ENABLED", "TOOLS"], rows)
}

fn show(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let group = find(core, code)?;
    let rows = core.store.policy()?;
    let keys: Vec<_> = rows.keys.iter().filter(|key| key.group_id == group.group.id).collect();
    if as_json {
        let mut value = summary(&group);
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
            object.insert("keys".into(), keys.iter().map(|key| super::key::facts(key)).collect());
        }
        return output::json(&value);
    }
    output::say(format_args!(
        "{} ({}) {}",
        group.group.server_code,
        group.group.name,
        if group.group.enabled { "enabled" } else { "disabled" }
    ))?;
    output::say(format_args!("{}\n", group.group.description))?;
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
    output::table(
        &["KEY", "NAME", "STATE", "CREATED", "LAST USED"],
        keys.iter().map(|key| {
            vec![
                format!("…{}", key.hint),
                key.name.clone(),
                super::key::state(key, core.clock.now_ms()),
                rfc3339(key.created_at),
                output::moment(key.last_used_at),
            ]
        }),
    )
}

async fn create(core: &Core, args: &CreateArgs) -> anyhow::Result<()> {
    for tool in &args.tools {
        super::tool::definition(core, tool)?;
    }
    let tools: Vec<&str> = args.tools.iter().map(String::as_str).collect();
    // The shape of a default group borrows for ever; a group from the command line is filled in afterwards.
    let empty = DefaultGroup { server_code: "", name: "", description: "", tiers: &[], roles: &[], tools: &[] };
    let (mut new, key) = core.new_group(&empty, "cli")?;
    new.group.server_code.clone_from(&args.code);
    new.group.name = args.name.clone().unwrap_or_else(|| args.code.clone());
    new.group.description.clone_from(&args.description);
    for name in tools {
        new.tools.push(core.new_tool(&new.group.id, &super::tool::definition(core, name)?.tool));
    }
    core.store.create_groups(vec![new]).await?;
    if args.json {
        return output::json(&json!({"server_code": args.code, "key": key.expose()}));
    }
    output::say(format_args!("made the group {}; its key (shown once):\n{}", args.code, key.expose()))
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
    core.store.delete_group(code).await?;
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
