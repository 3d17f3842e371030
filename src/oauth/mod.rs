//! The HTTP side of the authorization server: routes, forms, pages. The rules are in `gate::oauth`.
//!
//! ```text
//! metadata     /.well-known/…               where everything is (RFC 9728, RFC 8414, and the OpenID spellings)
//! authorize    /oauth/authorize             a request is checked, a person is shown a page
//! consent      /oauth/consent               what the person answered, and the proof
//! token        /oauth/token                 codes and refresh tokens become tokens
//! register     /oauth/register              clients introduce themselves (RFC 7591)
//! revoke, introspect                        RFC 7009, RFC 7662
//! page         consent and error page       templates/ beside it; no script, no inline style
//! ```
//!
//! It refuses requests from hosts and origins that are not allowed, before anything else; forms that were not shown to
//! the same browser; and every redirect to an address that is not the client's.

mod authorize;
mod clients;
mod consent;
mod introspect;
mod metadata;
mod page;
mod register;
mod reply;
mod revoke;
mod texts;
mod token;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{any, get, post},
};
use http::{HeaderMap, Uri, header};
use tokio::sync::OnceCell;

use crate::{
    clock::SharedClock,
    gate::{
        Gate,
        accounts::Accounts,
        oauth::{base::Bases, grants::Grants, limiter::HourlyLimit, redirect::RedirectRules},
        origins::Origins,
    },
    outbound::client_metadata::{ClientDocuments, DocumentSettings},
    problem::Problem,
    secret::MasterKey,
    store::Store,
};

/// How the authorization server behaves.
#[derive(Debug, Clone)]
pub struct OauthSettings {
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Under which address it is asked.
    pub bases: Arc<Bases>,
    /// Where answers may be sent.
    pub redirects: RedirectRules,
    /// Name of the server, for people.
    pub server_name: String,
    /// Whether clients may register themselves.
    pub registration: bool,
    /// Most clients that registered themselves.
    pub max_clients: u32,
    /// Most registrations an hour from one address.
    pub registrations_per_hour: u32,
    /// After how many milliseconds an unused client is forgotten.
    pub unused_client_ms: i64,
    /// Longest a body may take to arrive.
    pub body_timeout: Duration,
}

/// What it works with.
pub struct OauthParts {
    /// Keys, as a proof.
    pub gate: Arc<Gate>,
    /// Accounts, as a proof.
    pub accounts: Arc<Accounts>,
    /// Codes and tokens.
    pub grants: Grants,
    /// How clients known by a document are read; none when switched off.
    pub documents: Option<DocumentSettings>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Seals requests on their way through the page.
    pub master: Arc<MasterKey>,
}

/// Documents that one address may make us fetch in an hour.
const DOCUMENTS_PER_HOUR: u32 = 60;

/// What the routes share.
pub struct Shared {
    parts: OauthParts,
    settings: OauthSettings,
    registrations: HourlyLimit,
    fetches: HourlyLimit,
    /// Made when the first document is read: loading the system's certificates takes its time.
    reader: OnceCell<ClientDocuments>,
}

/// The state of the routes.
#[derive(Clone)]
pub struct OauthState(Arc<Shared>);

impl std::ops::Deref for OauthState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl OauthState {
    /// Puts it together.
    pub fn new(parts: OauthParts, settings: OauthSettings) -> Self {
        let registrations = HourlyLimit::new(settings.registrations_per_hour);
        Self(Arc::new(Shared { parts, settings, registrations, fetches: HourlyLimit::new(DOCUMENTS_PER_HOUR), reader: OnceCell::new() }))
    }
}

impl Shared {
    /// The address by which a request reached us, once its host and origin are known to be allowed.
    fn base(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
        self.settings.origins.check(uri, headers)?;
        Ok(self.asked_at(headers))
    }

    /// The same for what our own page alone may send, whatever origins may call otherwise. Whoever asks compares the origin.
    fn own_base(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
        self.settings.origins.check_host(uri, headers)?;
        Ok(self.asked_at(headers))
    }

    fn asked_at(&self, headers: &HeaderMap) -> String {
        self.settings.bases.of(headers.get(header::HOST).and_then(|host| host.to_str().ok()))
    }
}

/// The routes, with and without the public path in front.
pub fn router(state: OauthState) -> Router {
    let (prefix, routes) = (state.settings.bases.path().to_owned(), routes());
    let with_prefix = if prefix.is_empty() { routes } else { Router::new().nest(&prefix, routes.clone()).merge(routes) };
    with_prefix.with_state(state)
}

/// The routes by themselves.
pub fn routes() -> Router<OauthState> {
    Router::new()
        .route("/.well-known/{*tail}", any(metadata::at_root))
        .route("/mcp/.well-known/{*tail}", any(metadata::below_endpoint))
        .route("/sse/.well-known/{*tail}", any(metadata::below_endpoint))
        .route("/server/{server_code}/mcp/.well-known/{*tail}", any(metadata::below_group))
        .route("/server/{server_code}/sse/.well-known/{*tail}", any(metadata::below_group))
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/oauth/consent", post(consent::consent))
        .route("/oauth/token", post(token::token).options(reply::preflight))
        .route("/oauth/register", post(register::register).options(reply::preflight))
        .route("/oauth/revoke", post(revoke::revoke).options(reply::preflight))
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/oauth/jwks", get(metadata::jwks).options(reply::preflight))
        .route("/oauth/style.css", get(page::style))
        .route("/oauth/icon.svg", get(page::icon))
}
