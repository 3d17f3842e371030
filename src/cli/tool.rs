//! `tool`: list, show, enable, disable, set, alias, stale, call.

mod alias;
pub(super) mod stale;

use std::{io::Read, sync::Arc};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Fault, exit, group, output};
use crate::{
    app::Core,
    dispatch::{Call, Channel, Client, Known, NobodyAsked, Outcome},
    store::policy::ToolChange,
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
            change(core, &code, &name, ToolChange { enabled: Some(false), ..ToolChange::default() }).await?;
        }
        ToolCommand::Set(args) => set(core, args).await?,
        ToolCommand::Alias(args) => alias::run(args, core).await?,
        ToolCommand::Stale(args) => stale::run(&args, core)?,
        ToolCommand::Call(args) => return call(core, &args).await,
    }
    Ok(exit::OK)
}

/// The tool of this binary called `name`, or what there is.
pub(super) fn definition<'a>(core: &'a Core, name: &str) -> anyhow::Result<&'a Arc<Known>> {
    let catalogue = core.dispatch.catalogue();
    catalogue.definition(name).ok_or_else(|| {
        let names: Vec<_> = catalogue.known().iter().map(|known| known.tool.name()).collect();
        Fault::new(exit::NOT_FOUND, format!("there is no tool {name}; there are: {}", names.join(", "))).into()
    })
}

fn list(core: &Core, only: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    if let Some(code) = only {
        group::find(core, code)?;
    }
    let policy = core.gate.policy().current()?;
    let groups = policy.groups().iter().filter(|group| only.is_none_or(|code| group.group.server_code == code));
    let rows = groups.flat_map(|group| group.tools.iter().map(move |tool| (group, tool)));
    if as_json {
        return output::json(&rows.map(|(group, tool)| json!({
            "server_code": group.group.server_code, "tool_name": tool.tool_name, "enabled": tool.enabled, "timeout_seconds": tool.timeout_seconds,
            "version": tool.version, "description": tool.description, "config_data": tool.config_data,
        })).collect::<Vec<_>>());
    }
    output::table(
        &["GROUP", "TOOL", "ENABLED", "TIMEOUT", "TITLE"],
        rows.map(|(group, tool)| {
            let title = core
                .dispatch
                .catalogue()
                .definition(&tool.tool_name)
                .map_or("(not in this version)", |known| known.tool.definition.about.title);
            vec![
                group.group.server_code.clone(),
                tool.tool_name.clone(),
                output::yes(tool.enabled),
                format!("{} s", tool.timeout_seconds),
                title.into(),
            ]
        }),
    )
}

fn show(core: &Core, name: &str, as_json: bool) -> anyhow::Result<()> {
    let definition = &definition(core, name)?.tool.definition;
    let about = &definition.about;
    if as_json {
        return output::json(&json!({
            "name": about.name, "title": about.title, "description": about.description, "category": about.category, "version": about.version,
            "inputSchema": definition.input_schema, "outputSchema": definition.output_schema, "example": definition.example,
            "config": about.config.iter().map(|(name, meaning)| ((*name).to_owned(), Value::from(*meaning))).collect::<Map<_, _>>(),
        }));
    }
    output::say(format_args!("{} · {}\n{}\n", about.name, about.title, about.description))?;
    output::table(&["ARGUMENT", "TYPE", "REQUIRED", "MEANING"], arguments(&definition.input_schema))?;
    for (name, meaning) in about.config {
        output::say(format_args!("\nconfig_data.{name}: {meaning}"))?;
    }
    output::say(format_args!("\nExample: {}", definition.example))
}

fn arguments(schema: &Map<String, Value>) -> Vec<Vec<String>> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let required = |name: &String| schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let rows = properties.into_iter().flatten();
    rows.map(|(name, schema)| vec![name.clone(), text(schema, "type"), output::yes(required(name)), text(schema, "description")]).collect()
}

