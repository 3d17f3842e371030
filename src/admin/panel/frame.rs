//! What every page has around it: who is signed in, where they are, in which language and colours, and how it is sent.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{FromRequestParts, Request},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};

use super::{form::Fields, preferences::local, texts::Texts};
use crate::{
    admin::{Right, Role, Who, calls::CallError, language},
    config::Language,
    http::cookie,
};

/// Cookie that holds the colours somebody chose.
pub(in crate::admin) const SCHEME_COOKIE: &str = "anmei_scheme";

/// The pages of the menu: their paths below `/panel`, and the keys of their names.
const MENU: [(&str, &str); 17] = [
    ("/panel/", "nav-overview"),
    ("/panel/registrations", "nav-registrations"),
    ("/panel/conversations", "nav-conversations"),
    ("/panel/consultants", "nav-consultants"),
    ("/panel/agents", "nav-agents"),
    ("/panel/groups", "nav-groups"),
    ("/panel/oauth", "nav-oauth"),
    ("/panel/tools", "nav-tools"),
    ("/panel/calls", "nav-calls"),
    ("/panel/errors", "nav-errors"),
    ("/panel/notifications", "nav-notifications"),
    ("/panel/alerts", "nav-alerts"),
    ("/panel/jobs", "nav-jobs"),
    ("/panel/settings", "nav-settings"),
    ("/panel/server", "nav-server"),
    ("/panel/accounts", "nav-accounts"),
    ("/panel/audit", "nav-audit"),
];

/// What is around a page.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Frame {
    /// The texts in the reader's language.
    pub(in crate::admin) t: Texts,
    /// Who reads it; nobody on the pages before sign-in.
    pub(in crate::admin) who: Option<Who>,
    /// Path and query of the page, to come back to.
    pub(in crate::admin) here: String,
    /// What was just done, in words.
    pub(in crate::admin) said: Option<String>,
    scheme: Option<String>,
}

/// An entry of the menu.
#[derive(Debug)]
pub(in crate::admin) struct MenuEntry {
    pub(in crate::admin) path: &'static str,
    pub(in crate::admin) name: String,
    pub(in crate::admin) here: bool,
}

impl Frame {
    /// The frame of a request.
    pub(in crate::admin) fn of(who: Option<Who>, uri: &Uri, headers: &HeaderMap) -> Self {
        let t = Texts(who.as_ref().map_or_else(|| language::of(headers), |who| who.language));
        let query = Fields::of(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()));
        let said = query.given("said").and_then(|key| t.find(&format!("said-{key}")));
        let rest = query.query_but(&["said"]);
        let here = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{rest}", uri.path()) };
        let scheme = cookie(headers, SCHEME_COOKIE).filter(|scheme| matches!(*scheme, "light" | "dark"));
        Self { t, who, here, said, scheme: scheme.map(str::to_owned) }
    }

    /// The language.
    pub(in crate::admin) fn language(&self) -> Language {
        self.t.0
    }

    /// What every form carries.
    pub(in crate::admin) fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }

    /// Whether the reader may do something: what they may not do is not shown.
    pub(in crate::admin) fn may(&self, right: Right) -> bool {
        self.who.as_ref().is_some_and(|who| who.role.may(right))
    }

    /// Whether the reader does the daily work.
    pub(in crate::admin) fn operates(&self) -> bool {
        self.may(Right::Operate)
    }

    /// Whether the reader administers.
    pub(in crate::admin) fn administers(&self) -> bool {
        self.may(Right::Administer)
    }

    /// The colours that were chosen: `light`, `dark`, or nothing for those of the system.
    pub(in crate::admin) fn scheme(&self) -> &str {
        self.scheme.as_deref().unwrap_or_default()
    }

    /// The menu.
    pub(in crate::admin) fn menu(&self) -> Vec<MenuEntry> {
        let path = self.here.split('?').next().unwrap_or_default();
        let below = |entry: &str| path == entry || path.strip_prefix(entry).is_some_and(|rest| rest.starts_with('/'));
        let shown = MENU.iter().filter(|(entry, _)| *entry != "/panel/accounts" || self.administers());
        shown
            .map(|(entry, key)| MenuEntry {
                path: entry,
                name: self.t.say(key),
                here: if *entry == "/panel/" { path == *entry } else { below(entry) },
            })
            .collect()
    }

    /// The name of the reader's role.
    pub(in crate::admin) fn role(&self) -> String {
        self.who.as_ref().map_or_else(String::new, |who| self.t.say(role_key(who.role)))
    }
}

