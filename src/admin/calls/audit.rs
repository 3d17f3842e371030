//! The audit log: who changed what, and the proof that nobody changed the log.

use std::time::Duration;

use chrono::DateTime;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, call_log::in_time, pages};
use crate::{
    clock::rfc3339,
    store::{
        audit::{Entry, Proof, Wanted},
        page::Page,
    },
};

/// How long one page may search before it ends early.
const PAGE_TIME: Duration = Duration::from_millis(250);

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its place, from 1 on.
    pub seq: i64,
    /// When (RFC 3339).
    pub at: String,
    /// Who: `setup`, `daemon`, `cli:` or `account:` and a name.
    pub actor: String,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what, such as `key/system_tools/default`.
    pub object: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it was after.
    pub after: Option<Value>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// From where, if it came over the network.
    pub address: Option<String>,
    /// Hash of the row before, in hexadecimal.
    pub prev_hash: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditProof {
    /// Rows that were read.
    pub rows: i64,
    /// Hash of the last row, in hexadecimal: keep it elsewhere, and ask later whether it is still part of the chain.
    pub head: String,
    /// Whether every row follows the one before and is what its hash was made of.
    pub intact: bool,
    /// The first row that does not fit.
    pub broken_at: Option<i64>,
    /// Why not.
    pub why: Option<String>,
    /// Whether the hash that was asked for is part of the chain; true when none was.
    pub contains: bool,
}

/// Which rows are asked for; what is empty asks for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery<'a> {
    /// Only actors that begin so.
    pub actor: &'a str,
    /// Only actions that begin so.
    pub action: &'a str,
    /// Only objects that begin so.
    pub object: &'a str,
    /// Only rows of this time or later (RFC 3339).
    pub since: Option<&'a str>,
    /// Only rows before this time (RFC 3339).
    pub until: Option<&'a str>,
}

impl AuditQuery<'_> {
    fn wanted(&self, before: Option<i64>, limit: u32) -> Result<Wanted, CallError> {
        Ok(Wanted {
            since: moment("/since", self.since)?.unwrap_or(0),
            until: moment("/until", self.until)?,
            actor: self.actor.to_owned(),
            action: self.action.to_owned(),
            object: self.object.to_owned(),
            before,
            limit,
        })
    }
}

impl Calls {
    /// Rows that fit, the latest first: `limit` of them behind `cursor`, or fewer when a long log has few that fit.
    pub async fn audit_log(&self, query: AuditQuery<'_>, limit: u32, cursor: Option<&str>) -> Result<Listed<AuditEntry>, CallError> {
        let wanted = query.wanted(pages::number(cursor)?, limit)?;
        let page = in_time(self.store.audit_page(wanted, PAGE_TIME)).await?;
        Ok(Listed { items: page.items.into_iter().map(view).collect(), next_cursor: page.next.map(|seq| seq.to_string()) })
    }

    /// The latest rows that fit, the latest first, from as many pages as it takes.
    pub async fn audit_rows(&self, query: AuditQuery<'_>, limit: u32) -> Result<Vec<AuditEntry>, CallError> {
        let wanted = query.wanted(None, limit)?;
        let page = async |before, limit| {
            let wanted = Wanted { before, limit, ..wanted.clone() };
            in_time(self.store.audit_page(wanted, PAGE_TIME)).await
        };
        Ok(Page::gather(limit, page).await?.into_iter().map(view).collect())
    }

    /// One row.
    pub async fn audit_entry(&self, seq: i64) -> Result<AuditEntry, CallError> {
        let wanted = Wanted { before: seq.checked_add(1), limit: 1, ..Wanted::default() };
        let found = self.store.audit_entries(wanted).await?.pop().filter(|entry| entry.seq == seq);
        found.map(view).ok_or_else(|| CallError::not_found(format!("审计日志中没有第 {seq} 行"), format!("the audit log has no row {seq}")))
    }

    /// Walks along the chain of hashes. `expected` is a hash that must be part of it.
    pub async fn verify_audit(&self, expected: Option<String>) -> Result<AuditProof, CallError> {
        let Proof { rows, head, broken, contains } = self.store.verify_audit(expected).await?;
        let (broken_at, why) = broken.map_or((None, None), |(seq, why)| (Some(seq), Some(why)));
        Ok(AuditProof { rows, head, intact: broken_at.is_none(), broken_at, why, contains })
    }
}

fn view(entry: Entry) -> AuditEntry {
    // A row that was tampered with may hold anything: then it is shown as the text it is.
    let value = |text: Option<String>| text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    AuditEntry {
        seq: entry.seq,
        at: rfc3339(entry.at),
        actor: entry.actor,
        action: entry.action,
        object: entry.object,
        before: value(entry.before),
        after: value(entry.after),
        reason: entry.reason,
        address: entry.address,
        prev_hash: entry.prev_hash,
        hash: entry.hash,
    }
}

/// A moment that was given as RFC 3339, or as a day.
fn moment(pointer: &str, text: Option<&str>) -> Result<Option<i64>, CallError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    DateTime::parse_from_rfc3339(&whole).map(|time| Some(time.timestamp_millis())).map_err(|_| {
        let zh = format!("{text} 不是时间；请写成 2026-01-31 或 2026-01-31T08:00:00Z");
        CallError::invalid(pointer, zh, format!("{text} is no time; write 2026-01-31 or 2026-01-31T08:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_days_or_moments() {
        assert_eq!(moment("/since", Some("1970-01-02")).unwrap(), Some(86_400_000));
        assert_eq!(moment("/since", Some("1970-01-01T08:00:01+08:00")).unwrap(), Some(1_000));
        assert_eq!((moment("/since", None).unwrap(), moment("/since", Some(" ")).unwrap()), (None, None));
        assert!(moment("/since", Some("yesterday")).is_err());
    }
}
