//! What stands behind an endpoint: the one place where a transport meets what it serves.
//!
//! The endpoint knows sockets, keys and messages; a [`Backend`] knows tools. Everything is known at compile time, so that
//! the hot path pays for no indirection.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::HeaderMap;
use rmcp::{ServerHandler, model::Tool};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::envelope::Meta;
use crate::gate::{
    Caller, Refusal,
    limits::{CODE, Exceeded},
};

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// The protocol revision spoken.
    pub protocol: &'static str,
    /// `_meta` of the request's parameters.
    pub meta: Option<&'a Meta<'a>>,
    /// The id of the request, as JSON.
    pub id: &'a str,
}

/// How a call on the fast lane ended.
#[derive(Debug)]
pub enum CallAnswer {
    /// JSON text of an object: it becomes the structured content, and its text the text content.
    Json(String),
    /// No result; the text is for the model that called.
    Failed(String),
    /// The caller is offered no such tool; the text says what it is offered.
    UnknownTool(String),
    /// A whole result object without `resultType` and `_meta`, which the lane adds for 2026-07-28.
    Result(Box<RawValue>),
    /// A whole result object as it goes out.
    Whole(Box<RawValue>),
    /// A protocol error.
    Error {
        /// Its JSON-RPC code.
        code: i32,
        /// Its text.
        message: String,
    },
    /// A limit is reached; nothing was done.
    Busy(Box<Busy>),
}

/// A limit that is reached: what the caller is told, and when to come again.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    /// The JSON-RPC code.
    pub code: i32,
    /// Which limit, and what to do.
    pub message: String,
    /// The same for programs.
    pub data: Value,
    /// Seconds until there is room.
    pub retry_after: u64,
}

impl From<&Exceeded> for Busy {
    fn from(exceeded: &Exceeded) -> Self {
        Self { code: CODE, message: exceeded.to_string(), data: exceeded.data(), retry_after: exceeded.retry_after() }
    }
}

/// A caller's tools, in rmcp's model and as the JSON text of an array.
#[derive(Debug)]
pub struct Listing {
    /// In rmcp's model.
    pub tools: Vec<Tool>,
    /// Serialised, once.
    pub json: Box<RawValue>,
}

impl Listing {
    /// Serialises `tools`.
    pub fn new(tools: Vec<Tool>) -> Self {
        let json = to_raw_value(&tools).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { tools, json }
    }
}

/// One item for each time the caller's list is no longer what it was; ends when the caller has no list any more.
pub type ListChanges = BoxStream<'static, ()>;

/// What an endpoint serves.
pub trait Backend: Send + Sync + 'static {
    /// Answers every method, through rmcp.
    type Handler: ServerHandler;

    /// A handler for one request, or for one session. The caller is in the extensions of the request's
    /// `http::request::Parts`.
    fn handler(&self) -> Self::Handler;

    /// `_meta` of every result of revision 2026-07-28: the server's name and version.
    fn server_meta(&self) -> &RawValue;

    /// How long a client may keep a list of tools, in milliseconds.
    fn list_ttl_ms(&self) -> u64;

    /// The caller's tools; without an answer the handler is asked.
    fn list(&self, asked: &Asked<'_>) -> Option<Arc<Listing>>;

    /// Whether [`Self::call`] does calls of this tool for this caller. If not, the handler does: it must be so for tools
    /// that send messages of their own before the result, that may answer with a task or a question, or whose schema
    /// mirrors arguments in headers.
    #[expect(unused_variables, reason = "this answer is the same for all")]
    fn takes(&self, asked: &Asked<'_>, tool: &str) -> bool {
        true
    }

    /// Does one call. Dropping the future cancels it.
    fn call(&self, asked: &Asked<'_>, tool: &str, arguments: Option<Map<String, Value>>) -> impl Future<Output = CallAnswer> + Send;

    /// Why the caller may not call this tool with the token it has, though it is offered: the client hears what to ask for.
    #[expect(unused_variables, reason = "this answer is the same for all")]
    fn lacks(&self, caller: &Caller, tool: &str) -> Option<Refusal> {
        None
    }

    /// Whether the caller may make one more request of `method`, which is not `tools/call`: that one's limits are kept
    /// where it is done. Asked for every request, before a lane is taken.
    #[expect(unused_variables, reason = "this answer is the same for all")]
    fn admit(&self, caller: &Caller, headers: &HeaderMap, method: &str) -> impl Future<Output = Result<(), Box<Busy>>> + Send {
        async { Ok(()) }
    }

    /// Hears of a request that was not let in.
    #[expect(unused_variables, reason = "nothing is kept of it")]
    fn refused(&self, refusal: &Refusal, headers: &HeaderMap) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Tells when the caller's list changes, for clients that hold a stream open; nothing if it never does.
    #[expect(unused_variables, reason = "this answer is the same for all")]
    fn changes(&self, caller: &Caller) -> Option<ListChanges> {
        None
    }
}
