//! The core: every tool call goes through here, whether it comes over MCP, from the CLI or from the panel.
//!
//! ```text
//! catalogue   what the caller's group offers, from the crate's definitions and the database's policy
//! arguments   coerced, then validated against the schema
//! subject     a subject's id becomes the user's for the tool, and the subject's again in the answer
//! confined    the records of a call that may see one person only
//! call        timeout, cancellation, panic: each ends one call, and says so
//! admit       the limits, where they meet requests
//! record      one row in the call log, whatever happened
//! redact      what of a row anybody may see
//! spans       what a trace shows of a call
//! stale       callers who work from an old list: told what changed, and counted
//! tasks       calls that outlive their request
//! ```

mod admit;
pub mod arguments;
mod call;
mod catalogue;
mod confined;
pub mod defaults;
mod record;
mod redact;
mod spans;
mod stale;
mod subject;
mod tasks;

pub use anmei_mcp_tools::port::{NobodyAsked, Progress};
pub use call::{Call, Channel, Client, Dispatch, Limits, Outcome};
pub use catalogue::{BadDefinition, Catalogue, Hints, Known, Offer, Offers};
pub use record::{Bodies, RecordSettings, Recorder};
pub use redact::{redacted_request, redacted_response};
pub use spans::Traced;
pub use stale::{DefinitionChange, Note, Reason};
pub use tasks::{LongCall, NoTask, TaskOutcome, TaskSettings, TaskView};
