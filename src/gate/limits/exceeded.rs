//! The refusal, in words that say what to do.

use std::fmt;

use serde_json::{Value, json};

use super::rules::Origin;
use crate::{clock::rfc3339, store::limits::Kind};

/// The JSON-RPC error code of a limit. The protocol has none for it, and leaves everything outside -32768 to -32000 to
/// servers; this one reads like the HTTP status that goes with it.
pub const CODE: i32 = 429;

/// Whose limit it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// That of the key or token used.
    Key,
    /// That of a tool, for everybody together.
    Tool(String),
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub kind: Kind,
    /// Whose.
    pub whose: Whose,
    /// Its value.
    pub value: u32,
    /// Where the value is from.
    pub origin: Origin,
    /// Server code of the group.
    pub group: String,
    /// When there is room again, in milliseconds; for calls at a time the earliest moment at which to try.
    pub free_at: i64,
    /// The same from now on, in milliseconds.
    pub wait_ms: i64,
}

impl Exceeded {
    /// The value of `Retry-After`: whole seconds, rounded up.
    pub fn retry_after(&self) -> u64 {
        u64::try_from(self.wait_ms).unwrap_or_default().div_ceil(1000).max(1)
    }

    /// What changes the limit.
    pub fn change(&self) -> String {
        let (group, kind) = (&self.group, self.kind.as_str());
        match (&self.whose, self.origin) {
            (Whose::Tool(tool), _) => format!("anmei-mcp limit set {group} {kind}=N --tool {tool}"),
            (Whose::Key, Origin::Key) => format!("anmei-mcp limit set {group} {kind}=N --key NAME"),
            (Whose::Key, Origin::Settings) => format!("anmei-mcp limit set {group} {kind}=N (limits.{kind})"),
            (Whose::Key, _) => format!("anmei-mcp limit set {group} {kind}=N"),
        }
    }

    /// The same for programs: the error's `data`.
    pub fn data(&self) -> Value {
        let (scope, tool) = match &self.whose {
            Whose::Key => ("key", None),
            Whose::Tool(tool) => ("tool", Some(tool)),
        };
        let mut data = json!({
            "limit": self.kind.as_str(), "scope": scope, "value": self.value, "window": self.kind.window(),
            "retryAfterSeconds": self.retry_after(), "freeAt": rfc3339(self.free_at), "change": self.change(),
        });
        if let (Some(tool), Some(object)) = (tool, data.as_object_mut()) {
            object.insert("tool".into(), tool.as_str().into());
        }
        data
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, name, seconds) = (self.value, self.kind.as_str(), self.retry_after());
        let (zh, en) = match self.kind {
            Kind::ListPerMinute => ("每分钟 tools/list 次数", "tools/list requests in a minute"),
            Kind::CallPerMinute => ("每分钟工具调用次数", "tool calls in a minute"),
            Kind::OtherPerMinute => ("每分钟其他请求次数", "other requests in a minute"),
            Kind::ConcurrentCalls => ("同时进行的工具调用数", "tool calls at a time"),
            Kind::CallsPerDay => ("每日工具调用次数", "tool calls in a day"),
        };
        let (zh_whose, en_whose) = match &self.whose {
            Whose::Key => ("此密钥".to_owned(), "this key".to_owned()),
            Whose::Tool(tool) => (format!("工具 {tool}"), format!("the tool {tool}, by all keys together")),
        };
        let change = self.change();
        write!(
            f,
            "错误 / Error: {zh_whose}已达上限：{zh} {value}（{name}），请在 {seconds} 秒后重试。 / The limit {name} of {en_whose} is reached: {value} {en}. Try again in {seconds} s (at {}). An operator changes it with `{change}`.",
            rfc3339(self.free_at)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_limit_until_when_and_what_changes_it() {
        let mut exceeded = Exceeded {
            kind: Kind::CallPerMinute,
            whose: Whose::Key,
            value: 240,
            origin: Origin::Settings,
            group: "system_tools".into(),
            free_at: 1_795_651_200_250,
            wait_ms: 250,
        };
        let text = exceeded.to_string();
        for part in [
            "call_per_minute",
            "240",
            "1 秒",
            "in 1 s",
            "2026-11-26T00:00:00.250Z",
            "anmei-mcp limit set system_tools call_per_minute=N",
            "limits.call_per_minute",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let data = exceeded.data();
        assert_eq!(
            (data["limit"].as_str(), data["scope"].as_str(), data["value"].as_u64(), data["window"].as_str()),
            (Some("call_per_minute"), Some("key"), Some(240), Some("60s"))
        );
        exceeded.whose = Whose::Tool("optimize_plan".into());
        exceeded.wait_ms = 61_001;
        assert_eq!((exceeded.retry_after(), exceeded.data()["tool"].as_str()), (62, Some("optimize_plan")));
        assert!(exceeded.to_string().contains("--tool optimize_plan"));
    }
}
