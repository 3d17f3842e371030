//! A rehearsal: the agent of today is asked what a run asked, and its answer goes into a sink.
//!
//! Nothing is stored for the customer and nobody is told: what comes of it is one row of `registration_replays`. The
//! agent is told a subject of its own, which tools answer only while the rehearsal goes on and which opens no tool that
//! stores something. It is a question like any other to the agent's breaker and takes one of its places, but never the
//! last free one, and there is one at a time: customers come first.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Desk, NoAnswer,
    exchange::{Exchange, exchange},
    question::{QUERY, may_be_shown, outcome, price_of, stop},
};
use crate::{
    outbound::dify::{Answer, Ask, DifyClient, clean},
    registration::{
        choice::breaker::{Failure, Outcome},
        facts,
    },
    settings::Settings,
    store::{Store, agents::Agent, registrations::Registration, replays::ReplayEnd},
};

/// How long a rehearsal waits for its turn and for a place.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks for a place. It does not queue for one: whoever queues goes before customers who come later.
const LOOK: Duration = Duration::from_millis(50);
/// Most characters that are kept of words no customer may see.
const LONGEST: usize = 4_000;

/// A question whose answer goes into a sink.
pub struct Rehearsal {
    /// The row that waits for the answer.
    pub replay_id: String,
    /// The run whose facts the agent is told.
    pub run: Registration,
    /// What it is told instead of the user id.
    pub subject_id: String,
    /// Who is asked.
    pub agent: Agent,
    /// The settings of the moment.
    pub settings: Arc<Settings>,
}

impl Rehearsal {
    /// How long it takes at most, in milliseconds: for so long its subject must live.
    pub fn longest_ms(agent: &Agent) -> i64 {
        let patience = i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
        i64::from(agent.timeout_seconds) * 1_000 + 2 * patience
    }
}

impl Desk {
    /// Asks in the background, and writes the answer into its row.
    pub fn rehearse(self: &Arc<Self>, store: Store, rehearsal: Rehearsal) {
        let desk = Arc::clone(self);
        self.tasks.spawn(async move {
            let end = desk.rehearsed(&rehearsal).await;
            if let Err(error) = store.end_replay(&rehearsal.replay_id, end).await {
                tracing::error!(replay.id = rehearsal.replay_id, %error, "the answer of a rehearsal could not be written down");
            }
        });
    }

    async fn rehearsed(&self, rehearsal: &Rehearsal) -> ReplayEnd {
        let began = Instant::now();
        let until = began + PATIENCE;
        let Ok(Ok(_turn)) = timeout_at(until, self.rehearsal.acquire()).await else {
            return failed("busy", "another rehearsal is going on; try again when it has ended");
        };
        let end = self.asked_aside(rehearsal, until + PATIENCE).await;
        tracing::info!(
            registration.id = rehearsal.run.id,
            replay.id = rehearsal.replay_id,
            agent.name = rehearsal.agent.app_name,
            state = end.state,
            "欢迎语重放完成 / a welcome was rehearsed"
        );
        end
    }

    async fn asked_aside(&self, rehearsal: &Rehearsal, until: Instant) -> ReplayEnd {
        let (agent, breaker) = (&rehearsal.agent, &rehearsal.settings.breaker);
        let (token, fresh) = match self.permit(breaker, agent) {
            Ok(permit) => permit,
            Err(NoAnswer { reason, .. }) => return failed("breaker_open", &reason),
        };
        let Some(_slot) = self.spare_slot(agent, until).await else {
            self.report(breaker, agent, token, Outcome::Neutral);
            return failed("busy", "all its places are taken by customers; try again later");
        };
        let client = match self.client(agent, fresh) {
            Ok(client) => client.with_idle_timeout(Duration::from_millis(agent.stall_ms.into())),
            Err(error) => {
                self.report(breaker, agent, token, Outcome::Failure(Failure::Fatal));
                return failed("key", &error.to_string());
            }
        };
        let asked = Instant::now();
        let exchanged = exchange(&client, ask(rehearsal), (agent, asked + Duration::from_secs(agent.timeout_seconds.into())), None).await;
        self.report(breaker, agent, token, outcome(&exchanged.result, exchanged.slow_start));
        let duration_ms = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
        let end = self.ended(rehearsal, &client, exchanged).await;
        ReplayEnd { duration_ms: Some(duration_ms), ..end }
    }

    /// A place that leaves one to customers, unless the agent has only one.
    async fn spare_slot(&self, agent: &Agent, until: Instant) -> Option<OwnedSemaphorePermit> {
        while Instant::now() < until {
            let slots = self.lock().get(&agent.id).map(|place| Arc::clone(&place.slots))?;
            if (slots.available_permits() > 1 || agent.max_concurrent == 1)
                && let Ok(slot) = slots.try_acquire_owned()
            {
                return Some(slot);
            }
            sleep(LOOK).await;
        }
        None
    }

    async fn ended(&self, rehearsal: &Rehearsal, client: &DifyClient, exchanged: Exchange) -> ReplayEnd {
        let Exchange { result, ids, first_byte_ms, slow_start, thoughts } = exchanged;
        let end = match result {
            Ok(answer) => judged(&answer, &rehearsal.settings),
            Err(error) => {
                if let Some(task) = &ids.task_id {
                    stop(client, task, &dify_user(&rehearsal.replay_id)).await;
                }
                let (kind, why) = if slow_start {
                    ("first_byte", format!("nothing came within {} ms (time to first byte)", rehearsal.agent.first_byte_ms))
                } else {
                    (error.kind(), error.to_string())
                };
                failed(kind, &why)
            }
        };
        ReplayEnd { first_byte_ms, thoughts: thoughts.rows(self.words), ..end }
    }
}

fn ask(rehearsal: &Rehearsal) -> Ask {
    let Rehearsal { replay_id, run, subject_id, agent, .. } = rehearsal;
    Ask {
        inputs: facts::inputs(run, subject_id, agent),
        query: QUERY.into(),
        user: dify_user(replay_id),
        trace_id: replay_id.clone(),
        // The run's trace is over; what is rehearsed is no part of it.
        traceparent: None,
    }
}

/// Who asks, as Dify keeps its records: never a run's own name, so that no answer is found for it.
fn dify_user(replay_id: &str) -> String {
    format!("replay-{replay_id}")
}

fn judged(answer: &Answer, settings: &Settings) -> ReplayEnd {
    let (price, currency) = price_of(answer);
    let raw = || Some(clean::readable(&answer.text, LONGEST));
    let (text, verdict) = match may_be_shown(answer, settings) {
        Ok(Some(text)) => (Some(text), "passes"),
        Ok(None) => (raw(), "empty"),
        Err(refusal) => (raw(), refusal.code()),
    };
    let tokens = answer.tokens.and_then(|tokens| i64::try_from(tokens).ok());
    ReplayEnd { state: "answered", text, verdict: Some(verdict), tokens, price, currency, ..ReplayEnd::default() }
}

fn failed(kind: &str, why: &str) -> ReplayEnd {
    ReplayEnd { state: "failed", error_kind: Some(kind.to_owned()), error: Some(why.to_owned()), ..ReplayEnd::default() }
}
