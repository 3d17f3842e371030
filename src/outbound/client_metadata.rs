//! Client-ID metadata documents: a client whose id is the https address of a document that describes it.
//!
//! The document is fetched behind the guard ([`super::guarded`]), must name its own address as `client_id`, and describes a
//! public client: one without a secret, since whoever can read the document would know it. Documents are kept as long as
//! their headers allow, never longer than a day, and not more than [`MOST`]; failures for a moment, so that an address that
//! does not answer is not asked by every request. How many are fetched at once and in a minute is bounded as well: the
//! address is a stranger's choice, and we are not to be the means of flooding somebody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    guarded::{Fetched, GuardError, GuardedClient, Limits},
    http_client::{SetupError, host_of},
};
use crate::clock::SharedClock;

const MAX_BYTES: usize = 5 * 1024;
const TIMEOUT: Duration = Duration::from_secs(3);
/// The longest client id.
const LONGEST: usize = 512;
/// The longest a document is kept, whatever its headers say.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long one is kept that says nothing about it.
const UNSAID_MS: i64 = 5 * 60 * 1000;
/// How long a failure is remembered.
const FAILURE_MS: i64 = 15 * 1000;
/// Documents and failures kept.
const MOST: usize = 512;
/// Fetches at once, and in a minute.
const AT_ONCE: usize = 4;
const IN_A_MINUTE: u32 = 60;
/// Redirect addresses of one client.
const MOST_REDIRECTS: usize = 20;

/// What is fetched, and from whom.
#[derive(Debug, Clone, Default)]
pub struct DocumentSettings {
    /// Domains whose documents are read, with their subdomains; an empty list allows every public host.
    pub domains: Vec<String>,
    /// Whether this machine itself may be asked, with plain http: for tests and development.
    pub loopback: bool,
}

/// A client as its document describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDocument {
    /// The document's address.
    pub client_id: String,
    /// Host and port of it: what a person is shown beside the name.
    pub host: String,
    /// The name it gives itself.
    pub client_name: Option<String>,
    /// Its page, when it is an https address.
    pub client_uri: Option<String>,
    /// Where codes may be sent; at least one.
    pub redirect_uris: Vec<String>,
    /// Grants it uses.
    pub grant_types: Vec<String>,
    /// Responses it uses.
    pub response_types: Vec<String>,
    /// `none`: it has no secret.
    pub token_endpoint_auth_method: String,
    /// Scopes it may ask for, separated by blanks.
    pub scope: Option<String>,
}

/// Why a document is not used. The text may be shown; nothing of the other side's answer is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The id has not the form of a document's address.
    #[error("client_id is not the address of a client metadata document: {why}")]
    Id {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host is not on the list.
    #[error("clients of {host} are not accepted here; an operator adds the domain to oauth.client_document_domains")]
    Domain {
        /// Host and port.
        host: String,
    },
    /// It could not be fetched.
    #[error("the client metadata document cannot be read: {0}")]
    Fetch(#[from] GuardError),
    /// What came is no such document.
    #[error("the client metadata document of {host} is not valid: {why}")]
    Document {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Too many are fetched at this moment.
    #[error("too many client metadata documents are being read; try again in a minute")]
    Busy,
}

/// Whether a client id is meant as the address of a document.
pub fn is_url(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

/// Reads documents, and keeps them. Cheap to clone; clones share what is kept.
#[derive(Debug, Clone)]
pub struct ClientDocuments(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: GuardedClient,
    settings: DocumentSettings,
    clock: SharedClock,
    turns: Semaphore,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    documents: HashMap<String, (Result<Arc<ClientDocument>, DocumentError>, i64)>,
    minute: i64,
    fetched: u32,
}

impl ClientDocuments {
    /// Reads documents after `settings`.
    pub fn new(settings: DocumentSettings, clock: SharedClock) -> Result<Self, SetupError> {
        let limits = Limits { timeout: TIMEOUT, max_bytes: MAX_BYTES, loopback: settings.loopback };
        let client = GuardedClient::new(limits)?;
        Ok(Self(Arc::new(Inner { client, settings, clock, turns: Semaphore::new(AT_ONCE), kept: Mutex::default() })))
    }

    /// Whether what is known of an id is kept, so that reading it asks nobody.
    pub fn keeps(&self, client_id: &str) -> bool {
        self.0.kept(client_id, self.0.clock.now_ms()).is_some()
    }

    /// The client behind an id.
    pub async fn read(&self, client_id: &str) -> Result<Arc<ClientDocument>, DocumentError> {
        let inner = &self.0;
        let url = address(client_id, inner.settings.loopback)?;
        if !inner.settings.allows(&url) {
            return Err(DocumentError::Domain { host: host_of(&url) });
        }
        let now = inner.clock.now_ms();
        if let Some(kept) = inner.kept(client_id, now) {
            return kept;
        }
        let turn = inner.turns.try_acquire().map_err(|_| DocumentError::Busy)?;
        inner.count(now)?;
        let (read, fresh_for) = match inner.client.json(&url).await {
            Ok(fetched) => (document(client_id, &url, &fetched).map(Arc::new), freshness(&fetched.headers)),
            Err(error) => (Err(error.into()), 0),
        };
        drop(turn);
        let fresh_for = if read.is_ok() { fresh_for } else { FAILURE_MS };
        if fresh_for > 0 {
            inner.keep(client_id, (read.clone(), now + fresh_for), now);
        }
        read
    }
}

impl Inner {
    fn kept(&self, client_id: &str, now: i64) -> Option<Result<Arc<ClientDocument>, DocumentError>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.documents.get(client_id).filter(|(_, until)| (1..=DAY_MS).contains(&(until - now))).map(|(read, _)| read.clone())
    }

    fn count(&self, now: i64) -> Result<(), DocumentError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now / 60_000;
        if kept.minute != minute {
            (kept.minute, kept.fetched) = (minute, 0);
        }
        if kept.fetched >= IN_A_MINUTE {
            return Err(DocumentError::Busy);
        }
        kept.fetched += 1;
        Ok(())
    }

    fn keep(&self, client_id: &str, entry: (Result<Arc<ClientDocument>, DocumentError>, i64), now: i64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.documents.len() >= MOST {
            kept.documents.retain(|_, (_, until)| *until > now);
        }
        if kept.documents.len() >= MOST {
            let soonest = kept.documents.iter().min_by_key(|(_, (_, until))| *until).map(|(id, _)| id.clone());
            soonest.and_then(|id| kept.documents.remove(&id));
        }
        kept.documents.insert(client_id.to_owned(), entry);
    }
}

impl DocumentSettings {
    /// Whether the document at this address would be read.
    pub fn accepts(&self, client_id: &str) -> bool {
        address(client_id, self.loopback).is_ok_and(|url| self.allows(&url))
    }

    fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let within = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        self.domains.is_empty() || self.domains.iter().any(|domain| within(&domain.trim_start_matches('.').to_ascii_lowercase()))
    }
}

