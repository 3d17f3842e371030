//! What is wrong with a file, by line: collected, so that a person mends many mistakes in one go.

use serde::Serialize;

use super::MOST_ERRORS;
use crate::store::import::Failure;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Complaint {
    /// Line of the file, from 1.
    pub(super) line: u64,
    /// The field, where one is to blame.
    pub(super) field: Option<&'static str>,
    /// What is wrong, and what is expected.
    pub(super) why: String,
}

/// The mistakes found so far, up to [`MOST_ERRORS`].
#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) list: Vec<Complaint>,
}

impl Complaints {
    pub(super) fn one(line: u64, why: impl Into<String>) -> Self {
        let mut complaints = Self::default();
        complaints.add(line, None, why);
        complaints
    }

    /// The store counts records; people count lines.
    pub(super) fn of_failures(failures: Vec<Failure>, lines: &[u64]) -> Self {
        let mut complaints = Self::default();
        for Failure { index, why } in failures {
            complaints.add(lines.get(index).copied().unwrap_or_default(), None, why);
        }
        complaints
    }

    pub(super) fn add(&mut self, line: u64, field: Option<&'static str>, why: impl Into<String>) {
        if !self.full() {
            self.list.push(Complaint { line, field, why: why.into() });
        }
    }

    /// Whether looking for more is of no use.
    pub(super) fn full(&self) -> bool {
        self.list.len() >= MOST_ERRORS
    }

    /// The mistakes as people read them; only their number where a program reads them elsewhere.
    pub(super) fn text(&self, label: &str, briefly: bool) -> String {
        let found = match self.list.len() {
            1 => "1 mistake".to_owned(),
            n if self.full() => format!("{n} mistakes or more"),
            n => format!("{n} mistakes"),
        };
        let head = format!("nothing was imported: {label} has {found}");
        if briefly {
            return head;
        }
        let line = |one: &Complaint| match one.field {
            Some(field) => format!("\n  {label}:{}: {field}: {}", one.line, one.why),
            None => format!("\n  {label}:{}: {}", one.line, one.why),
        };
        self.list.iter().map(line).fold(head, |text, line| text + &line)
    }
}
