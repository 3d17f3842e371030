//! What agents were asked, and how it went: one row for each question, written before it is asked.
//!
//! A row that is still `asked` when a process starts is a question whose answer nobody heard: the agent may have
//! answered, so it is looked for before anybody asks again.

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Store, StoreError, figures, rows};

/// A question about to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgentCall {
    /// UUID v7.
    pub id: String,
    /// The run.
    pub registration_id: String,
    /// Who is asked.
    pub agent_id: String,
    /// `agent` or `fallback_agent`.
    pub rung: &'static str,
    /// The time.
    pub now: i64,
}

/// What Dify calls the run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DifyIds {
    /// To stop it.
    pub task_id: Option<String>,
    /// To find its answer.
    pub conversation_id: Option<String>,
    /// For feedback.
    pub message_id: Option<String>,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgentCallEnd {
    /// `answered`, `late`, `failed`, `refused`, `stopped` or `unknown`.
    pub state: &'static str,
    /// Time to the first event.
    pub first_byte_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: i64,
    /// Dify's ids, where they are known.
    pub ids: DifyIds,
    /// Tools it called.
    pub tools: Option<Value>,
    /// Rounds of thought, as Dify counts them.
    pub thoughts: Option<i64>,
    /// What was heard of them.
    pub heard: Vec<Thought>,
    /// Tokens used.
    pub tokens: Option<i64>,
    /// What it cost, such as `0.0012`.
    pub price: Option<String>,
    /// In what.
    pub currency: Option<String>,
    /// Class of the error.
    pub error_kind: Option<String>,
    /// Why it failed or was refused.
    pub error: Option<String>,
}

/// One position of an agent's run: what it thought there, and which tools it called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Thought {
    /// From 1 on.
    pub position: i64,
    /// First heard of, in milliseconds since the question; none for an answer that was found later.
    pub began_ms: Option<i64>,
    /// Last heard of.
    pub ended_ms: Option<i64>,
    /// What it thought, cleaned and cut; kept with `call_log.bodies = full` only.
    pub text: Option<String>,
    /// How long that was.
    pub characters: i64,
    /// Tools it called, joined by `;`.
    pub tool: String,
    /// How much it told them.
    pub input_bytes: i64,
    /// How much they answered.
    pub observation_bytes: i64,
}

/// A question as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentCall {
    /// UUID v7.
    pub id: String,
    /// Who was asked.
    pub agent_id: String,
    /// That agent's name and version, while it exists.
    pub agent: Option<String>,
    /// As which rung.
    pub rung: String,
    /// How it stands.
    pub state: String,
    /// When it was asked.
    pub started_at: i64,
    /// Time to the first event.
    pub first_byte_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: Option<i64>,
    /// Dify's task.
    pub task_id: Option<String>,
    /// Dify's conversation.
    pub dify_conversation_id: Option<String>,
    /// Dify's message.
    pub dify_message_id: Option<String>,
    /// Tools it called.
    pub tools: Option<Value>,
    /// Rounds of thought.
    pub thoughts: Option<i64>,
    /// Tokens used.
    pub tokens: Option<i64>,
    /// What it cost.
    pub price: Option<String>,
    /// In what.
    pub currency: Option<String>,
    /// Class of the error.
    pub error_kind: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

const OF_RUN: &str =
    "SELECT c.id, c.agent_id, a.app_name || ' v' || a.version, c.rung, c.state, c.started_at, c.first_byte_ms, c.duration_ms,
        c.task_id, c.dify_conversation_id, c.dify_message_id, c.tools, c.thoughts, c.tokens, c.price, c.currency, c.error_kind, c.error
    FROM agent_calls c LEFT JOIN dify_configs a ON a.id = c.agent_id WHERE c.registration_id = ?1 ORDER BY c.started_at, c.id";

const KEEP_THOUGHT: &str =
    "INSERT INTO agent_thoughts (call_id, position, began_ms, ended_ms, text, characters, tool, input_bytes, observation_bytes)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
const THOUGHTS: &str =
    "SELECT t.call_id, t.position, t.began_ms, t.ended_ms, t.text, t.characters, t.tool, t.input_bytes, t.observation_bytes
    FROM agent_calls c JOIN agent_thoughts t ON t.call_id = c.id WHERE c.registration_id = ?1 ORDER BY c.started_at, c.id, t.position";