async fn enable(core: &Core, code: &str, name: &str) -> anyhow::Result<()> {
    let known = definition(core, name)?;
    let group = group::find(core, code)?;
    group::must_fit(known, &group.group)?;
    if group.tools.iter().any(|tool| tool.tool_name == name) {
        return change(core, code, name, ToolChange { enabled: Some(true), ..ToolChange::default() }).await;
    }
    core.store.add_tool(core.new_tool(&group.group.id, &known.tool), super::by(core, None)).await?;
    output::say(format_args!("added {name} to {code}; in force for the next request"))
}

async fn set(core: &Core, args: SetArgs) -> anyhow::Result<()> {
    let known = definition(core, &args.name)?;
    if let Some(Object(config)) = &args.config_data {
        check_config(known, config)?;
    }
    let change_ = ToolChange {
        enabled: None,
        timeout_seconds: args.timeout,
        description: args.description.map(|text| Some(text).filter(|text| !text.is_empty())),
        config_data: args.config_data.map(|Object(config)| config),
    };
    if change_.timeout_seconds.is_none() && change_.description.is_none() && change_.config_data.is_none() {
        return Err(Fault::new(exit::USAGE, "nothing to change: give --timeout, --description or --config-data").into());
    }
    change(core, &args.code, &args.name, change_).await
}

/// A misspelt switch would silently stay off.
fn check_config(known: &Known, config: &Map<String, Value>) -> anyhow::Result<()> {
    let about = &known.tool.definition.about;
    for (name, value) in config {
        let switch = about.config.iter().any(|(known, _)| known == name);
        if !switch || !value.is_boolean() {
            let names: Vec<_> = about.config.iter().map(|(name, _)| *name).collect();
            let allowed = if names.is_empty() { "none".into() } else { names.join(", ") };
            return Err(Fault::new(
                exit::USAGE,
                format!("{} has no switch `{name}` with this value; its switches (true or false) are: {allowed}", about.name),
            )
            .into());
        }
    }
    Ok(())
}

async fn change(core: &Core, code: &str, name: &str, change: ToolChange) -> anyhow::Result<()> {
    let group = group::find(core, code)?;
    core.store.change_tool(&group.group.id, name, change, super::by(core, None)).await?;
    output::say(format_args!("changed {name} in {code}; in force for the next request"))
}

async fn call(core: &Core, args: &CallArgs) -> anyhow::Result<u8> {
    group::find(core, &args.code)?;
    let text = if args.arguments == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        text
    } else {
        args.arguments.clone()
    };
    let Object(arguments) = object(&text).map_err(|why| Fault::new(exit::USAGE, format!("--arguments: {why}")))?;
    let caller = core.gate.admit_local(&args.code).map_err(|refusal| Fault::new(exit::FAILURE, refusal.problem().detail))?;
    let client = Client { channel: Channel::Cli, protocol: "".into(), name: None, app_id: None, traced: None };
    let outcome =
        core.dispatch.call(Call { caller: &caller, tool: &args.name, arguments: Some(arguments), client, progress: &NobodyAsked }).await;
    let (outcome, note) = outcome.and_note();
    if let Some(note) = note {
        output::aside(note.text);
    }
    match outcome {
        Outcome::Answer(json) => {
            output::json(&serde_json::from_str::<Value>(&json)?)?;
            Ok(exit::OK)
        }
        Outcome::Failed(text) => Err(Fault::new(exit::FAILURE, text).into()),
        Outcome::UnknownTool(text) => Err(Fault::new(exit::NOT_FOUND, text).into()),
        Outcome::Limited(exceeded) => Err(Fault::new(exit::FAILURE, exceeded.to_string()).into()),
        Outcome::Noted(..) => Err(Fault::new(exit::FAILURE, "an answer has one note").into()),
    }
}

fn object(text: &str) -> Result<Object, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Object(object)),
        Ok(_) => Err("a JSON object is expected, such as {\"limit\":3}".into()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}
