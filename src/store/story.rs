//! Everything on record about one run, read at once: for the timeline that people look at.
//!
//! What is kept only for a while (notices, pushes, events, entries of the call log) may be missing from the story of an
//! old run. Nothing is judged here, and nothing is left out but bodies of calls: of those only the sizes are told.

use rusqlite::{Connection, Row};
use serde_json::Value;

use super::{
    Store, StoreError,
    agent_calls::{self, AgentCall, Thought},
    claims::{self, Claim},
    registrations::{self, Registration, StepRecord},
    rows,
};

/// Most rows of one kind.
const MOST: i64 = 500;

/// A run with everything around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The run.
    pub run: Registration,
    /// `webhook-id` of the first delivery.
    pub event_id: Option<String>,
    /// When the customer's client showed the welcome.
    pub welcome_read_at: Option<i64>,
    /// Tries of its steps.
    pub steps: Vec<StepRecord>,
    /// Questions to agents.
    pub agent_calls: Vec<AgentCall>,
    /// What the agents thought, each with its question's id.
    pub thoughts: Vec<(String, Thought)>,
    /// Calls of tools that agents made for it.
    pub tool_calls: Vec<ToolCall>,
    /// Messages of its conversation.
    pub messages: Vec<Said>,
    /// Notices for people who are connected.
    pub notices: Vec<Notice>,
    /// Pushes over channels.
    pub pushes: Vec<Push>,
    /// Events for other systems.
    pub events: Vec<Event>,
    /// Levels of the escalation.
    pub levels: Vec<Level>,
    /// The claim of its customer.
    pub claim: Option<Claim>,
    /// The rating of its welcome.
    pub rating: Option<Rating>,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// UUID v7.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// The group it was called in, while that exists.
    pub group: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// Why not, as the caller was told.
    pub error: Option<String>,
    /// Bytes of its arguments, as they are kept.
    pub request_bytes: Option<i64>,
    /// Bytes of its result.
    pub response_bytes: Option<i64>,
    /// Time in dispatch.
    pub duration_ms: i64,
    /// When it arrived.
    pub at: i64,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its id.
    pub id: String,
    /// Which part the sender plays.
    pub sender_type: String,
    /// Its text.
    pub text: String,
    /// Which rung of the ladder wrote it, of those the automation wrote.
    pub rung: Option<String>,
    /// When it was stored.
    pub at: i64,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// UUID v7.
    pub id: String,
    /// What it is about.
    pub kind: String,
    /// Escalation level.
    pub level: i64,
    /// For whom; empty for every consultant.
    pub recipient_id: String,
    /// When it was made.
    pub at: i64,
    /// When it first went over a live connection.
    pub sent_at: Option<i64>,
    /// When the receiver said it has it.
    pub acked_at: Option<i64>,
}

/// One push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// UUID v7.
    pub id: String,
    /// Over which channel.
    pub channel: String,
    /// Why.
    pub reason: String,
    /// Escalation level.
    pub level: i64,
    /// When it was decided.
    pub at: i64,
    /// When the channel took it.
    pub delivered_at: Option<i64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// One event with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `webhook-id`.
    pub id: String,
    /// What it tells of.
    pub kind: String,
    /// When it was made.
    pub at: i64,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was given up.
    pub given_up_at: Option<i64>,
    /// The attempts, in order.
    pub attempts: Vec<super::events::EventAttempt>,
}

/// One level of the escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// 1 for the first.
    pub level: i64,
    /// Who was told.
    pub target: String,
    /// When.
    pub at: i64,
}

/// A rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// 1 bad … 5 good.
    pub rating: i64,
    /// The customer's words.
    pub comment: Option<String>,
    /// By which door it came.
    pub source: String,
    /// When.
    pub at: i64,
    /// When Dify had it.
    pub forwarded_at: Option<i64>,
}

