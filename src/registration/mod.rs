//! The registration automation: from the app's webhook to a stored welcome and told consultants.
//!
//! ```text
//! hook/      the HTTP side: who may post, what a body is, accepted = committed
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
//! door       what connected people ask for
//! feedback   a customer's rating, forwarded to the agent
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
mod door;
mod escalation;
mod events;
mod facts;
mod feedback;
mod hook;
pub mod hours;
mod ladder;
mod notices;
mod profile;
mod rollout;
mod run;
mod steps;

pub use agents::{AgentKeyError, Agents, agent_key_purpose, entrant};
pub use desk::{Desk, Rehearsal, Standing};
pub use door::Door;
pub use escalation::Escalation;
pub use events::{EventReceiver, EventSender};
pub use facts::FACTS;
pub use feedback::FeedbackSender;
pub use hook::{HookParts, HookSettings, HookState, router};
pub use notices::{NoticeWatch, PushSender, WaitingCustomer, channel_config, push_message, push_payload};
pub use rollout::{RolloutGuard, compare, rivals};
pub use run::{Runner, RunnerParts};

pub use crate::store::claims::{ESCALATION_JOB, NOTICE_JOB};

/// Name of the job that carries a registration through its steps.
pub const RUN_JOB: &str = "registration";
/// Name of the job that forwards a customer's rating; its subject is the registration.
pub const FEEDBACK_JOB: &str = "feedback";

/// Who is connected, as far as the automation needs to know. The rows are committed first; this only makes haste.
pub trait Connected: Send + Sync {
    /// Whether any of them is connected.
    fn any(&self, users: &[String]) -> bool;
    /// There are new rows for them; the empty name means every consultant.
    fn look(&self, users: &[String]);
}

impl Connected for crate::live::Hub {
    fn any(&self, users: &[String]) -> bool {
        users.iter().any(|user| self.presence(user).is_some())
    }

    fn look(&self, users: &[String]) {
        self.deliver(users.iter().map(String::as_str));
    }
}
