//! The core: every tool call goes through here, whether it comes over MCP, from the CLI or from the panel.
//!
//! ```text
//! catalogue   what the caller's group offers, from the crate's definitions and the database's policy
//! arguments   coerced, then validated against the schema
//! subject     a subject's id becomes the user's for the tool, and the subject's again in the answer
//! confined    the records of a call that may see one person only
//! call        timeout, cancellation, panic: each ends one call, and says so
//! record      one row in the call log, whatever happened
//! ```

pub mod arguments;
mod call;
mod catalogue;
mod confined;
pub mod defaults;
mod record;
mod subject;

pub use call::{Call, Channel, Client, Dispatch, Limits, Outcome};
pub use catalogue::{BadDefinition, Catalogue, Known, Offer, Offers};
pub use record::{Bodies, RecordSettings, Recorder};
