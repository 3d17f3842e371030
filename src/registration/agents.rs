//! Which agent is asked, and with which key.

use std::sync::Arc;

use super::choice::pick::{self, Candidate};
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
    http: HttpClient,
    master: Arc<MasterKey>,
}

impl Agents {
    /// Agents whose keys `master` opens.
    pub fn new(store: Store, http: HttpClient, master: Arc<MasterKey>) -> Self {
        Self { store, http, master }
    }

    /// Who writes the welcome of this user, and who else could.
    pub(super) fn for_user(&self, user_id: &str) -> Result<Chosen, StoreError> {
        let agents: Vec<Agent> = self.store.agents()?.into_iter().filter(|agent| agent.enabled).collect();
        let candidates: Vec<Candidate> = agents.iter().map(candidate).collect();
        let picked = pick::pick(&candidates, user_id);
        let find = |id: Option<&str>| id.and_then(|id| agents.iter().position(|agent| agent.id == id));
        let first = find(picked.first.as_deref());
        let fallback = find(picked.fallback.as_deref());
        Ok(Chosen { agents, first, fallback })
    }

    /// A client for `agent`.
    pub fn client(&self, agent: &Agent) -> Result<DifyClient, AgentKeyError> {
        let other = || AgentKeyError::OtherMasterKey(agent.app_name.clone());
        let key = self.master.open(&agent_key_purpose(&agent.id), &agent.sealed_key).map_err(|_| other())?;
        let key = String::from_utf8(key).map(SecretText::new).map_err(|_| other())?;
        let kind: AgentKind = agent.kind.parse()?;
        Ok(DifyClient::new(self.http.clone(), &agent.base_url, key, kind)?)
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

fn candidate(agent: &Agent) -> Candidate {
    Candidate {
        id: agent.id.clone(),
        part: agent.part.parse().unwrap_or_default(),
        weight: agent.weight,
        rollout_percent: agent.rollout_percent,
    }
}
