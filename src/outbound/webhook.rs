//! One signed event for another system: one attempt to deliver it.
//!
//! The event's id is the same on every attempt, so that a receiver drops a repeated one; the timestamp and the
//! signatures are made anew. Any 2xx is a delivery. When to try again is the job's business: the error says what the
//! receiver asked for. It refuses addresses that are not http or https, and never follows a redirect.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use url::Url;

use super::{
    http_client::{Call, HttpClient, HttpError, host_of, retry_after},
    standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, SignError, TIMESTAMP_HEADER, WebhookSecret, sign},
};
use crate::clock::Clock;

/// How long a receiver has to answer unless the settings say otherwise (Standard Webhooks: 15 to 30 s).
const TIMEOUT: Duration = Duration::from_secs(15);
/// What we read of its answer. Nothing in it matters.
const MAX_ANSWER: usize = 64 * 1024;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The same on every attempt, such as `msg_` + UUID.
    pub id: &'a str,
    /// The JSON body; these very bytes are signed and sent.
    pub body: &'a str,
}

/// Where it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Receiver<'a> {
    /// Its address.
    pub url: &'a str,
    /// What it shares with us: two during a rotation.
    pub secrets: &'a [WebhookSecret],
}

/// The receiver has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The status it answered with.
    pub status: u16,
}

/// Why the receiver does not have it, or may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The address is none.
    #[error("cannot send the event: the configured address is not an http or https URL ({0})")]
    Address(String),
    /// It could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No answer.
    #[error("the event was not acknowledged: {0}")]
    Http(#[from] HttpError),
    /// The receiver wants no more of these, ever (410).
    #[error("{host} answered 410: it wants no more events. Remove or correct the address")]
    Gone {
        /// Host and port.
        host: String,
    },
    /// The receiver is overloaded (429, 502, 503, 504).
    #[error("{host} answered {status}: it is overloaded or down")]
    SlowDown {
        /// Host and port.
        host: String,
        /// Its status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Any other status, redirects included.
    #[error("{host} answered {status} instead of 2xx")]
    Refused {
        /// Host and port.
        host: String,
        /// Its status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
}

impl DeliveryError {
    /// The HTTP status, when there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Address(_) | Self::Sign(_) | Self::Http(_) => None,
            Self::Gone { .. } => Some(StatusCode::GONE.as_u16()),
            Self::SlowDown { status, .. } | Self::Refused { status, .. } => Some(*status),
        }
    }

    /// How long the receiver asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::SlowDown { retry_after, .. } | Self::Refused { retry_after, .. } => *retry_after,
            Self::Address(_) | Self::Sign(_) | Self::Http(_) | Self::Gone { .. } => None,
        }
    }

    /// Whether another attempt may succeed without anybody changing the settings.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Address(_) | Self::Sign(_) | Self::Gone { .. } => false,
            Self::Http(_) | Self::SlowDown { .. } | Self::Refused { .. } => true,
        }
    }
}

/// Sends one event once, with 15 s for the receiver to answer.
pub async fn deliver(http: &HttpClient, clock: &dyn Clock, to: Receiver<'_>, event: Event<'_>) -> Result<Delivered, DeliveryError> {
    deliver_within(http, clock, to, event, TIMEOUT).await
}

/// Sends one event once, with this long for the receiver to answer.
pub async fn deliver_within(
    http: &HttpClient,
    clock: &dyn Clock,
    to: Receiver<'_>,
    event: Event<'_>,
    timeout: Duration,
) -> Result<Delivered, DeliveryError> {
    let url = parse_address(to.url)?;
    let host = host_of(&url);
    let headers = headers(clock.now().timestamp(), to.secrets, event)?;
    let reply = http
        .exchange(Call {
            method: Method::POST,
            url,
            headers,
            body: Some(Bytes::copy_from_slice(event.body.as_bytes())),
            timeout,
            max_bytes: MAX_ANSWER,
        })
        .await?;
    let status = reply.status.as_u16();
    let retry_after = retry_after(&reply.headers, clock.now());
    match status {
        200..=299 => Ok(Delivered { status }),
        410 => Err(DeliveryError::Gone { host }),
        429 | 502..=504 => Err(DeliveryError::SlowDown { host, status, retry_after }),
        _ => Err(DeliveryError::Refused { host, status, retry_after }),
    }
}