const EXTRAS: &str = "SELECT event_id, welcome_read_at FROM registrations WHERE id = ?1";
const TOOL_CALLS: &str = "
    SELECT c.call_id, c.tool_name, g.server_code, c.outcome, c.error_message, length(CAST(c.request_data AS BLOB)),
           coalesce(json_extract(c.response_data, '$.bytes'), length(CAST(c.response_data AS BLOB))), c.duration_ms, c.created_at
      FROM mcp_call_logs c LEFT JOIN mcp_tool_groups g ON g.id = c.group_id
     WHERE c.registration_id = ?1 ORDER BY c.created_at, c.id LIMIT ?2";
const MESSAGES: &str = "
    SELECT id, sender_type, coalesce(json_extract(content, '$.text'), ''), json_extract(content, '$.rung'), created_at
      FROM messages WHERE conversation_id = ?1 ORDER BY created_at, rowid LIMIT ?2";
const NOTICES: &str = "
    SELECT id, kind, level, recipient_id, created_at, sent_at, acked_at FROM notifications
     WHERE registration_id = ?1 ORDER BY created_at, id LIMIT ?2";
const PUSHES: &str = "
    SELECT id, channel, reason, level, created_at, delivered_at, last_error FROM pushes
     WHERE reason IN ('new_customer', 'escalation') AND subject_id = ?1 ORDER BY created_at, id LIMIT ?2";
const EVENTS: &str = "
    SELECT id, kind, created_at, delivered_at, given_up_at FROM outgoing_events WHERE registration_id = ?1 ORDER BY created_at, id LIMIT ?2";
const ATTEMPTS: &str = "
    SELECT attempt, attempted_at, duration_ms, status, error FROM event_attempts WHERE event_id = ?1 ORDER BY attempt LIMIT ?2";
const LEVELS: &str = "SELECT level, target, escalated_at FROM escalations WHERE registration_id = ?1 ORDER BY level LIMIT ?2";
const RATING: &str = "SELECT rating, comment, source, created_at, forwarded_at FROM feedback WHERE registration_id = ?1";

impl Store {
    /// Everything on record about a run.
    pub async fn story(&self, registration_id: &str) -> Result<Option<Story>, StoreError> {
        let id = registration_id.to_owned();
        self.scan(move |db| story(db, &id)).await
    }

    /// Calls of tools that were made for a run, or for a replay.
    pub fn tool_calls_of(&self, run_or_replay: &str) -> Result<Vec<ToolCall>, StoreError> {
        self.point(|db| rows::all(db, TOOL_CALLS, (run_or_replay, MOST), tool_call))
    }
}

fn story(db: &Connection, id: &str) -> rusqlite::Result<Option<Story>> {
    let Some(run) = rows::one(db, &registrations::BY_ID, [id], registrations::registration)? else { return Ok(None) };
    let (event_id, welcome_read_at) = rows::one(db, EXTRAS, [id], |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or_default();
    let conversation = run.conversation_id.clone().unwrap_or_default();
    Ok(Some(Story {
        event_id,
        welcome_read_at,
        steps: rows::all(db, registrations::STEPS, [id], registrations::step)?,
        agent_calls: agent_calls::calls_of_run(db, id)?,
        thoughts: agent_calls::thoughts_of_run(db, id)?,
        tool_calls: rows::all(db, TOOL_CALLS, (id, MOST), tool_call)?,
        messages: rows::all(db, MESSAGES, (conversation, MOST), said)?,
        notices: rows::all(db, NOTICES, (id, MOST), notice)?,
        pushes: rows::all(db, PUSHES, (id, MOST), push)?,
        events: events(db, id)?,
        levels: rows::all(db, LEVELS, (id, MOST), |row| Ok(Level { level: row.get(0)?, target: row.get(1)?, at: row.get(2)? }))?,
        claim: claims::of_run(db, id)?,
        rating: rows::one(db, RATING, [id], rating)?,
        run,
    }))
}

fn tool_call(row: &Row<'_>) -> rusqlite::Result<ToolCall> {
    Ok(ToolCall {
        call_id: row.get(0)?,
        tool: row.get(1)?,
        group: row.get(2)?,
        outcome: row.get(3)?,
        error: row.get(4)?,
        request_bytes: row.get(5)?,
        response_bytes: row.get(6)?,
        duration_ms: row.get(7)?,
        at: row.get(8)?,
    })
}

fn said(row: &Row<'_>) -> rusqlite::Result<Said> {
    Ok(Said { id: row.get(0)?, sender_type: row.get(1)?, text: words(row, 2)?, rung: row.get(3)?, at: row.get(4)? })
}

/// A text of JSON content; another app may have put a number or a list there.
fn words(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(column)? {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => Value::from(number).to_string(),
        ValueRef::Null | ValueRef::Blob(_) => String::new(),
    })
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    Ok(Notice {
        id: row.get(0)?,
        kind: row.get(1)?,
        level: row.get(2)?,
        recipient_id: row.get(3)?,
        at: row.get(4)?,
        sent_at: row.get(5)?,
        acked_at: row.get(6)?,
    })
}

