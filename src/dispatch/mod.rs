//! The core: every tool call goes through here, whether it comes over MCP, from the CLI or from the panel.
//!
//! ```text
//! catalogue   what the caller's group offers, from the crate's definitions and the database's policy
//! arguments   coerced, then validated against the schema
//! call        timeout, cancellation, panic: each ends one call, and says so
//! record      one row in the call log, whatever happened
//! ```

pub mod arguments;
mod call;
mod catalogue;
pub mod defaults;
mod record;

pub use call::{Call, Channel, Client, Dispatch, Limits, Outcome};
pub use catalogue::{BadDefinition, Catalogue, Known, Offer, Offers};
pub use record::{Bodies, RecordSettings, Recorder};