fn parse_address(text: &str) -> Result<Url, DeliveryError> {
    let url = Url::parse(text).map_err(|error| DeliveryError::Address(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(DeliveryError::Address(format!("its scheme is {other}"))),
    }
}

fn headers(now: i64, secrets: &[WebhookSecret], event: Event<'_>) -> Result<HeaderMap, DeliveryError> {
    let signatures = sign(secrets, event.id, now, event.body.as_bytes())?;
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| SignError::Id);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID_HEADER, value(event.id)?);
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from(now));
    headers.insert(SIGNATURE_HEADER, value(&signatures)?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{Router, extract::State, response::IntoResponse, routing::post};
    use tokio::{net::TcpListener, sync::Mutex};

    use super::*;
    use crate::{
        clock::FixedClock,
        outbound::{
            http_client::ProxyUse,
            standard_webhooks::{Signed, verify},
        },
    };

    type Seen = Arc<Mutex<Option<(HeaderMap, Bytes)>>>;

    /// A receiver that answers `status` and keeps what it got.
    async fn receiver(status: u16, retry_after: &'static str) -> (String, Seen) {
        let seen = Seen::default();
        let app = Router::new()
            .route(
                "/hook",
                post(move |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| async move {
                    *seen.lock().await = Some((headers, body));
                    let location = ("location", "http://127.0.0.1:1/elsewhere");
                    (StatusCode::from_u16(status).unwrap(), [("retry-after", retry_after), location], "no").into_response()
                }),
            )
            .with_state(seen.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        (url, seen)
    }

    async fn send(url: &str) -> Result<Delivered, DeliveryError> {
        let secrets = [WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap()];
        let clock = FixedClock::at_ms(1_700_000_000_123);
        let event = Event { id: "msg_1", body: r#"{"type":"welcome.sent"}"# };
        deliver(&HttpClient::new(ProxyUse::Direct).unwrap(), &clock, Receiver { url, secrets: &secrets }, event).await
    }

    #[tokio::test]
    async fn a_delivered_event_verifies() {
        let (url, seen) = receiver(204, "1").await;
        assert_eq!(send(&url).await.unwrap(), Delivered { status: 204 });
        let (headers, body) = seen.lock().await.take().unwrap();
        let text = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        let secrets = [WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap()];
        let signed = Signed { id: text(ID_HEADER), timestamp: text(TIMESTAMP_HEADER), signatures: text(SIGNATURE_HEADER) };
        assert_eq!(verify(&secrets, signed, &body, 1_700_000_000), Ok(()));
        assert_eq!(text("content-type"), "application/json");
    }

    #[tokio::test]
    async fn each_status_says_what_to_do() {
        let host = |url: &str| url.replace("http://", "").replace("/hook", "");
        for status in [429, 502, 503, 504] {
            let (url, _) = receiver(status, "7").await;
            let expected = DeliveryError::SlowDown { host: host(&url), status, retry_after: Some(Duration::from_secs(7)) };
            let error = send(&url).await.unwrap_err();
            assert_eq!(error, expected);
            assert!(error.is_worth_retrying());
        }
        for status in [302, 307, 400, 401, 500] {
            let (url, _) = receiver(status, "soon").await;
            let error = send(&url).await.unwrap_err();
            assert_eq!(error, DeliveryError::Refused { host: host(&url), status, retry_after: None });
        }
        let (url, _) = receiver(410, "1").await;
        let error = send(&url).await.unwrap_err();
        assert_eq!(error, DeliveryError::Gone { host: host(&url) });
        assert!(!error.is_worth_retrying());
        assert_eq!(error.status(), Some(410));
    }

    #[tokio::test]
    async fn bad_addresses_and_absent_receivers_are_told_apart() {
        for address in ["", "hook", "file:///etc/passwd", "ftp://example.com"] {
            assert!(matches!(send(address).await, Err(DeliveryError::Address(_))), "{address}");
        }
        let error = send("http://user:hunter2@127.0.0.1:1/hook?token=t0ps3cret").await.unwrap_err();
        assert!(matches!(error, DeliveryError::Http(HttpError::Unreachable { .. })), "{error}");
        assert!(error.is_worth_retrying());
        assert!(!error.to_string().contains("hunter2") && !error.to_string().contains("t0ps3cret"));
    }
}
