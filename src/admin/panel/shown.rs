//! Figures, names and sentences as pages show them.

use std::borrow::Borrow;

use serde_json::{Map, Value};

use super::{amounts, texts::Texts};
use crate::config::Language;

/// Sentences that the automation writes down of its runs, and the ends of the keys of their words.
const SENTENCES: [(&str, &str); 11] = [
    ("the answer of an interrupted question was found at Dify", "found"),
    ("agents are not asked (setting welcome.ask_agents)", "not-asked"),
    ("no agent is enabled", "no-agent"),
    ("the agent answered in time", "in-time"),
    ("the deadline had passed before an agent could be asked", "passed"),
    ("it may be asked again only after the deadline", "too-late"),
    ("no answer by the deadline", "no-answer"),
    ("the question was cut off and Dify has no answer to it", "cut-off"),
    ("late answers are dropped (setting welcome.late_answer)", "dropped"),
    ("the setting registration_automation.enabled is false", "switched-off"),
    ("the tool get_user_profile is not available: no enabled group offers it", "no-tool"),
];

/// The word for a value of ours, such as a state; the value itself when there is none.
pub(in crate::admin) fn label(t: Texts, kind: &str, value: &str) -> String {
    known(t, kind, value).unwrap_or_else(|| value.to_owned())
}

fn known(t: Texts, kind: &str, value: &str) -> Option<String> {
    t.find(&format!("label-{kind}-{value}"))
}

/// The words for several values.
pub(in crate::admin) fn labels(t: Texts, kind: &str, values: &[String]) -> String {
    let words: Vec<_> = values.iter().map(|value| label(t, kind, value)).collect();
    words.join(&t.say("overview-joint"))
}

/// The reader's half of a text that says everything twice, such as `搜索用户 / Search users`.
pub(in crate::admin) fn side(text: &str, language: Language) -> &str {
    match text.split_once(" / ") {
        Some((zh, en)) if !en.contains(" / ") => match language {
            Language::ZhCn => zh,
            Language::En => en,
        },
        _ => text,
    }
}

/// Why a run went as it did, in the reader's language as far as the automation's own sentences go; what an agent or a
/// server said stays as it was said.
pub(in crate::admin) fn reason(t: Texts, text: &str) -> String {
    text.split("; ").map(|part| of_an_agent(t, part)).collect::<Vec<_>>().join("; ")
}

/// A sentence, or one behind the name of the agent it is about.
fn of_an_agent(t: Texts, part: &str) -> String {
    let behind_a_name = || part.split_once(": ").and_then(|(agent, text)| Some(format!("{agent}: {}", sentence(t, text)?)));
    sentence(t, part).or_else(behind_a_name).unwrap_or_else(|| part.to_owned())
}

fn sentence(t: Texts, text: &str) -> Option<String> {
    SENTENCES.iter().find(|(known, _)| *known == text).map(|(_, key)| t.say(&format!("label-reason-{key}")))
}

/// A length of time in milliseconds. Templates hand their values over by reference.
pub(in crate::admin) fn length(ms: impl Borrow<i64>) -> String {
    amounts::length(Some(*ms.borrow()))
}

/// The same, or a dash.
pub(in crate::admin) fn maybe_length(ms: Option<&i64>) -> String {
    amounts::length(ms.copied())
}

/// How long somebody has waited, in whole minutes: what shows it is sent again when it changes, and not each second.
pub(in crate::admin) fn minutes(t: Texts, seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => t.say("consultants-just-now"),
        (0, minutes) => t.with("consultants-minutes", minutes),
        (hours, minutes) => t.with2("consultants-hours", hours, minutes),
    }
}

/// Facts of a record on one line.
pub(in crate::admin) fn facts(t: Texts, detail: &Map<String, Value>) -> String {
    // What is absent, off or empty says nothing to a reader.
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    let told = detail.iter().filter(|(_, value)| says(value));
    told.map(|(name, value)| t.with2("registrations-fact", label(t, "fact", name), fact(t, name, value))).collect::<Vec<_>>().join(" · ")
}

