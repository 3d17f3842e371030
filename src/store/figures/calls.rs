//! Figures of tool calls: counted as the log is written, read for any time without reading the log.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use super::{
    Share, Spread,
    grid::Grid,
    histogram::Tally,
    kept::{self, One, Table},
};
use crate::store::{Store, StoreError, call_log::CallRow};

/// From this time on a call is slow: the server is to answer sooner (PRD 10.1).
pub const SLOW_MS: i64 = 500;

const TABLE: Table = Table {
    spread: "SELECT spread FROM call_figures WHERE span = ?1 AND at = ?2 AND tool_name = ?3 AND group_id = ?4 AND outcome = ?5",
    add: "INSERT INTO call_figures (span, at, tool_name, group_id, outcome, calls, slow, duration_ms, spread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (span, at, tool_name, group_id, outcome) DO UPDATE SET
            calls = calls + excluded.calls, slow = slow + excluded.slow, duration_ms = duration_ms + excluded.duration_ms, spread = excluded.spread",
};

const READ: &str = "SELECT at, tool_name, outcome, calls, slow, duration_ms, spread FROM call_figures
    WHERE span = ?1 AND at >= ?2 AND at <= ?3 AND (?4 IS NULL OR group_id = ?4)";

/// One call, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Counted<'a> {
    pub(in crate::store) tool: &'a str,
    pub(in crate::store) group: &'a str,
    pub(in crate::store) outcome: &'a str,
    pub(in crate::store) duration_ms: i64,
    /// When it arrived.
    pub(in crate::store) at: i64,
}

impl<'a> From<&'a CallRow> for Counted<'a> {
    fn from(row: &'a CallRow) -> Self {
        Self {
            tool: &row.tool_name,
            group: row.group_id.as_deref().unwrap_or_default(),
            outcome: row.outcome,
            duration_ms: row.duration_ms,
            at: row.created_at,
        }
    }
}

impl<'a> Counted<'a> {
    /// The names of its rows. Who reached no tool may have named anything: a thousand made-up names are one row.
    fn names(&self) -> [&'a str; 3] {
        let tool = if reached(self.outcome) || self.outcome == "cancelled" { self.tool } else { "" };
        [tool, self.group, self.outcome]
    }
}

/// Whether the call got to a tool: else it says nothing of how tools do.
fn reached(outcome: &str) -> bool {
    !matches!(outcome, "refused" | "limited" | "unknown_tool" | "cancelled")
}

/// Counts calls, in the transaction that writes them down: by the hour, and by the minute from `minutes_since` on.
pub(in crate::store) fn count<'a>(db: &Connection, calls: impl Iterator<Item = Counted<'a>>, minutes_since: i64) -> Result<(), StoreError> {
    let many = calls.map(|call| One {
        moment: call.at,
        names: call.names(),
        duration_ms: call.duration_ms,
        part: i64::from(call.duration_ms >= SLOW_MS),
    });
    kept::add_many(db, &TABLE, many, minutes_since)
}

/// How tool calls went in a time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallFigures {
    /// Each tool that was reached, the most used first.
    pub tools: Vec<ToolFigures>,
    /// How many calls ended how, the most frequent first.
    pub outcomes: Vec<(String, i64)>,
    /// All calls.
    pub calls: i64,
    /// Those that brought no result.
    pub failed: i64,
    /// Of the calls that reached a tool, those that were answered in less than [`SLOW_MS`], with a result or with the
    /// tool's own word why not.
    pub available: Share,
    /// How long calls took that reached a tool.
    pub spread: Spread,
    /// The steps of the grid.
    pub steps: Vec<CallStep>,
}

/// How the calls of one tool went.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolFigures {
    /// Its name.
    pub tool: String,
    /// Calls.
    pub calls: i64,
    /// Those that brought no result.
    pub failed: i64,
    /// How long they took.
    pub spread: Spread,
}

/// Calls in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallStep {
    /// All of them.
    pub calls: i64,
    /// Those that brought no result.
    pub failed: i64,
    /// 95 % took at most so long.
    pub p95: Option<i64>,
}

