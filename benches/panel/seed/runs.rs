//! Registrations, and what belongs to each: steps, questions, conversation, messages, claim, rating.

use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use serde_json::json;

use super::{Cast, Ran, customer, told};
use crate::random::Random;

const WELCOME: &str =
    "您好，欢迎来到安美！看到您关注皮肤状态，我们可以先从一次免费的皮肤检测开始，为您定制适合的方案。请问您平时比较关心哪方面呢？";
const REGISTRATION: &str =
    "INSERT INTO registrations (id, event_id, user_id, body_hash, profile, state, skip_reason, accepted_at, deadline_at,
        conversation_id, segment, agent_id, welcome_text, welcome_rung, welcome_reason, welcome_message_id, welcome_at, late_outcome,
        assigned_to, finished_at)
    VALUES (?1, ?2, ?3, zeroblob(32), ?4, ?5, ?6, ?7, ?7 + 3000, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const STEP: &str = "INSERT INTO registration_steps (registration_id, step, attempt, state, started_at, duration_ms, detail, error)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, '{}', ?7)";
const QUESTION: &str =
    "INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at, first_byte_ms, duration_ms, task_id,
        dify_conversation_id, dify_message_id, tools, thoughts, tokens, price, currency, error_kind, error)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9, '[]', 2, ?10, ?11, 'USD', ?12, ?13)";
const THOUGHT: &str = "INSERT INTO agent_thoughts (call_id, position, began_ms, ended_ms, characters, tool, input_bytes, observation_bytes)
    VALUES (?1, ?2, ?3, ?4, 120, 'get_user_profile', 60, 800)";
const CONVERSATION: &str = "INSERT INTO conversations (id, customer_id, registration_id, title, agent_id, status, created_at, updated_at)
    VALUES (?1, ?2, ?3, '新客户接待', ?4, ?5, ?6, ?7)";
const MESSAGE: &str = "INSERT INTO messages (id, conversation_id, registration_id, sender_type, sender_id, type, content, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, 'text', ?6, ?7)";
const CLAIM: &str = "INSERT INTO claims (registration_id, conversation_id, customer_id, consultant_id, via, claimed_at)
    VALUES (?1, ?2, ?3, ?4, 'live', ?5)";
const RATING: &str = "INSERT INTO feedback (registration_id, rating, source, created_at) VALUES (?1, ?2, 'live', ?3)";

/// One run with what the rows around it say of it too.
pub(super) struct Run {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) customer: String,
    pub(super) conversation: String,
    pub(super) state: &'static str,
    pub(super) rung: Option<&'static str>,
    pub(super) welcome_at: i64,
    pub(super) finished_at: i64,
    pub(super) agent: String,
    pub(super) assigned_to: String,
    pub(super) claimed_at: Option<i64>,
}

pub(super) fn write(db: &Connection, cast: &Cast) -> Result<Vec<Ran>> {
    let random = &mut Random::new(1);
    let mut runs = Vec::new();
    for number in 0..cast.amounts.registrations {
        let run = Run::made(random, cast, number).context("there are agents and consultants")?;
        run.registration(db, random)?;
        run.steps(db, random)?;
        if run.rung.is_some() {
            run.questions(db, cast, random)?;
            run.talk(db, random)?;
            run.ending(db, random)?;
            told::write(db, cast, &run, random)?;
        }
        runs.push(Ran { id: run.id, at: run.at });
    }
    Ok(runs)
}

impl Run {
    fn made(random: &mut Random, cast: &Cast, number: u64) -> Option<Self> {
        let at = cast.days.at(number as f64 / cast.amounts.registrations as f64);
        let state = random.mostly("done", &[(900, "done_with_fallback"), (50, "dead_letter"), (30, "cancelled"), (150, "skipped")]);
        let rung = match state {
            "done" => Some(random.mostly("agent", &[(300, "fallback_agent")])),
            "done_with_fallback" => Some(random.mostly("segment", &[(1_000, "static")])),
            _ => None,
        };
        let welcome_at = at + random.time(1_400);
        let (first, agents) = cast.agents.split_first()?;
        let agent = if random.chance(700) { first } else { random.of(agents)? };
        Some(Self {
            id: random.id(at),
            at,
            customer: customer(number),
            conversation: random.id(at + 5),
            state,
            rung,
            welcome_at,
            finished_at: welcome_at + random.time(150),
            agent: agent.clone(),
            assigned_to: random.of(&cast.consultants)?.clone(),
            claimed_at: (rung.is_some() && random.chance(940)).then(|| welcome_at + random.time(240_000)),
        })
    }

