//! Where agents are asked: each has a breaker and a number of places, and every question is on record before it is
//! asked.
//!
//! Dify has no idempotency key. So a question is a row first; a row that is still open when a process starts is a
//! question whose answer nobody heard, and [`recover`] looks for that answer before anybody asks again.

mod exchange;
mod question;
mod recover;
mod sink;
mod standing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::sink::Rehearsal;
pub use self::standing::Standing;
pub(super) use self::{question::dify_user, recover::recover};
use super::{
    agents::{AgentKeyError, Agents},
    choice::breaker::{Breaker, Change, Due, Failure, Outcome, Permit, Rules, Token, View},
    ladder::Times,
};
use crate::{
    outbound::{
        dify::{DifyClient, DifyError},
        http_client::{HttpClient, ProxyUse},
    },
    secret::random_bytes,
    settings::{self, Book},
    store::{agents::Agent, registrations::Registration},
    telemetry::figures::{self, AgentCall},
};

/// Longest sleep between two looks for an agent that is due to be tried again.
const LOOK: Duration = Duration::from_millis(500);

/// One for the process: it knows how many questions each agent has and how it is doing.
pub struct Desk {
    agents: Agents,
    /// Made when the first breaker opens: its certificates are a second copy in memory.
    fresh: OnceLock<HttpClient>,
    places: Mutex<HashMap<String, Place>>,
    began: Instant,
    /// Whether what agents think is kept word by word.
    words: bool,
    /// The place of the one question whose answer goes into a sink.
    rehearsal: Semaphore,
    /// Holds it while it goes on.
    tasks: TaskTracker,
}

struct Place {
    agent: Agent,
    breaker: Breaker,
    slots: Arc<Semaphore>,
}

/// One question to one agent.
pub(super) struct Question<'a> {
    pub(super) run: &'a Registration,
    pub(super) agent: Agent,
    pub(super) rung: &'static str,
    pub(super) times: Times,
}

/// An answer that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) text: String,
    pub(super) rung: &'static str,
    /// Tools the agent called, in order.
    pub(super) tools: Vec<String>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    pub(super) reason: String,
    /// From when on the same agent may answer if it is asked again; nothing when it will not.
    pub(super) again_at: Option<Instant>,
}

impl NoAnswer {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), again_at: None }
    }
}

impl Desk {
    /// A desk for these agents. With `words`, what they think is kept word by word; else only how long it was.
    pub fn new(agents: Agents, words: bool) -> Self {
        Self {
            agents,
            fresh: OnceLock::new(),
            places: Mutex::default(),
            began: Instant::now(),
            words,
            rehearsal: Semaphore::new(1),
            tasks: TaskTracker::new(),
        }
    }

    /// The agents.
    pub fn agents(&self) -> &Agents {
        &self.agents
    }

    /// How each agent that was asked is doing, by name.
    pub fn breakers(&self) -> Vec<(String, View)> {
        let now = self.now();
        let mut views: Vec<_> = self.lock().values_mut().map(|place| (place.agent.app_name.clone(), place.breaker.view(now))).collect();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        views
    }

    /// Tries agents whose breaker is open, so that it closes without waiting for a customer. Ends with `stop`.
    pub async fn heal(&self, book: Book, stop: CancellationToken) {
        loop {
            let settings = book.current().unwrap_or_default();
            let next = self.try_those_due(&settings.breaker).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    async fn try_those_due(&self, settings: &settings::Breaker) -> Duration {
        let (now, mut next, mut due) = (self.now(), LOOK, Vec::new());
        for place in self.lock().values_mut() {
            match place.breaker.due_probe(now) {
                Due::No => {}
                Due::At(at) => next = next.min(Duration::from_millis(u64::try_from(at - now).unwrap_or_default())),
                Due::Now(token) => due.push((place.agent.clone(), token)),
            }
        }
        for (agent, token) in due {
            let outcome = match self.client(&agent, true) {
                Ok(client) => question::outcome(&client.info().await, false),
                Err(_) => Outcome::Failure(Failure::Fatal),
            };
            self.report(settings, &agent, token, outcome);
        }
        next.max(Duration::from_millis(20))
    }

    fn client(&self, agent: &Agent, fresh: bool) -> Result<DifyClient, AgentKeyError> {
        if !fresh {
            return self.agents.client(agent);
        }
        if self.fresh.get().is_none() {
            let made = HttpClient::without_pool(ProxyUse::System).map_err(|error| DifyError::Settings(error.to_string()))?;
            // Another probe may have been first; both are as good.
            let _second = self.fresh.set(made);
        }
        match self.fresh.get() {
            Some(fresh) => self.agents.client_over(fresh.clone(), agent),
            None => self.agents.client(agent),
        }
    }

    /// Leave to ask, and whether over a connection of its own.
    fn permit(&self, settings: &settings::Breaker, agent: &Agent) -> Result<(Token, bool), NoAnswer> {
        let now = self.now();
        let mut places = self.lock();
        match place(&mut places, settings, agent).breaker.ask(now) {
            Permit::Call(token) => Ok((token, false)),
            Permit::Probe { token, fresh } => Ok((token, fresh)),
            Permit::Refused { retry_at, reason } => {
                Err(NoAnswer::because(format!("its breaker is open for another {} ms ({reason})", (retry_at - now).max(0))))
            }
        }
    }

    /// A place to ask in; nothing when none was free by `until`.
    async fn slot(&self, agent: &Agent, until: Instant) -> Option<OwnedSemaphorePermit> {
        let slots = self.lock().get(&agent.id).map(|place| Arc::clone(&place.slots))?;
        tokio::time::timeout_at(until, slots.acquire_owned()).await.ok()?.ok()
    }

    fn report(&self, settings: &settings::Breaker, agent: &Agent, token: Token, outcome: Outcome) {
        let now = self.now();
        let change = place(&mut self.lock(), settings, agent).breaker.report(token, outcome, now);
        match change {
            Some(Change::Opened(reason)) => {
                tracing::error!(agent.name = agent.app_name, %reason, "智能体熔断 / an agent is not asked any more until it works again");
            }
            Some(Change::Closed { after_ms }) => {
                tracing::info!(agent.name = agent.app_name, after_ms, "智能体恢复 / an agent is asked again");
            }
            None => {}
        }
    }

    /// Milliseconds on the clock that never jumps.
    fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that was not put.
fn not_asked(agent: &Agent, outcome: &'static str) {
    figures::agent_call(AgentCall { agent: &agent.app_name, outcome, took: None, tokens: None });
}

/// The agent's place, with the settings of the moment. Another number of places makes new ones; questions under way
/// keep theirs. A new key or address closes the breaker: it is another agent.
fn place<'a>(places: &'a mut HashMap<String, Place>, settings: &settings::Breaker, agent: &Agent) -> &'a mut Place {
    let rules = || Rules::new(settings, i64::from(agent.timeout_seconds) * 1_000);
    let slots = || Arc::new(Semaphore::new(usize::try_from(agent.max_concurrent).unwrap_or(1)));
    let seed = || random_bytes::<8>().map_or(0, u64::from_le_bytes);
    let fresh = || Place { agent: agent.clone(), breaker: Breaker::new(rules(), seed()), slots: slots() };
    let place = places.entry(agent.id.clone()).or_insert_with(fresh);
    if place.agent.sealed_key != agent.sealed_key || place.agent.base_url != agent.base_url {
        *place = fresh();
    }
    if place.agent.max_concurrent != agent.max_concurrent {
        place.slots = slots();
    }
    if place.agent != *agent {
        place.agent = agent.clone();
    }
    place.breaker.set_rules(rules());
    place
}
