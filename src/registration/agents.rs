//! Which agent is asked, and with which key.

use std::sync::Arc;

use super::choice::pick::{self, Entrant, Part};
use crate::{
    outbound::{
        dify::{AgentKind, DifyClient, DifyError},
        http_client::HttpClient,
    },
    secret::{MasterKey, SecretText},
    store::{Store, StoreError, agents::Agent},
};

/// Why no agent can be asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentKeyError {
    /// The agents cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key does not open.
    #[error("the key of the agent {0} was sealed under another master key; set it again with `anmei-mcp agent set-key {0}`")]
    OtherMasterKey(String),
    /// The client cannot be built.
    #[error(transparent)]
    Client(#[from] DifyError),
}

/// Binds a sealed agent key to its row.
pub fn agent_key_purpose(agent_id: &str) -> String {
    format!("dify_configs/{agent_id}/sealed_key")
}

/// The agents of `dify_configs`, ready to be asked.
pub struct Agents {
    store: Store,
    environment: String,
    http: HttpClient,
    master: Arc<MasterKey>,
}

impl Agents {
    /// Agents whose keys `master` opens.
    pub fn new(store: Store, http: HttpClient, master: Arc<MasterKey>, environment: &str) -> Self {
        Self { store, http, master, environment: environment.to_owned() }
    }

    /// Who writes the welcome of this user, and who else could.
    pub(super) fn for_user(&self, user_id: &str) -> Result<Chosen, StoreError> {
        let agents: Vec<Agent> = self.store.agents()?.into_iter().filter(|agent| agent.enabled).collect();
        let entrants: Vec<Entrant> = agents.iter().map(entrant).collect();
        let find = |found: Option<&Entrant>| found.and_then(|found| agents.iter().position(|agent| agent.id == found.id));
        let first = pick::choose(&entrants, &self.environment, user_id);
        let tried: Vec<&str> = first.iter().map(|entrant| entrant.id.as_str()).collect();
        let fallback = find(pick::fallback(&entrants, &self.environment, user_id, &tried));
        let first = find(first);
        Ok(Chosen { agents, first, fallback })
    }

    /// Who would write the welcome of this user at this moment.
    pub fn today_for(&self, user_id: &str) -> Result<Option<Agent>, StoreError> {
        Ok(self.for_user(user_id)?.first().cloned())
    }

    /// A client for `agent`.
    pub fn client(&self, agent: &Agent) -> Result<DifyClient, AgentKeyError> {
        self.client_over(self.http.clone(), agent)
    }

    /// The same over another HTTP client.
    pub(super) fn client_over(&self, http: HttpClient, agent: &Agent) -> Result<DifyClient, AgentKeyError> {
        let other = || AgentKeyError::OtherMasterKey(agent.app_name.clone());
        let key = self.master.open(&agent_key_purpose(&agent.id), &agent.sealed_key).map_err(|_| other())?;
        let key = String::from_utf8(key).map(SecretText::new).map_err(|_| other())?;
        let kind: AgentKind = agent.kind.parse()?;
        Ok(DifyClient::new(http, &agent.base_url, key, kind)?)
    }
}

/// The agents of one user's welcome.
pub(super) struct Chosen {
    agents: Vec<Agent>,
    first: Option<usize>,
    fallback: Option<usize>,
}

impl Chosen {
    /// The one that is asked first: the variant of the run.
    pub(super) fn first(&self) -> Option<&Agent> {
        self.agents.get(self.first?)
    }

    /// The one that is asked when the first fails.
    pub(super) fn fallback(&self) -> Option<&Agent> {
        self.agents.get(self.fallback?)
    }

    /// The id of an enabled agent, by name.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        self.agents.iter().find(|agent| agent.app_name == name).map(|agent| agent.id.clone())
    }
}

/// An agent as far as the choice goes.
pub fn entrant(agent: &Agent) -> Entrant {
    Entrant {
        id: agent.id.clone(),
        environment: agent.environment.clone(),
        version: agent.version.clone(),
        part: agent.part.parse().unwrap_or(Part::Stable),
        weight: agent.weight,
        rollout_percent: u8::try_from(agent.rollout_percent).unwrap_or(100),
        enabled: agent.enabled,
    }
}
