//! What settings must hold together, and the forms that a type cannot say.

use std::collections::BTreeSet;

use super::{
    channels,
    check::Refusal,
    definitions::definition,
    values::{Channel, Escalation, Notice, Settings, Welcome, WorkingHours},
};
use crate::config::{Bilingual, web_url};

/// A rule that is broken: the settings it is about, where in the value, what is wrong, and what is allowed.
struct Broken {
    about: &'static [&'static str],
    place: String,
    wrong: Bilingual,
    allowed: Bilingual,
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
        Some(Refusal::new(definition(name)?, broken.wrong).allowing(broken.allowed).at(broken.place))
    };
    broken.into_iter().filter_map(said).collect()
}

fn one(name: &'static &'static str, wrong: Bilingual, allowed: (&str, &str)) -> Broken {
    Broken { about: std::slice::from_ref(name), place: String::new(), wrong, allowed: Bilingual::new(allowed.0, allowed.1) }
}

fn welcome(welcome: &Welcome) -> Vec<Broken> {
    let mut broken = Vec::new();
    if welcome.total_limit < welcome.deadline {
        let (deadline, limit) = (welcome.deadline, welcome.total_limit);
        broken.push(Broken {
            about: &["welcome.deadline", "welcome.total_limit"],
            place: String::new(),
            wrong: Bilingual::new(
                format!("welcome.deadline 将为 {deadline}，长于 welcome.total_limit 的 {limit}"),
                format!("welcome.deadline would be {deadline}, longer than welcome.total_limit, {limit}"),
            ),
            allowed: Bilingual::new(
                "不长于 welcome.total_limit 的时限；两项可以同时修改",
                "a deadline that is not longer than the total limit; both can be set at once",
            ),
        });
    }
    if let Err(wrong) = placeholders(&welcome.static_text, &[]) {
        let allowed = ("不含占位符的文本：原样发送", "a text without placeholders: it is sent as it is");
        broken.push(one(&"welcome.static_text", wrong, allowed));
    }
    broken.extend(welcome.segment_templates.iter().filter_map(|(segment, template)| segment_template(segment, template)));
    broken
}

fn segment_template(segment: &str, template: &str) -> Option<Broken> {
    let wrong = match placeholders(template, &["username", "concern"]) {
        _ if segment.trim().is_empty() => Bilingual::new("有一个客群没有名称", "a segment has no name"),
        _ if template.trim().is_empty() => {
            Bilingual::new(format!("客群 {segment} 的模板为空"), format!("the template of {segment} is empty"))
        }
        Err(wrong) => Bilingual::new(format!("客群 {segment} 的模板：{}", wrong.zh), format!("the template of {segment}: {}", wrong.en)),
        Ok(_) => return None,
    };
    let allowed = (
        "由客群及其模板组成的 JSON 对象，模板中可用 {username} 与 {concern}",
        "a JSON object of segments and their templates, with {username} and {concern} in them",
    );
    let place = format!("/{}", segment.replace('~', "~0").replace('/', "~1"));
    Some(Broken { place, ..one(&"welcome.segment_templates", wrong, allowed) })
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
            let allowed = if known.is_empty() {
                ("不含占位符的文本", "a text without placeholders")
            } else {
                ("文本，可含 {username}", "a text, with {username} in it or not")
            };
            broken.push(one(name, wrong, allowed));
        }
    }
    broken.extend(notice.link_template.as_deref().and_then(link_template));
    broken
}

fn link_template(link: &str) -> Option<Broken> {
    let wrong = match placeholders(link, &["conversation_id"]) {
        Err(wrong) => wrong,
        Ok(found) if found.is_empty() => Bilingual::new("缺少 {conversation_id}", "{conversation_id} is missing"),
        Ok(_) => match web_url(&link.replace("{conversation_id}", "id")) {
            Err(wrong) => Bilingual::new(format!("“{link}”不是 http 或 https 地址"), wrong),
            Ok(_) => return None,
        },
    };
    let allowed = ("含有 {conversation_id} 的 http 或 https 地址", "an http or https address with {conversation_id} in it");
    Some(one(&"notice.link_template", wrong, allowed))
}

