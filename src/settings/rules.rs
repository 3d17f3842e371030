//! What settings must hold together, and the forms that a type cannot say.

use std::collections::BTreeSet;

use super::{
    channels,
    check::Refusal,
    definitions::definition,
    values::{Channel, Escalation, Notice, Settings, Welcome, WorkingHours},
};
use crate::config::web_url;

/// A rule that is broken: the settings it is about, what is wrong, and what is allowed.
struct Broken {
    about: &'static [&'static str],
    wrong: String,
    allowed: String,
}

/// The rules that `settings` break, each said of the first of its settings that is among `changed`.
pub(super) fn refusals(settings: &Settings, changed: &[&str]) -> Vec<Refusal> {
    let mut broken = welcome(&settings.welcome);
    broken.extend(notice(&settings.notice));
    broken.extend(channel_list("notice.channels", &settings.notice.channels));
    broken.extend(channel_list("alerts.channels", &settings.alerts.channels));
    broken.extend(escalation(&settings.escalation));
    broken.extend(working_hours(&settings.working_hours));
    let said = |broken: Broken| {
        let name = broken.about.iter().find(|name| changed.contains(*name))?;
        Some(Refusal::new(definition(name)?, broken.wrong).allowing(broken.allowed))
    };
    broken.into_iter().filter_map(said).collect()
}

fn one(name: &'static &'static str, wrong: impl Into<String>, allowed: impl Into<String>) -> Broken {
    Broken { about: std::slice::from_ref(name), wrong: wrong.into(), allowed: allowed.into() }
}

fn welcome(welcome: &Welcome) -> Vec<Broken> {
    let mut broken = Vec::new();
    if welcome.total_limit < welcome.deadline {
        broken.push(Broken {
            about: &["welcome.deadline", "welcome.total_limit"],
            wrong: format!("welcome.deadline would be {}, longer than welcome.total_limit, {}", welcome.deadline, welcome.total_limit),
            allowed: "a deadline that is not longer than the total limit; both can be set at once".to_owned(),
        });
    }
    if let Err(wrong) = placeholders(&welcome.static_text, &[]) {
        broken.push(one(&"welcome.static_text", wrong, "a text without placeholders: it is sent as it is"));
    }
    for (segment, template) in &welcome.segment_templates {
        let wrong = match placeholders(template, &["username", "concern"]) {
            _ if segment.trim().is_empty() => "a segment has no name".to_owned(),
            _ if template.trim().is_empty() => format!("the template of {segment} is empty"),
            Err(wrong) => format!("the template of {segment}: {wrong}"),
            Ok(_) => continue,
        };
        broken.push(one(
            &"welcome.segment_templates",
            wrong,
            "a JSON object of segments and their templates, with {username} and {concern} in them",
        ));
    }
    broken
}

fn notice(notice: &Notice) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (name, text, known) in [
        (&"notice.title", &notice.title, &[][..]),
        (&"notice.message", &notice.message, &["username"]),
        (&"notice.push_title", &notice.push_title, &[]),
        (&"notice.push_body", &notice.push_body, &["username"]),
    ] {
        if let Err(wrong) = placeholders(text, known) {
            let allowed = if known.is_empty() { "a text without placeholders" } else { "a text, with {username} in it or not" };
            broken.push(one(name, wrong, allowed));
        }
    }
    let Some(link) = &notice.link_template else { return broken };
    let wrong = match placeholders(link, &["conversation_id"]) {
        Err(wrong) => wrong,
        Ok(found) if found.is_empty() => "{conversation_id} is missing".to_owned(),
        Ok(_) => match web_url(&link.replace("{conversation_id}", "id")) {
            Err(wrong) => wrong,
            Ok(_) => return broken,
        },
    };
    broken.push(one(&"notice.link_template", wrong, "an http or https address with {conversation_id} in it"));
    broken
}

/// The placeholders of a text; an error names one that nobody fills.
fn placeholders<'a>(text: &'a str, known: &[&str]) -> Result<Vec<&'a str>, String> {
    let mut found = Vec::new();
    for part in text.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            return Err("a `{` is not closed by a `}`".to_owned());
        };
        if !known.contains(&name) {
            return Err(format!("{{{name}}} is not a placeholder that is filled here"));
        }
        found.push(name);
    }
    Ok(found)
}

fn channel_list(name: &'static str, list: &[Channel]) -> Vec<Broken> {
    let about: &'static &'static str = if name == "alerts.channels" { &"alerts.channels" } else { &"notice.channels" };
    let mut names = BTreeSet::new();
    let mut broken = Vec::new();
    for (at, channel) in list.iter().enumerate() {
        let entry = format!("entry {} ({})", at + 1, channel.name());
        if !names.insert(channel.name()) {
            broken.push(one(about, format!("{entry}: another channel has this name"), "channels with different names"));
        }
        if let Err((wrong, allowed)) = channels::check(channel) {
            broken.push(one(about, format!("{entry}: {wrong}"), allowed));
        }
    }
    broken
}

fn escalation(escalation: &Escalation) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut before = None;
    for (at, level) in escalation.levels.iter().enumerate() {
        let allowed = "levels by growing time, each after 1s to 168h";
        if !(1..=168 * 3_600).contains(&level.after.as_secs()) {
            broken.push(one(&"escalation.levels", format!("level {} comes after {}", at + 1, level.after), allowed));
        }
        if before.is_some_and(|before| level.after <= before) {
            broken.push(one(
                &"escalation.levels",
                format!("level {} comes after {}, not later than the one before it", at + 1, level.after),
                allowed,
            ));
        }
        before = Some(level.after);
    }
    broken
}

fn working_hours(hours: &WorkingHours) -> Vec<Broken> {
    let mut broken = Vec::new();
    if offset_minutes(&hours.utc_offset).is_none() {
        let wrong = format!("\"{}\" is not an offset from UTC", hours.utc_offset);
        broken.push(one(&"working_hours.utc_offset", wrong, "-12:00 to +14:00, written +HH:MM or -HH:MM"));
    }
    let repeated = hours.days.iter().enumerate().any(|(at, day)| hours.days.iter().skip(at + 1).any(|other| other == day));
    if repeated {
        broken.push(one(&"working_hours.days", "a day is named twice", "each day once: mon, tue, wed, thu, fri, sat, sun"));
    }
    let (from, to) = (minute_of_day(&hours.from), minute_of_day(&hours.to));
    for (name, text, minute) in [(&"working_hours.from", &hours.from, from), (&"working_hours.to", &hours.to, to)] {
        if minute.is_none() {
            broken.push(one(name, format!("\"{text}\" is not a time of day"), "00:00 to 24:00, written HH:MM"));
        }
    }
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        broken.push(Broken {
            about: &["working_hours.from", "working_hours.to"],
            wrong: format!("the working hours would begin at {} and end at {}", hours.from, hours.to),
            allowed: "a beginning before the end, on the same day; both can be set at once".to_owned(),
        });
    }
    broken
}

/// `+HH:MM` in minutes, within the offsets that are in use on earth.
fn offset_minutes(text: &str) -> Option<i32> {
    let (sign, rest) = text.strip_prefix('+').map(|rest| (1, rest)).or_else(|| text.strip_prefix('-').map(|rest| (-1, rest)))?;
    let minutes = sign * i32::try_from(minute_of_day(rest)?).ok()?;
    (-12 * 60..=14 * 60).contains(&minutes).then_some(minutes)
}

/// `HH:MM` in minutes since midnight; `24:00` is the end of the day.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}
