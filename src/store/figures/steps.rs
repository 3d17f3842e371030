//! Figures of the automation's steps: each try counts when it is recorded.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    Spread,
    grid::{Grid, Span},
    histogram::Tally,
    kept::{self, One, Place, Sum, Table},
};
use crate::store::{Store, StoreError};

const TABLE: Table = Table {
    spread: "SELECT spread FROM step_figures WHERE span = ?1 AND at = ?2 AND step = ?3 AND state = ?4",
    add: "INSERT INTO step_figures (span, at, step, state, tries, repeated, duration_ms, spread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (span, at, step, state) DO UPDATE SET
            tries = tries + excluded.tries, repeated = repeated + excluded.repeated, duration_ms = duration_ms + excluded.duration_ms,
            spread = excluded.spread",
};
const TAKE_OFF: &str = "UPDATE step_figures SET tries = tries - 1, repeated = repeated - ?5, duration_ms = duration_ms - ?6, spread = ?7
    WHERE span = ?1 AND at = ?2 AND step = ?3 AND state = ?4";
const DROP_EMPTY: &str = "DELETE FROM step_figures WHERE span = ?1 AND at = ?2 AND step = ?3 AND state = ?4 AND tries = 0";
const READ: &str = "SELECT at, step, state, tries, repeated, duration_ms, spread FROM step_figures
    WHERE span = ?1 AND at >= ?2 AND at <= ?3";

/// One try, as it is counted.
#[derive(Debug, Clone)]
pub(in crate::store) struct Try<'a> {
    pub(in crate::store) step: &'a str,
    pub(in crate::store) state: &'a str,
    pub(in crate::store) attempt: u32,
    /// When it began.
    pub(in crate::store) at: i64,
    pub(in crate::store) duration_ms: i64,
}

impl Try<'_> {
    fn repeated(&self) -> i64 {
        i64::from(self.attempt > 1)
    }
}

/// Counts a try, in the transaction that records it.
pub(in crate::store) fn count(db: &Connection, one: &Try<'_>) -> Result<(), StoreError> {
    kept::add_one(db, &TABLE, one.at, &[one.step, one.state], &Sum::one(one.duration_ms, one.repeated()))
}

/// Counts many tries.
pub(in crate::store) fn count_many<'a>(
    db: &Connection,
    tries: impl Iterator<Item = Try<'a>>,
    minutes_since: i64,
) -> Result<(), StoreError> {
    let many = tries.map(|one| One { moment: one.at, names: [one.step, one.state], duration_ms: one.duration_ms, part: one.repeated() });
    kept::add_many(db, &TABLE, many, minutes_since)
}

/// Takes a try off that was recorded and is replaced.
pub(in crate::store) fn take_off(db: &Connection, one: &Try<'_>) -> Result<(), StoreError> {
    let names = [one.step, one.state];
    for span in Span::ALL {
        let place = Place::of(span, one.at, &names);
        // Its minute may have been pruned since.
        let Some(mut spread) = kept::spread(db, &TABLE, place)? else { continue };
        spread.remove(one.duration_ms);
        let values = params![span.ms(), place.at, one.step, one.state, one.repeated(), one.duration_ms, spread.encode()];
        db.prepare_cached(TAKE_OFF)?.execute(values)?;
        db.prepare_cached(DROP_EMPTY)?.execute(params![span.ms(), place.at, one.step, one.state])?;
    }
    Ok(())
}

/// How one step went in a time.
#[derive(Debug, Clone, PartialEq)]
pub struct StepFigures {
    /// Its name.
    pub step: String,
    /// Tries that did it.
    pub done: i64,
    /// Tries that failed.
    pub failed: i64,
    /// Tries that were not the run's first.
    pub repeated: i64,
    /// How long those took that did it.
    pub spread: Spread,
}

#[derive(Default)]
struct Part {
    done: i64,
    failed: i64,
    repeated: i64,
    tally: Tally,
}

impl Store {
    /// How the steps went, by name.
    pub async fn step_figures(&self, grid: Grid) -> Result<Vec<StepFigures>, StoreError> {
        let steps = self.scan(move |db| {
            let mut steps = BTreeMap::<String, Part>::new();
            let mut statement = db.prepare_cached(READ)?;
            let mut rows = statement.query(params![grid.span.ms(), grid.first_row(), grid.until])?;
            while let Some(row) = rows.next()? {
                let (step, tries): (String, i64) = (row.get(1)?, row.get(3)?);
                let part = steps.entry(step).or_default();
                part.repeated += row.get::<_, i64>(4)?;
                if row.get_ref(2)?.as_str()? == "done" {
                    part.done += tries;
                    if let Err(error) = part.tally.absorb(row.get_ref(6)?.as_blob()?, row.get(5)?) {
                        return Ok(Err(error));
                    }
                } else {
                    part.failed += tries;
                }
            }
            Ok(Ok(steps))
        });
        let figures = |(step, part): (String, Part)| StepFigures {
            step,
            done: part.done,
            failed: part.failed,
            repeated: part.repeated,
            spread: part.tally.spread(),
        };
        Ok(steps.await??.into_iter().map(figures).collect())
    }
}

#[cfg(test)]
pub(super) const SQL: &[&str] = &[TABLE.spread, READ];