impl Store {
    /// Notes that an agent is about to be asked.
    pub async fn begin_agent_call(&self, call: NewAgentCall) -> Result<(), StoreError> {
        self.write(move |db| {
            db.prepare_cached(
                "INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at) VALUES (?1, ?2, ?3, ?4, 'asked', ?5)",
            )?
            .execute(params![call.id, call.registration_id, call.agent_id, call.rung, call.now])?;
            Ok(())
        })
        .await
    }

    /// Notes what Dify calls the run, as soon as it is known.
    pub async fn note_agent_ids(&self, call_id: &str, first_byte_ms: i64, ids: DifyIds) -> Result<(), StoreError> {
        let id = call_id.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE agent_calls SET first_byte_ms = ?2, task_id = ?3, dify_conversation_id = ?4, dify_message_id = ?5 WHERE id = ?1",
            )?
            .execute(params![id, first_byte_ms, ids.task_id, ids.conversation_id, ids.message_id])?;
            Ok(())
        })
        .await
    }

    /// Notes how a question ended. Only an open one can end.
    pub async fn end_agent_call(&self, call_id: &str, end: AgentCallEnd) -> Result<(), StoreError> {
        let id = call_id.to_owned();
        self.write(move |db| {
            let ended = db.prepare_cached(
                "UPDATE agent_calls SET state = ?2, first_byte_ms = coalesce(?3, first_byte_ms), duration_ms = ?4, task_id = coalesce(?5, task_id),
                        dify_conversation_id = coalesce(?6, dify_conversation_id), dify_message_id = coalesce(?7, dify_message_id),
                        tools = ?8, thoughts = ?9, tokens = ?10, price = ?11, currency = ?12, error_kind = ?13, error = ?14
                  WHERE id = ?1 AND state = 'asked'",
            )?
            .execute(params![
                id,
                end.state,
                end.first_byte_ms,
                end.duration_ms,
                end.ids.task_id,
                end.ids.conversation_id,
                end.ids.message_id,
                end.tools.map(|tools| tools.to_string()),
                end.thoughts,
                end.tokens,
                end.price,
                end.currency,
                end.error_kind,
                end.error
            ])?;
            if ended == 1 {
                keep_thoughts(db, &id, &end.heard)?;
                figures::agents::count(db, &id)?;
            }
            Ok(())
        })
        .await
    }

    /// What was asked for a run, in order.
    pub fn agent_calls(&self, registration_id: &str) -> Result<Vec<AgentCall>, StoreError> {
        self.point(|db| calls_of_run(db, registration_id))
    }
}

fn keep_thoughts(db: &Connection, call_id: &str, thoughts: &[Thought]) -> rusqlite::Result<()> {
    let mut keep = db.prepare_cached(KEEP_THOUGHT)?;
    for one in thoughts {
        keep.execute(params![
            call_id,
            one.position,
            one.began_ms,
            one.ended_ms,
            one.text,
            one.characters,
            one.tool,
            one.input_bytes,
            one.observation_bytes
        ])?;
    }
    Ok(())
}

/// The thoughts of every question of a run, each with its question's id.
pub(super) fn thoughts_of_run(db: &Connection, registration_id: &str) -> rusqlite::Result<Vec<(String, Thought)>> {
    rows::all(db, THOUGHTS, [registration_id], |row| {
        let thought = Thought {
            position: row.get(1)?,
            began_ms: row.get(2)?,
            ended_ms: row.get(3)?,
            text: row.get(4)?,
            characters: row.get(5)?,
            tool: row.get(6)?,
            input_bytes: row.get(7)?,
            observation_bytes: row.get(8)?,
        };
        Ok((row.get(0)?, thought))
    })
}

/// What was asked for a run, in order.
pub(super) fn calls_of_run(db: &Connection, registration_id: &str) -> rusqlite::Result<Vec<AgentCall>> {
    rows::all(db, OF_RUN, [registration_id], agent_call)
}

fn agent_call(row: &Row<'_>) -> rusqlite::Result<AgentCall> {
    Ok(AgentCall {
        id: row.get(0)?,
        agent_id: row.get(1)?,
        agent: row.get(2)?,
        rung: row.get(3)?,
        state: row.get(4)?,
        started_at: row.get(5)?,
        first_byte_ms: row.get(6)?,
        duration_ms: row.get(7)?,
        task_id: row.get(8)?,
        dify_conversation_id: row.get(9)?,
        dify_message_id: row.get(10)?,
        tools: row.get::<_, Option<rows::Json<Value>>>(11)?.map(|rows::Json(tools)| tools),
        thoughts: row.get(12)?,
        tokens: row.get(13)?,
        price: row.get(14)?,
        currency: row.get(15)?,
        error_kind: row.get(16)?,
        error: row.get(17)?,
    })
}
