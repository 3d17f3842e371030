//! What operators change while the daemon runs: every setting with its name, unit, range, default and meaning.
//!
//! ```text
//! values        one struct per section: the only place where a setting is described
//! definitions   what the structs say of each setting, for the CLI, the API, the panel's form and the manual
//! check         one given value: its type and range
//! rules         what settings must hold together, and forms that a type cannot say
//! template      the placeholders of a segment's welcome
//! channels      addresses and secrets of channels: their forms, and how they are shown
//! book          the settings in force, and their changes
//! ```
//!
//! A setting is a row of `system_settings`, or its default. Whoever needs settings takes a snapshot at the beginning
//! of a piece of work, so that one run sees one set of values and the next run sees the change. What has secrets in it
//! is stored sealed under the master key.

mod book;
mod channels;
mod check;
mod definitions;
mod manual;
mod rules;
pub mod template;
mod values;

pub use book::{Book, Edit, InForce, SettingsError};
pub use check::{Given, Refusal};
pub use definitions::{
    Choice, Definition, FieldForm, ObjectForm, as_typed, choices, definition, definitions, describe, example_line, kind_name, kind_text,
};
pub use manual::manual;
pub use values::{
    Alerts, Assignment, AssignmentRule, Breaker, Channel, Conversation, Escalation, EscalationLevel, EscalationTarget, Events, Intake,
    LateAnswer, Limits, Live, Notice, OnFailure, Retention, Retry, Rollout, Settings, Switch, Weekday, Welcome, WelcomeLanguage,
    WorkingHours,
};
