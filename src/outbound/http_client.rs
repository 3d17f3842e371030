//! One HTTP client for everything that leaves: a pool, short connect timeout, no redirects, no cookies, no proxy.
//!
//! A redirect is an answer like any other here: following one would carry a key to a place nobody configured.
//! Bodies are not decompressed (no such feature is compiled in), so that a small answer cannot grow, and every body is
//! read up to a cap. Errors name the host, never the whole address: an address may hold a password or a token.

use std::{fmt, sync::Once, time::Duration};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};
use url::Url;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept.
const POOL_IDLE: Duration = Duration::from_mins(1);
/// The longest wait that a `Retry-After` may ask for; more than that is a day's outage, not a pause.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// What we call ourselves.
const USER_AGENT: &str = concat!("anmei-mcp/", env!("CARGO_PKG_VERSION"));

/// Whether requests go through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyUse {
    /// Straight to the host.
    #[default]
    Direct,
    /// Through what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    System,
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct SetupError(String);

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection, or it broke.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system or the other side said.
        why: String,
    },
    /// It took too long.
    #[error("{host} did not answer within {} ms", .after.as_millis())]
    Timeout {
        /// Host and port.
        host: String,
        /// How long we waited.
        after: Duration,
    },
    /// The body is larger than we read.
    #[error("{host} sent more than {max} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The cap.
        max: usize,
    },
}

/// The shared client. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct HttpClient(reqwest::Client);

/// One request with its limits.
#[derive(Debug)]
pub struct Call {
    /// Verb.
    pub method: Method,
    /// Address.
    pub url: Url,
    /// Headers; mark secret values with [`http::HeaderValue::set_sensitive`].
    pub headers: HeaderMap,
    /// Body, if any.
    pub body: Option<Bytes>,
    /// Limit from connecting to the last byte.
    pub timeout: Duration,
    /// The largest body that is read.
    pub max_bytes: usize,
}

/// One answer, whole.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// Idle connections kept for each host.
const IDLE_PER_HOST: usize = 64;

impl HttpClient {
    /// Sets up the client. Reads the system's certificates, which takes some milliseconds: do it once.
    pub fn new(proxy: ProxyUse) -> Result<Self, SetupError> {
        Self::with_idle(proxy, IDLE_PER_HOST)
    }

    /// A client that keeps no connection: every request opens its own, and meets none that died meanwhile.
    pub fn without_pool(proxy: ProxyUse) -> Result<Self, SetupError> {
        Self::with_idle(proxy, 0)
    }

    fn with_idle(proxy: ProxyUse, idle: usize) -> Result<Self, SetupError> {
        install_crypto();
        let builder = |proxy| builder(proxy).pool_max_idle_per_host(idle);
        match builder(proxy).build() {
            Ok(client) => Ok(Self(client)),
            Err(error) => {
                // A machine without CA certificates can still reach plain http, such as an agent on its own network.
                let why = explain(error);
                tracing::warn!(error = %why, "no certificate authorities found: https addresses cannot be reached. Install the ca-certificates package");
                let client = builder(proxy).tls_backend_preconfigured(trusting_nobody()).build();
                client.map(Self).map_err(|error| SetupError(explain(error)))
            }
        }
    }

    /// The client underneath, for streams.
    pub(in crate::outbound) fn raw(&self) -> &reqwest::Client {
        &self.0
    }

    /// Sends one request and reads the whole answer. Any status is an answer.
    pub async fn exchange(&self, call: Call) -> Result<Reply, HttpError> {
        let host = host_of(&call.url);
        let after = call.timeout;
        match tokio::time::timeout(after, self.exchange_untimed(call, &host)).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout { host, after }),
        }
    }

    async fn exchange_untimed(&self, call: Call, host: &str) -> Result<Reply, HttpError> {
        let unreachable = |error| HttpError::Unreachable { host: host.to_owned(), why: explain(error) };
        let mut request = self.0.request(call.method, call.url).headers(call.headers);
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > call.max_bytes {
                return Err(HttpError::TooLarge { host: host.to_owned(), max: call.max_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status(), headers: std::mem::take(response.headers_mut()), body: body.freeze() })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

/// `host:port` of an address: what an error may show.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// How long the other side asks us to wait: seconds or a date. Anything else is as if it had not been said.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after_seconds(headers).or_else(|| {
        let at = DateTime::parse_from_rfc2822(headers.get(RETRY_AFTER)?.to_str().ok()?.trim()).ok()?;
        let wait = at.with_timezone(&Utc).signed_duration_since(now).to_std().unwrap_or_default();
        Some(wait.min(LONGEST_RETRY_AFTER))
    })
}

