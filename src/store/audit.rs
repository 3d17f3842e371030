//! Who changed what, when and why: a log that only grows, each row bound to the one before by its hash.
//!
//! A change and its row are one transaction, so that neither exists without the other. Triggers of the schema refuse to
//! change or delete a row; whoever goes around them breaks the chain, which [`Store::verify_audit`] finds. What a chain
//! cannot show is an end that was cut off: keep the last hash elsewhere and ask whether it is still part of it.
//!
//! It refuses secrets by construction: what is written are facts of a row, and no row's facts hold a key.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Store, StoreError,
    page::{self, Page},
    rows,
};

/// Rows that are tried at a time, before the clock is looked at.
const STRETCH: i64 = 5_000;

/// Who makes a change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who: `setup`, `daemon`, `cli:` and the account, or an account of ours.
    pub actor: String,
    /// Why, in the words of whoever made it.
    pub reason: Option<String>,
    /// Where the request came from, if it came over the network.
    pub address: Option<String>,
    /// When, in milliseconds.
    pub at: i64,
}

impl By {
    /// Somebody, at a time, without a reason.
    pub fn new(actor: impl Into<String>, at: i64) -> Self {
        Self { actor: actor.into(), reason: None, address: None, at }
    }
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What was done, such as `key.revoke`.
    pub action: &'static str,
    /// To what, such as `key/system_tools/default`.
    pub object: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it is now.
    pub after: Option<Value>,
}

impl Change {
    /// Something done to `object`, without values.
    pub fn new(action: &'static str, object: impl Into<String>) -> Self {
        Self { action, object: object.into(), before: None, after: None }
    }

    /// What it was before.
    #[must_use]
    pub fn before(mut self, value: Value) -> Self {
        self.before = Some(value);
        self
    }

    /// What it is now.
    #[must_use]
    pub fn after(mut self, value: Value) -> Self {
        self.after = Some(value);
        self
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its place, from 1 on.
    pub seq: i64,
    /// When, in milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: String,
    /// What it was before, as JSON text.
    pub before: Option<String>,
    /// What it is now, as JSON text.
    pub after: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// Hash of the row before, in hexadecimal.
    pub prev_hash: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

/// Which rows are asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this time or later.
    pub since: i64,
    /// Only of before this time.
    pub until: Option<i64>,
    /// Only rows before this one.
    pub before: Option<i64>,
    /// Only actors that begin so.
    pub actor: String,
    /// Only objects that begin so.
    pub object: String,
    /// Only actions that begin so.
    pub action: String,
    /// The latest so many.
    pub limit: u32,
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Rows that were read.
    pub rows: i64,
    /// Hash of the last row, in hexadecimal; zeros when there is none.
    pub head: String,
    /// The first row that does not fit, and why.
    pub broken: Option<(i64, String)>,
    /// Whether the hash that was asked for is one of the chain.
    pub contains: bool,
}

impl Store {
    /// Writes down something that changed no row of ours, such as a look at a secret.
    pub async fn audit(&self, by: By, change: Change) -> Result<(), StoreError> {
        self.write(move |db| append(db, &by, &change)).await
    }

    /// The latest rows that fit, the oldest of them first.
    pub async fn audit_entries(&self, wanted: Wanted) -> Result<Vec<Entry>, StoreError> {
        self.scan(move |db| {
            let mut found = fitting(db, &wanted, (i64::MIN, wanted.before.unwrap_or(i64::MAX)), wanted.limit.into())?;
            found.reverse();
            Ok(found)
        })
        .await
    }

    /// A page of the rows that fit, the latest first. However long the log is, it is not searched for longer than `time`: a
    /// page for which too little was found by then ends early, and the next one goes on from there.
    pub async fn audit_page(&self, wanted: Wanted, time: Duration) -> Result<Page<Entry, i64>, StoreError> {
        self.scan(move |db| searched(db, &wanted, time)).await
    }

    /// Walks along the whole chain. `expected` is a hash that must be part of it; none is always found.
    pub async fn verify_audit(&self, expected: Option<String>) -> Result<Proof, StoreError> {
        self.scan(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT seq, at, actor, action, object, before, after, reason, address, prev_hash, hash FROM audit_log ORDER BY seq",
            )?;
            let mut found = statement.query([])?;
            let mut walk = Walk::new(expected);
            while let Some(row) = found.next()? {
                walk.step(&entry(row)?);
            }
            Ok(walk.proof)
        })
        .await
    }
}

