//! `group`: list, show, create, set, enable, disable, delete.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Fault, account, exit, fault, output};
use crate::{
    admin::calls::groups::{GroupEdit, GroupView, NewGroup, is_server_code},
    app::Core,
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
        GroupCommand::Enable { code } => switch(core, &code, true).await?,
        GroupCommand::Disable { code } => switch(core, &code, false).await?,
        GroupCommand::Delete { code, yes } => delete(core, &code, yes).await?,
    }
    Ok(exit::OK)
}

async fn switch(core: &Core, code: &str, enabled: bool) -> anyhow::Result<()> {
    let edit = GroupEdit { enabled: Some(enabled), ..GroupEdit::default() };
    core.calls(None).change_group(code, edit, None, &super::by(core, None)).await.map_err(fault)?;
    output::say(format_args!("{code} is {}; in force for the next request", if enabled { "enabled" } else { "disabled" }))
}

fn summary(group: &GroupView) -> Value {
    json!({
        "server_code": group.server_code, "name": group.name, "description": group.description, "enabled": group.enabled,
        "subject_scoped": group.subject_scoped, "tools": group.tools, "allowed_roles": group.allowed_roles,
        "user_tier_access": group.user_tier_access, "id": group.id, "created_at": group.created_at, "updated_at": group.updated_at,
    })
}

fn list(core: &Core, as_json: bool) -> anyhow::Result<()> {
    let groups = core.calls(None).groups().map_err(fault)?;
    if as_json {
        return output::json(&groups.iter().map(summary).collect::<Vec<_>>());
    }
    let rows = groups.into_iter().map(|group| {
        let tools = group.tools.join(", ");
        vec![group.server_code, group.name, output::yes(group.enabled), output::yes(group.subject_scoped), tools]
    });
    output::table(&["GROUP", "NAME", "ENABLED", "SUBJECT-SCOPED", "TOOLS"], rows)
}

fn show(core: &Core, code: &str, as_json: bool) -> anyhow::Result<()> {
    let detail = core.calls(None).group(code).map_err(fault)?;
    let group = &detail.group;
    if as_json {
        let mut value = summary(group);
        if let Some(object) = value.as_object_mut() {
            let tools: Vec<_> = detail
                .tool_policies
                .iter()
                .map(|tool| {
                    json!({
                        "tool_name": tool.tool_name, "enabled": tool.enabled, "timeout_seconds": tool.timeout_seconds,
                        "description": tool.description, "config_data": tool.config_data, "version": tool.definition_version,
                    })
                })
                .collect();
            object.insert("tool_policies".into(), tools.into());
            object.insert("keys".into(), detail.keys.iter().map(super::key::facts).collect());
        }
        return output::json(&value);
    }
    output::say(format_args!(
        "{} ({}) {}{}",
        group.server_code,
        group.name,
        if group.enabled { "enabled" } else { "disabled" },
        if group.subject_scoped { ", subject-scoped" } else { "" }
    ))?;
    output::say(format_args!("{}\n", group.description))?;
    say_access(group)?;
    output::say("")?;
    output::table(
        &["TOOL", "ENABLED", "TIMEOUT", "CONFIG"],
        detail.tool_policies.iter().map(|tool| {
            vec![
                tool.tool_name.clone(),
                output::yes(tool.enabled),
                format!("{} s", tool.timeout_seconds),
                Value::Object(tool.config_data.clone()).to_string(),
            ]
        }),
    )?;
    output::say("")?;
    output::table(&super::key::HEADINGS, detail.keys.iter().map(super::key::line))
}

async fn create(core: &Core, args: &CreateArgs) -> anyhow::Result<()> {
    let calls = core.calls(None);
    args.tools.iter().try_for_each(|name| calls.definition(name).map(drop)).map_err(fault)?;
    let new = NewGroup {
        server_code: args.code.clone(),
        name: args.name.clone(),
        description: args.description.clone(),
        tools: args.tools.clone(),
        subject_scoped: args.subject_scoped,
        allowed_roles: args.roles.clone().map(|names| names.0).unwrap_or_default(),
        user_tier_access: args.tiers.clone().map(|names| names.0).unwrap_or_default(),
    };
    let made = calls.create_group(&new, &super::by(core, None)).await.map_err(fault)?;
    let key = made.key.key.expose();
    if args.json {
        return output::json(&json!({"server_code": args.code, "key": key}));
    }
    output::say(format_args!("made the group {}; its key (shown once):\n{key}", args.code))
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let edit = GroupEdit {
        allowed_roles: args.roles.map(|names| names.0),
        user_tier_access: args.tiers.map(|names| names.0),
        subject_scoped: args.subject_scoped,
        ..GroupEdit::default()
    };
    let (access, scope) = (edit.allowed_roles.is_some() || edit.user_tier_access.is_some(), edit.subject_scoped);
    let changed = core.calls(None).change_group(&args.code, edit, None, &super::by(core, None)).await.map_err(fault)?;
    if access {
        say_access(&changed.group)?;
    }
    if let Some(subject_scoped) = scope {
        let seen = if subject_scoped { "only the customers of registrations in progress" } else { "everybody" };
        output::say(format_args!("the tools of {} see {seen}; in force for the next request", args.code))?;
    }
    let hidden = changed.hidden.join(", ");
    if hidden.is_empty() { Ok(()) } else { output::say(format_args!("not offered any more: {hidden}")) }
}

fn say_access(group: &GroupView) -> anyhow::Result<()> {
    let code = &group.server_code;
    if group.allowed_roles.is_empty() || group.user_tier_access.is_empty() {
        return output::say(format_args!("no account opens {code}: both a role and a tier must be listed; its key opens it"));
    }
    let (roles, tiers) = (group.allowed_roles.join(" or "), group.user_tier_access.join(" or "));
    output::say(format_args!("accounts with the role {roles} and the tier {tiers} open {code}; in force for the next request"))
}

async fn delete(core: &Core, code: &str, yes: bool) -> anyhow::Result<()> {
    let calls = core.calls(None);
    let group = calls.group(code).map_err(fault)?;
    if !yes {
        let text = format!(
            "this deletes the group {code} with its keys and the settings of its {} tools; say --yes if that is meant",
            group.tool_policies.len()
        );
        return Err(Fault::new(exit::USAGE, text).into());
    }
    calls.delete_group(code, None, &super::by(core, None)).await.map_err(fault)?;
    output::say(format_args!("deleted the group {code}; its keys are refused from the next request on"))
}

fn server_code(text: &str) -> Result<String, String> {
    if is_server_code(text) { Ok(text.into()) } else { Err("a server code is 1 to 24 of a-z 0-9 _ -, the first a letter or digit".into()) }
}
