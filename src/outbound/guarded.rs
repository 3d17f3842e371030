//! Fetching what a stranger names, without being sent where strangers may not go.
//!
//! An address from outside (a client-ID metadata document) is parsed with `url`, must be https, and its host is looked up
//! once. If any of its addresses is not a public one, nothing is connected to; otherwise the connection is made to those
//! addresses and to no other, so that a name which changes between the check and the use changes nothing. No redirect
//! is followed, no proxy is asked, nothing but JSON is read, and no more of it and no longer than the limits say. Errors
//! name the host and never repeat a byte of what came back.
//!
//! `loopback` also allows this machine itself, with plain http: for tests and development.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::http_client::{self, SetupError, host_of};

/// What may be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From looking the name up to the last byte.
    pub timeout: Duration,
    /// The largest body that is read.
    pub max_bytes: usize,
    /// Whether this machine itself may be asked, with plain http.
    pub loopback: bool,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The address has not the form of one that is fetched.
    #[error("{why}")]
    Address {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host is not a public one.
    #[error("{host} is not on the public internet, and is not asked")]
    NotPublic {
        /// Host and port.
        host: String,
    },
    /// No answer.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// Host and port.
        host: String,
    },
    /// It took too long.
    #[error("{host} did not answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// Another status than 200. A redirect is one.
    #[error("{host} answered with status {status}; 200 is needed, without a redirect")]
    Status {
        /// Host and port.
        host: String,
        /// The status.
        status: u16,
    },
    /// Not declared as JSON.
    #[error("{host} did not answer with JSON (Content-Type: application/json)")]
    NotJson {
        /// Host and port.
        host: String,
    },
    /// Too much.
    #[error("{host} sent more than {max} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit.
        max: usize,
    },
}

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The headers, of which the ones about caching matter.
    pub headers: HeaderMap,
    /// The body, within the limit.
    pub body: Bytes,
}

/// Looks names up. The system does, outside of tests.
pub(super) trait Lookup: Send + Sync + 'static {
    /// Every address of a name.
    fn lookup(&self, name: String) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's resolver.
struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A client that goes nowhere but to the public internet. Cheap to clone.
#[derive(Clone)]
pub struct GuardedClient {
    http: reqwest::Client,
    limits: Limits,
}

impl fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl GuardedClient {
    /// A client with these limits. Reads the system's certificates: do it once.
    pub fn new(limits: Limits) -> Result<Self, SetupError> {
        Self::with_lookup(limits, Arc::new(SystemLookup))
    }

    pub(super) fn with_lookup(limits: Limits, lookup: Arc<dyn Lookup>) -> Result<Self, SetupError> {
        let resolver: Arc<dyn Resolve> = Arc::new(PublicOnly { lookup, loopback: limits.loopback });
        Ok(Self { http: http_client::guarded(&resolver)?, limits })
    }

    /// Fetches a JSON document.
    pub async fn json(&self, url: &Url) -> Result<Fetched, GuardError> {
        self.allowed(url)?;
        let after = self.limits.timeout;
        match tokio::time::timeout(after, self.fetch(url)).await {
            Ok(result) => result,
            Err(_) => Err(GuardError::Timeout { host: host_of(url), after }),
        }
    }

    /// What can be said of an address without a look-up.
    fn allowed(&self, url: &Url) -> Result<(), GuardError> {
        let address = |why| Err(GuardError::Address { why });
        let literal = match url.host() {
            None => return address("the address names no host"),
            Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
            Some(Host::Domain(_)) => None,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return address("the address holds a user name or a password");
        }
        if literal.is_some_and(|ip| !may_connect(ip, self.limits.loopback)) {
            return Err(GuardError::NotPublic { host: host_of(url) });
        }
        let here = literal.is_some_and(|ip| ip.to_canonical().is_loopback()) || url.host_str() == Some("localhost");
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.limits.loopback && here => Ok(()),
            _ => address("the address must begin with https://"),
        }
    }

    async fn fetch(&self, url: &Url) -> Result<Fetched, GuardError> {
        let host = host_of(url);
        let request = self.http.get(url.clone()).header(header::ACCEPT, HeaderValue::from_static("application/json"));
        let mut response = request.send().await.map_err(|error| failed(&error, &host))?;
        if response.status() != StatusCode::OK {
            return Err(GuardError::Status { host, status: response.status().as_u16() });
        }
        if !is_json(response.headers()) {
            return Err(GuardError::NotJson { host });
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, &host))? {
            if body.len() + chunk.len() > self.limits.max_bytes {
                return Err(GuardError::TooLarge { host, max: self.limits.max_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { headers: std::mem::take(response.headers_mut()), body: body.freeze() })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn failed(error: &reqwest::Error, host: &str) -> GuardError {
    let host = host.to_owned();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(reason) = cause {
        if reason.is::<Refused>() {
            return GuardError::NotPublic { host };
        }
        cause = reason.source();
    }
    GuardError::Unreachable { host }
}

/// A name that leads to an address nobody outside may make us ask.
#[derive(Debug, thiserror::Error)]
#[error("an address of this name is not public")]
struct Refused;

/// Resolves names for the connector: what is returned here is what is connected to.
struct PublicOnly {
    lookup: Arc<dyn Lookup>,
    loopback: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, loopback) = (self.lookup.lookup(name.as_str().to_owned()), self.loopback);
        Box::pin(async move {
            let found = found.await?;
            // One bad address spoils the name: which of them a connection would end at is not ours to choose.
            if found.is_empty() || !found.iter().all(|ip| may_connect(*ip, loopback)) {
                return Err(Refused.into());
            }
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

fn may_connect(ip: IpAddr, loopback: bool) -> bool {
    is_public(ip) || (loopback && ip.to_canonical().is_loopback())
}

/// Whether an address is one of the public internet. What carries an IPv4 address inside (mapped, NAT64, 6to4, Teredo) is
/// not: it would lead wherever that one leads.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !PRIVATE_V4.iter().any(|(network, bits)| in_v4(v4, *network, *bits)),
        IpAddr::V6(v6) => {
            let unicast = in_v6(v6, Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
            unicast && !SPECIAL_V6.iter().any(|(network, bits)| in_v6(v6, *network, *bits))
        }
    }
}

/// Networks of IPv4 that are not public (IANA's special-purpose registry, multicast and what is reserved).
const PRIVATE_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Networks within the unicast space of IPv6 (2000::/3) that are not public. All else outside of it is not either.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn in_v4(ip: Ipv4Addr, network: Ipv4Addr, bits: u32) -> bool {
    (ip.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

fn in_v6(ip: Ipv6Addr, network: Ipv6Addr, bits: u32) -> bool {
    (ip.to_bits() ^ network.to_bits()).leading_zeros() >= bits
}

#[cfg(test)]
#[path = "guarded_tests.rs"]
mod tests;
