//! Figures of agents: each question counts when it ends, at the time it was asked.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    Share, Spread,
    calls::add_to,
    grid::{Grid, Span},
    histogram::Tally,
    kept::{self, Sum, Table},
};
use crate::store::{Store, StoreError, rows, variants::Cost};

const TABLE: Table = Table {
    spread: "SELECT spread FROM agent_figures WHERE span = ?1 AND at = ?2 AND agent_id = ?3 AND state = ?4 AND error_kind = ?5",
    add: "INSERT INTO agent_figures (span, at, agent_id, state, error_kind, questions, tokens, duration_ms, spread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (span, at, agent_id, state, error_kind) DO UPDATE SET
            questions = questions + excluded.questions, tokens = tokens + excluded.tokens, duration_ms = duration_ms + excluded.duration_ms,
            spread = excluded.spread",
};
const ADD_COST: &str = "INSERT INTO agent_costs (span, at, agent_id, currency, nanos) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (span, at, agent_id, currency) DO UPDATE SET nanos = nanos + excluded.nanos";
const ENDED: &str = "SELECT agent_id, state, coalesce(error_kind, ''), started_at, coalesce(duration_ms, 0), coalesce(tokens, 0), price,
    coalesce(currency, '') FROM agent_calls WHERE id = ?1 AND state <> 'asked'";
const READ: &str = "SELECT at, agent_id, state, error_kind, questions, tokens, duration_ms, spread FROM agent_figures
    WHERE span = ?1 AND at >= ?2 AND at <= ?3";
const READ_COSTS: &str =
    "SELECT agent_id, currency, sum(nanos) FROM agent_costs WHERE span = ?1 AND at >= ?2 AND at <= ?3 GROUP BY agent_id, currency";
const NAMES: &str = "SELECT id, app_name || ' v' || version FROM dify_configs";

struct Question {
    agent_id: String,
    state: String,
    error_kind: String,
    at: i64,
    duration_ms: i64,
    tokens: i64,
    price: Option<String>,
    currency: String,
}

/// Counts a question that has ended, in the transaction that says so.
pub(in crate::store) fn count(db: &Connection, call_id: &str) -> Result<(), StoreError> {
    let question = rows::one(db, ENDED, [call_id], |row| {
        Ok(Question {
            agent_id: row.get(0)?,
            state: row.get(1)?,
            error_kind: row.get(2)?,
            at: row.get(3)?,
            duration_ms: row.get(4)?,
            tokens: row.get(5)?,
            price: row.get(6)?,
            currency: row.get(7)?,
        })
    })?;
    let Some(question) = question else { return Ok(()) };
    let names = [question.agent_id.as_str(), &question.state, &question.error_kind];
    kept::add_one(db, &TABLE, question.at, &names, &Sum::one(question.duration_ms, question.tokens))?;
    if let Some(nanos) = question.price.as_deref().and_then(nanos) {
        for span in Span::ALL {
            let row = params![span.ms(), span.begin(question.at), question.agent_id, question.currency, nanos];
            db.prepare_cached(ADD_COST)?.execute(row)?;
        }
    }
    Ok(())
}

/// Dify's decimal text in billionths; what is no such number costs nothing that could be added up.
fn nanos(price: &str) -> Option<i64> {
    let (whole, part) = price.trim().split_once('.').unwrap_or((price.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() + part.len() == 0 {
        return price.trim().parse::<f64>().ok().filter(|price| (0.0..1e9).contains(price)).map(|price| (price * 1e9).round() as i64);
    }
    let part: i64 = format!("{part:0<9}").get(..9)?.parse().ok()?;
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1_000_000_000)?.checked_add(part)
}

/// How one agent did in a time.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFigures {
    /// The agent.
    pub agent_id: String,
    /// Its name and version, while it exists.
    pub agent: Option<String>,
    /// Questions it was asked that have ended.
    pub questions: i64,
    /// Of those whose end is known, how many it answered, in time or late.
    pub answered: Share,
    /// How long its answers took.
    pub latency: Spread,
    /// Tokens its questions used.
    pub tokens: i64,
    /// What they cost, by currency.
    pub costs: Vec<Cost>,
    /// How often it failed in which way, the most frequent first.
    pub errors: Vec<(String, i64)>,
    /// Questions and answers in each step of the grid.
    pub steps: Vec<Share>,
}

/// How the agents did in a time, each and together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AllAgents {
    /// Each, the most asked first.
    pub agents: Vec<AgentFigures>,
    /// 95 % of the answers of all took at most so long, in each step of the grid.
    pub p95: Vec<Option<i64>>,
}