/// The same for those that only ever send seconds: it needs no clock.
pub(crate) fn retry_after_seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)).min(LONGEST_RETRY_AFTER))
}

/// The innermost reason of a failure, without the address.
pub(in crate::outbound) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason: &dyn std::error::Error = &error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// The client of [`super::guarded`]: no pool and no proxy, and names looked up by `resolver` alone. The caller sets the time.
pub(in crate::outbound) fn guarded(resolver: &std::sync::Arc<dyn reqwest::dns::Resolve>) -> Result<reqwest::Client, SetupError> {
    install_crypto();
    let ours = || builder(ProxyUse::Direct).pool_max_idle_per_host(0).dns_resolver(std::sync::Arc::clone(resolver));
    let client = ours().build().or_else(|_| ours().tls_backend_preconfigured(trusting_nobody()).build());
    client.map_err(|error| SetupError(explain(error)))
}

fn trusting_nobody() -> rustls::ClientConfig {
    rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that builds a client")]
fn builder(proxy: ProxyUse) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(POOL_IDLE)
        .referer(false);
    match proxy {
        ProxyUse::Direct => builder.no_proxy(),
        ProxyUse::System => builder,
    }
}

/// Names ring as the process's cryptography, once. Whoever came first stays.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("another cryptography provider was installed first");
        }
    });
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers every connection with the same bytes, and gives back what was asked.
    async fn answering(answer: &'static [u8]) -> (Url, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:hunter2@{}/path?token=t0ps3cret", listener.local_addr().unwrap());
        let asked = tokio_util::task::TaskTracker::new().spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let read = socket.read(&mut buffer).await.unwrap();
            socket.write_all(answer).await.unwrap();
            // Held open, so that a body that breaks off is waited for.
            tokio_util::task::TaskTracker::new().spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                drop(socket);
            });
            String::from_utf8_lossy(&buffer[..read]).into_owned()
        });
        (url.parse().unwrap(), asked)
    }

    fn get(url: Url) -> Call {
        Call { method: Method::GET, url, headers: HeaderMap::new(), body: None, timeout: Duration::from_secs(1), max_bytes: 100 }
    }

    #[tokio::test]
    async fn redirects_and_cookies_are_not_followed() {
        let (url, asked) =
            answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nhi").await;
        let reply = HttpClient::new(ProxyUse::Direct).unwrap().exchange(get(url)).await.unwrap();
        assert_eq!(reply.status, StatusCode::FOUND);
        assert_eq!(reply.body, "hi");
        let asked = asked.await.unwrap();
        assert!(asked.contains(&format!("user-agent: {USER_AGENT}")), "{asked}");
    }

    #[tokio::test]
    async fn large_slow_and_absent_hosts_are_named_without_secrets() {
        let http = HttpClient::new(ProxyUse::Direct).unwrap();
        let (large, _large) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012").await;
        let (slow, _slow) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n012").await;
        let absent: Url = "http://user:hunter2@127.0.0.1:1/?token=t0ps3cret".parse().unwrap();
        let port = |url: &Url| format!("127.0.0.1:{}", url.port().unwrap());
        let error = http.exchange(get(large.clone())).await.unwrap_err();
        assert_eq!(error, HttpError::TooLarge { host: port(&large), max: 100 });
        let error = http.exchange(get(slow.clone())).await.unwrap_err();
        assert_eq!(error, HttpError::Timeout { host: port(&slow), after: Duration::from_secs(1) });
        let error = http.exchange(get(absent)).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot reach 127.0.0.1:1: "), "{error}");
        assert!(!format!("{error:?}").contains("hunter2") && !format!("{error:?}").contains("t0ps3cret"), "{error:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z").unwrap().with_timezone(&Utc);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("99999999999999999999999"), Some(86_400));
        assert_eq!(read("Sun, 22 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(read("Sun, 22 Nov 2026 11:00:00 GMT"), Some(0));
        for garbage in ["", "soon", "-5", "+5", "1.5"] {
            assert_eq!(read(garbage), None, "{garbage:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