impl Store {
    /// How tool calls went: of all groups, or of one.
    pub async fn call_figures(&self, grid: Grid, group_id: Option<String>) -> Result<CallFigures, StoreError> {
        let gathered = self
            .scan(move |db| {
                let mut gathered = Gathered::new(&grid);
                let mut statement = db.prepare_cached(READ)?;
                let mut rows = statement.query(params![grid.span.ms(), grid.first_row(), grid.until, group_id])?;
                while let Some(row) = rows.next()? {
                    if let Err(error) = gathered.row(&grid, row)? {
                        return Ok(Err(error));
                    }
                }
                Ok(Ok(gathered))
            })
            .await??;
        Ok(gathered.figures())
    }
}

#[derive(Default)]
struct Part {
    calls: i64,
    failed: i64,
    tally: Tally,
}

impl Part {
    fn absorb(&mut self, (calls, ok): (i64, bool), (spread, duration_ms): (&[u8], i64)) -> Result<(), StoreError> {
        self.calls += calls;
        self.failed += if ok { 0 } else { calls };
        self.tally.absorb(spread, duration_ms)
    }
}

struct Gathered {
    tools: BTreeMap<String, Part>,
    outcomes: BTreeMap<String, i64>,
    all: Part,
    reached: Tally,
    available: Share,
    steps: Vec<Part>,
}

impl Gathered {
    fn new(grid: &Grid) -> Self {
        Self {
            tools: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            all: Part::default(),
            reached: Tally::default(),
            available: Share::default(),
            steps: grid.begins().map(|_| Part::default()).collect(),
        }
    }

    fn row(&mut self, grid: &Grid, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
        let (tool, outcome) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        let (calls, slow): (i64, i64) = (row.get(3)?, row.get(4)?);
        let times = (row.get_ref(6)?.as_blob()?, row.get(5)?);
        let counted = (calls, outcome == "ok");
        add_to(&mut self.outcomes, outcome, calls);
        if reached(outcome) {
            self.available.of += calls;
            self.available.hits += if matches!(outcome, "timeout" | "panic") { 0 } else { calls - slow };
        }
        let step = grid.step(row.get(0)?).and_then(|step| self.steps.get_mut(step));
        let absorb = || {
            self.all.absorb(counted, times)?;
            if reached(outcome) {
                self.reached.absorb(times.0, times.1)?;
            }
            if !tool.is_empty() {
                if !self.tools.contains_key(tool) {
                    self.tools.insert(tool.to_owned(), Part::default());
                }
                self.tools.get_mut(tool).map_or(Ok(()), |part| part.absorb(counted, times))?;
            }
            step.map_or(Ok(()), |step| step.absorb(counted, times))
        };
        Ok(absorb())
    }

    fn figures(self) -> CallFigures {
        let tools = self.tools.into_iter();
        let mut tools: Vec<_> =
            tools.map(|(tool, part)| ToolFigures { tool, calls: part.calls, failed: part.failed, spread: part.tally.spread() }).collect();
        tools.sort_by_key(|tool| std::cmp::Reverse(tool.calls));
        let mut outcomes: Vec<_> = self.outcomes.into_iter().collect();
        outcomes.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        let steps = self.steps.iter();
        CallFigures {
            tools,
            outcomes,
            calls: self.all.calls,
            failed: self.all.failed,
            available: self.available,
            spread: self.reached.spread(),
            steps: steps.map(|step| CallStep { calls: step.calls, failed: step.failed, p95: step.tally.spread().p95 }).collect(),
        }
    }
}

/// Adds to the entry of a name, which is rarely a new one.
pub(super) fn add_to(counts: &mut BTreeMap<String, i64>, name: &str, more: i64) {
    match counts.get_mut(name) {
        Some(count) => *count += more,
        None => drop(counts.insert(name.to_owned(), more)),
    }
}

#[cfg(test)]
pub(super) const SQL: &[&str] = &[TABLE.spread, READ];