    fn registration(&self, db: &Connection, random: &mut Random) -> Result<()> {
        let profile = json!({
            "user_id": self.customer, "username": "陈晓雯", "email": "chen.xiaowen@example.com", "phone": "13812345678",
            "avatar": "https://cdn.example.com/avatars/7f3a.png", "roles": ["customer"], "registered_at": self.at,
        });
        let welcomed = self.rung.is_some();
        let skipped = (self.state == "skipped").then_some("automation.enabled is off");
        let late = (welcomed && random.chance(30)).then_some("appended");
        db.prepare_cached(REGISTRATION)?.execute(params![
            self.id,
            format!("msg_{}", self.id),
            self.customer,
            profile.to_string(),
            self.state,
            skipped,
            self.at,
            welcomed.then_some(&self.conversation),
            random.mostly("new", &[(2_200, "concern"), (800, "returning")]),
            welcomed.then_some(&self.agent),
            welcomed.then_some(WELCOME),
            self.rung,
            welcomed.then_some("the agent answered in time"),
            welcomed.then(|| format!("welcome-{}", self.id)),
            welcomed.then_some(self.welcome_at),
            late,
            welcomed.then_some(&self.assigned_to),
            self.finished_at,
        ])?;
        Ok(())
    }

    fn steps(&self, db: &Connection, random: &mut Random) -> Result<()> {
        let mut insert = db.prepare_cached(STEP)?;
        let composing = self.welcome_at - self.at;
        let steps: &[(&str, i64, i64)] = match self.rung {
            Some(_) => &[("open_conversation", 6, 8), ("compose_welcome", 15, 0), ("deliver_welcome", 0, 9), ("notify_consultants", 5, 11)],
            None if self.state == "dead_letter" => &[("open_conversation", 6, 8)],
            None => &[],
        };
        for (step, after, took) in steps {
            let began = self.at + if *step == "deliver_welcome" { composing } else { *after };
            let took = if *step == "compose_welcome" { composing - after } else { random.time(*took) };
            let fails = self.state == "dead_letter" || random.chance(15);
            if fails {
                insert.execute(params![self.id, step, 1, "failed", began, took, "the database was busy for 5000 ms"])?;
            }
            if self.state != "dead_letter" {
                insert.execute(params![self.id, step, if fails { 2 } else { 1 }, "done", began, took, None::<&str>])?;
            }
        }
        Ok(())
    }

    fn questions(&self, db: &Connection, cast: &Cast, random: &mut Random) -> Result<()> {
        let spare = matches!(self.rung, Some("fallback_agent")).then_some((&cast.spare, "fallback_agent", true));
        let first = (&self.agent, "agent", matches!(self.rung, Some("agent")));
        for (agent, rung, answered) in [Some(first), spare].into_iter().flatten() {
            let (id, asked) = (random.id(self.at + 20), self.at + 20);
            let failure = random.mostly(("timeout", "no answer within 3000 ms"), &[(3_000, ("rate_limited", "429: too many requests"))]);
            let took = self.welcome_at - asked;
            db.prepare_cached(QUESTION)?.execute(params![
                id,
                self.id,
                agent,
                rung,
                if answered { "answered" } else { "failed" },
                asked,
                random.time(300),
                took.max(1),
                format!("dify-{id}"),
                random.between(600, 2_400),
                format!("0.{:05}", random.between(60, 900)),
                (!answered).then_some(failure.0),
                (!answered).then_some(failure.1),
            ])?;
            for position in 1..=2 {
                db.prepare_cached(THOUGHT)?.execute(params![id, position, position * 200, position * 200 + 150])?;
            }
        }
        Ok(())
    }

    /// The conversation with its messages, the welcome first.
    fn talk(&self, db: &Connection, random: &mut Random) -> Result<()> {
        let words = if random.chance(780) { random.between(1, 6) } else { 0 };
        let mut times = vec![self.welcome_at];
        for _ in 0..words {
            let last = times.last().copied().unwrap_or(self.welcome_at);
            times.push(last + random.time(150_000));
        }
        let updated = times.last().copied().unwrap_or(self.welcome_at);
        let status = random.mostly("open", &[(3_000, "closed")]);
        let conversation = params![self.conversation, self.customer, self.id, self.agent, status, self.at + 5, updated];
        db.prepare_cached(CONVERSATION)?.execute(conversation)?;
        for (n, at) in times.into_iter().enumerate() {
            let (id, welcome, sender) = match n {
                0 => (format!("welcome-{}", self.id), Some(&self.id), ("ai", None)),
                n if n % 2 == 1 => (random.id(at), None, ("customer", Some(&self.customer))),
                _ => (random.id(at), None, ("consultant", Some(&self.assigned_to))),
            };
            let text = if n == 0 { WELCOME } else { "想了解一下光子嫩肤，恢复期大概多久？" };
            let content = json!({"text": text}).to_string();
            db.prepare_cached(MESSAGE)?.execute(params![id, self.conversation, welcome, sender.0, sender.1, content, at])?;
        }
        Ok(())
    }

    fn ending(&self, db: &Connection, random: &mut Random) -> Result<()> {
        if let Some(claimed_at) = self.claimed_at {
            let claim = params![self.id, self.conversation, self.customer, self.assigned_to, claimed_at];
            db.prepare_cached(CLAIM)?.execute(claim)?;
        }
        if random.chance(150) {
            let rating = random.mostly(5, &[(2_500, 4), (700, 3), (300, 1)]);
            db.prepare_cached(RATING)?.execute(params![self.id, rating, self.welcome_at + random.time(900_000)])?;
        }
        Ok(())
    }
}
