//! What operators change while the daemon runs: every setting with its name, unit, range, default and meaning.
//!
//! A setting is a row of `system_settings`, or its default. Whoever needs settings takes a snapshot at the beginning
//! of a piece of work, so that one run sees one set of values and the next run sees the change.

mod book;
pub mod template;
mod values;

pub use book::Book;
pub use values::{
    Alerts, Assignment, AssignmentRule, Breaker, Channel, Conversation, Escalation, EscalationLevel, EscalationTarget, Events, Intake,
    LateAnswer, Live, Notice, Retention, Retry, Rollout, Settings, Switch, Weekday, Welcome, WorkingHours,
};
