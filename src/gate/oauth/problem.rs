//! Why a client gets no tokens, in the words of the RFCs (RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2).

use http::StatusCode;

use crate::{secret::NoRandomness, store::StoreError};

/// An OAuth error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthError {
    /// Its code.
    pub error: &'static str,
    /// What is the matter, and what to do. Never a secret.
    pub description: String,
}

impl OauthError {
    /// An error of the kind `error`.
    pub fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    /// A parameter is missing, wrong or repeated.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// What was presented does not entitle to tokens.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// Nobody knows this client, or it did not prove to be itself.
    pub fn invalid_client(description: impl Into<String>) -> Self {
        Self::new("invalid_client", description)
    }

    /// The status of an answer in JSON.
    pub fn status(&self) -> StatusCode {
        match self.error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            "slow_down" => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an OAuth request could not be worked on");
        Self::new("temporarily_unavailable", "the database does not answer; try again in a moment")
    }
}

impl From<NoRandomness> for OauthError {
    fn from(error: NoRandomness) -> Self {
        tracing::error!(%error, "an OAuth request could not be worked on");
        Self::new("server_error", "the server has no random numbers at the moment")
    }
}
