//! OAuth: who may ask for tokens, who has some, and taking them back.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, pages};
use crate::{
    clock::rfc3339,
    gate::oauth::{
        mint::{self},
        redirect::{self, RedirectRules},
        registration,
    },
    ids::new_id,
    secret::SecretText,
    store::{
        audit::By,
        oauth_clients::{Client, ClientKind},
        oauth_grants::Grant,
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
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OauthGrantView {
    /// Its id.
    pub id: String,
    /// To whom.
    pub client_id: String,
    /// The group it opens; `-` for one that is gone.
    pub server_code: String,
    /// The resource it is for.
    pub audience: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// The key that proved the right.
    pub key_id: Option<String>,
    /// The account that proved the right.
    pub account_id: Option<String>,
    /// When it was given.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When a token of it was last accepted.
    pub used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Why.
    pub revoked_why: Option<String>,
    /// Whether it is in force.
    pub in_force: bool,
}

/// A client to be added on an operator's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewClient {
    /// Name shown to people.
    pub name: String,
    /// Whether it can keep a secret.
    pub confidential: bool,
    /// Server codes of the groups it may enter by itself, or about whose tokens it may ask.
    pub groups: Vec<String>,
    /// Whether it may call tools that store something when it enters by itself.
    pub may_write: bool,
    /// Whether it asks about tokens, and does not enter.
    pub may_introspect: bool,
    /// Where answers to people's consent may be sent.
    pub redirects: Vec<String>,
}

impl Calls {
    /// Every client, oldest first.
    pub fn oauth_clients(&self) -> Result<Vec<OauthClientView>, CallError> {
        self.store.oauth_clients()?.iter().map(|client| self.client_view(client)).collect()
    }

    /// Adds a client; one that can keep a secret gets one, which is in the answer and nowhere else.
    pub async fn add_oauth_client(&self, new: &NewClient, by: &By) -> Result<(OauthClientView, Option<SecretText>), CallError> {
        let name = self.check_client(new)?;
        let groups = new.groups.iter().map(|code| self.group_policy(code).map(|group| group.group.id.clone()));
        let groups = groups.collect::<Result<Vec<_>, CallError>>()?;
        let secret = if new.confidential { Some(minted()?) } else { None };
        let client = Client {
            id: format!("client_{}", new_id(self.clock.as_ref())),
            kind: ClientKind::Operator,
            name,
            uri: None,
            redirect_uris: new.redirects.clone(),
            grant_types: grant_types(new),
            secret_hash: secret.as_ref().map(|secret| mint::hash(secret.expose())),
            groups,
            may_write: new.may_write,
            may_introspect: new.may_introspect,
            created_by: by.actor.clone(),
            created_at: self.clock.now_ms(),
            used_at: None,
            revoked_at: None,
        };
        self.store.add_client(client.clone(), by.clone()).await?;
        Ok((self.client_view(&client)?, secret))
    }

    /// Shuts a client out, with everything it was granted, from the next request on. Says how many grants ended.
    pub async fn revoke_oauth_client(&self, client_id: &str, by: &By) -> Result<usize, CallError> {
        let ended = self.store.revoke_client(client_id, by.clone()).await?;
        tracing::warn!(client.id = client_id, grants = ended, actor = by.actor, "an OAuth client was shut out");
        Ok(ended)
    }

    /// Grants, newest first: those in force, or all.
    pub fn oauth_grants(&self, all: bool) -> Result<Vec<OauthGrantView>, CallError> {
        let now = self.clock.now_ms();
        let policy = self.gate.policy().current()?;
        let code = |id: &str| policy.group_by_id(id).map_or_else(|| "-".to_owned(), |group| group.group.server_code.clone());
        let grants = self.store.oauth_grants()?;
        let views = grants.into_iter().map(|grant| {
            let code = code(&grant.group_id);
            grant_view(grant, code, now)
        });
        Ok(views.filter(|grant| all || grant.in_force).collect())
    }

    /// One page of them. `cursor` is the id of the last grant of the page before.
    pub fn oauth_grant_page(&self, all: bool, limit: u32, cursor: Option<&str>) -> Result<Listed<OauthGrantView>, CallError> {
        pages::behind(self.oauth_grants(all)?, limit, cursor, |grant| &grant.id)
    }

    /// One page of the clients. `cursor` is the id of the last one of the page before.
    pub fn oauth_client_page(&self, limit: u32, cursor: Option<&str>) -> Result<Listed<OauthClientView>, CallError> {
        pages::behind(self.oauth_clients()?, limit, cursor, |client| &client.client_id)
    }

    /// Ends a grant with all of its tokens, from the next request on. False when it had ended before.
    pub async fn revoke_oauth_grant(&self, id: &str, by: &By) -> Result<bool, CallError> {
        Ok(self.store.revoke_grant(id, "revoked by an operator", by.clone()).await?)
    }

    /// The client's name as it is shown, once everything else about it is right.
    fn check_client(&self, new: &NewClient) -> Result<String, CallError> {
        let name = registration::shown_name(&new.name);
        if name.is_empty() {
            return Err(CallError::invalid("/name", "名称为空", "the name is empty"));
        }
        if !new.confidential && new.redirects.is_empty() {
            return Err(CallError::invalid(
                "/redirect_uris",
                "不保存密钥的客户端需要回调地址（--redirect），由人来授权；否则请设为机密客户端（--confidential）",
                "a client that keeps no secret needs --redirect: a person must grant it access; or add --confidential",
            ));
        }
        if new.confidential && new.groups.is_empty() && new.redirects.is_empty() {
            return Err(CallError::invalid(
                "/groups",
                "请说明它可以自行进入哪个分组（--group），或由人授权后回调到哪里（--redirect）",
                "say which --group it may enter by itself, or where to --redirect after a person's consent",
            ));
        }
        let config = &self.config.oauth;
        let rules = RedirectRules { app_schemes: config.app_schemes.clone(), http_hosts: config.http_redirect_hosts.clone() };
        for (at, uri) in new.redirects.iter().enumerate() {
            redirect::acceptable(uri, &rules).map_err(|why| {
                CallError::invalid(
                    format!("/redirect_uris/{at}"),
                    format!("回调地址 {uri} 不可用：{why}"),
                    format!("--redirect {uri} {why}"),
                )
            })?;
        }
        Ok(name)
    }

    fn client_view(&self, client: &Client) -> Result<OauthClientView, CallError> {
        let policy = self.gate.policy().current()?;
        let codes = policy.groups().iter().filter(|group| client.groups.contains(&group.group.id));
        Ok(OauthClientView {
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
            groups: codes.map(|group| group.group.server_code.clone()).collect(),
        })
    }
}

fn minted() -> Result<SecretText, CallError> {
    mint::mint(mint::SECRET).map_err(|error| CallError::Unavailable(super::said(format!("无法生成密钥：{error}"), error.to_string())))
}

fn grant_types(new: &NewClient) -> Vec<String> {
    let mut types = Vec::new();
    if !new.redirects.is_empty() {
        types.extend(["authorization_code", "refresh_token"]);
    }
    if new.confidential && !new.groups.is_empty() && !new.may_introspect {
        types.push("client_credentials");
    }
    types.into_iter().map(str::to_owned).collect()
}

fn grant_view(grant: Grant, server_code: String, now: i64) -> OauthGrantView {
    OauthGrantView {
        in_force: grant.revoked_at.is_none() && grant.expires_at > now,
        id: grant.id,
        client_id: grant.client_id,
        server_code,
        audience: grant.audience,
        scopes: grant.scopes,
        key_id: grant.key_id,
        account_id: grant.account_id,
        created_at: rfc3339(grant.created_at),
        expires_at: rfc3339(grant.expires_at),
        used_at: grant.used_at.map(rfc3339),
        revoked_at: grant.revoked_at.map(rfc3339),
        revoked_why: grant.revoked_why,
    }
}
