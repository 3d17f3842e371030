//! What a client that is not let in is told of where to go (RFC 9728 §5.1, RFC 6750 §3).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::{
    base::{self, Bases},
    scope,
};
use crate::gate::Refusal;

/// Knows where the documents are.
#[derive(Debug)]
pub struct Challenges {
    bases: Arc<Bases>,
}

impl Challenges {
    /// Documents at these addresses.
    pub fn new(bases: Arc<Bases>) -> Self {
        Self { bases }
    }

    /// `WWW-Authenticate` for a refusal at the URL of the group `code`, or at the root.
    pub fn answer(&self, refusal: &Refusal, headers: &HeaderMap, code: Option<&str>) -> Option<HeaderValue> {
        let base = self.bases.of(headers.get(header::HOST).and_then(|host| host.to_str().ok()));
        let code = code.filter(|code| base::is_code(code));
        let resource = code.map_or_else(|| "/mcp".to_owned(), |code| format!("/server/{code}/mcp"));
        let plain = refusal.challenge(Some(&format!("{base}/.well-known/oauth-protected-resource{resource}")))?;
        if matches!(refusal, Refusal::InsufficientScope { .. }) {
            return Some(plain);
        }
        let text = format!("{}, scope=\"{}\"", plain.to_str().unwrap_or_default(), scope::wanted(code));
        HeaderValue::from_str(&text).ok()
    }

    /// What a caller whose token does not cover a call must ask for (step-up).
    pub fn needed(code: &str) -> Refusal {
        Refusal::InsufficientScope {
            needed: scope::wanted(Some(code)),
            why: format!(
                "This token may not call tools that store something. Ask the person for access again, with the scope {}.",
                scope::WRITE
            ),
        }
    }
}