/// Stretch by stretch, from the latest row down.
fn searched(db: &Connection, wanted: &Wanted, time: Duration) -> rusqlite::Result<Page<Entry, i64>> {
    let (began, limit) = (Instant::now(), i64::from(wanted.limit));
    let newest = rows::one(db, "SELECT seq FROM audit_log ORDER BY seq DESC LIMIT 1", [], |row| row.get::<_, i64>(0))?;
    let mut before = wanted.before.unwrap_or(i64::MAX).min(newest.unwrap_or_default() + 1);
    let mut items: Vec<Entry> = Vec::new();
    loop {
        let from = before.saturating_sub(STRETCH).max(1);
        // One more than is shown says that there are more.
        let left = limit + 1 - i64::try_from(items.len()).unwrap_or(limit);
        items.extend(fitting(db, wanted, (from, before), left)?);
        if page::cut(&mut items, limit) {
            let next = items.last().map(|last| last.seq);
            return Ok(Page { items, next });
        }
        before = from;
        if before <= 1 || began.elapsed() >= time {
            return Ok(Page { items, next: Some(before).filter(|before| *before > 1) });
        }
    }
}

/// Rows that fit, the latest first: of those from `from` on and before `before`.
fn fitting(db: &Connection, wanted: &Wanted, (from, before): (i64, i64), limit: i64) -> rusqlite::Result<Vec<Entry>> {
    rows::all(
        db,
        "SELECT seq, at, actor, action, object, before, after, reason, address, prev_hash, hash FROM audit_log
          WHERE seq >= ?1 AND seq < ?2 AND at >= ?3 AND at < coalesce(?4, 9223372036854775807)
            AND substr(object, 1, length(?5)) = ?5 AND substr(action, 1, length(?6)) = ?6 AND substr(actor, 1, length(?7)) = ?7
          ORDER BY seq DESC LIMIT ?8",
        params![from, before, wanted.since, wanted.until, wanted.object, wanted.action, wanted.actor, limit],
        entry,
    )
}

/// Adds a row in the transaction that makes the change.
pub(super) fn append(db: &Connection, by: &By, change: &Change) -> Result<(), StoreError> {
    let last = rows::one(db, "SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
    })?;
    let (last, prev_hash) = last.unwrap_or((0, [0; 32]));
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let row = Entry {
        seq: last + 1,
        at: by.at,
        actor: by.actor.clone(),
        action: change.action.to_owned(),
        object: change.object.clone(),
        before: text(&change.before),
        after: text(&change.after),
        reason: by.reason.clone(),
        address: by.address.clone(),
        prev_hash: hex(prev_hash),
        hash: String::new(),
    };
    db.prepare_cached(
        "INSERT INTO audit_log (seq, at, actor, action, object, before, after, reason, address, prev_hash, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        row.seq,
        row.at,
        row.actor,
        row.action,
        row.object,
        row.before,
        row.after,
        row.reason,
        row.address,
        prev_hash,
        row.digest()
    ])?;
    Ok(())
}

impl Entry {
    /// SHA-256 of the hash before, a line feed, and the row as a JSON array: no two rows have the same text.
    fn digest(&self) -> [u8; 32] {
        let row = json!([self.seq, self.at, self.actor, self.action, self.object, self.before, self.after, self.reason, self.address]);
        Sha256::digest(format!("{}\n{row}", self.prev_hash)).into()
    }
}

struct Walk {
    expected: Option<String>,
    proof: Proof,
}

impl Walk {
    fn new(expected: Option<String>) -> Self {
        let proof = Proof { rows: 0, head: hex([0; 32]), broken: None, contains: expected.is_none() };
        Self { expected: expected.map(|hash| hash.to_ascii_lowercase()), proof }
    }

    fn step(&mut self, row: &Entry) {
        let proof = &mut self.proof;
        let wrong = if row.seq != proof.rows + 1 {
            Some(format!("row {} is missing", proof.rows + 1))
        } else if row.prev_hash != proof.head {
            Some("it does not follow the row before".to_owned())
        } else if row.hash != hex(row.digest()) {
            Some("its content is not what its hash was made of".to_owned())
        } else {
            None
        };
        if proof.broken.is_none() {
            proof.broken = wrong.map(|why| (row.seq, why));
        }
        proof.contains |= self.expected.as_deref() == Some(&row.hash);
        proof.rows = row.seq;
        proof.head.clone_from(&row.hash);
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        object: row.get(4)?,
        before: row.get(5)?,
        after: row.get(6)?,
        reason: row.get(7)?,
        address: row.get(8)?,
        prev_hash: hex(row.get(9)?),
        hash: hex(row.get(10)?),
    })
}

