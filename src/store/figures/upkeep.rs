//! Figures of what was there before these tables were, and the end of those nobody asks for any more.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{
    agents,
    calls::{self, Counted},
    grid::Span,
    steps::{self, Try},
};
use crate::store::{OpenError, Store, StoreError, migrate, rows};

const DAY_MS: i64 = 86_400_000;
/// How long rows of minutes are kept: the ranges that read them reach back for a day.
const MINUTES_KEPT_MS: i64 = 2 * DAY_MS;
/// How long rows of hours are kept: the longest range and the same time of the year before.
const HOURS_KEPT_MS: i64 = 500 * DAY_MS;
/// Rows that are counted together.
const CHUNK: i64 = 20_000;
/// Tables of figures that are pruned, each with `span` and `at` at the beginning of its key.
const TABLES: [&str; 4] = ["call_figures", "step_figures", "agent_figures", "agent_costs"];

const CALLS: &str = "SELECT id, tool_name, coalesce(group_id, ''), outcome, duration_ms, created_at FROM mcp_call_logs
    WHERE id > ?1 ORDER BY id LIMIT ?2";
const STEPS: &str = "SELECT registration_id, step, attempt, state, started_at, duration_ms FROM registration_steps
    WHERE (registration_id, step, attempt) > (?1, ?2, ?3) ORDER BY registration_id, step, attempt LIMIT ?4";
const NEWEST: &str = "SELECT max(coalesce((SELECT created_at FROM mcp_call_logs ORDER BY id DESC LIMIT 1), 0),
    coalesce((SELECT max(accepted_at) FROM registrations), 0))";

/// Counts what the tables hold; their figures are empty. Part of the migration that makes them.
pub(in crate::store) fn count_all(db: &Connection) -> Result<(), StoreError> {
    let newest: i64 = db.query_row(NEWEST, [], |row| row.get(0))?;
    let minutes_since = newest - MINUTES_KEPT_MS;
    count_calls(db, minutes_since)?;
    count_steps(db, minutes_since)?;
    let questions: Vec<String> = rows::all(db, "SELECT id FROM agent_calls", [], |row| row.get(0))?;
    questions.iter().try_for_each(|id| agents::count(db, id))?;
    for table in TABLES {
        db.execute(&format!("DELETE FROM {table} WHERE span = ?1 AND at < ?2"), params![Span::Minute.ms(), minutes_since])?;
    }
    Ok(())
}

fn count_calls(db: &Connection, minutes_since: i64) -> Result<(), StoreError> {
    let mut last = 0_i64;
    loop {
        let chunk: Vec<(i64, String, String, String, i64, i64)> =
            rows::all(db, CALLS, [last, CHUNK], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
        let Some((id, ..)) = chunk.last() else { return Ok(()) };
        last = *id;
        let counted = chunk.iter().map(|(_, tool, group, outcome, duration_ms, at)| Counted {
            tool,
            group,
            outcome,
            duration_ms: *duration_ms,
            at: *at,
        });
        calls::count(db, counted, minutes_since)?;
    }
}

fn count_steps(db: &Connection, minutes_since: i64) -> Result<(), StoreError> {
    let (mut run, mut step, mut attempt) = (String::new(), String::new(), 0_u32);
    loop {
        let chunk: Vec<(String, String, u32, String, i64, i64)> = rows::all(db, STEPS, params![run, step, attempt, CHUNK], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?;
        let Some(last) = chunk.last() else { return Ok(()) };
        (run, step, attempt) = (last.0.clone(), last.1.clone(), last.2);
        let tries = chunk.iter().map(|(_, step, attempt, state, at, duration_ms)| Try {
            step,
            state,
            attempt: *attempt,
            at: *at,
            duration_ms: *duration_ms,
        });
        steps::count_many(db, tries, minutes_since)?;
    }
}

/// Counts anew what a database holds that no daemon has open: what was pruned since is not counted any more.
pub fn recount(path: &Path) -> Result<(), OpenError> {
    let unusable = |why: String| OpenError::Unusable { path: path.to_owned(), why };
    let db = migrate::open_writer(path)?;
    let step = |sql: &str| db.execute_batch(sql).map_err(|error| unusable(error.to_string()));
    step("BEGIN IMMEDIATE")?;
    TABLES.iter().try_for_each(|table| step(&format!("DELETE FROM {table}")))?;
    count_all(&db).map_err(|error| unusable(error.to_string()))?;
    step("COMMIT")
}

impl Store {
    /// Deletes figures that nobody asks for any more, an hour of minutes and a day of hours at a time. Says how many rows.
    pub async fn prune_figures(&self, now: i64) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for table in TABLES {
            for (span, kept, bite) in [(Span::Minute, MINUTES_KEPT_MS, Span::Hour.ms()), (Span::Hour, HOURS_KEPT_MS, DAY_MS)] {
                deleted += self.bite_figures(table, span, (now - kept, bite)).await?;
            }
        }
        Ok(deleted)
    }

    async fn bite_figures(&self, table: &'static str, span: Span, (cutoff, bite): (i64, i64)) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let sql = format!("SELECT min(at) FROM {table} WHERE span = ?1");
            let first: Option<i64> = self.point(|db| db.prepare_cached(&sql)?.query_row([span.ms()], |row| row.get(0)))?;
            let Some(first) = first.filter(|at| *at < cutoff) else { return Ok(deleted) };
            let before = cutoff.min(first + bite);
            let sql = format!("DELETE FROM {table} WHERE span = ?1 AND at < ?2");
            deleted += self.write(move |db| Ok(db.prepare_cached(&sql)?.execute(params![span.ms(), before])?)).await?;
        }
    }
}

#[cfg(test)]
pub(super) const SQL: &[&str] = &[CALLS, STEPS];
