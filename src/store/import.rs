//! Records of the existing app, brought in from files: what they are, how a row is read, and how they are stored.
//!
//! An import is one transaction: every record, or none. It is made of upserts that write only what differs, so the same
//! file can be imported again. What a record does not mention keeps its stored value. It refuses records that point at
//! rows which do not exist, and says which.

mod fields;
mod kind;
mod parse;
mod put;
mod records;
mod values;

use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, ffi::SQLITE_CONSTRAINT_FOREIGNKEY};

pub use self::{
    fields::Field,
    kind::{Kind, UnknownKind},
    parse::{Problem, parse},
    put::Refused,
    records::{
        ConsultantRecord, ConsultationRecord, ConversationRecord, CustomerRecord, MessageRecord, PlanRecord, PreferencesRecord, Record,
        ServiceRecord, UserRecord,
    },
};
use super::{Store, StoreError, consultations, conversations, messages, plans, rows::Change, services, users};

/// Most records that one failed import names.
pub const MOST_FAILURES: usize = 20;

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportSummary {
    /// Records that are new.
    pub added: u64,
    /// Records whose stored row was brought up to date.
    pub changed: u64,
    /// Records that said nothing new.
    pub unchanged: u64,
}

/// One record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// Its place in the list, from 0.
    pub index: usize,
    /// What is wrong with it, and what to do.
    pub why: String,
}

/// Why nothing was imported.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ImportError {
    /// These records cannot be stored: the first [`MOST_FAILURES`] of them.
    #[error("{} cannot be stored, so nothing was imported; the first: {}", count(.0), .0.first().map_or("", |failure| failure.why.as_str()))]
    Records(Vec<Failure>),
    /// The database could not do it.
    #[error("nothing was imported: {0}")]
    Store(#[from] StoreError),
}

fn count(failures: &[Failure]) -> String {
    match failures.len() {
        1 => "1 record".into(),
        n @ MOST_FAILURES.. => format!("{n} records or more"),
        n => format!("{n} records"),
    }
}

/// Whether an import is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Keep what was written.
    Apply,
    /// Do everything, then undo it: the summary and the failures are those of the real thing.
    Rehearse,
}

/// How the transaction ended, when it was to be undone.
type Undone = Arc<OnceLock<Result<ImportSummary, Vec<Failure>>>>;

impl Store {
    /// Imports records, all or nothing. Records that others point at come first in the list.
    pub async fn import(&self, records: Vec<Record>, now_ms: i64) -> Result<ImportSummary, ImportError> {
        self.import_with(records, now_ms, Mode::Apply, |_| ()).await
    }

    /// [`Store::import`], or a rehearsal of it; `progress` hears how many records are done.
    ///
    /// It is one transaction, and other writes wait for its end: seconds for a hundred thousand records.
    pub async fn import_with(
        &self,
        records: Vec<Record>,
        now_ms: i64,
        mode: Mode,
        mut progress: impl FnMut(usize) + Send + 'static,
    ) -> Result<ImportSummary, ImportError> {
        let undone = Undone::default();
        let outcome = Arc::clone(&undone);
        let written = self.write(move |db| {
            let result = put_all(db, &records, now_ms, &mut progress)?;
            if mode == Mode::Apply
                && let Ok(summary) = result
            {
                return Ok(summary);
            }
            // An error is what undoes the write; the caller never sees this one.
            outcome.get_or_init(|| result);
            Err(StoreError::Conflict("nothing was to be kept".into()))
        });
        match (written.await, undone.get()) {
            (Ok(summary), _) => Ok(summary),
            (Err(_), Some(Ok(summary))) => Ok(*summary),
            (Err(_), Some(Err(failures))) => Err(ImportError::Records(failures.clone())),
            (Err(error), None) => Err(ImportError::Store(error)),
        }
    }
}

/// The outer error ends the import at once; the inner one is what the records have against them.
fn put_all(
    db: &Connection,
    records: &[Record],
    now_ms: i64,
    progress: &mut dyn FnMut(usize),
) -> Result<Result<ImportSummary, Vec<Failure>>, StoreError> {
    let mut summary = ImportSummary::default();
    let mut failures = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match put(db, record, now_ms) {
            Ok(Change::Added) => summary.added += 1,
            Ok(Change::Changed) => summary.changed += 1,
            Ok(Change::Unchanged) => summary.unchanged += 1,
            Err(error) => failures.push(Failure { index, why: explain(record, error)? }),
        }
        if failures.len() >= MOST_FAILURES {
            break;
        }
        progress(index + 1);
    }
    Ok(if failures.is_empty() { Ok(summary) } else { Err(failures) })
}

fn put(db: &Connection, record: &Record, now_ms: i64) -> rusqlite::Result<Change> {
    match record {
        Record::User(user) => users::upsert(db, user, now_ms),
        Record::Customer(customer) => users::upsert_customer(db, customer, now_ms),
        Record::Preferences(preferences) => users::upsert_preferences(db, preferences, now_ms),
        Record::Consultant(consultant) => users::upsert_consultant(db, consultant, now_ms),
        Record::Consultation(consultation) => consultations::upsert(db, consultation, now_ms),
        Record::Conversation(conversation) => conversations::upsert(db, conversation, now_ms),
        Record::Message(message) => messages::upsert(db, message, now_ms),
        Record::Service(service) => services::upsert(db, service, now_ms),
        Record::Plan(plan) => plans::upsert(db, plan, now_ms),
    }
}

/// What the record has against it, or the error when it is not the record's.
fn explain(record: &Record, error: rusqlite::Error) -> Result<String, StoreError> {
    let code = error.sqlite_error().map(|error| error.extended_code);
    match (code, record.points_at()) {
        (Some(SQLITE_CONSTRAINT_FOREIGNKEY), Some(pointer)) => Ok(pointer.missing()),
        _ => match StoreError::from(error) {
            StoreError::Conflict(why) => Ok(format!("the database refuses it: {why}")),
            other => Err(other),
        },
    }
}

#[cfg(test)]
mod tests;
