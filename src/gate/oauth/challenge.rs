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

    /// `WWW-Authenticate` for a refusal at `path`, which is at the URL of the group `code`, or at the root.
    ///
    /// A client compares what the document says with the address it asked (RFC 9728 §3.3), so each spelling of an endpoint
    /// has a document of its own. The address for messages is none that a client was given: it stands for its endpoint.
    pub fn answer(&self, refusal: &Refusal, headers: &HeaderMap, (path, code): (&str, Option<&str>)) -> Option<HeaderValue> {
        let base = self.bases.of(headers.get(header::HOST).and_then(|host| host.to_str().ok()));
        let code = code.filter(|code| base::is_code(code));
        let spelling = if path.trim_end_matches('/').ends_with("/sse") { "sse" } else { "mcp" };
        let resource = code.map_or_else(|| format!("/{spelling}"), |code| format!("/server/{code}/{spelling}"));
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