fn hex(bytes: [u8; 32]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows_for_tests::Bench;

    async fn three(bench: &Bench) -> Proof {
        for n in 0..3 {
            let by = By { reason: Some("换密钥".into()), ..By::new("cli:tester", n) };
            bench.store.audit(by, Change::new("key.reveal", format!("key/g/{n}")).after(json!({"n": n}))).await.unwrap();
        }
        bench.store.verify_audit(None).await.unwrap()
    }

    #[tokio::test]
    async fn rows_follow_each_other_and_nobody_can_change_one() {
        let bench = Bench::new();
        let proof = three(&bench).await;
        assert_eq!((proof.rows, proof.broken.as_ref(), proof.contains), (3, None, true));
        for sql in ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log WHERE seq = 3"] {
            let error = bench.db.execute(sql, []).unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        let entries = bench.store.audit_entries(Wanted { limit: 2, object: "key/g".into(), ..Wanted::default() }).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(entries[1].hash, proof.head);
    }

    #[tokio::test]
    async fn a_search_ends_when_its_time_is_up_and_goes_on_where_it_ended() {
        let bench = Bench::new();
        // Two stretches of rows that nobody looks for, above the one that is.
        bench.store.audit(By::new("mei", 1), Change::new("key.reveal", "key/g/1")).await.unwrap();
        bench
            .db
            .execute_batch(
                "WITH RECURSIVE n (seq) AS (SELECT 2 UNION ALL SELECT seq + 1 FROM n WHERE seq <= 10000)
                 INSERT INTO audit_log (seq, at, actor, action, object, prev_hash, hash)
                    SELECT seq, 1, 'x', 'y', 'z', zeroblob(32), CAST(printf('%032d', seq) AS BLOB) FROM n",
            )
            .unwrap();
        let wanted = |before| Wanted { actor: "mei".into(), before, limit: 2, ..Wanted::default() };
        let whole = bench.store.audit_page(wanted(None), Duration::from_mins(1)).await.unwrap();
        assert_eq!((whole.items.len(), whole.items[0].seq, whole.next), (1, 1, None));
        let (mut next, mut found, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = bench.store.audit_page(wanted(next), Duration::ZERO).await.unwrap();
            found.extend(page.items.into_iter().map(|entry| entry.seq));
            (next, pages) = (page.next, pages + 1);
            if next.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), (vec![1], 3));
        let page = bench.store.audit_page(Wanted { limit: 2, before: Some(3), ..Wanted::default() }, Duration::ZERO).await.unwrap();
        assert_eq!((page.items.len(), page.next), (2, None), "nothing is behind the first row");
    }

    #[tokio::test]
    async fn whoever_goes_around_the_triggers_is_found() {
        let changes = [
            ("UPDATE audit_log SET reason = 'x' WHERE seq = 2", 2, "content"),
            ("DELETE FROM audit_log WHERE seq = 2", 3, "missing"),
            ("UPDATE audit_log SET prev_hash = zeroblob(32) WHERE seq = 3", 3, "follow"),
        ];
        for (sql, seq, why) in changes {
            let bench = Bench::new();
            three(&bench).await;
            bench.db.execute_batch("DROP TRIGGER audit_log_unchanged; DROP TRIGGER audit_log_kept;").unwrap();
            bench.db.execute(sql, []).unwrap();
            let (found, text) = bench.store.verify_audit(None).await.unwrap().broken.unwrap();
            assert!(found == seq && text.contains(why), "{sql}: {found} {text}");
        }
    }

    #[tokio::test]
    async fn an_end_that_was_cut_off_is_seen_by_its_hash() {
        let bench = Bench::new();
        let head = three(&bench).await.head;
        assert!(bench.store.verify_audit(Some(head.to_ascii_uppercase())).await.unwrap().contains);
        bench.db.execute_batch("DROP TRIGGER audit_log_kept; DELETE FROM audit_log WHERE seq = 3").unwrap();
        let cut = bench.store.verify_audit(Some(head)).await.unwrap();
        assert_eq!((cut.broken, cut.contains), (None, false));
    }
}