/// The key of a role's name.
pub(in crate::admin) fn role_key(role: Role) -> &'static str {
    match role {
        Role::Administrator => "role-administrator",
        Role::Operator => "role-operator",
        Role::Auditor => "role-auditor",
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts.extensions.get::<Who>().cloned(), &parts.uri, &parts.headers))
    }
}

/// A page, ready to be sent.
#[derive(Debug)]
pub(in crate::admin) struct Page<T>(pub(in crate::admin) StatusCode, pub(in crate::admin) T);

impl<T> Page<T> {
    /// A page as it was asked for.
    pub(in crate::admin) fn ok(page: T) -> Self {
        Self(StatusCode::OK, page)
    }

    /// A form that comes back, because something in it is wrong.
    pub(in crate::admin) fn refused(page: T) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, page)
    }
}

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.1.render() {
            Ok(text) => (self.0, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Back to a page after something was done; `said` is the key of what is said there, without `said-`.
pub(in crate::admin) fn back(path: &str, said: &str) -> Response {
    let joint = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{joint}said={said}")).into_response()
}

/// Why a page cannot be shown, or nothing was done. [`errors`] makes a page of it.
#[derive(Debug)]
pub(in crate::admin) struct PageError(CallError);

impl From<CallError> for PageError {
    fn from(error: CallError) -> Self {
        Self(error)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            CallError::NotFound(_) => StatusCode::NOT_FOUND,
            CallError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            CallError::Conflict(_) => StatusCode::CONFLICT,
            CallError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            CallError::Forbidden(_) | CallError::Unconfirmed => StatusCode::FORBIDDEN,
            CallError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            CallError::Store(error) => {
                tracing::error!(%error, "a page of the panel could not be made");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let mut response = status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: String,
    lines: Vec<String>,
}

/// Makes pages of refusals, in the reader's language and with everything around them.
pub(in crate::admin) async fn errors(request: Request, next: Next) -> Response {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    let who = request.extensions().get::<Who>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let bare = status.is_client_error() && !response.headers().contains_key(header::CONTENT_TYPE);
    let refusal = response.extensions().get::<Arc<PageError>>().cloned();
    if refusal.is_none() && !bare {
        return response;
    }
    let frame = Frame::of(who, &uri, &headers);
    if refusal.as_ref().is_some_and(|error| matches!(error.0, CallError::Unconfirmed)) {
        return confirm(&method, &frame, &headers);
    }
    let lines = refusal.map(|error| lines(&error.0, &frame)).unwrap_or_default();
    let mut page = error_page(status, frame, lines);
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&name) {
            page.headers_mut().insert(name, HeaderValue::clone(value));
        }
    }
    page
}

/// The page of a refusal that comes before every page: nobody is known yet.
pub(in crate::admin) fn refusal(status: StatusCode, error: &CallError, uri: &Uri, headers: &HeaderMap) -> Response {
    let frame = Frame::of(None, uri, headers);
    let lines = lines(error, &frame);
    error_page(status, frame, lines)
}

fn error_page(status: StatusCode, frame: Frame, lines: Vec<String>) -> Response {
    let title = frame.t.find(&format!("error-{}", status.as_u16())).unwrap_or_else(|| frame.t.say("error-other"));
    Page(status, ErrorPage { frame, title, lines }).into_response()
}

/// To the page that asks for the password again, and from there back: a form has to be sent once more from its own page.
fn confirm(method: &Method, frame: &Frame, headers: &HeaderMap) -> Response {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<Uri>().ok());
    let from = referer.as_ref().and_then(Uri::path_and_query).map(|path| local(path.as_str()));
    let here = if method.is_safe() { local(&frame.here) } else { from.unwrap_or("/panel/") };
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    Redirect::to(&format!("/panel/confirm?next={next}")).into_response()
}

fn lines(error: &CallError, frame: &Frame) -> Vec<String> {
    let language = frame.language();
    match error {
        CallError::NotFound(text) | CallError::Conflict(text) | CallError::Forbidden(text) | CallError::Unavailable(text) => {
            vec![text.of(language).to_owned()]
        }
        CallError::Invalid(fields) => fields.iter().map(|field| format!("{}: {}", field.pointer, field.text.of(language))).collect(),
        CallError::Stale { .. } => vec![frame.t.say("error-stale")],
        CallError::Unconfirmed => vec![frame.t.say("error-unconfirmed")],
        CallError::Store(_) => vec![frame.t.say("error-store")],
    }
}