/// The address in a client id. It must be written as it is read: two spellings of one address would be two clients.
fn address(client_id: &str, loopback: bool) -> Result<Url, DocumentError> {
    let wrong = |why| Err(DocumentError::Id { why });
    if client_id.len() > LONGEST {
        return wrong("it is too long");
    }
    let Ok(url) = Url::parse(client_id) else { return wrong("it cannot be parsed") };
    if url.scheme() != "https" && !(loopback && url.scheme() == "http") {
        return wrong("it must begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it holds a user name or a password");
    }
    if url.fragment().is_some() {
        return wrong("it has a fragment");
    }
    if url.path() == "/" {
        return wrong("it has no path");
    }
    if url.as_str() != client_id {
        return wrong("it is not in its plain form");
    }
    Ok(url)
}

/// What a document may say of its client. What else it says is not looked at.
#[derive(Deserialize)]
struct Wire {
    client_id: String,
    client_name: Option<String>,
    client_uri: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    scope: Option<String>,
    client_secret: Option<serde::de::IgnoredAny>,
    client_secret_expires_at: Option<serde::de::IgnoredAny>,
}

fn document(client_id: &str, url: &Url, fetched: &Fetched) -> Result<ClientDocument, DocumentError> {
    let host = host_of(url);
    let wrong = |why| DocumentError::Document { host: host.clone(), why };
    // A reader that takes the second of two equal names would see another client than one that takes the first; this
    // refuses both.
    let wire: Wire = serde_json::from_slice(&fetched.body)
        .map_err(|_| wrong("it is not a JSON object with client_id and redirect_uris of the right form"))?;
    if wire.client_id != client_id {
        return Err(wrong("its client_id is not its own address"));
    }
    if wire.client_secret.is_some() || wire.client_secret_expires_at.is_some() {
        return Err(wrong("it holds a client secret, which a public document cannot keep"));
    }
    let method = wire.token_endpoint_auth_method.unwrap_or_else(|| "none".into());
    if method != "none" {
        return Err(wrong("its token_endpoint_auth_method is not none"));
    }
    if wire.redirect_uris.is_empty() || wire.redirect_uris.len() > MOST_REDIRECTS {
        return Err(wrong("it must list 1 to 20 redirect_uris"));
    }
    let page = wire.client_uri.filter(|text| Url::parse(text).is_ok_and(|url| url.scheme() == "https"));
    let either = |list: Option<Vec<String>>, default: &str| list.unwrap_or_else(|| vec![default.to_owned()]);
    Ok(ClientDocument {
        client_id: client_id.to_owned(),
        host,
        client_name: wire.client_name,
        client_uri: page,
        redirect_uris: wire.redirect_uris,
        grant_types: either(wire.grant_types, "authorization_code"),
        response_types: either(wire.response_types, "code"),
        token_endpoint_auth_method: method,
        scope: wire.scope,
    })
}

/// How long a document may be kept, in milliseconds.
fn freshness(headers: &HeaderMap) -> i64 {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = lines.flat_map(|line| line.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|part| part == "no-store" || part == "no-cache" || part.starts_with("no-cache=")) {
        return 0;
    }
    let age =
        |name: &str| directives.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').parse::<i64>().ok());
    age("s-maxage").or_else(|| age("max-age")).map_or(UNSAID_MS, |seconds| seconds.clamp(0, DAY_MS / 1000) * 1000)
}

#[cfg(test)]
#[path = "client_metadata_tests.rs"]
mod tests;
