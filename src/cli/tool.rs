//! `tool`: list, show, enable, disable, set, alias, stale, call.

mod alias;
mod stale;

use std::io::Read;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Fault, exit, fault, output};
use crate::{
    admin::calls::tools::{Attempt, ToolEdit},
    app::Core,
    dispatch::{Channel, Client},
};

#[derive(Debug, Subcommand)]
pub(super) enum ToolCommand {
    /// Tools, by group
    List {
        /// Only this group
        #[arg(long, value_name = "CODE")]
        group: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What a tool is: description, arguments, result
    Show {
        /// Name of the tool
        name: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Offers a tool in a group, adding it if the group does not have it
    Enable {
        /// Server code of the group
        code: String,
        /// Name of the tool
        name: String,
    },
    /// Hides and refuses a tool in a group
    Disable {
        /// Server code of the group
        code: String,
        /// Name of the tool
        name: String,
    },
    /// Changes how a group offers a tool
    Set(SetArgs),
    /// Lets a group answer calls of an old name, until a sunset
    Alias(alias::AliasArgs),
    /// Who still calls what is no longer offered as it was
    Stale(stale::StaleArgs),
    /// Calls a tool as the group would, through the same dispatch
    Call(CallArgs),
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Server code of the group
    code: String,
    /// Name of the tool
    name: String,
    /// Limit of one call in seconds
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=300))]
    timeout: Option<u32>,
    /// Another description; an empty one goes back to the tool's own
    #[arg(long)]
    description: Option<String>,
    /// Configuration as a JSON object, such as '{"allow_contact":true}'
    #[arg(long, value_parser = object)]
    config_data: Option<Object>,
}

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// Server code of the group
    code: String,
    /// Name of the tool
    name: String,
    /// Arguments as a JSON object; - reads them from stdin
    #[arg(long, short, default_value = "{}")]
    arguments: String,
}

#[derive(Debug, Clone)]
struct Object(Map<String, Value>);

pub(super) async fn run(command: ToolCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        ToolCommand::List { group, json } => list(core, group.as_deref(), json)?,
        ToolCommand::Show { name, json } => show(core, &name, json)?,
        ToolCommand::Enable { code, name } => enable(core, &code, &name).await?,
        ToolCommand::Disable { code, name } => {
            change(core, &code, &name, ToolEdit { enabled: Some(false), ..ToolEdit::default() }).await?;
        }
        ToolCommand::Set(args) => set(core, args).await?,
        ToolCommand::Alias(args) => alias::run(args, core).await?,
        ToolCommand::Stale(args) => stale::run(&args, core)?,
        ToolCommand::Call(args) => return call(core, &args).await,
    }
    Ok(exit::OK)
}

fn list(core: &Core, only: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let tools = core.calls(None).tool_policies(only).map_err(fault)?;
    if as_json {
        return output::json(&tools.iter().map(|tool| json!({
            "server_code": tool.server_code, "tool_name": tool.tool_name, "enabled": tool.enabled, "timeout_seconds": tool.timeout_seconds,
            "version": tool.definition_version, "description": tool.description, "config_data": tool.config_data,
        })).collect::<Vec<_>>());
    }
    output::table(
        &["GROUP", "TOOL", "ENABLED", "TIMEOUT", "TITLE"],
        tools.into_iter().map(|tool| {
            let title = if tool.known { tool.title } else { "(not in this version)".into() };
            vec![tool.server_code, tool.tool_name, output::yes(tool.enabled), format!("{} s", tool.timeout_seconds), title]
        }),
    )
}

fn show(core: &Core, name: &str, as_json: bool) -> anyhow::Result<()> {
    let docs = core.calls(None).tool(name).map_err(fault)?;
    if as_json {
        return output::json(&json!({
            "name": docs.name, "title": docs.title, "description": docs.description, "category": docs.category, "version": docs.version,
            "inputSchema": docs.input_schema, "outputSchema": docs.output_schema, "example": docs.example,
            "config": docs.switches.iter().map(|switch| (switch.name.clone(), Value::from(&*switch.meaning))).collect::<Map<_, _>>(),
        }));
    }
    output::say(format_args!("{} · {}\n{}\n", docs.name, docs.title, docs.description))?;
    let outer = docs.arguments.iter().filter(|argument| !argument.name.contains('.'));
    let rows = outer.map(|one| vec![one.name.clone(), one.kind.clone(), output::yes(one.required), one.description.clone()]);
    output::table(&["ARGUMENT", "TYPE", "REQUIRED", "MEANING"], rows)?;
    for switch in &docs.switches {
        output::say(format_args!("\nconfig_data.{}: {}", switch.name, switch.meaning))?;
    }
    output::say(format_args!("\nExample: {}", docs.example))
}

async fn enable(core: &Core, code: &str, name: &str) -> anyhow::Result<()> {
    let (added, _) = core.calls(None).offer_tool(code, name, &super::by(core, None)).await.map_err(fault)?;
    if added { output::say(format_args!("added {name} to {code}; in force for the next request")) } else { changed(code, name) }
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    core.calls(None).definition(&args.name).map_err(fault)?;
    let edit = ToolEdit {
        enabled: None,
        timeout_seconds: args.timeout,
        description: args.description,
        config_data: args.config_data.map(|Object(config)| config),
    };
    if edit == ToolEdit::default() {
        return Err(Fault::new(exit::USAGE, "nothing to change: give --timeout, --description or --config-data").into());
    }
    change(core, &args.code, &args.name, edit).await
}

async fn change(core: &Core, code: &str, name: &str, edit: ToolEdit) -> anyhow::Result<()> {
    core.calls(None).change_tool((code, name), edit, None, &super::by(core, None)).await.map_err(fault)?;
    changed(code, name)
}

fn changed(code: &str, name: &str) -> anyhow::Result<()> {
    output::say(format_args!("changed {name} in {code}; in force for the next request"))
}

async fn call(core: &Core, args: &CallArgs) -> anyhow::Result<u8> {
    let calls = core.calls(None);
    calls.group_policy(&args.code).map_err(fault)?;
    let text = if args.arguments == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        text
    } else {
        args.arguments.clone()
    };
    let Object(arguments) = object(&text).map_err(|why| Fault::new(exit::USAGE, format!("--arguments: {why}")))?;
    let client = Client { channel: Channel::Cli, protocol: "".into(), name: None, app_id: None };
    let Attempt { outcome, result, error, note, .. } = calls.call_tool((&args.code, &args.name), arguments, client).await.map_err(fault)?;
    if let Some(note) = note {
        output::aside(note);
    }
    let error = error.unwrap_or_default();
    match outcome.as_str() {
        "ok" => {
            output::json(&result)?;
            Ok(exit::OK)
        }
        "unknown_tool" => Err(Fault::new(exit::NOT_FOUND, error).into()),
        _ => Err(Fault::new(exit::FAILURE, error).into()),
    }
}

fn object(text: &str) -> Result<Object, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Object(object)),
        Ok(_) => Err("a JSON object is expected, such as {\"limit\":3}".into()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}
