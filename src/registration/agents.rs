//! Which agent is asked, and with which key.

use std::sync::Arc;

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

    /// The agent that writes welcomes: the oldest one that is enabled.
    pub(super) fn chosen(&self) -> Result<Option<(Agent, DifyClient)>, AgentKeyError> {
        let Some(agent) = self.store.agents()?.into_iter().find(|agent| agent.enabled) else { return Ok(None) };
        let client = self.client(&agent)?;
        Ok(Some((agent, client)))
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
