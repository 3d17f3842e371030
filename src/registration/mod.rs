//! The registration automation: from the app's webhook to a stored welcome and told consultants.
//!
//! ```text
//! webhook    the HTTP side: who may post, what a body is, accepted = committed
//! profile    the app's body, in whatever spelling, as one shape
//! run        the job: which steps are left, and what failure means
//! steps/     open_conversation, compose_welcome, deliver_welcome, notify_consultants
//! choice/    which agent is asked, whether it may be, and the template when none can
//! events     the signed event for other systems, sent by a job of its own
//! ```
//!
//! Architecture invariant: every step commits its effect together with its record, so that it is done once whatever
//! is killed (I1); effects outside carry an id by which the receiver drops a repetition.

mod agents;
pub mod choice;
mod events;
mod profile;
mod run;
mod steps;
mod webhook;

pub use agents::Agents;
pub use agents::{AgentKeyError, agent_key_purpose};
pub use events::{EventReceiver, EventSender};
pub use run::{Runner, RunnerSettings};
pub use webhook::{HookSettings, HookState, router};

/// Name of the job that carries a registration through its steps.
pub const RUN_JOB: &str = "registration";
/// Name of the job that sends an event to other systems.
pub const EVENT_JOB: &str = "outgoing_event";
