//! OAuth: who may ask for tokens, who has some, and taking them back.
//!
//! ```text
//! oauth    clients: what they are, shutting them out, letting them in again
//! make     a client that an operator adds
//! grants   what people and clients were granted, and ending it
//! ```

mod grants;
mod make;

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::{
    grants::{GrantsWanted, OauthGrantView},
    make::{MadeClient, NewClient},
};
use super::{
    CallError, Calls, Listed,
    pages::{self, First},
};
use crate::{
    clock::rfc3339,
    store::{
        audit::By,
        oauth_clients::{Client, ClientKind, IDLE_CLIENT_MS},
    },
};

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OauthClientView {
    /// Its `client_id`.
    pub client_id: String,
    /// Where it comes from: dynamic (it registered itself), operator, or document (its id is the URL of a document).
    pub kind: String,
    /// Name shown to people.
    pub name: String,
    /// Its home page.
    pub uri: Option<String>,
    /// Where answers may be sent.
    pub redirect_uris: Vec<String>,
    /// The grant types it may use.
    pub grant_types: Vec<String>,
    /// Whether it holds a secret.
    pub confidential: bool,
    /// Whether it may enter its groups with the right to store something.
    pub may_write: bool,
    /// Whether it may ask about tokens.
    pub may_introspect: bool,
    /// Who added it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// When it was last let do something.
    pub used_at: Option<String>,
    /// When it was shut out.
    pub revoked_at: Option<String>,
    /// The groups it may enter by itself, by their server codes.
    pub groups: Vec<String>,
    /// When it is forgotten, if nothing is granted to it before; none for those an operator added and those shut out.
    pub forgotten_at: Option<String>,
    /// Grants of it that are in force.
    pub grants: usize,
}

impl Calls {
    /// Every client, oldest first.
    pub fn oauth_clients(&self) -> Result<Vec<OauthClientView>, CallError> {
        self.client_views(&self.store.oauth_clients()?)
    }

    /// One page of the clients.
    pub fn oauth_client_page(&self, limit: u32, cursor: Option<&str>) -> Result<Listed<OauthClientView>, CallError> {
        let clients = self.store.oauth_clients()?;
        let page = pages::behind(clients, (limit, cursor), First::Oldest, |client| (client.created_at, client.id.as_str()))?;
        Ok(Listed { items: self.client_views(&page.items)?, next_cursor: page.next_cursor })
    }

    /// One client.
    pub fn oauth_client(&self, client_id: &str) -> Result<OauthClientView, CallError> {
        let client = self.store.oauth_client(client_id)?.map(|client| self.client_views(&[client])).transpose()?;
        client
            .and_then(|mut views| views.pop())
            .ok_or_else(|| CallError::not_found(format!("没有 OAuth 客户端 {client_id}"), format!("there is no OAuth client {client_id}")))
    }

    /// Shuts a client out, with everything it was granted, from the next request on. Says how many grants ended.
    pub async fn revoke_oauth_client(&self, client_id: &str, by: &By) -> Result<usize, CallError> {
        let ended = self.store.revoke_client(client_id, by.clone()).await?;
        tracing::warn!(client.id = client_id, grants = ended, actor = by.actor, "an OAuth client was shut out");
        Ok(ended)
    }

    /// Lets a client that was shut out ask again. What it had been granted stays ended.
    pub async fn restore_oauth_client(&self, client_id: &str, by: &By) -> Result<OauthClientView, CallError> {
        self.store.restore_client(client_id, by.clone()).await?;
        self.oauth_client(client_id)
    }

    /// Removes a client with every grant and token of it. One known by a document, and one that registers itself, may
    /// come again; shutting it out keeps it out.
    pub async fn remove_oauth_client(&self, client_id: &str, by: &By) -> Result<(), CallError> {
        self.store.remove_client(client_id, by.clone()).await?;
        tracing::warn!(client.id = client_id, actor = by.actor, "an OAuth client was removed");
        Ok(())
    }

    fn client_views(&self, clients: &[Client]) -> Result<Vec<OauthClientView>, CallError> {
        let policy = self.gate.policy().current()?;
        let now = self.clock.now_ms();
        let mut grants: HashMap<String, usize> = HashMap::new();
        for grant in self.store.oauth_grants()?.into_iter().filter(|grant| grant.is_in_force(now)) {
            *grants.entry(grant.client_id).or_default() += 1;
        }
        let codes = |client: &Client| {
            let entered = policy.groups().iter().filter(|group| client.groups.contains(&group.group.id));
            entered.map(|group| group.group.server_code.clone()).collect()
        };
        Ok(clients.iter().map(|client| self.client_view(client, codes(client), grants.get(&client.id).copied())).collect())
    }

    fn client_view(&self, client: &Client, groups: Vec<String>, grants: Option<usize>) -> OauthClientView {
        OauthClientView {
            client_id: client.id.clone(),
            kind: client.kind.as_str().to_owned(),
            name: client.name.clone(),
            uri: client.uri.clone(),
            redirect_uris: client.redirect_uris.clone(),
            grant_types: client.grant_types.clone(),
            confidential: client.is_confidential(),
            may_write: client.may_write,
            may_introspect: client.may_introspect,
            created_by: client.created_by.clone(),
            created_at: rfc3339(client.created_at),
            used_at: client.used_at.map(rfc3339),
            revoked_at: client.revoked_at.map(rfc3339),
            groups,
            forgotten_at: forgotten_at(client, self.config.oauth.unused_client_expiry.as_ms()).map(rfc3339),
            grants: grants.unwrap_or_default(),
        }
    }
}

/// When upkeep forgets a client that is granted nothing more.
fn forgotten_at(client: &Client, unused_ms: i64) -> Option<i64> {
    match (client.kind, client.used_at) {
        _ if client.revoked_at.is_some() => None,
        (ClientKind::Operator, _) | (ClientKind::Document, None) => None,
        (ClientKind::Dynamic, None) => Some(client.created_at.saturating_add(unused_ms)),
        (_, Some(used)) => Some(used.saturating_add(IDLE_CLIENT_MS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_forgotten_by_how_it_came_and_whether_it_was_used() {
        let client = |kind, used_at, revoked_at| Client { used_at, revoked_at, ..Client::bare("c", kind, 5) };
        assert_eq!(forgotten_at(&client(ClientKind::Dynamic, None, None), 10), Some(15));
        assert_eq!(forgotten_at(&client(ClientKind::Dynamic, Some(7), None), 10), Some(7 + IDLE_CLIENT_MS));
        assert_eq!(forgotten_at(&client(ClientKind::Document, Some(7), None), 10), Some(7 + IDLE_CLIENT_MS));
        assert_eq!(forgotten_at(&client(ClientKind::Dynamic, None, Some(9)), 10), None);
        assert_eq!(forgotten_at(&client(ClientKind::Operator, Some(7), None), 10), None);
    }
}
