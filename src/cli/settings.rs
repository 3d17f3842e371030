//! `settings`: list, get, set, reset and explain the runtime settings.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Fault, exit, output};
use crate::{
    app::Core,
    clock::rfc3339,
    config::{KeyInfo, Kind, Language},
    settings::{Given, InForce, as_json, as_typed, definition, definitions, kind_text},
};

/// Who changes settings here, as the database keeps it.
const BY: &str = "cli";
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
        /// Shows secrets instead of ***; that is logged
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
    },
    /// Returns settings to their defaults, all or none; in force at once
    Reset {
        /// The settings
        #[arg(required = true)]
        names: Vec<String>,
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
    match command {
        SettingsCommand::List { changed, json } => list(core, changed, json)?,
        SettingsCommand::Get { name, json, reveal } => get(core, &name, json, reveal)?,
        SettingsCommand::Set { changes, file } => set(core, &given(&changes, file.as_deref())?).await?,
        SettingsCommand::Reset { names } => reset(core, &names).await?,
        SettingsCommand::Explain { name, json } => return explain(name.as_deref(), json, core.config.language),
    }
    Ok(exit::OK)
}

fn list(core: &Core, changed: bool, as_json: bool) -> anyhow::Result<()> {
    let mut settings = core.settings.list()?;
    settings.retain(|setting| !changed || !setting.is_default);
    if as_json {
        return output::json(&settings.iter().map(facts).collect::<Vec<_>>());
    }
    for setting in &settings {
        warn_of(setting);
    }
    output::table(
        &["SETTING", "VALUE", "CHANGED BY", "CHANGED AT"],
        settings.into_iter().map(|setting| {
            let by = setting.changed_by.clone().unwrap_or_else(|| "-".into());
            vec![setting.name, row_text(&setting.value), by, output::moment(setting.changed_at)]
        }),
    )
}

fn facts(setting: &InForce) -> Value {
    json!({
        "name": setting.name, "value": setting.value, "is_default": setting.is_default, "changed_by": setting.changed_by,
        "changed_at": setting.changed_at.map(rfc3339), "unusable": setting.unusable,
    })
}

/// A stored value that is not used must not pass unseen.
fn warn_of(setting: &InForce) {
    if let Some(why) = &setting.unusable {
        output::aside(format_args!("warning: {}: the stored value is not used, its default is in force: {why}", setting.name));
    }
}

fn row_text(value: &Value) -> String {
    let text = if value.is_null() { "(unset)".to_owned() } else { as_typed(value).replace('\n', "⏎") };
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN - 1).chain(['…']).collect() }
}

fn get(core: &Core, name: &str, as_json: bool, reveal: bool) -> anyhow::Result<()> {
    let setting = if reveal { core.settings.reveal(name)? } else { core.settings.get(name)? };
    if as_json {
        return output::json(&facts(&setting));
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

async fn set(core: &Core, changes: &[(String, Given)]) -> anyhow::Result<()> {
    core.settings.set(changes, BY).await?;
    say_changed(core, changes.iter().map(|(name, _)| name))
}

async fn reset(core: &Core, names: &[String]) -> anyhow::Result<()> {
    core.settings.reset(names, BY).await?;
    say_changed(core, names.iter())
}

fn say_changed<'a>(core: &Core, names: impl Iterator<Item = &'a String>) -> anyhow::Result<()> {
    for name in names {
        let setting = core.settings.get(name)?;
        let default = if setting.is_default { " (default)" } else { "" };
        output::say(format_args!("{name} is {}{default}", row_text(&setting.value)))?;
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
        output::json(&chosen.iter().map(|info| as_json(info)).collect::<Vec<_>>())?;
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
