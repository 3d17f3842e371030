//! How a revision of the protocol asks: what stands in the parameters, and what in the headers.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

/// The revision without a handshake.
pub(super) const MODERN: &str = "2026-07-28";
const CLIENT: &str = "anmei-mcp";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// 2026-07-28: everything in each request.
    Modern,
    /// An older revision, which begins with `initialize`.
    Handshake(&'static str),
}

impl Dialect {
    /// The revision.
    pub fn version(self) -> &'static str {
        match self {
            Self::Modern => MODERN,
            Self::Handshake(version) => version,
        }
    }

    /// The parameters as they are sent.
    pub(super) fn params(self, mut params: Map<String, Value>) -> Map<String, Value> {
        if self == Self::Modern {
            let meta = params.entry("_meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("io.modelcontextprotocol/protocolVersion".into(), MODERN.into());
                meta.entry("io.modelcontextprotocol/clientCapabilities").or_insert_with(|| json!({}));
                meta.insert("io.modelcontextprotocol/clientInfo".into(), client_info());
            }
        }
        params
    }

    /// The headers of a request over streamable HTTP.
    pub(in crate::outbound) fn headers(self, method: &str, params: &Map<String, Value>, version: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(&header_text(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("mcp-protocol-version", version);
        if self == Self::Modern {
            put("mcp-method", method);
            if let Some(name) = named_by(method).and_then(|member| params.get(member)).and_then(Value::as_str) {
                put("mcp-name", name);
            }
        }
        headers
    }

    /// The parameters of `initialize`.
    pub(super) fn hello(self) -> Map<String, Value> {
        let hello = json!({"protocolVersion": self.version(), "capabilities": {}, "clientInfo": client_info()});
        hello.as_object().cloned().unwrap_or_default()
    }
}

fn client_info() -> Value {
    json!({"name": CLIENT, "version": env!("CARGO_PKG_VERSION")})
}

/// Which parameter the header `Mcp-Name` repeats.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ if method.starts_with("tasks/") => Some("taskId"),
        _ => None,
    }
}

/// A header carries visible ASCII; anything else travels as base64 in a frame.
fn header_text(value: &str) -> String {
    let plain = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && value.trim() == value && !value.starts_with("=?");
    if plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modern_dialect_says_everything_in_each_request() {
        let params = json!({"name": "查询", "_meta": {"progressToken": 1}}).as_object().cloned().unwrap();
        let params = Dialect::Modern.params(params);
        assert_eq!(params["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(params["_meta"]["progressToken"], 1);
        let headers = Dialect::Modern.headers("tools/call", &params, MODERN);
        assert_eq!(headers["mcp-method"], "tools/call");
        assert_eq!(headers["mcp-name"], "=?base64?5p+l6K+i?=");
        let headers = Dialect::Handshake("2025-06-18").headers("tools/call", &params, "2025-06-18");
        assert!(headers.len() == 1 && headers["mcp-protocol-version"] == "2025-06-18");
        assert!(Dialect::Handshake("2025-06-18").params(Map::new()).is_empty());
    }
}
