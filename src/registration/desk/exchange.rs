//! Following one question's stream: what Dify calls the run, what the agent thinks, and how it ends.
//!
//! Used by questions of runs and by those whose answers go into a sink: only the former are written down on the way.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    outbound::dify::{AgentThought, Answer, Ask, DifyClient, DifyError, Progress, clean},
    store::{
        Store,
        agent_calls::{DifyIds, Thought},
        agents::Agent,
    },
};

/// Most characters that are kept of one thought.
const LONGEST_THOUGHT: usize = 2_000;
/// Most positions that are kept of one run.
const MOST_THOUGHTS: usize = 100;
/// Longest list of tools of one position.
const LONGEST_TOOLS: usize = 300;

/// What came of a question.
pub(super) struct Exchange {
    pub(super) result: Result<Answer, DifyError>,
    pub(super) ids: DifyIds,
    /// Time to the first event, once there was one.
    pub(super) first_byte_ms: Option<i64>,
    /// Nothing came for so long that it was cut off.
    pub(super) slow_start: bool,
    pub(super) thoughts: Thoughts,
}

/// Where Dify's ids of a run are written down as soon as they are known.
pub(super) struct Notes<'a> {
    pub(super) store: &'a Store,
    pub(super) call_id: &'a str,
    pub(super) registration_id: &'a str,
}

impl Notes<'_> {
    async fn take(&self, first_byte_ms: i64, ids: DifyIds) {
        if let Err(error) = self.store.note_agent_ids(self.call_id, first_byte_ms, ids).await {
            tracing::warn!(registration.id = self.registration_id, %error, "Dify's ids of a run could not be written down");
        }
    }
}

/// Asks and follows the stream until `limit`; a run that does not begin in the agent's time is ended.
pub(super) async fn exchange(client: &DifyClient, ask: Ask, (agent, limit): (&Agent, Instant), notes: Option<Notes<'_>>) -> Exchange {
    let (heard, mut progress) = mpsc::unbounded_channel();
    let mut on_event = move |event: Progress| {
        // Nobody listens any more once the answer is there.
        let _unheard = heard.send(event);
    };
    let asked = Instant::now();
    let until = limit.min(asked + Duration::from_secs(agent.timeout_seconds.into()));
    let begins_by = asked + Duration::from_millis(agent.first_byte_ms.into());
    let cancel = CancellationToken::new();
    let asking = client.welcome(ask, until, &cancel, &mut on_event);
    tokio::pin!(asking);
    let mut listener = Listener { asked, ids: None, first_byte_ms: None, thoughts: Thoughts::default() };
    let mut slow_start = false;
    loop {
        tokio::select! {
            biased;
            result = &mut asking => {
                // A short stream may be over before its first event was looked at.
                while let Ok(event) = progress.try_recv() {
                    listener.hear(event);
                }
                let Listener { ids, first_byte_ms, thoughts, .. } = listener;
                return Exchange { result, ids: ids.unwrap_or_default(), first_byte_ms, slow_start, thoughts };
            }
            event = progress.recv() => if let Some((first, ids)) = event.and_then(|event| listener.hear(event))
                && let Some(notes) = &notes
            {
                notes.take(first, ids).await;
            },
            () = tokio::time::sleep_until(begins_by), if listener.ids.is_none() && !slow_start => {
                slow_start = true;
                cancel.cancel();
            }
        }
    }
}

struct Listener {
    asked: Instant,
    ids: Option<DifyIds>,
    first_byte_ms: Option<i64>,
    thoughts: Thoughts,
}

impl Listener {
    /// Takes an event in; gives the run's ids out when they are new.
    fn hear(&mut self, event: Progress) -> Option<(i64, DifyIds)> {
        let at = i64::try_from(self.asked.elapsed().as_millis()).unwrap_or(i64::MAX);
        match event {
            Progress::Started { task_id, conversation_id, message_id } => {
                let ids = DifyIds { task_id: Some(task_id), conversation_id, message_id };
                self.ids = Some(ids.clone());
                self.first_byte_ms = self.first_byte_ms.or(Some(at));
                Some((at, ids))
            }
            Progress::Thought(thought) => {
                self.thoughts.hear(&thought, at);
                None
            }
        }
    }
}

/// What an agent thought, by position.
#[derive(Debug, Default)]
pub(super) struct Thoughts(BTreeMap<i64, Thought>);

impl Thoughts {
    /// Those of an answer that was found after its stream had broken.
    pub(super) fn found(thoughts: &[AgentThought]) -> Self {
        Self(thoughts.iter().take(MOST_THOUGHTS).map(|one| (one.position, kept(one))).collect())
    }

    /// The same position may come several times: the last word on it holds.
    fn hear(&mut self, thought: &AgentThought, at: i64) {
        let before = self.0.get(&thought.position);
        if before.is_none() && self.0.len() >= MOST_THOUGHTS {
            return;
        }
        let began_ms = before.and_then(|before| before.began_ms).or(Some(at));
        self.0.insert(thought.position, Thought { began_ms, ended_ms: Some(at), ..kept(thought) });
    }

    /// Those of `other` that were not heard.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (position, thought) in other.0 {
            self.0.entry(position).or_insert(thought);
        }
        self
    }

    /// In order; the words only where they are kept.
    pub(super) fn rows(self, words: bool) -> Vec<Thought> {
        self.0.into_values().map(|one| if words { one } else { Thought { text: None, ..one } }).collect()
    }
}

fn kept(thought: &AgentThought) -> Thought {
    let size = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    let text = clean::readable(&thought.text, LONGEST_THOUGHT);
    Thought {
        position: thought.position,
        began_ms: None,
        ended_ms: None,
        characters: size(thought.text.chars().count()),
        text: Some(text),
        tool: clean::readable(&thought.tool, LONGEST_TOOLS),
        input_bytes: size(thought.input_bytes),
        observation_bytes: size(thought.observation_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(position: i64, text: &str, observation_bytes: usize) -> AgentThought {
        AgentThought { position, text: text.into(), tool: "get_user_profile".into(), input_bytes: 5, observation_bytes }
    }

    #[test]
    fn a_position_has_its_first_moment_and_its_last_word() {
        let mut heard = Thoughts::default();
        heard.hear(&thought(1, "", 0), 10);
        heard.hear(&thought(1, "先看\u{202e}看", 7), 30);
        let rows = heard.or(Thoughts::found(&[thought(1, "other", 0), thought(2, "您好", 0)])).rows(true);
        let told: Vec<_> = rows.iter().map(|one| (one.position, one.began_ms, one.ended_ms, one.text.as_deref(), one.characters)).collect();
        assert_eq!(told, [(1, Some(10), Some(30), Some("先看看"), 4), (2, None, None, Some("您好"), 2)]);
        assert_eq!(rows[0].observation_bytes, 7);
    }

    #[test]
    fn words_are_dropped_where_they_are_not_kept_and_nothing_grows_without_bound() {
        let many: Vec<_> = (0..500).map(|position| thought(position, &"美".repeat(5_000), 1)).collect();
        let mut heard = Thoughts::default();
        for one in &many {
            heard.hear(one, 1);
        }
        let rows = heard.or(Thoughts::found(&many)).rows(true);
        assert_eq!((rows.len(), rows[0].characters, rows[0].text.as_ref().unwrap().chars().count()), (100, 5_000, LONGEST_THOUGHT));
        assert!(Thoughts::found(&many).rows(false).iter().all(|one| one.text.is_none() && one.characters == 5_000));
    }
}
