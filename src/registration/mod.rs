//! The registration automation: from the app's webhook to a stored welcome and told consultants.
//!
//! ```text
//! webhook    the HTTP side: who may post, what a body is, accepted = committed
//! profile    the app's body, in whatever spelling, as one shape
//! run        the job: which steps are left, and what failure means
//! steps/     open_conversation, compose_welcome, deliver_welcome, notify_consultants
//! assignment whom a rule names for a new customer
//! escalation who hears of a customer nobody claims, and when
//! hours      working time
//! events     the signed event for other systems, sent by a job of its own
//! ```
//!
//! Architecture invariant: every step commits its effect together with its record, so that it is done once whatever
//! is killed (I1); effects outside carry an id by which the receiver drops a repetition.

mod agents;
pub mod assignment;
mod escalation;
mod events;
pub mod hours;
mod profile;
mod run;
mod steps;
mod webhook;

pub use crate::store::claims::{ESCALATION_JOB, NOTICE_JOB};
pub use agents::Agents;
pub use agents::{AgentKeyError, agent_key_purpose};
pub use escalation::Escalation;
pub use events::{EventReceiver, EventSender};
pub use run::{Runner, RunnerSettings};
pub use webhook::{HookSettings, HookState, router};

/// Name of the job that carries a registration through its steps.
pub const RUN_JOB: &str = "registration";
/// Name of the job that sends an event to other systems.
pub const EVENT_JOB: &str = "outgoing_event";

/// Who is connected, as far as the automation needs to know. The rows are committed first; this only makes haste.
pub trait Connected: Send + Sync {
    /// Whether any of them is connected.
    fn any(&self, users: &[String]) -> bool;
    /// There are new rows for them; the empty name means every consultant.
    fn look(&self, users: &[String]);
}

/// Nobody ever is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Connected for Nobody {
    fn any(&self, _users: &[String]) -> bool {
        false
    }

    fn look(&self, _users: &[String]) {}
}
