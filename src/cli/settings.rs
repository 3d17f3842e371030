//! `settings`: list, get, set, reset and explain the runtime settings.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;

use super::{Fault, by, exit, output};
use crate::{
    admin::{
        CallError, Calls,
        calls::settings::{SettingView, SettingsChanged},
    },
    app::Core,
    config::{KeyInfo, Kind, Language},
    settings::{Edit, Given, as_typed, definition, definitions, describe, example_line, kind_text},
    store::audit::By,
};

/// Longest value of a table's row; `get` and `--json` show all of it.
const SHOWN: usize = 60;

#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// Every setting with its value in force, and who changed it
    List {
        /// Only those that differ from their defaults
        #[arg(long)]
        changed: bool,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Prints a setting's value in force
    Get {
        /// The setting, such as welcome.deadline
        name: String,
        /// For programs
        #[arg(long)]
        json: bool,
        /// Shows secrets instead of ***; that is a row of the audit log
        #[arg(long)]
        reveal: bool,
    },
    /// Changes settings, all or none; in force at once
    Set {
        /// Settings with their values, such as welcome.deadline=3s; with --file one name alone
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// Reads the value from a file, or from stdin when it is `-`: for long texts, and for secrets
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Returns settings to their defaults, all or none; in force at once
    Reset {
        /// The settings
        #[arg(required = true)]
        names: Vec<String>,
        /// Why, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Says what a setting means, what it may hold and its default; without a name, of every setting
    Explain {
        /// The setting
        name: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: SettingsCommand, core: &Core) -> anyhow::Result<u8> {
    let calls = core.calls(None);
    match command {
        SettingsCommand::List { changed, json } => list(&calls, changed, json)?,
        SettingsCommand::Get { name, json, reveal } => get(&calls, &name, json, reveal.then(|| by(core, None))).await?,
        SettingsCommand::Set { changes, file, reason } => {
            let changes = given(&changes, file.as_deref())?;
            set(&calls, changes, &by(core, reason.as_deref())).await?;
        }
        SettingsCommand::Reset { names, reason } => {
            let defaults = names.into_iter().map(|name| (name, Given::Value(Value::Null)));
            set(&calls, defaults.collect(), &by(core, reason.as_deref())).await?;
        }
        SettingsCommand::Explain { name, json } => return explain(name.as_deref(), json, core.config.language),
    }
    Ok(exit::OK)
}

fn list(calls: &Calls, changed: bool, as_json: bool) -> anyhow::Result<()> {
    let sections = calls.list_settings()?;
    let settings = sections.into_iter().flat_map(|section| section.settings).map(|defined| defined.setting);
    let settings: Vec<SettingView> = settings.filter(|setting| !changed || !setting.is_default).collect();
    if as_json {
        return output::json(&settings);
    }
    for setting in &settings {
        warn_of(setting);
    }
    output::table(
        &["SETTING", "VALUE", "CHANGED BY", "CHANGED AT"],
        settings.into_iter().map(|setting| {
            let unset = || "-".to_owned();
            let (by, at) = (setting.changed_by.unwrap_or_else(unset), setting.changed_at.unwrap_or_else(unset));
            vec![setting.name, row_text(&setting.value), by, at]
        }),
    )
}

/// A stored value that is not used must not pass unseen.
fn warn_of(setting: &SettingView) {
    if let Some(why) = &setting.unusable {
        output::aside(format_args!("warning: {}: the stored value is not used, its default is in force: {}", setting.name, why.en));
    }
}

fn row_text(value: &Value) -> String {
    let text = if value.is_null() { "(unset)".to_owned() } else { as_typed(value).replace('\n', "⏎") };
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN - 1).chain(['…']).collect() }
}

/// Shows one setting; with its secrets to whoever asks for them.
async fn get(calls: &Calls, name: &str, as_json: bool, reveal: Option<By>) -> anyhow::Result<()> {
    let setting = match reveal {
        Some(by) => calls.reveal_setting(name, &by).await?,
        None => calls.get_setting(name)?.setting,
    };
    if as_json {
        return output::json(&setting);
    }
    warn_of(&setting);
    match &setting.value {
        Value::Null => Ok(()),
        value => output::say(as_typed(value)),
    }
}

/// The changes as they were typed; with a file, the value of the one name without `=`.
fn given(changes: &[String], file: Option<&Path>) -> anyhow::Result<Vec<(String, Given)>> {
    if let Some(file) = file {
        let [name] = changes else {
            return Err(usage(
                "--file gives the value of one setting: name it alone, such as `settings set welcome.static_text --file welcome.txt`",
            ));
        };
        if name.contains('=') {
            return Err(usage(format!("{name} has a value, and so has --file; leave out one of the two")));
        }
        return Ok(vec![(name.trim().to_owned(), Given::Text(text_of(file)?))]);
    }
    let change = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), Given::Text(value.to_owned()))),
        None => Err(usage(format!("{text} has no value; write NAME=VALUE, such as welcome.deadline=3s, or give --file"))),
    };
    changes.iter().map(change).collect()
}

