//! What an agent would write today: the welcome of a run once more, into a sink.
//!
//! The agent that would be chosen now, or one that is named, is told the facts of the run and calls the same tools.
//! Nothing is stored for the customer and nobody is told; the answer stands beside the welcome the customer has, with
//! the verdict whether a customer might have seen it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    CallError, Calls,
    registrations::unknown,
    said,
    words::{Words, length},
};
use crate::{
    clock::rfc3339,
    ids::{new_id, subject_id},
    registration::Rehearsal,
    secret::random_bytes,
    store::{
        agent_calls::Thought,
        agents::Agent,
        audit::By,
        replays::{NewReplay, Replay},
        story::ToolCall,
    },
};

/// Most replays of a run that are listed.
const MOST: u32 = 50;

/// A welcome as an agent would write it today, beside the one the customer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplayView {
    /// Its id.
    pub id: String,
    /// The run.
    pub registration_id: String,
    /// Who was asked.
    pub agent_id: String,
    /// Its name and version at that time.
    pub agent: String,
    /// Who wanted to know.
    pub asked_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub asked_at: String,
    /// `asked` while it goes on, `answered`, `failed`, or `unknown` when the daemon ended first.
    pub state: String,
    /// Time to the first event.
    pub first_byte_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: Option<i64>,
    /// The welcome the customer has.
    pub old: SideView,
    /// Which rung of the ladder wrote that.
    pub old_rung: Option<String>,
    /// What the agent wrote now.
    pub new: SideView,
    /// `passes`, or why a customer would not see it: `empty`, `link`, `email`, `digits`, `markup`, `not_prose` or
    /// `language`.
    pub verdict: Option<String>,
    /// What the agent thought; words are withheld from auditors.
    pub thoughts: Vec<Thought>,
    /// The calls of tools it made.
    pub tool_calls: Vec<ToolCallView>,
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

/// One of the two texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SideView {
    /// The text. Withheld from auditors.
    pub text: Option<String>,
    /// How long it is.
    pub characters: Option<i64>,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToolCallView {
    /// Its id in the call log.
    pub call_id: String,
    /// The tool.
    pub tool: String,
    /// How it ended.
    pub outcome: String,
    /// Why not, as the agent was told.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: i64,
    /// When it came.
    pub at: String,
}

impl Calls {
    /// Asks an agent what it would write for a run's customer today: the one that would be chosen now, or one by id or
    /// name, whether it is enabled or not. Returns at once; the answer comes into the row.
    pub async fn rehearse(&self, id: &str, agent: Option<&str>, by: &By) -> Result<ReplayView, CallError> {
        let running =
            self.running.as_ref().ok_or_else(|| unavailable("只有运行中的服务可以重放", "only a running daemon can ask an agent"))?;
        let none = || unavailable("自动化尚未启动，暂时无法询问智能体", "the automation has not started, so that no agent can be asked");
        let desk = running.desk.get().ok_or_else(none)?;
        let run = self.known_run(id)?;
        let agent = match agent.map(str::trim).filter(|agent| !agent.is_empty()) {
            Some(wanted) => self.agent_named(wanted)?,
            None => desk
                .agents()
                .today_for(&run.profile.user_id)?
                .ok_or_else(|| CallError::conflict("没有启用的智能体；请指定一个", "no agent is enabled; name one"))?,
        };
        let random = random_bytes::<16>().map_err(|error| unavailable(&error.to_string(), &error.to_string()))?;
        let new = NewReplay {
            id: new_id(self.clock.as_ref()),
            registration_id: run.id.clone(),
            subject_id: subject_id(random),
            subject_expires_at: self.clock.now_ms() + Rehearsal::longest_ms(&agent),
            agent_id: agent.id.clone(),
            agent: format!("{} v{}", agent.app_name, agent.version),
        };
        let subject_id = new.subject_id.clone();
        let begun = self.store.begin_replay(new, by.clone()).await?;
        let settings = self.settings.current()?;
        desk.rehearse(self.store.clone(), Rehearsal { replay_id: begun.id.clone(), run, subject_id, agent, settings });
        Ok(view(begun, Vec::new(), Words::Shown))
    }

    fn agent_named(&self, wanted: &str) -> Result<Agent, CallError> {
        let found = self.store.agents()?.into_iter().find(|agent| agent.id == wanted || agent.app_name == wanted);
        found.ok_or_else(|| CallError::invalid("/agent", format!("没有智能体 {wanted:?}"), format!("there is no agent {wanted:?}")))
    }

    /// Replays of a run, the latest first.
    pub fn replays(&self, id: &str, words: Words) -> Result<Vec<ReplayView>, CallError> {
        self.known_run(id)?;
        let replays = self.store.replays_of_run(id, MOST)?;
        replays.into_iter().map(|replay| self.with_calls(replay, words)).collect()
    }

    /// One replay of a run.
    pub fn replay(&self, id: &str, replay_id: &str, words: Words) -> Result<ReplayView, CallError> {
        let missing = || CallError::not_found(format!("没有重放 {replay_id}"), format!("there is no replay {replay_id}"));
        let replay = self.store.replay(replay_id)?.filter(|replay| replay.registration_id == id);
        match replay {
            Some(replay) => self.with_calls(replay, words),
            None if self.store.registration(id)?.is_none() => Err(unknown(id)),
            None => Err(missing()),
        }
    }

    fn with_calls(&self, replay: Replay, words: Words) -> Result<ReplayView, CallError> {
        let calls = self.store.tool_calls_of(&replay.id)?;
        Ok(view(replay, calls, words))
    }
}

fn unavailable(zh: &str, en: &str) -> CallError {
    CallError::Unavailable(said(zh, en))
}

fn view(replay: Replay, calls: Vec<ToolCall>, words: Words) -> ReplayView {
    let side = |text: Option<String>| SideView { characters: text.as_deref().map(length), text: text.and_then(|text| words.show(text)) };
    ReplayView {
        id: replay.id,
        registration_id: replay.registration_id,
        agent_id: replay.agent_id,
        agent: replay.agent,
        asked_by: replay.asked_by,
        reason: replay.reason,
        asked_at: rfc3339(replay.asked_at),
        state: replay.state,
        first_byte_ms: replay.first_byte_ms,
        duration_ms: replay.duration_ms,
        old: side(replay.old_text),
        old_rung: replay.old_rung,
        new: side(replay.text),
        verdict: replay.verdict,
        thoughts: replay.thoughts.into_iter().map(|thought| shown(thought, words)).collect(),
        tool_calls: calls.into_iter().map(tool_call_view).collect(),
        tokens: replay.tokens,
        price: replay.price,
        currency: replay.currency,
        error_kind: replay.error_kind,
        error: replay.error,
    }
}

fn shown(thought: Thought, words: Words) -> Thought {
    Thought { text: thought.text.and_then(|text| words.show(text)), ..thought }
}

fn tool_call_view(call: ToolCall) -> ToolCallView {
    ToolCallView {
        call_id: call.call_id,
        tool: call.tool,
        outcome: call.outcome,
        error: call.error,
        duration_ms: call.duration_ms,
        at: rfc3339(call.at),
    }
}
