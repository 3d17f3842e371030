//! A client that an operator adds: what it may be, and its secret, which is shown once.

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::OauthClientView;
use crate::{
    admin::calls::{CallError, Calls, said},
    gate::oauth::{
        mint,
        redirect::{self, RedirectRules},
        registration,
    },
    ids::new_id,
    secret::SecretText,
    store::{
        audit::By,
        oauth_clients::{Client, ClientKind},
    },
};

/// A client to be added on an operator's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
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
    pub redirect_uris: Vec<String>,
}

/// A client that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MadeClient {
    /// What it is.
    #[serde(flatten)]
    pub client: OauthClientView,
    /// Its secret, if it can keep one: in this answer and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<SecretText>,
}

/// The one place where a secret becomes part of an answer.
#[expect(clippy::ref_option, reason = "serde hands a field over as it is")]
fn exposed<S: Serializer>(text: &Option<SecretText>, to: S) -> Result<S::Ok, S::Error> {
    text.as_ref().map(SecretText::expose).serialize(to)
}

impl Calls {
    /// Adds a client; one that can keep a secret gets one, which is in the answer and nowhere else.
    pub async fn add_oauth_client(&self, new: &NewClient, by: &By) -> Result<MadeClient, CallError> {
        let name = self.check_client(new)?;
        let groups = new.groups.iter().map(|code| self.group_policy(code).map(|group| group.group.id.clone()));
        let groups = groups.collect::<Result<Vec<_>, CallError>>()?;
        let secret = if new.confidential { Some(minted()?) } else { None };
        let client = Client {
            id: format!("client_{}", new_id(self.clock.as_ref())),
            kind: ClientKind::Operator,
            name,
            uri: None,
            redirect_uris: new.redirect_uris.clone(),
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
        Ok(MadeClient { client: self.oauth_client(&client.id)?, client_secret: secret })
    }

    /// The client's name as it is shown, once everything else about it is right.
    fn check_client(&self, new: &NewClient) -> Result<String, CallError> {
        let name = registration::shown_name(&new.name);
        if name.is_empty() {
            return Err(CallError::invalid("/name", "名称为空", "the name is empty"));
        }
        fits(new)?;
        let config = &self.config.oauth;
        let rules = RedirectRules { app_schemes: config.app_schemes.clone(), http_hosts: config.http_redirect_hosts.clone() };
        for (at, uri) in new.redirect_uris.iter().enumerate() {
            redirect::acceptable(uri, &rules).map_err(|why| {
                let pointer = format!("/redirect_uris/{at}");
                CallError::invalid(pointer, format!("回调地址 {uri} 不可用：{why}"), format!("the redirect address {uri} {why}"))
            })?;
        }
        Ok(name)
    }
}

/// Whether what a client is goes together.
fn fits(new: &NewClient) -> Result<(), CallError> {
    let wrong = |pointer: &str, zh: &str, en: &str| Err(CallError::invalid(pointer, zh, en));
    if !new.confidential && new.redirect_uris.is_empty() {
        return wrong(
            "/redirect_uris",
            "不保存密钥的客户端需要回调地址，由人来授权；否则请设为机密客户端",
            "a client that keeps no secret needs a redirect address, for a person must grant it access; or make it confidential",
        );
    }
    if !new.confidential && !new.groups.is_empty() {
        return wrong("/groups", "只有机密客户端才能自行进入分组", "only a confidential client enters a group by itself");
    }
    if new.confidential && new.groups.is_empty() && (new.redirect_uris.is_empty() || new.may_introspect) {
        return wrong(
            "/groups",
            "请说明它可以自行进入（或查询其令牌）的分组，或由人授权后回调到哪里",
            "say which group it may enter by itself, or ask about, or where to answer after a person's consent",
        );
    }
    if !new.confidential && (new.may_write || new.may_introspect) {
        return wrong("/confidential", "只有机密客户端才有这些权利", "only a confidential client has these rights");
    }
    if new.may_write && new.may_introspect {
        return wrong(
            "/may_introspect",
            "查询令牌的客户端不进入分组，因此无权保存数据",
            "a client that asks about tokens does not enter, and so stores nothing",
        );
    }
    Ok(())
}

fn minted() -> Result<SecretText, CallError> {
    mint::mint(mint::SECRET).map_err(|error| CallError::Unavailable(said(format!("无法生成密钥：{error}"), error.to_string())))
}

fn grant_types(new: &NewClient) -> Vec<String> {
    let mut types = Vec::new();
    if !new.redirect_uris.is_empty() {
        types.extend(["authorization_code", "refresh_token"]);
    }
    if new.confidential && !new.groups.is_empty() && !new.may_introspect {
        types.push("client_credentials");
    }
    types.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_that_can_get_in_by_some_way() {
        let wrong = |new: &NewClient| match fits(new) {
            Ok(()) => String::new(),
            Err(CallError::Invalid(fields)) => fields[0].pointer.clone(),
            Err(error) => panic!("{error}"),
        };
        let (groups, redirect_uris) = (vec!["g".to_owned()], vec!["https://c.example/".to_owned()]);
        let public = NewClient { redirect_uris: redirect_uris.clone(), ..NewClient::default() };
        let own = NewClient { confidential: true, groups: groups.clone(), ..NewClient::default() };
        for good in [&public, &own, &NewClient { may_write: true, ..own.clone() }, &NewClient { may_introspect: true, ..own.clone() }] {
            assert_eq!(wrong(good), "", "{good:?}");
        }
        for (bad, pointer) in [
            (NewClient::default(), "/redirect_uris"),
            (NewClient { groups, ..public.clone() }, "/groups"),
            (NewClient { groups: Vec::new(), ..own.clone() }, "/groups"),
            (NewClient { groups: Vec::new(), may_introspect: true, redirect_uris, ..own.clone() }, "/groups"),
            (NewClient { may_write: true, ..public.clone() }, "/confidential"),
            (NewClient { may_write: true, may_introspect: true, ..own }, "/may_introspect"),
        ] {
            assert_eq!(wrong(&bad), pointer, "{bad:?}");
        }
        assert_eq!(grant_types(&public), ["authorization_code", "refresh_token"]);
    }

    #[test]
    fn only_the_answer_holds_the_secret() {
        let secret = SecretText::new("secret-of-the-client");
        assert_eq!(exposed(&Some(secret.clone()), serde_json::value::Serializer).unwrap(), "secret-of-the-client");
        assert!(!format!("{secret:?}").contains("secret-of"));
    }
}
