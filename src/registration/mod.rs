//! The registration automation: from the app's webhook to a stored welcome and told consultants.
//!
//! ```text
//! webhook    the HTTP side: who may post, what a body is, accepted = committed
//! profile    the app's body, in whatever spelling, as one shape
//! run        the job: which steps are left, and what failure means
//! steps/     open_conversation, compose_welcome, deliver_welcome, notify_consultants, late_answer
//! ladder     the welcome's rungs and the time each one has
//! desk       asking one agent: its breaker, its places, the record of the question
//! choice/    which agent, which segment, and whether a roll-out may go on
//! rollout    the guard at work: a candidate that is worse is rolled back
//! assignment whom a rule names for a new customer
//! notices    what follows when nobody reacts: pushes over channels
//! escalation who hears of a customer nobody claims, and when
//! hours      working time
//! events     signed events for other systems, sent by jobs of their own
//! ```
//!
//! Architecture invariant: every step commits its effect together with its record, so that it is done once whatever
//! is killed (I1); effects outside carry an id by which the receiver drops a repetition.

mod agents;
mod announce;
pub mod assignment;
pub mod choice;
mod desk;
mod escalation;
mod events;
mod facts;
pub mod hours;
mod ladder;
mod notices;
mod profile;
mod rollout;
mod run;
mod steps;
mod webhook;

pub use agents::{AgentKeyError, Agents, agent_key_purpose};
pub use desk::Desk;
pub use escalation::Escalation;
pub use events::{EventReceiver, EventSender};
pub use facts::FACTS;
pub use notices::{NoticeWatch, PushSender};
pub use rollout::RolloutGuard;
pub use run::{Runner, RunnerParts};
pub use webhook::{HookSettings, HookState, router};

pub use crate::store::claims::{ESCALATION_JOB, NOTICE_JOB};

/// Name of the job that carries a registration through its steps.
pub const RUN_JOB: &str = "registration";

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
