//! `POST /oauth/consent`: what the person answered.
//!
//! A form counts only when it comes from our own page (Origin, Sec-Fetch-Site), from the browser that was shown it
//! (cookie and seal), in time, and once, whatever the answer is. The right to a group is proved by its key, or by an
//! account whose role and tier open it, with its second factor if it has one. What is wrong about a proof is not said;
//! failures are slowed down per address by whoever checks it.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use std::sync::Arc;

use super::{
    OauthState, Shared,
    authorize::{address, back, redirect},
    page::{self, Language, Shown, Trouble},
    reply,
};
use crate::{
    gate::{
        GroupPolicy, Presented, Refusal,
        accounts::{SignInError, account_may, second_factor::SecondFactors},
        oauth::{
            OauthError,
            grants::{Approved, Consent, Proof},
            params::Params,
            request::{Target, Unanswerable},
            transaction::{BadTransaction, Transaction},
        },
    },
    secret::SecretText,
    store::{
        accounts::Account,
        oauth_clients::{Client, ClientKind},
    },
};

pub(super) async fn consent(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The lists of origins are about pages of others; ours is the only one here, whatever they say.
    let base = match state.own_base(&parts.uri, &parts.headers) {
        Ok(base) => base,
        Err(problem) => return problem.into_response(),
    };
    let language = Language::of(None, &parts.headers);
    if !from_our_page(&parts.headers, &base) {
        return page::trouble(&base, language, &Trouble::OtherPage);
    }
    let Ok(params) = reply::form(&state, &parts, body).await else { return page::trouble(&base, language, &Trouble::BadForm) };
    let language = params.get("lang").map_or(language, Language::named);
    let cookie = page::cookie(&base, &parts.headers);
    let now = state.parts.clock.now_ms();
    let sealed = params.get("transaction").unwrap_or_default();
    let transaction = match Transaction::open(sealed, &state.parts.master, cookie.as_deref(), now) {
        Ok(transaction) if transaction.issuer == base => transaction,
        Ok(_) | Err(BadTransaction::Forged) => return page::trouble(&base, language, &Trouble::BadForm),
        Err(BadTransaction::Expired) => return page::trouble(&base, language, &Trouble::Expired),
        Err(BadTransaction::OtherBrowser) => return page::trouble(&base, language, &Trouble::OtherBrowser),
    };
    let client = match state.client_by_id(&transaction.client_id, address(&parts)).await {
        Ok(client) => client,
        Err(why) => return page::refusal(&base, language, &why),
    };
    answered(&state, &Answer { transaction, client, params, language, parts: &parts, arrived_at: now }).await
}

/// A form in order.
struct Answer<'a> {
    transaction: Transaction,
    client: Client,
    params: Params,
    language: Language,
    parts: &'a Parts,
    arrived_at: i64,
}

impl Answer<'_> {
    fn target(&self) -> Target {
        let Transaction { redirect_uri, redirect_left_out, state, .. } = &self.transaction;
        Target { redirect_uri: redirect_uri.clone(), left_out: *redirect_left_out, state: state.clone() }
    }

    /// The page again, with what is wrong.
    fn again(&self, trouble: Option<Trouble>) -> Response {
        let sealed = self.params.get("transaction").unwrap_or_default();
        let shown = trouble.is_none() || self.params.get("write").is_some();
        let write = if trouble.is_none() { self.transaction.write } else { shown };
        let typed = |name: &str| self.params.get(name).unwrap_or_default();
        page::consent(&Shown {
            transaction: &self.transaction,
            client: &self.client,
            sealed,
            language: self.language,
            trouble,
            write,
            typed: (typed("login"), typed("group")),
        })
    }
}

async fn answered(state: &Shared, answer: &Answer<'_>) -> Response {
    let proof = match answer.params.get("action") {
        Some("deny") => return denied(state, answer).await,
        // One form holds both proofs; a key that was typed in is meant.
        Some("allow") if answer.params.get("key").is_some() => by_key(state, answer).await,
        Some("allow") => by_account(state, answer).await,
        _ => return answer.again(None),
    };
    match proof {
        Ok((group, proof)) => granted(state, answer, &group, proof).await,
        Err(trouble) => answer.again(Some(trouble)),
    }
}

async fn denied(state: &Shared, answer: &Answer<'_>) -> Response {
    let issuer = &answer.transaction.issuer;
    match state.parts.grants.deny(&answer.transaction).await {
        Ok(true) => back(&answer.target(), issuer, &OauthError::new("access_denied", "the person did not grant access")),
        Ok(false) => page::trouble(issuer, answer.language, &Trouble::Answered),
        Err(error) => back(&answer.target(), issuer, &error),
    }
}

