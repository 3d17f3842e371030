//! Speaks the protocol, decides nothing: who is asking comes from the gate, what happens from the dispatch.
//!
//! ```text
//! endpoint    one URL for every revision: checks, admission, body, then a lane
//! intake      what a request must say of itself; its body
//! envelope    the JSON-RPC message, read once and strictly
//! lanes       from a body to an answer: the fast lane, or rmcp
//! fast        the two hot methods of stateless clients, answered right here
//! backend     what an endpoint serves: the seam between transports and tools
//! legacy      HTTP+SSE, the transport of 2024-11-05
//! sessions    sessions of handshake clients, for those who want them    seats   how many there may be, and of whom
//! places      what holders of a credential take so many of: sessions, subscriptions
//! principal   who a session belongs to    running   what a client may cancel    events   event streams as text
//! product     the daemon's own backend: the tools of the dispatch
//! handler     everything else, through rmcp; also the whole of stdio
//! listing     tools/list of a group, serialised once per change of the group
//! watch       who is told when a list changes    subscriptions   how many may wait for that
//! result      what came of a call, in rmcp's words
//! tasks       long calls as tasks of their own
//! progress    how far a call is, for clients that ask
//! ```
//!
//! Both lanes end in the same dispatch and give the same results (`tests/it` runs each protocol test on both). The fast
//! lane takes a request only when all of it is in order, so that every protocol error is worded by rmcp.
//!
//! Architecture invariant: rmcp is used in this folder only.

mod backend;
mod endpoint;
mod envelope;
mod events;
mod fast;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod intake;
mod lanes;
mod legacy;
mod listing;
mod observed;
mod places;
mod principal;
mod product;
mod progress;
mod result;
mod running;
mod seats;
mod sessions;
mod stdio;
mod subscriptions;
mod tasks;
mod watch;

#[cfg(test)]
mod tests;

pub use backend::{Asked, Backend, Busy, CallAnswer, ListChanges, Listing};
pub use endpoint::{Endpoint, EndpointSettings, Held, router, routes};
pub use envelope::Meta;
pub use handler::ServerSettings;
pub use legacy::LegacySse;
pub use product::Product;
pub use sessions::SessionSettings;
pub use stdio::serve_stdio;
