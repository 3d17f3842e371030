//! One registration as people watch it: sent through the real webhook, then each step with its duration.

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{Fault, exit, output};
use crate::{
    outbound::http_client::{Call, HttpClient, ProxyUse, Reply},
    secret::SecretText,
};

/// Longest a registration is watched.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the daemon is asked.
const LOOK: Duration = Duration::from_millis(50);

/// The running daemon's hook.
pub(super) struct Hook {
    http: HttpClient,
    root: Url,
    key: SecretText,
}

impl Hook {
    pub(super) fn new(root: &str, key: SecretText) -> anyhow::Result<Self> {
        Ok(Self { http: HttpClient::new(ProxyUse::Direct)?, root: root.parse()?, key })
    }

    /// Sends a registration; returns its status URL's path.
    pub(super) async fn send(&self, body: &Value) -> anyhow::Result<String> {
        let reply = self.call(Method::POST, "/hooks/registration", Some(body)).await?;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        match (reply.status, answer.get("status_url").and_then(Value::as_str)) {
            (StatusCode::ACCEPTED | StatusCode::OK, Some(path)) => Ok(path.to_owned()),
            (StatusCode::UNAUTHORIZED, _) => Err(Fault::new(exit::AUTH, detail(&answer)).into()),
            (status, _) => Err(Fault::new(exit::FAILURE, format!("the hook answered {status}: {}", detail(&answer))).into()),
        }
    }

    /// Watches a registration until its last step, printing each as it is done. Returns the run.
    pub(super) async fn watch(&self, path: &str) -> anyhow::Result<Value> {
        let mut shown = 0;
        self.follow(path, |run| {
            let steps = run.get("steps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for step in steps.iter().skip(shown) {
                show_step(run, step)?;
            }
            shown = shown.max(steps.len());
            Ok(())
        })
        .await
    }

    /// Waits for a registration's last step without a word. Returns the run.
    pub(super) async fn wait(&self, path: &str) -> anyhow::Result<Value> {
        self.follow(path, |_| Ok(())).await
    }

    async fn follow(&self, path: &str, mut look: impl FnMut(&Value) -> anyhow::Result<()>) -> anyhow::Result<Value> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let reply = self.call(Method::GET, path, None).await?;
            let run: Value = serde_json::from_slice(&reply.body)?;
            look(&run)?;
            if run.get("finished_at").is_some_and(|at| !at.is_null()) {
                return Ok(run);
            }
            if tokio::time::Instant::now() > until {
                return Err(Fault::new(
                    exit::FAILURE,
                    format!("the registration is not done after {} s; {path} shows how far it came", PATIENCE.as_secs()),
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
        let mut headers = HeaderMap::new();
        let mut key = HeaderValue::from_str(&format!("Bearer {}", self.key.expose()))?;
        key.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, key);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| Bytes::from(body.to_string()));
        let call = Call { method, url: self.root.join(path)?, headers, body, timeout: Duration::from_secs(10), max_bytes: 1024 * 1024 };
        Ok(self.http.exchange(call).await?)
    }
}

fn detail(answer: &Value) -> String {
    let fields = answer.get("errors").and_then(Value::as_array).into_iter().flatten();
    let fields = fields.map(|error| format!("\n  {}: {}", text(error, "/pointer"), text(error, "/detail")));
    std::iter::once(text(answer, "/detail").to_owned()).chain(fields).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `+ 12 ms  open_conversation    3 ms  conversation_id …`
fn show_step(run: &Value, step: &Value) -> anyhow::Result<()> {
    let ms =
        |value: &Value, pointer| DateTime::parse_from_rfc3339(text(value, pointer)).map(|at| at.timestamp_millis()).unwrap_or_default();
    let began = ms(step, "/started_at") - ms(run, "/accepted_at");
    let took = step.get("duration_ms").and_then(Value::as_i64).unwrap_or_default();
    let what = match step.get("error").and_then(Value::as_str) {
        Some(error) => format!("失败 / failed: {error}"),
        None => step.get("detail").and_then(Value::as_object).map(facts).unwrap_or_default(),
    };
    output::say(format_args!("  +{began:>5} ms  {:<20} {took:>5} ms  {what}", text(step, "/step")))
}

fn facts(detail: &serde_json::Map<String, Value>) -> String {
    // What is absent or off says nothing to a reader.
    let facts: Vec<_> = detail
        .iter()
        .filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false)) && *value != &Value::Array(Vec::new()))
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            Value::Array(items) => format!("{name}={}", items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" → ")),
            other => format!("{name}={other}"),
        })
        .collect();
    facts.join("  ")
}

/// The end of a run: what the customer reads, and whether it is what it should be.
pub(super) fn show_end(run: &Value) -> anyhow::Result<bool> {
    output::say(format_args!("\n{} · {} · {}", text(run, "/state"), text(run, "/welcome/rung"), text(run, "/welcome/reason")))?;
    output::say(format_args!("\n{}\n", text(run, "/welcome/text")))?;
    Ok(matches!(text(run, "/state"), "done" | "done_with_fallback"))
}
