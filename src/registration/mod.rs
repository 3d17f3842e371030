//! The registration automation: from the app's webhook to a stored welcome and told consultants.
//!
//! ```text
//! hook/      the HTTP side: who may post, what a body is, accepted = committed
//! profile    the app's body, in whatever spelling, as one shape
//! run        the job: which steps are left, and what failure means
//! steps/     open_conversation, compose_welcome, deliver_welcome, notify_consultants
//! events     the signed event for other systems, sent by a job of its own
//! ```
//!
//! Architecture invariant: every step commits its effect together with its record, so that it is done once whatever
//! is killed (I1); effects outside carry an id by which the receiver drops a repetition.

mod agents;
mod events;
mod hook;
mod profile;
mod run;
mod steps;

pub use agents::Agents;
pub use agents::{AgentKeyError, agent_key_purpose};
pub use events::{EventReceiver, EventSender};
pub use hook::{HookParts, HookSettings, HookState, router};
pub use run::{Runner, RunnerSettings};

/// Name of the job that carries a registration through its steps.
pub const RUN_JOB: &str = "registration";
/// Name of the job that sends an event to other systems.
pub const EVENT_JOB: &str = "outgoing_event";
/// Name of the job that forwards a customer's rating; its subject is the registration.
pub const FEEDBACK_JOB: &str = "feedback";