/// The value of a fact: words of ours in the reader's language, times in the unit people would choose.
fn fact(t: Texts, name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => match name {
            "rung" | "via" | "target" => label(t, &format!("run-{name}"), text),
            "outcome" => label(t, "run-late", text),
            "error_kind" => label(t, "agent-error", text),
            // Why a push was made is a word, why a welcome is what it is are sentences.
            "reason" => known(t, "run-notice", text).unwrap_or_else(|| reason(t, text)),
            _ => text.clone(),
        },
        Value::Number(number) if name.ends_with("_ms") => number.as_i64().map_or_else(|| number.to_string(), length),
        Value::Bool(_) => t.say("overview-yes"),
        Value::Array(items) => items.iter().map(|item| fact(t, name, item)).collect::<Vec<_>>().join(&t.say("overview-joint")),
        Value::Object(parts) => format!("({})", facts(t, parts)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EN: Texts = Texts(Language::En);
    const ZH: Texts = Texts(Language::ZhCn);

    #[test]
    fn a_wait_is_told_in_minutes() {
        let shown = [(-5, "less than a minute"), (119, "1 min"), (7_500, "2 h 5 min")];
        for (seconds, text) in shown {
            assert_eq!(minutes(EN, seconds), text);
        }
    }

    #[test]
    fn facts_are_those_that_say_something_in_the_readers_words() {
        let Value::Object(detail) = json!({
            "rung": "agent", "tools": [], "late": false, "position": 0, "none": null, "tools_called": ["a", "b"], "waiting_ms": 61_000,
            "answer_may_follow": true, "reason": "no agent is enabled", "attempts": [{"attempt": 1, "status": 200}],
        }) else {
            unreachable!()
        };
        assert_eq!(
            facts(EN, &detail),
            "written by: agent · number: 0 · tools_called: a, b · waited: 61.0 s · an answer may follow: yes · reason: no agent is enabled · \
             tries: (try: 1 · HTTP status: 200)"
        );
        assert_eq!(
            facts(ZH, &detail),
            "撰写者：智能体 · 序号：0 · tools_called：a、b · 等待：61.0 s · 回答可能稍后到达：是 · 原因：没有启用的智能体 · 尝试：(次序：1 · HTTP 状态码：200)"
        );
    }

    #[test]
    fn a_reader_sees_their_half_of_a_text() {
        assert_eq!(side("搜索用户 / Search users", Language::ZhCn), "搜索用户");
        assert_eq!(side("搜索用户 / Search users", Language::En), "Search users");
        for whole in ["only one", "a / b / c"] {
            assert_eq!(side(whole, Language::En), whole);
        }
    }

    #[test]
    fn reasons_are_said_in_the_readers_language_and_what_others_said_as_they_said_it() {
        let text = "管家: no answer by the deadline; 备用: HTTP 500: oops; no agent is enabled";
        assert_eq!(reason(ZH, text), "管家: 到时限仍没有回答; 备用: HTTP 500: oops; 没有启用的智能体");
        assert_eq!(reason(EN, text), text, "English is what was written down");
    }

    /// The sentences are the automation's: whoever words one of them in another way is told to do so here too.
    #[test]
    fn every_sentence_is_one_that_the_automation_writes_down_and_has_its_words() {
        let written = [
            include_str!("../../registration/ladder.rs"),
            include_str!("../../registration/steps/late_answer.rs"),
            include_str!("../../registration/hook/accept.rs"),
        ];
        for (sentence, key) in SENTENCES {
            assert!(written.iter().any(|source| source.contains(sentence)), "nobody writes down: {sentence}");
            for t in [ZH, EN] {
                assert!(known(t, "reason", key).is_some(), "{key} has no words");
            }
        }
    }
}