#[derive(Default)]
struct Part {
    questions: i64,
    answered: Share,
    latency: Tally,
    tokens: i64,
    costs: Vec<Cost>,
    errors: BTreeMap<String, i64>,
    steps: Vec<Share>,
}

impl Store {
    /// How the agents did.
    pub async fn agent_figures(&self, grid: Grid) -> Result<AllAgents, StoreError> {
        let Read { mut parts, steps, names } = self.scan(move |db| read(db, &grid)).await??;
        let figures = names.iter().filter_map(|(id, name)| parts.remove(id).map(|part| part.figures(id, Some(name))));
        let mut figures: Vec<_> = figures.collect();
        figures.extend(parts.into_iter().map(|(id, part)| part.figures(&id, None)));
        figures.sort_by_key(|agent| std::cmp::Reverse(agent.questions));
        Ok(AllAgents { agents: figures, p95: steps.iter().map(|step| step.spread().p95).collect() })
    }
}

struct Read {
    parts: BTreeMap<String, Part>,
    /// The answers of all, in each step.
    steps: Vec<Tally>,
    names: Vec<(String, String)>,
}

fn read(db: &Connection, grid: &Grid) -> rusqlite::Result<Result<Read, StoreError>> {
    let mut parts = BTreeMap::<String, Part>::new();
    let mut steps = vec![Tally::default(); grid.steps()];
    let mut statement = db.prepare_cached(READ)?;
    let mut found = statement.query(params![grid.span.ms(), grid.first_row(), grid.until])?;
    while let Some(row) = found.next()? {
        let (id, kind, questions): (String, String, i64) = (row.get(1)?, row.get(3)?, row.get(4)?);
        let part = parts.entry(id).or_insert_with(|| Part { steps: vec![Share::default(); grid.steps()], ..Part::default() });
        let state = row.get_ref(2)?.as_str()?;
        let answered = matches!(state, "answered" | "late");
        part.questions += questions;
        part.tokens += row.get::<_, i64>(5)?;
        if !kind.is_empty() {
            add_to(&mut part.errors, &kind, questions);
        }
        let step = grid.step(row.get(0)?);
        if state != "unknown" {
            let share = step.and_then(|step| part.steps.get_mut(step));
            for share in [Some(&mut part.answered), share].into_iter().flatten() {
                share.of += questions;
                share.hits += if answered { questions } else { 0 };
            }
        }
        if answered {
            let (spread, duration_ms) = (row.get_ref(7)?.as_blob()?, row.get(6)?);
            let all = step.and_then(|step| steps.get_mut(step));
            for tally in [Some(&mut part.latency), all].into_iter().flatten() {
                if let Err(error) = tally.absorb(spread, duration_ms) {
                    return Ok(Err(error));
                }
            }
        }
    }
    add_costs(db, grid, &mut parts)?;
    let names = rows::all(db, NAMES, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Ok(Read { parts, steps, names }))
}

fn add_costs(db: &Connection, grid: &Grid, parts: &mut BTreeMap<String, Part>) -> rusqlite::Result<()> {
    let costs: Vec<(String, String, i64)> = rows::all(db, READ_COSTS, params![grid.span.ms(), grid.first_row(), grid.until], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    for (id, currency, nanos) in costs {
        if let Some(part) = parts.get_mut(&id) {
            part.costs.push(Cost { currency, sum: nanos as f64 / 1e9 });
        }
    }
    Ok(())
}

impl Part {
    fn figures(self, id: &str, name: Option<&String>) -> AgentFigures {
        let mut errors: Vec<_> = self.errors.into_iter().collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        AgentFigures {
            agent_id: id.to_owned(),
            agent: name.cloned(),
            questions: self.questions,
            answered: self.answered,
            latency: self.latency.spread(),
            tokens: self.tokens,
            costs: self.costs,
            errors,
            steps: self.steps,
        }
    }
}

#[cfg(test)]
pub(super) const SQL: &[&str] = &[TABLE.spread, READ, READ_COSTS];

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn prices_are_added_up_in_billionths() {
        let cases = [
            ("0.0012", 1_200_000),
            ("2", 2_000_000_000),
            (".5", 500_000_000),
            ("0.0000000019", 1),
            ("1e-3", 1_000_000),
            ("3.", 3_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
        for text in ["", ".", "-1", "free", "99999999999999"] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
