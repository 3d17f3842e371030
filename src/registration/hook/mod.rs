//! The HTTP side: what the app posts, and what it may ask.
//!
//! ```text
//! auth       who posts: the key, or a signature over the body
//! limits     how much is taken: rate, backlog, disk
//! accept     POST /hooks/registration: one registration
//! lines      NDJSON in, an answer for each line out, in bounded memory
//! batch      POST /hooks/registrations: many
//! records    PUT /hooks/records/{kind}/{id}, POST /hooks/records: what the tools answer from
//! feedback   POST /hooks/feedback: what a customer says of the welcome
//! live_token POST /hooks/live-tokens: a token with which one user may connect; …/revoke takes it back
//! show       GET /hooks/registration/{id}
//! ```
//!
//! The order is fixed: host, size, who, how much, what, commit. An answer that says something was kept is sent after
//! the commit and means that it is durable; everything may be sent again.

mod accept;
mod auth;
mod batch;
mod feedback;
mod limits;
mod lines;
mod live_token;
mod records;
mod show;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Notify;

use self::{auth::Admitted, limits::Limits};
use crate::{
    clock::SharedClock,
    gate::{Gate, origins::Origins},
    outbound::standard_webhooks::WebhookSecret,
    problem::Problem,
    secret::{MasterKey, SecretText},
    settings::{Book, Settings},
    store::{Store, StoreError},
};

/// Who may post.
pub struct HookSettings {
    /// The bearer key.
    pub key: SecretText,
    /// Secrets whose signatures are accepted too.
    pub secrets: Vec<WebhookSecret>,
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Largest body, and longest line of NDJSON, in bytes.
    pub max_body: usize,
    /// Longest a body may take to arrive, and longest a stream of lines may pause.
    pub body_timeout: Duration,
}

/// What the hook works with.
pub struct HookParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Tells the queue that there is a job.
    pub wake: Arc<Notify>,
    /// Switches and limits.
    pub book: Book,
    /// Knows which tools are on offer.
    pub gate: Arc<Gate>,
    /// Seals live tokens.
    pub master: Arc<MasterKey>,
}

/// The hook, as its handlers share it.
#[derive(Clone)]
pub struct HookState(Arc<Shared>);

struct Shared {
    parts: HookParts,
    settings: HookSettings,
    limits: Limits,
}

impl HookState {
    /// Puts the hook together.
    pub fn new(parts: HookParts, settings: HookSettings) -> Self {
        let limits = Limits::new(parts.store.clone(), Arc::clone(&parts.clock));
        Self(Arc::new(Shared { parts, settings, limits }))
    }
}

/// The routes.
pub fn router(state: HookState) -> Router {
    Router::new()
        .route("/hooks/registration", post(accept::accept))
        .route("/hooks/registration/{id}", get(show::show))
        .route("/hooks/registrations", post(batch::accept))
        .route("/hooks/records", post(records::put_many))
        .route("/hooks/records/{kind}/{id}", put(records::put_one))
        .route("/hooks/feedback", post(feedback::rate))
        .route("/hooks/live-tokens", post(live_token::mint))
        .route("/hooks/live-tokens/revoke", post(live_token::revoke))
        .with_state(state)
}

impl Shared {
    fn now(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// The settings in force.
    fn in_force(&self) -> Result<Arc<Settings>, Problem> {
        self.parts.book.current().map_err(|error| unavailable(&error))
    }

    /// A small request: its whole body, by somebody who may send it.
    async fn receive(&self, parts: &Parts, body: Body) -> Result<(Admitted, Bytes), Problem> {
        self.settings.origins.check(&parts.uri, &parts.headers)?;
        let body = self.read(body).await?;
        let admitted = auth::authenticate(self, &parts.headers, &body)?;
        Ok((admitted, body))
    }

    /// A stream of any length. A signature is over the whole, so what is signed is read first and has the limit of a body.
    async fn receive_stream(&self, parts: &Parts, body: Body) -> Result<(Admitted, Body), Problem> {
        if auth::is_signed(&parts.headers) {
            return self.receive(parts, body).await.map(|(admitted, body)| (admitted, Body::from(body)));
        }
        self.settings.origins.check(&parts.uri, &parts.headers)?;
        Ok((auth::authenticate(self, &parts.headers, &[])?, body))
    }

    async fn read(&self, body: Body) -> Result<Bytes, Problem> {
        let max = self.settings.max_body;
        match tokio::time::timeout(self.settings.body_timeout, Limited::new(body, max).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                format!("The body is larger than {max} bytes (`hook.max_body`)."),
            )),
            Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body", "The body ended before it was complete.")),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")),
        }
    }
}

/// The outcome of a failed commit may be unknown: the sender must come again, and then finds what was kept or keeps it.
fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "the hook could not read or store what was asked");
    let (why, wait) = match error {
        StoreError::Full => ("The disk is full, and nothing was accepted. Send it again when there is room", 5),
        _ => ("The database could not do it at the moment. Send it again in a second", 1),
    };
    let detail = format!("{why}; it will not be done twice.");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).with_retry_after(wait)
}

/// An outcome as a response.
fn answer(outcome: Result<Response, Problem>) -> Response {
    let mut response = outcome.unwrap_or_else(Problem::into_response);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"anmei-mcp hook\""));
    }
    response
}

#[cfg(test)]
mod tests;
