//! Speaks the protocol, decides nothing: who is asking comes from the gate, what happens from the dispatch.
//!
//! ```text
//! endpoint    one URL for every revision: checks, admission, body, then a lane
//! envelope    the JSON-RPC message, read once and strictly
//! fast        the two hot methods of stateless clients, answered right here
//! handler     everything else, through rmcp; also the whole of stdio
//! listing     tools/list of a group, serialised once per change of the group
//! ```
//!
//! Both lanes end in the same dispatch and give the same results (`tests/it` runs each protocol test on both). The fast
//! lane takes a request only when all of it is in order, so that every protocol error is worded by rmcp.
//!
//! Architecture invariant: rmcp is used in this folder only.

mod endpoint;
mod envelope;
mod fast;
mod handler;
mod listing;
mod stdio;

pub use endpoint::{EndpointSettings, McpState, router};
pub use handler::ServerSettings;
pub use stdio::serve_stdio;