/// The placeholders of a text; an error names one that nobody fills.
fn placeholders<'a>(text: &'a str, known: &[&str]) -> Result<Vec<&'a str>, Bilingual> {
    let mut found = Vec::new();
    for part in text.split('{').skip(1) {
        let Some((name, _)) = part.split_once('}') else {
            return Err(Bilingual::new("有一个 `{` 没有以 `}` 结束", "a `{` is not closed by a `}`"));
        };
        if !known.contains(&name) {
            return Err(Bilingual::new(
                format!("{{{name}}} 不是这里可用的占位符"),
                format!("{{{name}}} is not a placeholder that is filled here"),
            ));
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
        let mut refuse = |field: &str, (zh, en): (&str, &str), allowed| {
            let (n, name) = (at + 1, channel.name());
            let wrong = Bilingual::new(format!("第 {n} 项（{name}）：{zh}"), format!("entry {n} ({name}): {en}"));
            broken.push(Broken { place: format!("/{at}/{field}"), ..one(about, wrong, allowed) });
        };
        if !names.insert(channel.name()) {
            let wrong = ("另一个渠道已用此名称", "another channel has this name");
            refuse("name", wrong, ("名称各不相同的渠道", "channels with different names"));
        }
        if let Err(flaw) = channels::check(channel) {
            refuse(flaw.field, flaw.wrong, flaw.allowed);
        }
    }
    broken
}

fn escalation(escalation: &Escalation) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut before = None;
    for (at, level) in escalation.levels.iter().enumerate() {
        let (n, after) = (at + 1, level.after);
        let mut refuse = |zh: String, en: String| {
            let allowed = ("按时间递增的各级，每级在 1s 至 168h 之后", "levels by growing time, each after 1s to 168h");
            broken.push(Broken { place: format!("/{at}/after"), ..one(&"escalation.levels", Bilingual::new(zh, en), allowed) });
        };
        if !(1..=168 * 3_600).contains(&after.as_secs()) {
            refuse(format!("第 {n} 级在 {after} 之后"), format!("level {n} comes after {after}"));
        }
        if before.is_some_and(|before| after <= before) {
            refuse(
                format!("第 {n} 级在 {after} 之后，不晚于上一级"),
                format!("level {n} comes after {after}, not later than the one before it"),
            );
        }
        before = Some(after);
    }
    broken
}

fn working_hours(hours: &WorkingHours) -> Vec<Broken> {
    let mut broken = Vec::new();
    if offset_minutes(&hours.utc_offset).is_none() {
        let text = &hours.utc_offset;
        let wrong = Bilingual::new(format!("“{text}”不是与 UTC 的时差"), format!("\"{text}\" is not an offset from UTC"));
        let allowed = ("-12:00 到 +14:00，写作 +HH:MM 或 -HH:MM", "-12:00 to +14:00, written +HH:MM or -HH:MM");
        broken.push(one(&"working_hours.utc_offset", wrong, allowed));
    }
    let repeated = hours.days.iter().enumerate().any(|(at, day)| hours.days.iter().skip(at + 1).any(|other| other == day));
    if repeated {
        let allowed = ("每天至多一次：mon、tue、wed、thu、fri、sat、sun", "each day once: mon, tue, wed, thu, fri, sat, sun");
        broken.push(one(&"working_hours.days", Bilingual::new("有一天写了两次", "a day is named twice"), allowed));
    }
    let (from, to) = (minute_of_day(&hours.from), minute_of_day(&hours.to));
    for (name, text, minute) in [(&"working_hours.from", &hours.from, from), (&"working_hours.to", &hours.to, to)] {
        if minute.is_none() {
            let wrong = Bilingual::new(format!("“{text}”不是一天中的时刻"), format!("\"{text}\" is not a time of day"));
            broken.push(one(name, wrong, ("00:00 到 24:00，写作 HH:MM", "00:00 to 24:00, written HH:MM")));
        }
    }
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let (from, to) = (&hours.from, &hours.to);
        broken.push(Broken {
            about: &["working_hours.from", "working_hours.to"],
            place: String::new(),
            wrong: Bilingual::new(
                format!("工作时间将从 {from} 开始，到 {to} 结束"),
                format!("the working hours would begin at {from} and end at {to}"),
            ),
            allowed: Bilingual::new(
                "同一天内先开始后结束；两项可以同时修改",
                "a beginning before the end, on the same day; both can be set at once",
            ),
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
