//! Rows that sum up what happened in a minute or an hour, written in the transaction of what they sum up.
//!
//! So they are exact at every moment, whatever is killed in between, and nothing has to be gathered afterwards. Each
//! table has the same shape: a time, up to three names, how many, a part of them, how long together, and the spread.

use std::collections::HashMap;

use rusqlite::{Connection, ToSql, params_from_iter};

use super::{grid::Span, histogram::Histogram};
use crate::store::{StoreError, rows};

/// A table of figures, by its statements. Their parameters: span, time, names; the second's then count, part, duration
/// and spread.
pub(super) struct Table {
    /// The spread of one row.
    pub(super) spread: &'static str,
    /// Adds to a row, which gets the spread that is given.
    pub(super) add: &'static str,
}

/// What is added to a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sum {
    count: i64,
    part: i64,
    duration_ms: i64,
    spread: Histogram,
}

impl Sum {
    /// One that took so long.
    pub(super) fn one(duration_ms: i64, part: i64) -> Self {
        Self { count: 1, part, duration_ms, spread: Histogram::of(duration_ms) }
    }

    /// One more.
    pub(super) fn add(&mut self, duration_ms: i64, part: i64) {
        self.count += 1;
        self.part += part;
        self.duration_ms = self.duration_ms.saturating_add(duration_ms);
        self.spread.add(duration_ms);
    }

    /// Those of another.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.part += other.part;
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
        self.spread.merge(&other.spread);
    }
}

/// Which row of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) span: Span,
    /// The beginning of its minute or hour.
    pub(super) at: i64,
    pub(super) names: &'a [&'a str],
}

impl<'a> Place<'a> {
    /// The row in which a moment lies.
    pub(super) fn of(span: Span, moment: i64, names: &'a [&'a str]) -> Self {
        Self { span, at: span.begin(moment), names }
    }

    fn key(&self) -> (i64, i64, Vec<&'a str>) {
        (self.span.ms(), self.at, self.names.to_vec())
    }
}

/// The spread of a row, if there is one.
pub(super) fn spread(db: &Connection, table: &Table, place: Place<'_>) -> Result<Option<Histogram>, StoreError> {
    let (span, at, names) = place.key();
    let key = [&span as &dyn ToSql, &at].into_iter().chain(names.iter().map(|name| name as &dyn ToSql));
    let kept: Option<Vec<u8>> = rows::one(db, table.spread, params_from_iter(key), |row| row.get(0))?;
    kept.map(|bytes| Histogram::decode(&bytes)).transpose()
}

/// Adds to a row.
pub(super) fn add(db: &Connection, table: &Table, place: Place<'_>, sum: &Sum) -> Result<(), StoreError> {
    let merged = spread(db, table, place)?.map(|mut kept| {
        kept.merge(&sum.spread);
        kept
    });
    let bytes = merged.as_ref().unwrap_or(&sum.spread).encode();
    let (span, at, names) = place.key();
    let key = [&span as &dyn ToSql, &at].into_iter().chain(names.iter().map(|name| name as &dyn ToSql));
    let values = [&sum.count as &dyn ToSql, &sum.part, &sum.duration_ms, &bytes];
    db.prepare_cached(table.add)?.execute(params_from_iter(key.chain(values)))?;
    Ok(())
}

/// Adds one that took so long to the rows of its minute and of its hour.
pub(super) fn add_one(db: &Connection, table: &Table, moment: i64, names: &[&str], one: &Sum) -> Result<(), StoreError> {
    Span::ALL.into_iter().try_for_each(|span| add(db, table, Place::of(span, moment, names), one))
}

/// One of many that are added together: its moment, its names, how long it took, and what it adds to the part.
#[derive(Debug, Clone, Copy)]
pub(super) struct One<'a, const N: usize> {
    pub(super) moment: i64,
    pub(super) names: [&'a str; N],
    pub(super) duration_ms: i64,
    pub(super) part: i64,
}

/// Adds many, each row once: those of hours, and those of minutes from `minutes_since` on.
pub(super) fn add_many<'a, const N: usize>(
    db: &Connection,
    table: &Table,
    many: impl Iterator<Item = One<'a, N>>,
    minutes_since: i64,
) -> Result<(), StoreError> {
    let (mut minutes, mut hours) = (HashMap::<(i64, [&str; N]), Sum>::new(), HashMap::<(i64, [&str; N]), Sum>::new());
    for one in many {
        minutes.entry((Span::Minute.begin(one.moment), one.names)).or_default().add(one.duration_ms, one.part);
    }
    for ((at, names), sum) in &minutes {
        hours.entry((Span::Hour.begin(*at), *names)).or_default().merge(sum);
    }
    minutes.retain(|(at, _), _| *at >= minutes_since);
    for (span, sums) in [(Span::Minute, &minutes), (Span::Hour, &hours)] {
        for ((at, names), sum) in sums {
            add(db, table, Place { span, at: *at, names }, sum)?;
        }
    }
    Ok(())
}
