//! Which text of a run is the answer.
//!
//! The deltas of an agent, joined, also hold what it said before it called a tool ("let me look that up"). So the
//! answer is the `thought` of the last position, when no tool was called there; else the text that came after the last
//! tool's observation; a `message_replace` (moderation) outweighs both; a workflow's answer is in its outputs. What a
//! model thinks aloud (`<think>…</think>`, or the `<details>` that Dify makes of it) is no part of the answer.
//!
//! Pure: it is told what came and asked for the text. Whether a customer may see the text is [`super::clean`]'s business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ask::AgentThought, events::Thought};

/// What an agent answered, and what it took. Its JSON is kept as the run's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The answer, as the model wrote it: pass it through [`super::clean::clean`] before anybody sees it.
    pub text: String,
    /// Dify's conversation; workflows have none.
    pub dify_conversation_id: Option<String>,
    /// Dify's message; of a workflow, its run.
    pub dify_message_id: Option<String>,
    /// Dify's task, as `stop` wants it; unknown for an answer found later.
    pub task_id: Option<String>,
    /// The tools the agent called, in order.
    pub tools: Vec<ToolCall>,
    /// The positions of the agent's run, in order.
    pub thoughts: Vec<AgentThought>,
    /// Tokens of the whole run, as Dify counts them.
    pub tokens: Option<u64>,
    /// What the run cost, such as `0.0012 USD`.
    pub price: Option<String>,
    /// From sending the request to the end of the answer.
    pub latency_ms: u64,
    /// From sending the request to the first byte of the answer.
    pub first_byte_ms: u64,
}

/// One call of a tool by the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// The position of the run at which it was called; several calls may share one.
    pub position: i64,
}

/// What a run has said so far.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    said: String,
    after_observation: usize,
    replaced: Option<String>,
    outputs: Option<String>,
    thoughts: BTreeMap<i64, Thought>,
}

impl Transcript {
    /// The run said more.
    pub(crate) fn say(&mut self, text: &str) {
        self.said.push_str(text);
    }

    /// Moderation replaced everything; what is said afterwards does not count.
    pub(crate) fn replace(&mut self, text: String) {
        self.replaced = Some(text);
    }

    /// A workflow gave out its results.
    pub(crate) fn give_out(&mut self, outputs: &Map<String, Value>) {
        self.outputs = text_of(outputs);
    }

    /// The agent thought; the last word on each position holds.
    pub(crate) fn think(&mut self, thought: Thought) {
        let before = self.thoughts.get(&thought.position);
        let was_observed = before.is_some_and(|before| !before.observation.is_empty());
        if !thought.observation.is_empty() && !was_observed {
            self.after_observation = self.said.len();
        }
        self.thoughts.insert(thought.position, thought);
    }

    /// The positions, in order.
    pub(crate) fn thoughts(&self) -> Vec<AgentThought> {
        self.thoughts.values().map(Thought::told).collect()
    }

    /// The tools called.
    pub(crate) fn tools(&self) -> Vec<ToolCall> {
        let names = |thought: &Thought| thought.tool.split(';').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
        self.thoughts
            .iter()
            .flat_map(|(&position, thought)| names(thought).into_iter().map(move |name| ToolCall { name, position }))
            .filter(|call| !call.name.is_empty())
            .collect()
    }

