//! The JSON-RPC message, read once and strictly.
//!
//! A repeated member is refused instead of letting the last one win: a proxy in front and this server must never read
//! two different messages out of the same bytes. What is nested without end is refused too, before anything that works its way
//! inwards sees it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, value::RawValue};

/// Most levels of objects and arrays in one message, its own among them.
const LEVELS: usize = 64;

/// A message whose parameters are not read yet.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) jsonrpc: Option<Cow<'a, str>>,
    /// Present and null is not the same as absent.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A JSON-RPC error to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn parse(error: &serde_json::Error) -> Self {
        Self::new(-32700, format!("Parse error: the body is not valid JSON: {error}"))
    }

    pub(super) fn invalid_request(why: impl std::fmt::Display) -> Self {
        Self::new(-32600, format!("Invalid Request: {why}"))
    }

    pub(super) fn invalid_params(why: impl std::fmt::Display) -> Self {
        Self::new(-32602, format!("Invalid params: {why}"))
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    /// An answer to a request of ours.
    Answer,
}

impl<'a> Envelope<'a> {
    /// Reads one message and checks its shape. The error carries the id, where there is one.
    pub(super) fn read(body: &'a str) -> Result<(Self, Kind), (RpcError, Option<&'a RawValue>)> {
        // Parameters are skipped here and not read, which no depth makes difficult.
        let envelope: Envelope<'a> = serde_json::from_str(body).map_err(|error| (shape_or_syntax(body, &error), id_of(body)))?;
        let kind = match envelope.kind() {
            // An answer may be one of ours, which is as deep as what it tells of.
            Ok(kind) if kind != Kind::Answer && is_too_deep(body) => {
                Err(RpcError::invalid_request(format_args!("the message is nested deeper than {LEVELS} levels")))
            }
            kind => kind,
        };
        match kind {
            Ok(kind) => Ok((envelope, kind)),
            Err(error) => {
                let id = envelope.id.filter(|id| is_id(id));
                Err((error, id))
            }
        }
    }

    fn kind(&self) -> Result<Kind, RpcError> {
        if self.jsonrpc.as_deref() != Some("2.0") {
            return Err(RpcError::invalid_request("`jsonrpc` must be \"2.0\""));
        }
        if self.id.is_some_and(|id| !is_id(id)) {
            return Err(RpcError::invalid_request("`id` must be a string or an integer"));
        }
        match (&self.method, self.id) {
            (Some(_), _) if self.params.is_some_and(|params| !params.get().starts_with('{')) => {
                Err(RpcError::invalid_params("`params` must be an object"))
            }
            (Some(_), Some(_)) => Ok(Kind::Request),
            (Some(_), None) => Ok(Kind::Notification),
            (None, _) if self.result.is_some() || self.error.is_some() => Ok(Kind::Answer),
            (None, _) => Err(RpcError::invalid_request("`method` is missing")),
        }
    }
}

/// Whether JSON is nested deeper than [`LEVELS`]. Nearly every message has fewer brackets than that, and to count them takes a
/// fraction of the time in which it is parsed.
fn is_too_deep(json: &str) -> bool {
    json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > LEVELS && depth(json) > LEVELS
}

/// How many levels JSON has. Brackets within strings are text.
fn depth(json: &str) -> usize {
    let (mut level, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// JSON that is not a message is a wrong shape; bytes that are not JSON are a syntax error.
fn shape_or_syntax(body: &str, error: &serde_json::Error) -> RpcError {
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => RpcError::invalid_request(error),
        Err(syntax) => RpcError::parse(&syntax),
    }
}

/// The id of what is JSON and yet no message.
fn id_of(body: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    serde_json::from_str::<Identified<'_>>(body).ok().map(|message| message.id).filter(|id| is_id(id))
}

fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    text.starts_with('"') || text.parse::<i64>().is_ok()
}

/// The parameters of `tools/call` that the fast lane understands; any other member makes it step aside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallParams<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(default)]
    pub(super) arguments: Option<Object>,
    #[serde(borrow, default, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// The parameters of `tools/list` that the fast lane understands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams<'a> {
    #[serde(borrow, default, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// The members of `_meta` that matter before a request is understood (2026-07-28, basic/index).
