//! Another party's public keys (RFC 7517), by which its tokens are checked.
//!
//! What a key may verify is decided by the key alone: RSA keys verify RS256, P-256 keys ES256, Ed25519 keys EdDSA, and
//! symmetric keys are never taken from the network. A token's own `alg` therefore chooses nothing. Keys are kept by
//! `kid`; a `kid` nobody has seen asks the source again, but not more often than every [`RETRY`], so that forged tokens
//! cannot make us call it without end. Keys the source no longer lists stop counting after [`FRESH`]; when the source
//! does not answer, those last seen stay good for [`STALE`]. Where [`Jwks::keep_fresh`] works, keys are fetched beside the
//! requests, and only a `kid` nobody has seen makes one wait.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::http_client::{Call, HttpClient, HttpError, host_of};
use crate::clock::SharedClock;

/// How long keys are used before the source is asked again.
const FRESH: Duration = Duration::from_mins(10);
/// How long keys are used while the source does not answer.
const STALE: Duration = Duration::from_hours(24);
/// Least time between two questions.
const RETRY: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// RSA moduli outside of this are not used: shorter ones are weak, longer ones cost too much.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Why a key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The source does not know the key either.
    #[error("{host} lists no usable key of that id")]
    UnknownKey {
        /// Host and port.
        host: String,
    },
    /// No answer, and no keys from before.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that is no key set.
    #[error("{host} answered {why} instead of a JSON Web Key Set; check {setting}")]
    NotAKeySet {
        /// Host and port.
        host: String,
        /// What came.
        why: String,
        /// The key of the configuration that names the source.
        setting: &'static str,
    },
}

/// A public key and the one algorithm it is for.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<String>,
    /// What it verifies.
    pub algorithm: Algorithm,
    /// The key.
    pub key: DecodingKey,
}

impl PublicKey {
    /// The name of what it verifies.
    pub fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            _ => "EdDSA",
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A source of public keys. Cheap to clone; clones share what is kept.
#[derive(Debug, Clone)]
pub struct Jwks(Arc<Source>);

#[derive(Debug)]
struct Source {
    http: HttpClient,
    url: Url,
    setting: &'static str,
    clock: SharedClock,
    kept: ArcSwap<Kept>,
    /// Whether [`Jwks::keep_fresh`] works on it.
    tended: AtomicBool,
    /// Held by whoever asks the source; those who find their key do not wait for it.
    asking: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    keys: Vec<PublicKey>,
    fetched_at: Option<i64>,
    asked_at: Option<i64>,
    failure: Option<JwksError>,
}

impl Jwks {
    /// The keys at `url`, which the key `setting` of the configuration names. Nothing is asked before a key is needed.
    pub fn new(http: HttpClient, url: Url, setting: &'static str, clock: SharedClock) -> Self {
        Self(Arc::new(Source {
            http,
            url,
            setting,
            clock,
            kept: ArcSwap::default(),
            tended: AtomicBool::new(false),
            asking: Mutex::default(),
        }))
    }

    /// Fetches the keys now and then until `stop`, so that requests find them fresh.
    pub async fn keep_fresh(self, stop: CancellationToken) {
        self.0.tended.store(true, Ordering::Relaxed);
        loop {
            let asking = self.0.asking.lock().await;
            self.0.refresh().await;
            drop(asking);
            let wait = if self.0.kept.load().failure.is_some() { RETRY } else { FRESH / 2 };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.0.tended.store(false, Ordering::Relaxed);
    }

    /// The key with this id; without an id, the only key there is.
    pub async fn key(&self, kid: Option<&str>) -> Result<PublicKey, JwksError> {
        let fresh = if self.0.tended.load(Ordering::Relaxed) { STALE } else { FRESH };
        if let Some(key) = self.0.kept(kid, fresh) {
            return Ok(key);
        }
        let asking = self.0.asking.lock().await;
        // Somebody may have asked while we waited.
        if let Some(key) = self.0.kept(kid, fresh) {
            return Ok(key);
        }
        self.0.refresh().await;
        drop(asking);
        let unknown = || JwksError::UnknownKey { host: host_of(&self.0.url) };
        self.0.kept(kid, STALE).ok_or_else(|| self.0.kept.load().failure.clone().unwrap_or_else(unknown))
    }
}

impl Source {
    fn kept(&self, kid: Option<&str>, no_older_than: Duration) -> Option<PublicKey> {
        let kept = self.kept.load();
        kept.find(kid).filter(|_| within(kept.fetched_at, self.clock.now_ms(), no_older_than))
    }

    /// Asks the source, unless it was asked a moment ago.
    async fn refresh(&self) {
        let now = self.clock.now_ms();
        let before = self.kept.load_full();
        if within(before.asked_at, now, RETRY) {
            return;
        }
        let after = match self.fetch().await {
            Ok(keys) => Kept { keys, fetched_at: Some(now), asked_at: Some(now), failure: None },
            Err(error) => {
                tracing::warn!(%error, setting = self.setting, "public keys could not be fetched");
                Kept { asked_at: Some(now), failure: Some(error), ..Kept::clone(&before) }
            }
        };
        self.kept.store(Arc::new(after));
    }

    async fn fetch(&self) -> Result<Vec<PublicKey>, JwksError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let call = Call { method: Method::GET, url: self.url.clone(), headers, body: None, timeout: TIMEOUT, max_bytes: MAX_BYTES };
        let reply = self.http.exchange(call).await?;
        let wrong = |why: String| JwksError::NotAKeySet { host: host_of(&self.url), why, setting: self.setting };
        if reply.status != StatusCode::OK {
            return Err(wrong(format!("status {}", reply.status.as_u16())));
        }
        let set: KeySet = serde_json::from_slice(&reply.body).map_err(|_| wrong("something else".into()))?;
        Ok(set.keys.into_iter().take(MAX_KEYS).filter_map(usable).collect())
    }
}

impl Kept {
    fn find(&self, kid: Option<&str>) -> Option<PublicKey> {
        match (kid, self.keys.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.kid.as_deref() == kid).cloned(),
        }
    }
}

/// Whether `since` lies in the past, by less than `span`. A clock that went back does not prolong anything.
fn within(since: Option<i64>, now: i64, span: Duration) -> bool {
    since.is_some_and(|since| (0..i64::try_from(span.as_millis()).unwrap_or(i64::MAX)).contains(&(now - since)))
}

/// Keys are read one by one: one of a kind we do not know must not cost the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

fn usable(value: Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if RSA_BYTES.contains(&URL_SAFE_NO_PAD.decode(&rsa.n).ok()?.len()) => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => (Algorithm::ES256, KeyAlgorithm::ES256),
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|meant| meant != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(PublicKey { kid: jwk.common.key_id, algorithm, key })
}
