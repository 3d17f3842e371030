//! `GET /oauth/authorize`: a request is checked, and a person is shown who asks for what (RFC 6749 §4.1.1).
//!
//! The page is always shown: a consent that was given before is no consent to this request. Whatever is wrong before
//! client and redirect URI are known to belong together ends on a page; what is wrong after that, the client hears.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{
    OauthState, Shared,
    page::{self, Language, Shown},
    reply::ascii,
};
use crate::{
    gate::oauth::{
        OauthError, mint,
        params::Params,
        request::{self, Target, Unanswerable},
        transaction::{Transaction, browser_of},
    },
    http::PeerAddress,
    ids::new_id,
    store::oauth_clients::Client,
};

/// Longest query that is read.
const LONGEST: usize = 16 * 1024;

pub(super) async fn authorize(State(state): State<OauthState>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let base = match state.base(&parts.uri, &parts.headers) {
        Ok(base) => base,
        Err(problem) => return problem.into_response(),
    };
    let query = parts.uri.query().unwrap_or_default();
    let params = Params::read(if query.len() > LONGEST { "" } else { query });
    let language = Language::of(params.get("ui_locales"), &parts.headers);
    let answered = async {
        let client = state.client(&params, address(&parts)).await?;
        let target = request::target(&params, &client, &state.settings.redirects)?;
        Ok::<_, Unanswerable>((client, target))
    };
    let (client, target) = match answered.await {
        Ok(found) => found,
        Err(why) => return page::refusal(&base, language, &why),
    };
    match request::read(&params, &client, &state.settings.bases, &base) {
        Err(error) => back(&target, &base, &error),
        Ok(asked) => ask(&state, (&client, target), asked, (&base, language, &parts)),
    }
}

/// Shows the page, with the request sealed in its form.
fn ask(
    state: &Shared,
    (client, target): (&Client, Target),
    asked: request::AuthorizationRequest,
    (base, language, parts): (&str, Language, &Parts),
) -> Response {
    let cookie = match page::cookie(base, &parts.headers).map_or_else(|| mint::random_text(43), Ok) {
        Ok(cookie) => cookie,
        Err(error) => return back(&target, base, &error.into()),
    };
    let transaction = Transaction {
        id: new_id(state.parts.clock.as_ref()),
        client_id: client.id.clone(),
        redirect_uri: target.redirect_uri.clone(),
        redirect_left_out: target.left_out,
        state: target.state.clone(),
        challenge: asked.challenge,
        audience: asked.resource.uri,
        resource_code: asked.resource.code,
        group: asked.group,
        write: asked.write,
        issuer: base.to_owned(),
        browser: browser_of(&cookie),
        created_at: state.parts.clock.now_ms(),
    };
    let Ok(sealed) = transaction.seal(&state.parts.master) else {
        return back(&target, base, &OauthError::new("server_error", "the server has no random numbers at the moment"));
    };
    let write = asked.write;
    let shown = Shown { transaction: &transaction, client, sealed: &sealed, language, trouble: None, write, typed: ("", "") };
    let mut response = page::consent(&shown);
    if let Ok(value) = HeaderValue::from_str(&page::set_cookie(base, &cookie)) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Tells the client by a redirect that its request is not granted (RFC 6749 §4.1.2.1, RFC 9207 §2).
pub(super) fn back(target: &Target, issuer: &str, error: &OauthError) -> Response {
    redirect(target, issuer, &[("error", error.error), ("error_description", &ascii(&error.description))])
}

/// Sends the browser to the client with an answer. 303, so that it never repeats a form there (RFC 9700 §4.12).
pub(super) fn redirect(target: &Target, issuer: &str, answer: &[(&str, &str)]) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = &target.state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer);
    let uri = &target.redirect_uri;
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let location = format!("{uri}{joint}{}", query.finish());
    let headers = [(header::LOCATION, location.as_str()), (header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Who asks, by address. A router that is called without a connection has none.
pub(super) fn address(parts: &Parts) -> IpAddr {
    parts.extensions.get::<PeerAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.client(&parts.headers))
}
