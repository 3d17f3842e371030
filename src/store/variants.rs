//! Agents compared: the runs a roll-out's guard judges by, its roll-back, and each agent's figures for people.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{
    Store, StoreError, agents,
    alerts::{self, NewAlert},
    audit::By,
    figures::{Ratings, Share, Spread, agents::AgentFigures, grid::Grid},
    rows,
};

const DAY_MS: i64 = 86_400_000;

/// One run in which an agent was the one chosen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantRun {
    /// When its welcome was there.
    pub ended_at: i64,
    /// Time from asking to the answer; `None` when something else wrote the welcome.
    pub answered_in: Option<i64>,
}

/// Rungs that wrote an agent's welcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Rungs {
    /// The agent.
    pub agent: i64,
    /// The fallback agent.
    pub fallback_agent: i64,
    /// The segment's template.
    pub segment: i64,
    /// The static text.
    pub r#static: i64,
}

/// What was paid in one currency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Such as `USD`; empty when Dify did not say.
    pub currency: String,
    /// The sum of what Dify reported.
    pub sum: f64,
}

/// An agent's figures over the runs it was chosen for.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VariantFigures {
    /// The agent.
    pub agent_id: String,
    /// Its name and version, while it exists.
    pub agent: Option<String>,
    /// Runs it was chosen for.
    pub runs: i64,
    /// Of those that ended, how many brought a welcome.
    pub success: Share,
    /// Who wrote the welcomes.
    pub rungs: Rungs,
    /// Its times to the answer, in time or late, whoever chose it.
    pub latency: Spread,
    /// Questions it was asked, as the first or as the fallback.
    pub questions: i64,
    /// Tokens they used.
    pub tokens: i64,
    /// What they cost.
    pub costs: Vec<Cost>,
    /// Of the runs whose 24 hours are over, in how many the customer wrote within them.
    pub replied_24h: Share,
    /// Time from the consultants' notice to the claim.
    pub claim: Spread,
    /// What customers think of the welcomes.
    pub ratings: Ratings,
}

impl Store {
    /// The runs for which an agent was chosen since a time, in the order their outcome was known.
    pub async fn variant_runs(&self, agent_id: &str, since: i64) -> Result<Vec<VariantRun>, StoreError> {
        let id = agent_id.to_owned();
        self.scan(move |db| {
            rows::all(db, RUNS, params![id, since], |row| Ok(VariantRun { ended_at: row.get(0)?, answered_in: row.get(1)? }))
        })
        .await
    }

    /// Takes a candidate's share away, keeps the version it then is, and opens the alert that says why: all or nothing. False when its share was
    /// changed since `since`: then what was judged is over.
    pub async fn roll_back(
        &self,
        agent_id: &str,
        since: Option<i64>,
        (alert, channels): (NewAlert, Vec<String>),
        now: i64,
    ) -> Result<bool, StoreError> {
        let id = agent_id.to_owned();
        self.write(move |db| {
            let before = agents::existing(db, &id)?;
            let changed = db.execute(
                "UPDATE dify_configs SET rollout_percent = 0, rollout_since = ?3, updated_at = max(?3, updated_at + 1)
                  WHERE id = ?1 AND rollout_since IS ?2 AND rollout_percent > 0",
                params![id, since, now],
            )?;
            if changed == 1 {
                let by = By { reason: Some(alert.summary.clone()), ..By::new("daemon", now) };
                agents::record(db, "agent.roll_back", &before, &by)?;
                alerts::open(db, &alert, &channels, now)?;
            }
            Ok(changed == 1)
        })
        .await
    }

