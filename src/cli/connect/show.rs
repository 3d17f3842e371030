//! What people and programs read of it.

use super::Outcome;
use crate::cli::output;

pub(super) fn json(outcome: &Outcome) -> anyhow::Result<()> {
    output::json(&outcome.value()?)
}

pub(super) fn text(outcome: &Outcome) -> anyhow::Result<()> {
    match &outcome.installed {
        Some(_) => installed(outcome)?,
        None => pieces(outcome)?,
    }
    for note in &outcome.pieces.notes {
        output::say(format_args!("* {note}"))?;
    }
    for checked in outcome.checked.iter().flatten() {
        output::say(checked)?;
    }
    Ok(())
}

fn installed(outcome: &Outcome) -> anyhow::Result<()> {
    let Some(installed) = &outcome.installed else { return Ok(()) };
    let names: Vec<&str> = outcome.pieces.entries.iter().map(|entry| entry.name.as_str()).collect();
    let (path, names) = (installed.path.display(), names.join(", "));
    if !installed.changed {
        output::say(format_args!("{path} holds {names} already"))?;
    } else if let Some(backup) = &installed.backup {
        output::say(format_args!("put {names} into {path}; as it was: {}", backup.display()))?;
    } else {
        output::say(format_args!("made {path} with {names}"))?;
    }
    if !installed.kept.is_empty() {
        output::say(format_args!("the keys that stood there stay, because no others can be shown: {}", installed.kept.join(", ")))?;
    }
    if installed.exposed && !outcome.pieces.entries.is_empty() {
        output::aside(format_args!("warning: other accounts on this machine may read {path}, which may hold keys. Run: chmod 600 {path}"));
    }
    // What the host asks for is not in its file.
    fields(outcome)
}

fn pieces(outcome: &Outcome) -> anyhow::Result<()> {
    let commands = outcome.pieces.entries.iter().flat_map(|entry| &entry.commands);
    for command in commands {
        output::say(command)?;
    }
    if let Some(file) = &outcome.pieces.file {
        let place = match &outcome.file {
            Some(path) => format!("{} (--write puts it there)", path.display()),
            None => "to be pasted or imported".to_owned(),
        };
        output::say(format_args!("\n# {place}\n{}", file.text().trim_end()))?;
    }
    let links = outcome.pieces.entries.iter().filter_map(|entry| Some((&entry.name, entry.link.as_ref()?)));
    for (name, link) in links {
        output::say(format_args!("\n# {name}\n{link}"))?;
    }
    if let Some(link) = &outcome.pieces.link {
        output::say(format_args!("\n# all of them\n{link}"))?;
    }
    fields(outcome)
}

fn fields(outcome: &Outcome) -> anyhow::Result<()> {
    for entry in outcome.pieces.entries.iter().filter(|entry| !entry.fields.is_empty()) {
        output::say(format_args!("\n# {}", entry.name))?;
        for field in &entry.fields {
            output::say(format_args!("{}: {}", field.name, field.value))?;
        }
    }
    Ok(())
}
