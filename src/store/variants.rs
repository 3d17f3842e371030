//! Agents compared: the runs a roll-out's guard judges by, its roll-back, and each agent's figures for people.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{
    Store, StoreError, agents,
    alerts::{self, NewAlert},
    audit::By,
    claims::ClaimTime,
    figures::{Ratings, Share, Spread},
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

    /// Each agent's figures over the runs accepted since a time.
    pub async fn variant_figures(&self, since: i64, now: i64) -> Result<Vec<VariantFigures>, StoreError> {
        let claims = self.claim_times(since).await?;
        self.scan(move |db| {
            let mut figures = BTreeMap::new();
            of_claims(claims, &mut figures);
            of_runs(db, since, now, &mut figures)?;
            of_questions(db, since, &mut figures)?;
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

const FACTS: &str = "SELECT r.agent_id, r.state, r.welcome_rung, r.welcome_at, f.rating,
        EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = r.conversation_id AND m.sender_type = 'customer'
            AND m.created_at BETWEEN r.welcome_at AND r.welcome_at + ?2)
    FROM registrations r LEFT JOIN feedback f ON f.registration_id = r.id
    WHERE r.agent_id IS NOT NULL AND r.accepted_at >= ?1";

/// What one run says of the agent chosen for it.
struct Fact {
    agent_id: String,
    state: String,
    rung: Option<String>,
    welcome_at: Option<i64>,
    rating: Option<i64>,
    replied: bool,
}

type Figures = BTreeMap<String, VariantFigures>;

fn of_runs(db: &Connection, since: i64, now: i64, figures: &mut Figures) -> rusqlite::Result<()> {
    let mut ratings = BTreeMap::<String, Vec<i64>>::new();
    for fact in rows::all(db, FACTS, [since, DAY_MS], fact)? {
        ratings.entry(fact.agent_id.clone()).or_default().extend(fact.rating);
        count(figures.entry(fact.agent_id.clone()).or_default(), &fact, now);
    }
    for (id, ratings) in ratings {
        figures.entry(id).or_default().ratings = Ratings::of(&ratings);
    }
    Ok(())
}

fn of_claims(claims: Vec<ClaimTime>, figures: &mut Figures) {
    let mut times = BTreeMap::<String, Vec<i64>>::new();
    for claim in claims {
        if let Some(id) = claim.agent_id {
            times.entry(id).or_default().push(claim.claimed_at - claim.waiting_since);
        }
    }
    for (id, times) in times {
        figures.entry(id).or_default().claim = Spread::of(times);
    }
}

fn count(figure: &mut VariantFigures, fact: &Fact, now: i64) {
    figure.runs += 1;
    match fact.state.as_str() {
        "done" | "done_with_fallback" => figure.success.count(true),
        "dead_letter" => figure.success.count(false),
        _ => {}
    }
    match fact.rung.as_deref() {
        Some("agent") => figure.rungs.agent += 1,
        Some("fallback_agent") => figure.rungs.fallback_agent += 1,
        Some("segment") => figure.rungs.segment += 1,
        Some("static") => figure.rungs.r#static += 1,
        _ => {}
    }
    if fact.welcome_at.is_some_and(|at| at + DAY_MS <= now) {
        figure.replied_24h.count(fact.replied);
    }
}

fn of_questions(db: &Connection, since: i64, figures: &mut Figures) -> rusqlite::Result<()> {
    let sql = "SELECT c.agent_id, c.duration_ms, c.state IN ('answered', 'late'), coalesce(c.tokens, 0), CAST(c.price AS REAL), coalesce(c.currency, '')
        FROM registrations r JOIN agent_calls c ON c.registration_id = r.id WHERE r.accepted_at >= ?1";
    let (mut times, mut costs) = (BTreeMap::<String, Vec<i64>>::new(), BTreeMap::<(String, String), f64>::new());
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let figure = figures.entry(id.clone()).or_default();
        figure.questions += 1;
        figure.tokens += row.get::<_, i64>(3)?;
        if let (Some(took), true) = (row.get(1)?, row.get(2)?) {
            times.entry(id.clone()).or_default().push(took);
        }
        if let Some(price) = row.get::<_, Option<f64>>(4)? {
            *costs.entry((id, row.get(5)?)).or_default() += price;
        }
    }
    for (id, times) in times {
        figures.entry(id).or_default().latency = Spread::of(times);
    }
    for ((id, currency), sum) in costs {
        // Dify's prices have seven decimals; what comes after them is the sum's own rounding.
        figures.entry(id).or_default().costs.push(Cost { currency, sum: (sum * 1e7).round() / 1e7 });
    }
    Ok(())
}

fn fact(row: &Row<'_>) -> rusqlite::Result<Fact> {
    Ok(Fact {
        agent_id: row.get(0)?,
        state: row.get(1)?,
        rung: row.get(2)?,
        welcome_at: row.get(3)?,
        rating: row.get(4)?,
        replied: row.get(5)?,
    })
}

#[cfg(test)]
mod tests;
