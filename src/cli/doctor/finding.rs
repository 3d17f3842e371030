//! What was found: one line, and the fix.

use serde::Serialize;
use serde_json::json;

use crate::{
    admin::calls::health::{Health, HealthCheck},
    cli::output,
};

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and deserves a thought.
    Warning,
    /// It does not work, or is not safe.
    Failed,
    /// Nothing can be said.
    Skipped,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warning => "warn",
            Self::Failed => "FAIL",
            Self::Skipped => "skip",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    state: State,
    text: String,
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, state: State::Ok, text: text.into(), fix: None }
    }

    pub(super) fn warning(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Warning, text: text.into(), fix: Some(fix.into()) }
    }

    pub(super) fn failed(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Failed, text: text.into(), fix: Some(fix.into()) }
    }

    pub(super) fn skipped(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Skipped, text: text.into(), fix: Some(fix.into()) }
    }
}

impl From<HealthCheck> for Finding {
    fn from(check: HealthCheck) -> Self {
        let state = match check.state {
            Health::Ok => State::Ok,
            Health::Warning => State::Warning,
            Health::Failed => State::Failed,
        };
        Self { check: check.name, state, text: check.text.en, fix: check.fix.map(|fix| fix.en) }
    }
}

/// Everything that was found, in the order it was looked at.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Nothing failed.
    pub(super) fn is_well(&self) -> bool {
        self.count(State::Failed) == 0
    }

    fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }

    pub(super) fn show(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            return output::json(&json!({"ok": self.is_well(), "findings": self.0}));
        }
        for Finding { check, state, text, fix } in &self.0 {
            output::say(format_args!("{}  {check:<14} {}", state.word(), text.replace('\n', "\n                      ")))?;
            if let Some(fix) = fix {
                output::say(format_args!("                      → {fix}"))?;
            }
        }
        let count = |state| self.count(state);
        output::say(format_args!(
            "\n{} ok, {} to think about, {} failed, {} skipped",
            count(State::Ok),
            count(State::Warning),
            count(State::Failed),
            count(State::Skipped)
        ))
    }
}
