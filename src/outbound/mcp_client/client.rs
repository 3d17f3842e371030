//! What is asked of a server, whatever carries it.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Dialect, HttpTarget, Limits, McpError, Program, message::Outgoing, sse::SseWire, stdio::StdioWire, streamable::HttpWire};
use crate::outbound::http_client::HttpClient;

/// Pages of a list that are read: a server whose list never ends must not hold us for ever.
const MAX_PAGES: usize = 50;
/// The revision of HTTP+SSE.
const SSE_VERSION: &str = "2024-11-05";
/// What is answered by a stream without end.
const LISTEN: &str = "subscriptions/listen";

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The revision that is spoken.
    pub protocol: String,
    /// What its tools are for.
    pub instructions: Option<String>,
}

/// A tool as a client sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolFacts {
    /// Its name.
    pub name: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Its description.
    #[serde(default)]
    pub description: String,
    /// The schema of its arguments.
    #[serde(default)]
    pub input_schema: Value,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReply {
    /// Whether it says that it failed.
    pub is_error: bool,
    /// Its text blocks, joined.
    pub text: String,
    /// Its structured result.
    pub structured: Option<Value>,
}

enum Wire {
    Http(HttpWire),
    Sse(SseWire),
    Stdio(StdioWire),
}

/// A client of one server.
pub struct McpClient {
    wire: Wire,
    dialect: Dialect,
    /// The revision agreed upon.
    version: String,
    last_id: u64,
}

impl std::fmt::Debug for McpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpClient").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl McpClient {
    /// Over streamable HTTP. Nothing is sent before something is asked.
    pub fn over_http(http: HttpClient, target: HttpTarget, dialect: Dialect, limits: Limits) -> Self {
        Self::new(Wire::Http(HttpWire::new(http, target, limits)), dialect)
    }

    /// Over HTTP+SSE; the target is the address of its GET.
    pub fn over_sse(http: HttpClient, target: HttpTarget, limits: Limits) -> Self {
        Self::new(Wire::Sse(SseWire::new(http, target, limits)), Dialect::Handshake(SSE_VERSION))
    }

    /// With a program, which is started by the first question and killed when this value is dropped.
    pub fn over_stdio(program: Program, dialect: Dialect, limits: Limits) -> Self {
        Self::new(Wire::Stdio(StdioWire::new(program, limits)), dialect)
    }

    fn new(wire: Wire, dialect: Dialect) -> Self {
        Self { wire, dialect, version: dialect.version().to_owned(), last_id: 0 }
    }

    /// Says hello in the dialect's way: `server/discover`, or the handshake.
    ///
    /// Over streamable HTTP it may be left out: then each request stands alone, with its version header.
    pub async fn connect(&mut self) -> Result<ServerFacts, McpError> {
        if self.dialect == Dialect::Modern {
            let found = self.request("server/discover", json!({})).await?;
            return Ok(facts(&found, found.pointer("/_meta/io.modelcontextprotocol~1serverInfo"), self.dialect.version()));
        }
        let hello = self.dialect.hello();
        let answered = self.ask("initialize", hello).await?;
        let agreed = answered.get("protocolVersion").and_then(Value::as_str);
        let agreed = agreed.ok_or_else(|| self.not_mcp("the answer to initialize names no protocolVersion"))?;
        agreed.clone_into(&mut self.version);
        self.notify("notifications/initialized").await?;
        Ok(facts(&answered, answered.get("serverInfo"), agreed))
    }

    /// Every tool that the server lists.
    pub async fn tools(&mut self) -> Result<Vec<ToolFacts>, McpError> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let page = self.request("tools/list", params).await?;
            let listed = page.get("tools").cloned().unwrap_or_default();
            let listed: Vec<ToolFacts> = serde_json::from_value(listed).map_err(|error| self.not_mcp(format!("tools/list: {error}")))?;
            tools.extend(listed);
            cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(self.not_mcp(format!("tools/list has more than {MAX_PAGES} pages")))
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<CallReply, McpError> {
        let answered = self.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        let blocks = answered.get("content").and_then(Value::as_array);
        let blocks = blocks.ok_or_else(|| self.not_mcp("the answer to tools/call has no content"))?;
        let texts: Vec<_> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
        Ok(CallReply {
            is_error: answered.get("isError").and_then(Value::as_bool).unwrap_or_default(),
            text: texts.join("\n"),
            structured: answered.get("structuredContent").cloned(),
        })
    }

    /// Asks anything; the answer's `result`.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, McpError> {
        let params = match params {
            Value::Object(params) => params,
            Value::Null => Map::new(),
            other => return Err(McpError::Target(format!("the parameters of {method} must be an object, not {other}"))),
        };
        let params = self.dialect.params(params);
        self.ask(method, params).await
    }

    /// Subscribes to changes of the list of tools, and leaves after the first message on the stream: over streamable HTTP only.
    pub async fn subscribe(&mut self) -> Result<(), McpError> {
        let wanted = json!({"notifications": {"toolsListChanged": true}});
        let params = self.dialect.params(wanted.as_object().cloned().unwrap_or_default());
        self.last_id += 1;
        let headers = self.dialect.headers(LISTEN, &params, &self.version);
        let message = Outgoing::request(self.last_id, LISTEN, params);
        match &self.wire {
            Wire::Http(wire) => wire.first(&message, headers).await,
            Wire::Sse(_) | Wire::Stdio(_) => Err(self.not_mcp("a subscription is a stream of streamable HTTP")),
        }
    }

    async fn ask(&mut self, method: &str, params: Map<String, Value>) -> Result<Value, McpError> {
        self.last_id += 1;
        let headers = self.dialect.headers(method, &params, &self.version);
        let message = Outgoing::request(self.last_id, method, params);
        match &mut self.wire {
            Wire::Http(wire) => wire.ask(&message, if method == "initialize" { HeaderMap::new() } else { headers }).await,
            Wire::Sse(wire) => wire.ask(&message).await,
            Wire::Stdio(wire) => wire.ask(&message).await,
        }
    }

    async fn notify(&mut self, method: &str) -> Result<(), McpError> {
        let message = Outgoing::notification(method);
        let headers = self.dialect.headers(method, &message.params, &self.version);
        match &mut self.wire {
            Wire::Http(wire) => wire.tell(&message, headers).await,
            Wire::Sse(wire) => wire.tell(&message).await,
            Wire::Stdio(wire) => wire.tell(&message).await,
        }
    }

    /// Ends the session, the stream or the program.
    pub async fn close(mut self) {
        match &mut self.wire {
            Wire::Http(wire) => wire.close().await,
            Wire::Sse(wire) => wire.close(),
            Wire::Stdio(wire) => wire.close().await,
        }
    }

    fn not_mcp(&self, why: impl Into<String>) -> McpError {
        let host = match &self.wire {
            Wire::Http(wire) => wire.host(),
            Wire::Sse(wire) => wire.host(),
            Wire::Stdio(wire) => wire.host(),
        };
        McpError::NotMcp { host, why: why.into() }
    }
}

fn facts(answered: &Value, info: Option<&Value>, protocol: &str) -> ServerFacts {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    ServerFacts {
        name: text(info.and_then(|info| info.get("name"))),
        version: text(info.and_then(|info| info.get("version"))),
        protocol: protocol.to_owned(),
        instructions: answered.get("instructions").and_then(Value::as_str).map(str::to_owned),
    }
}