fn usage(text: impl Into<String>) -> anyhow::Error {
    Fault::new(exit::USAGE, text).into()
}

/// A file's text without the line break that editors put at its end.
fn text_of(file: &Path) -> anyhow::Result<String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("cannot read the value from stdin")?;
        text
    } else {
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let bare = text.strip_suffix('\n').unwrap_or(&text);
    Ok(bare.strip_suffix('\r').unwrap_or(bare).to_owned())
}

async fn set(calls: &Calls, changes: Vec<(String, Given)>, by: &By) -> anyhow::Result<()> {
    for (name, _) in &changes {
        calls.get_setting(name)?;
    }
    let edits: Vec<Edit> = changes.into_iter().map(|(name, given)| Edit { name, given, seen: None }).collect();
    let changed = calls.change_settings(&edits, by).await.map_err(told)?;
    say_changed(&changed)
}

/// What is wrong with each setting, with a value that would be right, as it is typed.
fn told(error: CallError) -> anyhow::Error {
    let CallError::Invalid(fields) = error else { return error.into() };
    let line = |field: crate::admin::Field| {
        let name = field.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        let example = definition(name).and_then(example_line).map(|line| format!(". Example: {line}")).unwrap_or_default();
        format!("{name}: {}{example}", field.text.en)
    };
    usage(fields.into_iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn say_changed(changed: &SettingsChanged) -> anyhow::Result<()> {
    for setting in &changed.settings {
        let default = if setting.is_default { " (default)" } else { "" };
        output::say(format_args!("{} is {}{default}", setting.name, row_text(&setting.value)))?;
    }
    output::say("in force at once, for the next piece of work in every process")
}

/// Says what settings mean. Needs no database.
pub(super) fn explain(name: Option<&str>, json: bool, language: Language) -> anyhow::Result<u8> {
    let chosen: Vec<&KeyInfo> = match name {
        None => definitions().keys().collect(),
        Some(name) => vec![definition(name).ok_or_else(|| {
            let meant = definitions().meant(name).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            Fault::new(exit::NOT_FOUND, format!("there is no setting {name}{meant}"))
        })?],
    };
    if json {
        output::json(&chosen.iter().map(|info| describe(info)).collect::<Vec<_>>())?;
    } else {
        let texts: Vec<String> = chosen.iter().map(|info| meaning(info, language)).collect();
        output::say(texts.join("\n\n"))?;
    }
    Ok(exit::OK)
}

/// A setting for people: its meaning, its words, its range, its default.
fn meaning(info: &KeyInfo, language: Language) -> String {
    let labels = match language {
        Language::En => ["Kind", "Range", "Default", "unset", "Example"],
        Language::ZhCn => ["类型", "范围", "默认", "未设置", "示例"],
    };
    let [kind, range, default, unset, example] = labels;
    let mut lines = vec![info.key.clone(), format!("  {}", info.doc.of(language))];
    lines.push(format!("  {kind}: {}", kind_text(&info.kind, language)));
    let entry = if let Kind::List(entry) = &info.kind { entry.as_ref() } else { &info.kind };
    if let Kind::Choice(words) = entry {
        lines.extend(words.iter().map(|word| format!("    {}: {}", word.word, word.doc.of(language))));
    }
    lines.extend(info.range_text(language).map(|text| format!("  {range}: {text}")));
    let value = if info.default.is_null() { unset.to_owned() } else { as_typed(&info.default).replace('\n', "\n    ") };
    lines.push(format!("  {default}: {value}"));
    lines.extend(info.example.as_ref().map(|value| format!("  {example}: {}", as_typed(value))));
    lines.join("\n")
}