fn push(row: &Row<'_>) -> rusqlite::Result<Push> {
    Ok(Push {
        id: row.get(0)?,
        channel: row.get(1)?,
        reason: row.get(2)?,
        level: row.get(3)?,
        at: row.get(4)?,
        delivered_at: row.get(5)?,
        last_error: row.get(6)?,
    })
}

fn events(db: &Connection, id: &str) -> rusqlite::Result<Vec<Event>> {
    let mut events = rows::all(db, EVENTS, (id, MOST), |row| {
        Ok(Event {
            id: row.get(0)?,
            kind: row.get(1)?,
            at: row.get(2)?,
            delivered_at: row.get(3)?,
            given_up_at: row.get(4)?,
            attempts: Vec::new(),
        })
    })?;
    for event in &mut events {
        event.attempts = rows::all(db, ATTEMPTS, (&event.id, MOST), |row| {
            Ok(super::events::EventAttempt {
                attempt: row.get(0)?,
                attempted_at: row.get(1)?,
                duration_ms: row.get(2)?,
                status: row.get(3)?,
                error: row.get(4)?,
            })
        })?;
    }
    Ok(events)
}

fn rating(row: &Row<'_>) -> rusqlite::Result<Rating> {
    Ok(Rating { rating: row.get(0)?, comment: row.get(1)?, source: row.get(2)?, at: row.get(3)?, forwarded_at: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::rows_for_tests::{Bench, Run};

    #[tokio::test]
    async fn a_run_without_anything_around_it_has_a_short_story() {
        let bench = Bench::new();
        bench.run(Run { id: "run", accepted_at: 5, ..Run::default() });
        bench.sql(
            "UPDATE registrations SET profile = ?1",
            &[&r#"{"user_id":"run","username":"x","email":null,"phone":null,"avatar":null,"roles":[],"registered_at":5}"#],
        );
        let story = bench.store.story("run").await.unwrap().unwrap();
        assert_eq!((story.run.id.as_str(), story.steps.len(), story.claim), ("run", 0, None));
        assert_eq!(bench.store.story("nothing").await.unwrap(), None);
        bench.sql("INSERT INTO messages (id, conversation_id, sender_type, type, content, created_at) VALUES ('m', 'run', 'ai', 'text', '{\"text\": 7}', 9)", &[]);
        assert_eq!(bench.store.story("run").await.unwrap().unwrap().messages[0].text, "7");
    }

    #[test]
    fn each_part_is_found_by_an_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        for sql in [EXTRAS, TOOL_CALLS, MESSAGES, NOTICES, PUSHES, EVENTS, ATTEMPTS, LEVELS, RATING] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{sql}: {steps:?}");
        }
    }
}
