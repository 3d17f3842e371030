//! What may be set about an agent: every wrong field is named, with what would be right.

use serde_json::{Map, Value, json};

use crate::{
    admin::calls::{CallError, Field, said},
    outbound::dify::{AgentKind, check_base_url, check_key},
    registration::{FACTS, choice::pick::Part},
    secret::SecretText,
    store::agents::AgentSettings,
};

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Most inputs of an app.
const MOST_INPUTS: usize = 100;

/// What is wrong, collected field by field.
#[derive(Default)]
struct Wrong(Vec<Field>);

impl Wrong {
    fn add(&mut self, pointer: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) {
        self.0.push(Field { pointer: pointer.into(), text: said(zh, en) });
    }

    fn text(&mut self, field: &str, text: &str, required: bool) {
        let length = text.chars().count();
        if length > LONGEST_NAME || text.chars().any(char::is_control) || text.trim() != text || (required && length == 0) {
            let least = usize::from(required);
            self.add(
                format!("/{field}"),
                format!("请填写 {least} 到 {LONGEST_NAME} 个字，一行，首尾没有空格"),
                format!("write {least} to {LONGEST_NAME} characters in one line, without blanks around them"),
            );
        }
    }

    fn number(&mut self, field: &str, value: u32, (least, most): (u32, u32)) {
        if !(least..=most).contains(&value) {
            self.add(
                format!("/{field}"),
                format!("{value} 超出范围：{least} 到 {most}"),
                format!("{value} is out of range: {least} to {most}"),
            );
        }
    }

    fn input(&mut self, name: &str, value: &Value) {
        let pointer = || format!("/inputs/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.trim().is_empty() || name.chars().count() > LONGEST_NAME {
            self.add(pointer(), "输入项的名称为空或过长", "the name of an input is empty or too long");
        }
        let facts = FACTS.join(", ");
        match value {
            Value::String(fact) if !FACTS.contains(&fact.as_str()) => {
                self.add(
                    pointer(),
                    format!("没有名为 {fact} 的事实；可用的有：{facts}"),
                    format!("there is no fact {fact}; facts are {facts}"),
                );
            }
            Value::String(_) => {}
            Value::Object(constant) if constant.len() == 1 && constant.contains_key("value") => {}
            _ => self.add(
                pointer(),
                format!("请填写一个事实的名称（{facts}），或常量 {{\"value\": …}}"),
                format!("write the name of a fact ({facts}), or a constant as {{\"value\": …}}"),
            ),
        }
    }

    fn done(self) -> Result<(), CallError> {
        if self.0.is_empty() { Ok(()) } else { Err(CallError::Invalid(self.0)) }
    }
}

/// Whether an agent may be set like this.
pub(super) fn check(settings: &AgentSettings) -> Result<(), CallError> {
    let mut wrong = Wrong::default();
    wrong.text("name", &settings.app_name, true);
    wrong.text("environment", &settings.environment, true);
    wrong.text("version", &settings.version, true);
    wrong.text("app_id", settings.app_id.as_deref().unwrap_or_default(), false);
    if settings.kind.parse::<AgentKind>().is_err() {
        let kind = &settings.kind;
        wrong.add(
            "/kind",
            format!("没有 {kind} 这种类型；有 chat、agent 和 workflow"),
            format!("{kind:?} is no kind of agent; chat, agent and workflow are"),
        );
    }
    if let Err(error) = settings.part.parse::<Part>() {
        wrong.add("/part", "角色只能是 stable、candidate 或 fallback", error.to_string());
    }
    if let Err(error) = check_base_url(&settings.base_url) {
        wrong.add(
            "/base_url",
            "请填写 Dify 安装的根地址，以 http:// 或 https:// 开头，不含用户名和密码，例如 https://api.dify.ai",
            error.to_string(),
        );
    }
    wrong.number("weight", settings.weight, (0, 10_000));
    wrong.number("rollout_percent", settings.rollout_percent, (0, 100));
    wrong.number("timeout_seconds", settings.timeout_seconds, (1, 600));
    wrong.number("first_byte_ms", settings.first_byte_ms, (50, 600_000));
    wrong.number("stall_ms", settings.stall_ms, (50, 600_000));
    wrong.number("max_concurrent", settings.max_concurrent, (1, 1_000));
    if settings.inputs.len() > MOST_INPUTS {
        wrong.add("/inputs", format!("最多 {MOST_INPUTS} 个输入项"), format!("{MOST_INPUTS} inputs are the most"));
    }
    for (name, value) in &settings.inputs {
        wrong.input(name, value);
    }
    wrong.done()
}

/// One line of a mapping: `INPUT=FACT`, or `INPUT==TEXT` for a constant. Nothing for any other text.
pub fn read_input(line: &str) -> Option<(String, Value)> {
    let (name, wanted) = line.split_once('=')?;
    let wanted = wanted.strip_prefix('=').map_or_else(|| json!(wanted.trim()), |constant| json!({"value": constant}));
    Some((name.trim().to_owned(), wanted))
}

/// A mapping as such lines. A constant that is no text is written as JSON.
pub fn write_inputs(inputs: &Map<String, Value>) -> String {
    let line = |(name, wanted): (&String, &Value)| match (wanted, wanted.get("value")) {
        (Value::String(fact), _) => format!("{name}={fact}"),
        (_, Some(Value::String(constant))) => format!("{name}=={constant}"),
        (_, constant) => format!("{name}=={}", constant.unwrap_or(&Value::Null)),
    };
    inputs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether a text can be an app's key.
pub(super) fn usable_key(key: &SecretText) -> Result<(), CallError> {
    check_key(key).map_err(|error| {
        CallError::invalid("/key", "密钥为空，或含有无法放入 HTTP 头的字符；请从 Dify 的「访问 API」页面复制", error.to_string())
    })
}