async fn granted(state: &Shared, answer: &Answer<'_>, group: &GroupPolicy, proof: Proof) -> Response {
    let document = (answer.client.kind == ClientKind::Document).then(|| answer.client.clone());
    let write = answer.params.get("write").is_some();
    let issuer = &answer.transaction.issuer;
    let (address, proved_at) = (Some(address(answer.parts)), answer.arrived_at);
    let consent = Consent { group, proof: proof.clone(), write, address, proved_at };
    match state.parts.grants.approve(&answer.transaction, consent, document).await {
        Ok(Approved::Code(code)) => {
            tracing::info!(
                oauth.client = answer.client.id, group.code = group.group.server_code, write, by = ?kind(&proof), "access was granted to a client"
            );
            redirect(&answer.target(), issuer, &[("code", code.expose())])
        }
        Ok(Approved::Answered) => page::trouble(issuer, answer.language, &Trouble::Answered),
        Ok(Approved::KeyEnded) => answer.again(Some(Trouble::WrongKey)),
        Err(error) => back(&answer.target(), issuer, &error),
    }
}

fn kind(proof: &Proof) -> &'static str {
    match proof {
        Proof::Key(_) => "key",
        Proof::Account(_) => "account",
    }
}

/// The key of the group proves the right to it. A key of another group is as wrong as no key at all.
async fn by_key(state: &Shared, answer: &Answer<'_>) -> Result<(Arc<GroupPolicy>, Proof), Trouble> {
    let text =
        answer.params.get("key").map(str::trim).filter(|text| text.starts_with(crate::gate::keys::PREFIX)).ok_or(Trouble::WrongKey)?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| Trouble::WrongKey)?;
    bearer.set_sensitive(true);
    let presented = Presented {
        authorization: Some(&bearer),
        code: answer.transaction.group.as_deref(),
        address: Some(address(answer.parts)),
        client: Some("consent page"),
        ..Presented::default()
    };
    let caller = state.parts.gate.admit(presented).await.map_err(|refusal| match &refusal {
        Refusal::Unavailable(_) => Trouble::Unavailable,
        Refusal::Disabled { .. } => Trouble::Disabled,
        refusal => refusal.problem().retry_after.map_or(Trouble::WrongKey, Trouble::Wait),
    })?;
    let id = caller.key_id().ok_or(Trouble::WrongKey)?.to_owned();
    Ok((caller.group, Proof::Key(id)))
}

/// An account whose role and tier open the group.
async fn by_account(state: &Shared, answer: &Answer<'_>) -> Result<(Arc<GroupPolicy>, Proof), Trouble> {
    let account = signed_in(state, answer).await?;
    let policy = state.parts.gate.policy().current().map_err(|_| Trouble::Unavailable)?;
    let mut open = policy.groups().iter().filter(|group| account_may(&account, &group.group).is_ok());
    let code = answer.transaction.group.as_deref().or_else(|| answer.params.get("group").map(str::trim));
    let group = if let Some(code) = code {
        open.find(|group| group.group.server_code == code).ok_or(Trouble::NoRight)?
    } else {
        let all: Vec<_> = open.collect();
        match all.as_slice() {
            [only] => *only,
            [] => return Err(Trouble::NoRight),
            several => return Err(Trouble::WhichGroup(several.iter().map(|group| group.group.server_code.clone()).collect())),
        }
    };
    Ok((Arc::clone(group), Proof::Account(account.id)))
}

/// Who shows login, password and, where there is one, the second factor: as for the panel, all of it in one check.
async fn signed_in(state: &Shared, answer: &Answer<'_>) -> Result<Account, Trouble> {
    let (Some(login), Some(password)) = (answer.params.get("login"), answer.params.get("password")) else {
        return Err(Trouble::WrongLogin);
    };
    let parts = &state.parts;
    let factors = SecondFactors::new(parts.store.clone(), Arc::clone(&parts.clock), Arc::clone(&parts.master));
    let (code, from) = (answer.params.get("otp").unwrap_or_default().to_owned(), address(answer.parts));
    let also = move |account: Account| async move { factors.shown(&account, &code, from).await };
    parts.accounts.sign_in_if(login, &SecretText::new(password), from, also).await.map_err(|error| match error {
        SignInError::Wrong => Trouble::WrongLogin,
        SignInError::Throttled { retry_after } | SignInError::Busy { retry_after } => Trouble::Wait(retry_after.as_secs().max(1)),
        SignInError::Unavailable(_) => Trouble::Unavailable,
    })
}

/// Whether a form was sent by a page of ours, at the same address. Browsers always say so; nobody else has business here.
fn from_our_page(headers: &HeaderMap, base: &str) -> bool {
    let origin = url::Url::parse(base).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let said = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    said.eq_ignore_ascii_case(&origin) && site.is_none_or(|site| site == b"same-origin")
}

/// A page's status: who did not prove anything was not let in.
pub(super) fn status(trouble: &Trouble) -> StatusCode {
    match trouble {
        Trouble::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
        Trouble::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Trouble::BadForm | Trouble::Expired | Trouble::Answered | Trouble::WhichGroup(_) => StatusCode::BAD_REQUEST,
        Trouble::OtherPage | Trouble::OtherBrowser | Trouble::WrongKey | Trouble::WrongLogin | Trouble::NoRight | Trouble::Disabled => {
            StatusCode::FORBIDDEN
        }
    }
}

/// The status of a refusal's page.
pub(super) fn refusal_status(why: &Unanswerable) -> StatusCode {
    match why {
        Unanswerable::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
        Unanswerable::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}
