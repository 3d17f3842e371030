//! The app's side of a drill: sends registrations, and keeps outside the database what it was promised.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::{
    cli::register,
    outbound::http_client::{Call, HttpClient, ProxyUse},
    secret::SecretText,
};

/// Longest an answer is waited for: a killed daemon gives none.
const PATIENCE: Duration = Duration::from_secs(10);

/// One registration as the app knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its `webhook-id`.
    pub(super) event_id: String,
    user_id: String,
    /// The run that was promised by a 202.
    pub(super) promised: Option<String>,
}

impl Sent {
    /// The `n`-th of a drill.
    pub(super) fn new(n: usize) -> Self {
        Self { event_id: format!("drill_{n}"), user_id: format!("usr_drill_{n}"), promised: None }
    }
}

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// 202: it is kept, under this id.
    Kept(String),
    /// 200: it was kept before, under this id.
    Known(String),
    /// Anything else, or nothing.
    None,
}

/// The hook's client.
#[derive(Clone)]
pub(super) struct Client {
    http: HttpClient,
    key: SecretText,
}

impl Client {
    pub(super) fn new(key: SecretText) -> anyhow::Result<Self> {
        Ok(Self { http: HttpClient::new(ProxyUse::Direct)?, key })
    }

    /// Sends it to the hook at `root`.
    pub(super) async fn send(&self, root: &str, sent: &Sent) -> anyhow::Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", self.key.expose()))?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", HeaderValue::from_str(&sent.event_id)?);
        let body = register::body(&sent.user_id, "演练客户").to_string();
        let url = root.parse::<Url>()?.join("/hooks/registration")?;
        let call = Call { method: Method::POST, url, headers, body: Some(Bytes::from(body)), timeout: PATIENCE, max_bytes: 64 * 1024 };
        // A daemon that was killed meanwhile answers nothing; that is what a drill is for.
        let Ok(reply) = self.http.exchange(call).await else { return Ok(Answer::None) };
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let id = answer.get("registration_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(match reply.status {
            StatusCode::ACCEPTED => Answer::Kept(id),
            StatusCode::OK => Answer::Known(id),
            _ => Answer::None,
        })
    }
}