    /// Each agent's figures: over the runs accepted since a time, and over the questions asked since the beginning of its
    /// minute, or for more than a day of its hour.
    pub async fn variant_figures(&self, since: i64, now: i64) -> Result<Vec<VariantFigures>, StoreError> {
        let asked = self.agent_figures(Grid::whole(since, now)).await?;
        self.scan(move |db| {
            let mut figures = BTreeMap::new();
            of_runs(db, since, now, &mut figures)?;
            asked.agents.into_iter().for_each(|agent| of_questions(agent, &mut figures));
            for (id, figure) in &mut figures {
                figure.agent_id.clone_from(id);
                let sql = "SELECT app_name || ' v' || version FROM dify_configs WHERE id = ?1";
                figure.agent = rows::one(db, sql, [id], |row| row.get(0))?;
            }
            Ok(figures.into_values().collect())
        })
        .await
    }
}

const RUNS: &str = "SELECT r.welcome_at, CASE WHEN r.welcome_rung = 'agent' THEN (
        SELECT c.duration_ms FROM agent_calls c
        WHERE c.registration_id = r.id AND c.agent_id = r.agent_id AND c.rung = 'agent' AND c.state IN ('answered', 'late')
        ORDER BY c.started_at DESC LIMIT 1) END
    FROM registrations r WHERE r.agent_id = ?1 AND r.accepted_at >= ?2 AND r.welcome_at IS NOT NULL ORDER BY r.welcome_at, r.id";

/// One narrow row for each run, which says all that is asked of it.
const FACTS: &str =
    "SELECT agent_id, state, welcome_rung, welcome_at, replied_at, claimed_at, coalesce(noticed_at, opened_at, accepted_at), rating
    FROM run_figures WHERE accepted_at >= ?1 AND agent_id IS NOT NULL";

type Figures = BTreeMap<String, VariantFigures>;

/// What is gathered of one agent's runs.
#[derive(Default)]
struct Part {
    figures: VariantFigures,
    claims: Vec<i64>,
    ratings: Vec<i64>,
}

fn of_runs(db: &Connection, since: i64, now: i64, figures: &mut Figures) -> rusqlite::Result<()> {
    let mut parts = BTreeMap::<String, Part>::new();
    let mut statement = db.prepare_cached(FACTS)?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let agent_id = row.get_ref(0)?.as_str()?;
        match parts.get_mut(agent_id) {
            Some(part) => part.count(row, now)?,
            None => parts.entry(agent_id.to_owned()).or_default().count(row, now)?,
        }
    }
    for (id, part) in parts {
        let (claim, ratings) = (Spread::of(part.claims), Ratings::of(&part.ratings));
        figures.insert(id, VariantFigures { claim, ratings, ..part.figures });
    }
    Ok(())
}

impl Part {
    fn count(&mut self, row: &Row<'_>, now: i64) -> rusqlite::Result<()> {
        let figure = &mut self.figures;
        figure.runs += 1;
        match row.get_ref(1)?.as_str()? {
            "done" | "done_with_fallback" => figure.success.count(true),
            "dead_letter" => figure.success.count(false),
            _ => {}
        }
        match row.get_ref(2)?.as_str_or_null()? {
            Some("agent") => figure.rungs.agent += 1,
            Some("fallback_agent") => figure.rungs.fallback_agent += 1,
            Some("segment") => figure.rungs.segment += 1,
            Some("static") => figure.rungs.r#static += 1,
            _ => {}
        }
        if let Some(welcome_at) = row.get::<_, Option<i64>>(3)?
            && welcome_at + DAY_MS <= now
        {
            figure.replied_24h.count(row.get::<_, Option<i64>>(4)?.is_some_and(|at| at <= welcome_at + DAY_MS));
        }
        if let Some(claimed_at) = row.get::<_, Option<i64>>(5)? {
            self.claims.push(claimed_at - row.get::<_, i64>(6)?);
        }
        self.ratings.extend(row.get::<_, Option<i64>>(7)?);
        Ok(())
    }
}

fn of_questions(agent: AgentFigures, figures: &mut Figures) {
    let figure = figures.entry(agent.agent_id).or_default();
    (figure.questions, figure.tokens) = (agent.questions, agent.tokens);
    (figure.latency, figure.costs) = (agent.latency, agent.costs);
}

#[cfg(test)]
mod tests;