#[derive(Debug, Default, Deserialize)]
pub struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(super) version: Option<Cow<'a, str>>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) capabilities: Option<Map<String, Value>>,
    #[serde(default, rename = "io.modelcontextprotocol/clientInfo")]
    pub(super) client: Option<ClientInfo>,
    #[serde(borrow, default, rename = "progressToken")]
    pub(super) progress_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) traceparent: Option<Cow<'a, str>>,
}

impl Meta<'_> {
    /// What the client can do, if it says so in this request (2026-07-28).
    pub fn capabilities(&self) -> Option<&Map<String, Value>> {
        self.capabilities.as_ref()
    }

    /// The trace that the request is part of, if its client says so.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Whether the client wants to hear of progress.
    pub fn wants_progress(&self) -> bool {
        self.progress_token.is_some()
    }

    /// Whether the client of a long call wants more than its answer: a task, or to be told how far it is.
    pub(super) fn wants_more(&self) -> bool {
        self.wants_progress() || self.declares(rmcp::model::TASKS_EXTENSION_ID)
    }

    fn declares(&self, extension: &str) -> bool {
        self.capabilities.as_ref().and_then(|all| all.get("extensions")).is_some_and(|extensions| extensions.get(extension).is_some())
    }
}

/// Who the client says it is.
#[derive(Debug, Deserialize)]
pub(super) struct ClientInfo {
    name: String,
    version: String,
}

impl ClientInfo {
    pub(super) fn text(&self) -> String {
        client_text(&self.name, &self.version)
    }
}

/// Name and version as the call log keeps them.
pub(super) fn client_text(name: &str, version: &str) -> String {
    name.chars()
        .filter(|c| !c.is_control())
        .take(80)
        .chain(" ".chars())
        .chain(version.chars().filter(|c| !c.is_control()).take(19))
        .collect()
}

/// A JSON object in which no name is repeated.
#[derive(Debug, Default)]
pub(super) struct Object(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!("the argument `{name}` is given twice")));
                    }
                    map.insert(name, value);
                }
                Ok(Object(map))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> i32 {
        Envelope::read(body).map(|(_, kind)| kind).unwrap_err().0.code
    }

    #[test]
    fn bytes_that_are_no_json_and_json_that_is_no_message_differ() {
        for body in ["", "{", "{\"jsonrpc\":\"2.0\",}", "nul", "{\"a\":1}x"] {
            assert_eq!(code(body), -32700, "{body}");
        }
        for body in [
            "3",
            "\"x\"",
            "{}",
            "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":1}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
        ] {
            assert_eq!(code(body), -32600, "{body}");
        }
        assert_eq!(code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":[1]}"), -32602);
    }

    #[test]
    fn id_zero_and_string_ids_are_ids() {
        for id in ["0", "-7", "\"5f2a\"", "9007199254740993"] {
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}");
            let (envelope, kind) = Envelope::read(&body).unwrap();
            assert_eq!((envelope.id.unwrap().get(), kind), (id, Kind::Request));
        }
    }

    #[test]
    fn a_message_has_so_many_levels_and_no_more() {
        let nested = |levels: usize| {
            let (open, close) = ("[{\"a\":".repeat(levels / 2), "}]".repeat(levels / 2));
            format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{{\"a\":{open}0{close}}}}}")
        };
        assert_eq!((depth(&nested(62)), depth(&nested(64))), (64, 66));
        assert!(Envelope::read(&nested(62)).is_ok());
        for body in [nested(64), nested(100_000)] {
            let (error, id) = Envelope::read(&body).unwrap_err();
            assert_eq!((error.code, id.map(RawValue::get)), (-32600, Some("7")), "{}", error.message);
        }
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"{}\\\"{}\"}}", "[".repeat(100), "{".repeat(100));
        assert!(depth(&text) == 1 && Envelope::read(&text).is_ok(), "brackets in a text are text");
        let wide = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{{\"a\":[{}0]}}}}", "[],".repeat(1000));
        assert!(depth(&wide) == 4 && Envelope::read(&wide).is_ok(), "what stands side by side is not deep");
    }

    #[test]
    fn an_argument_given_twice_is_refused() {
        assert!(serde_json::from_str::<Object>("{\"a\":1,\"b\":2}").is_ok());
        assert!(serde_json::from_str::<Object>("{\"a\":1,\"a\":2}").unwrap_err().to_string().contains("twice"));
    }
}
