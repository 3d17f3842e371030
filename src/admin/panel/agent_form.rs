//! The form in which an agent is set up: from an agent to its fields, and back to what is to be changed.

use serde_json::{Map, Value};

use super::form::{Fields, FormState};
use crate::admin::calls::{
    Field,
    agents::{AgentPatch, AgentView, read_input, write_inputs},
    said,
};

/// The fields, in their order; each is named after what it sets, and the last says why.
pub(super) const FIELDS: [&str; 17] = [
    "name",
    "base_url",
    "key",
    "kind",
    "part",
    "version",
    "environment",
    "app_id",
    "weight",
    "rollout_percent",
    "inputs",
    "timeout_seconds",
    "first_byte_ms",
    "stall_ms",
    "max_concurrent",
    "enabled",
    "reason",
];

/// The fields of a new agent, with what is usual in them.
pub(super) fn blank() -> FormState {
    FormState::new(Fields::of([
        ("kind", "agent"),
        ("part", "stable"),
        ("version", "1"),
        ("environment", "production"),
        ("weight", "100"),
        ("rollout_percent", "0"),
        ("timeout_seconds", "60"),
        ("first_byte_ms", "2000"),
        ("stall_ms", "15000"),
        ("max_concurrent", "8"),
        ("enabled", "true"),
    ]))
}

/// The fields of an agent as it is set, and the version that is changed.
pub(super) fn filled(agent: &AgentView) -> Fields {
    let mut fields: Vec<(&str, String)> = settings(agent);
    fields.push(("revision", agent.revision.to_string()));
    Fields::of(fields)
}

fn settings(agent: &AgentView) -> Vec<(&'static str, String)> {
    vec![
        ("name", agent.name.clone()),
        ("base_url", agent.base_url.clone()),
        ("kind", agent.kind.clone()),
        ("part", agent.part.clone()),
        ("version", agent.version.clone()),
        ("environment", agent.environment.clone()),
        ("app_id", agent.app_id.clone().unwrap_or_default()),
        ("weight", agent.weight.to_string()),
        ("rollout_percent", agent.rollout_percent.to_string()),
        ("inputs", write_inputs(&agent.inputs)),
        ("timeout_seconds", agent.timeout_seconds.to_string()),
        ("first_byte_ms", agent.first_byte_ms.to_string()),
        ("stall_ms", agent.stall_ms.to_string()),
        ("max_concurrent", agent.max_concurrent.to_string()),
        ("enabled", if agent.enabled { "true".into() } else { String::new() }),
    ]
}

/// What differs between a form and the agent as it is: the field, and what it is.
pub(super) fn differences(typed: &Fields, agent: &AgentView) -> Vec<(&'static str, String)> {
    let same = |name: &str, theirs: &str| match name {
        "enabled" => typed.on(name) == (theirs == "true"),
        "inputs" => typed.text(name).replace("\r\n", "\n") == theirs,
        _ => typed.text(name) == theirs,
    };
    settings(agent).into_iter().filter(|(name, theirs)| !same(name, theirs)).collect()
}

/// What a form says is to be set, or what in it cannot be read.
pub(super) fn patch(form: &Fields) -> Result<AgentPatch, Vec<Field>> {
    let mut wrong = Vec::new();
    let text = |name: &str| Some(form.text(name).to_owned());
    let mut number = |name: &str| {
        let typed = form.text(name);
        let read = typed.parse::<u32>();
        if read.is_err() {
            wrong.push(Field { pointer: format!("/{name}"), text: said("请填写整数", "write a whole number") });
        }
        read.ok()
    };
    let (weight, rollout_percent) = (number("weight"), number("rollout_percent"));
    let (timeout_seconds, first_byte_ms) = (number("timeout_seconds"), number("first_byte_ms"));
    let (stall_ms, max_concurrent) = (number("stall_ms"), number("max_concurrent"));
    let inputs = inputs(form.text("inputs")).map_err(|line| {
        let text = said(
            format!("这一行无法识别：{line}。请写成 输入项=事实，常量写成 输入项==文本"),
            format!("this line cannot be read: {line}. Write INPUT=FACT, or INPUT==TEXT for a constant"),
        );
        wrong.push(Field { pointer: "/inputs".into(), text });
    });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(AgentPatch {
        name: text("name"),
        base_url: text("base_url"),
        environment: text("environment"),
        app_id: text("app_id"),
        kind: text("kind"),
        version: text("version"),
        part: text("part"),
        weight,
        rollout_percent,
        inputs: inputs.ok(),
        timeout_seconds,
        first_byte_ms,
        stall_ms,
        max_concurrent,
        enabled: Some(form.on("enabled")),
    })
}

fn inputs(text: &str) -> Result<Map<String, Value>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| read_input(line).ok_or_else(|| line.to_owned())).collect()
}

/// The key of the name of a kind of app.
pub(super) fn kind_key(kind: &str) -> &'static str {
    match kind {
        "chat" => "agent-kind-chat",
        "workflow" => "agent-kind-workflow",
        _ => "agent-kind-agent",
    }
}

/// The key of the name of a field.
pub(super) fn field_key(name: &str) -> &'static str {
    match name {
        "name" => "agent-name",
        "base_url" => "agent-base-url",
        "kind" => "agent-kind",
        "part" => "agent-part",
        "version" => "agent-version",
        "environment" => "agent-environment",
        "app_id" => "agent-app-id",
        "weight" => "agent-weight",
        "rollout_percent" => "agent-rollout-percent",
        "inputs" => "agent-inputs",
        "timeout_seconds" => "agent-timeout",
        "first_byte_ms" => "agent-first-byte",
        "stall_ms" => "agent-stall",
        "max_concurrent" => "agent-places",
        _ => "agent-enabled",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        admin::calls::bench::{Bench, by},
        secret::SecretText,
    };

    #[tokio::test]
    async fn what_a_form_shows_comes_back_as_it_was() {
        let bench = Bench::new().await;
        let patch = AgentPatch {
            name: Some("管家".into()),
            base_url: Some("https://dify.example.com".into()),
            inputs: json!({"who": "username", "lang": {"value": "a=b"}, "tone": "segment"}).as_object().cloned(),
            ..AgentPatch::default()
        };
        let agent = bench.calls.add_agent(patch, &SecretText::new("app-1"), &by()).await.unwrap();
        let fields = filled(&agent);
        assert_eq!(fields.text("inputs"), "who=username\nlang==a=b\ntone=segment");
        assert!(differences(&fields, &agent).is_empty());
        let back = super::patch(&fields).unwrap();
        assert_eq!(bench.calls.update_agent("管家", back, Some(agent.revision), &by()).await.unwrap(), agent);

        let typed = Fields::of([("name", "管家"), ("weight", "7"), ("inputs", "nonsense")]);
        let wrong: Vec<_> = super::patch(&typed).unwrap_err().into_iter().map(|field| field.pointer).collect();
        assert_eq!(wrong, ["/rollout_percent", "/timeout_seconds", "/first_byte_ms", "/stall_ms", "/max_concurrent", "/inputs"]);
        assert!(differences(&typed, &agent).contains(&("weight", "100".to_owned())));
    }
}