    /// The answer; nothing when the run said nothing that counts.
    pub(crate) fn answer(&self) -> Option<String> {
        let text = self
            .replaced
            .as_deref()
            .or(self.outputs.as_deref())
            .or_else(|| self.last_word())
            .or_else(|| self.said.get(self.after_observation..))?;
        let text = without_thinking(text);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn last_word(&self) -> Option<&str> {
        let (_, last) = self.thoughts.last_key_value()?;
        let counts = last.tool.is_empty() && !last.text.trim().is_empty();
        counts.then_some(last.text.as_str())
    }
}

/// Tokens and price of a `message_end`'s metadata, as far as they can be read.
pub(crate) fn usage(metadata: Option<&Value>) -> (Option<u64>, Option<String>) {
    let Some(usage) = metadata.and_then(|metadata| metadata.get("usage")) else { return (None, None) };
    let tokens = usage.get("total_tokens").and_then(Value::as_u64);
    let amount = match usage.get("total_price") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let currency = usage.get("currency").and_then(Value::as_str).unwrap_or_default();
    let price = amount.map(|amount| format!("{amount} {currency}").trim().chars().take(40).collect());
    (tokens, price)
}

/// The text among a workflow's outputs: under a usual name, or the only one.
fn text_of(outputs: &Map<String, Value>) -> Option<String> {
    let usual = ["text", "answer", "welcome", "welcome_message", "message", "output", "result"];
    let named = usual.iter().find_map(|name| outputs.get(*name)?.as_str());
    let mut texts = outputs.values().filter_map(Value::as_str);
    let only = match (texts.next(), texts.next()) {
        (Some(text), None) => Some(text),
        _ => None,
    };
    named.or(only).map(str::to_owned)
}

/// Removes what a model thinks aloud. An unclosed thought reaches to the end; an unopened one, to the beginning.
fn without_thinking(text: &str) -> String {
    let text = without_block(text, "think", |_| true);
    without_block(&text, "details", |inside| inside.to_ascii_lowercase().contains("thinking"))
}

/// Removes each `<name …>…</name>` whose inside is to go.
fn without_block(text: &str, name: &str, goes: impl Fn(&str) -> bool) -> String {
    let lower = text.to_ascii_lowercase();
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut kept = String::new();
    let mut at = 0;
    if let Some(end) = lower.find(&close)
        && !lower.get(..end).is_some_and(|before| before.contains(&open))
        && text.get(..end).is_some_and(&goes)
    {
        at = end + close.len();
    }
    while let Some(start) = find_tag(&lower, &open, at) {
        let end = lower.get(start..).and_then(|rest| rest.find(&close)).map_or(text.len(), |length| start + length + close.len());
        kept.push_str(text.get(at..start).unwrap_or_default());
        let block = text.get(start..end).unwrap_or_default();
        if !goes(block) {
            kept.push_str(block);
        }
        at = end;
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    kept
}

/// Where `open` stands as a whole tag's name, at or after `from`.
fn find_tag(lower: &str, open: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let start = from + lower.get(from..)?.find(open)?;
        let after = lower.get(start + open.len()..)?.chars().next();
        if matches!(after, Some('>' | ' ' | '\n' | '\t')) {
            return Some(start);
        }
        from = start + open.len();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn thought(position: i64, thought: &str, tool: &str, observation: &str) -> Thought {
        Thought { position, text: thought.into(), tool: tool.into(), observation: observation.into(), ..Thought::default() }
    }

    /// The order in which Dify sends a run with one round of tools; the last thought is left to the test.
    fn one_round() -> Transcript {
        let mut run = Transcript::default();
        run.think(thought(1, "", "", ""));
        run.say("让我先看看您的资料。");
        run.think(thought(1, "让我先看看您的资料。", "get_user_profile;analyze_customer", ""));
        run.think(thought(1, "让我先看看您的资料。", "get_user_profile;analyze_customer", "{\"username\":\"张伟\"}"));
        run.think(thought(2, "", "", ""));
        run.say("张伟，");
        run.say("您好！");
        run
    }

    #[test]
    fn the_last_thought_without_a_tool_is_the_answer() {
        let mut run = one_round();
        run.think(thought(2, "张伟，您好！", "", ""));
        assert_eq!(run.answer().unwrap(), "张伟，您好！");
        let call = |name: &str| ToolCall { name: name.into(), position: 1 };
        assert_eq!(run.tools(), [call("get_user_profile"), call("analyze_customer")]);
        let told: Vec<_> = run.thoughts().into_iter().map(|thought| (thought.position, thought.text, thought.observation_bytes)).collect();
        assert_eq!(told, [(1, "让我先看看您的资料。".into(), 21), (2, "张伟，您好！".into(), 0)]);
    }

    #[test]
    fn without_one_it_is_what_came_after_the_last_observation() {
        let mut run = one_round();
        assert_eq!(run.answer().unwrap(), "张伟，您好！", "the second thought was never filled");
        run.think(thought(1, "让我先看看您的资料。", "get_user_profile;analyze_customer", "{\"username\":\"张伟\"}"));
        assert_eq!(run.answer().unwrap(), "张伟，您好！", "an observation sent again moves nothing");
        run.think(thought(2, "再查一下。", "analyze_customer", ""));
        run.think(thought(2, "再查一下。", "analyze_customer", "{}"));
        assert_eq!(run.answer(), None, "nothing was said after the last observation");
        run.say("欢迎！");
        assert_eq!(run.answer().unwrap(), "欢迎！");
    }

    #[test]
    fn chatter_before_a_later_tool_is_not_the_answer() {
        let mut run = Transcript::default();
        run.say("先想一想。");
        run.think(thought(1, "先想一想。", "", ""));
        run.think(thought(2, "", "get_user_profile", "{}"));
        run.say("您好！");
        assert_eq!(run.answer().unwrap(), "您好！");
    }

    #[test]
    fn chat_apps_have_no_thoughts() {
        let mut run = Transcript::default();
        assert_eq!(run.answer(), None);
        run.say(" 您好");
        run.say("！\n");
        assert_eq!(run.answer().unwrap(), "您好！");
    }

    #[test]
    fn moderation_outweighs_everything() {
        let mut run = one_round();
        run.think(thought(2, "张伟，您好！", "", ""));
        run.replace("抱歉，无法显示。".into());
        run.say("还有");
        assert_eq!(run.answer().unwrap(), "抱歉，无法显示。");
        run.replace(String::new());
        assert_eq!(run.answer(), None);
    }

    #[test]
    fn thinking_aloud_is_no_answer() {
        for (said, answer) in [
            ("<think>她是新客户</think>您好！", Some("您好！")),
            ("<THINK>\na\n</THINK>\n\n您好！<think>b</think>欢迎。", Some("您好！欢迎。")),
            ("<think time=\"3\">a</think>您好！", Some("您好！")),
            ("她是新客户</think>您好！", Some("您好！")),
            ("您好！<think>没有结束", Some("您好！")),
            ("<think>全部都是", None),
            ("<think></think>", None),
            ("<details style=\"color:gray\" open> <summary> Thinking... </summary> a</details>您好！", Some("您好！")),
            ("<details>活动</details>您好！", Some("<details>活动</details>您好！")),
            ("<thinker>您好！", Some("<thinker>您好！")),
            ("İ<think>长度不同</think>您好！", Some("İ您好！")),
        ] {
            let mut run = Transcript::default();
            run.say(said);
            assert_eq!(run.answer().as_deref(), answer, "{said}");
        }
    }

    #[test]
    fn a_workflow_gives_out_a_text() {
        let of = |outputs: Value| {
            let mut run = Transcript::default();
            run.say("piece of a node's text");
            run.give_out(outputs.as_object().unwrap());
            run.answer()
        };
        assert_eq!(of(json!({"text": "您好！", "other": "x"})).unwrap(), "您好！");
        assert_eq!(of(json!({"greeting": "您好！", "count": 3})).unwrap(), "您好！");
        assert_eq!(of(json!({"a": "x", "b": "y"})).unwrap(), "piece of a node's text");
    }

    #[test]
    fn usage_is_read_as_far_as_it_goes() {
        let metadata = json!({"usage": {"total_tokens": 812, "total_price": "0.0012", "currency": "USD", "latency": 1.2}});
        assert_eq!(usage(Some(&metadata)), (Some(812), Some("0.0012 USD".into())));
        assert_eq!(usage(Some(&json!({"usage": {"total_tokens": "many", "total_price": 0.5}}))), (None, Some("0.5".into())));
        assert_eq!(usage(Some(&json!({"usage": null}))), (None, None));
        assert_eq!(usage(None), (None, None));
    }
}
