//! What the group robots have in common: an address that holds the key, a JSON body, an answer with a code.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::Value;
use url::{Host, Url};

use super::{ChannelError, Sent, Tools, config::Fault};
use crate::{
    outbound::http_client::{Call, Reply, host_of, retry_after},
    secret::SecretText,
};

/// What is read of an answer.
const MAX_ANSWER: usize = 64 * 1024;
/// Feishu's own `Retry-After`: seconds until it takes more.
const RATE_LIMIT_RESET: &str = "x-ogw-ratelimit-reset";

/// What a robot's code means.
pub(super) enum Verdict {
    /// Too many at a time, or it has a bad moment: not before so long.
    Later(Option<Duration>),
    /// It will not take it, and what to do.
    Never(&'static str),
}

/// How a kind of robot answers.
pub(super) struct Manner {
    /// The field that holds the code; 0 is success.
    pub(super) code: &'static str,
    /// The field that holds the words.
    pub(super) message: &'static str,
    /// What a code other than 0 means; the words only where one code has two meanings.
    pub(super) judge: fn(i64, &str) -> Verdict,
}

/// Reads a robot's address. Its key is in it, so that plain http is for this machine only.
pub(super) fn parse_address(url: &SecretText) -> Result<Url, Fault> {
    let parsed = parse_web_address(url)?;
    if parsed.scheme() == "http" && !is_loopback(&parsed) {
        return Err(Fault::of("url", "must begin with https: it holds the robot's key"));
    }
    Ok(parsed)
}

/// Reads an http or https address. The parser's complaint names no part of it.
pub(super) fn parse_web_address(url: &SecretText) -> Result<Url, Fault> {
    let parsed = Url::parse(url.expose()).map_err(|error| Fault::of("url", format!("is not an address: {error}")))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        _ => Err(Fault::of("url", "must begin with https:// or http://")),
    }
}

/// Refuses an address without a value for this parameter, as another robot's address has none.
pub(super) fn require_parameter(url: &Url, name: &str, example: &str) -> Result<(), Fault> {
    if url.query_pairs().any(|(key, value)| key == name && !value.is_empty()) {
        return Ok(());
    }
    Err(Fault::of("url", format!("has no {name}: copy the robot's address, such as {example}")))
}

/// Reads a signing secret.
pub(super) fn parse_secret(secret: Option<&SecretText>) -> Result<Option<SecretText>, Fault> {
    match secret {
        Some(secret) if secret.expose().trim().is_empty() => Err(Fault::of("secret", "is empty: leave it out, or copy it from the robot")),
        Some(secret) => Ok(Some(SecretText::new(secret.expose().trim()))),
        None => Ok(None),
    }
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Posts a body to a robot and reads its answer.
pub(super) async fn tell(tools: &Tools, url: Url, body: &Value, manner: &Manner) -> Result<Sent, ChannelError> {
    let host = host_of(&url);
    let reply = post(tools, url, HeaderMap::new(), body).await?;
    let wait = asked_wait(tools, &reply.headers);
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(code) = answer.get(manner.code).and_then(Value::as_i64) else {
        return Err(if reply.status.is_success() {
            let advice = "it does not answer as a robot does: check the address";
            ChannelError::Refused { host, answer: format!("no {}", manner.code), advice }
        } else {
            ChannelError::from_status(host, reply.status, wait)
        });
    };
    if code == 0 {
        return Ok(Sent::default());
    }
    let words = answer.get(manner.message).and_then(Value::as_str).unwrap_or_default();
    let answer = format!("{} {code}", manner.code);
    Err(match (manner.judge)(code, words) {
        Verdict::Later(after) => ChannelError::NotNow { host, answer, retry_after: wait.or(after) },
        Verdict::Never(advice) => ChannelError::Refused { host, answer, advice },
    })
}

/// Posts JSON.
pub(super) async fn post(tools: &Tools, url: Url, mut headers: HeaderMap, body: &Value) -> Result<Reply, ChannelError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    let body = Some(Bytes::from(body.to_string()));
    let call = Call { method: Method::POST, url, headers, body, timeout: tools.timeout, max_bytes: MAX_ANSWER };
    Ok(tools.http.exchange(call).await?)
}

/// How long the headers ask us to wait.
pub(super) fn asked_wait(tools: &Tools, headers: &HeaderMap) -> Option<Duration> {
    let reset = || headers.get(RATE_LIMIT_RESET)?.to_str().ok()?.parse().ok().map(Duration::from_secs);
    retry_after(headers, tools.clock.now()).or_else(reset)
}
