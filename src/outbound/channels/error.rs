//! Why a push was not taken, and what to do next.

use std::time::Duration;

use http::StatusCode;

use crate::outbound::http_client::HttpError;

/// What to do with a push that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send it again.
    Retry {
        /// Not before this time has passed, when the other side says so.
        after: Option<Duration>,
    },
    /// It will fail again until somebody changes something.
    Never,
}

/// Why a push was not taken. What the other side wrote is never quoted: it may repeat a key or a person's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The push's id cannot stand in a header or a Message-ID.
    #[error("cannot send: the push's id must be 1 to 64 letters, digits, '-' or '_'")]
    Id,
    /// There is nobody to send it to.
    #[error("cannot send: {0}")]
    Nobody(&'static str),
    /// No answer, or half of one. The push may have been taken all the same.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The other side has no time for it now.
    #[error("{host} does not take it now ({answer})")]
    NotNow {
        /// Host and port.
        host: String,
        /// Its status or code.
        answer: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The other side will not take it.
    #[error("{host} refused it ({answer}): {advice}")]
    Refused {
        /// Host and port.
        host: String,
        /// Its status or code.
        answer: String,
        /// What to do.
        advice: &'static str,
    },
}

impl ChannelError {
    /// What to do next.
    pub fn next(&self) -> Next {
        match self {
            Self::NoAnswer(_) => Next::Retry { after: None },
            Self::NotNow { retry_after, .. } => Next::Retry { after: *retry_after },
            Self::Id | Self::Nobody(_) | Self::Refused { .. } => Next::Never,
        }
    }

    /// What an HTTP status other than 2xx means, when the body says nothing.
    pub(super) fn from_status(host: String, status: StatusCode, retry_after: Option<Duration>) -> Self {
        let answer = format!("HTTP {}", status.as_u16());
        let advice = match status.as_u16() {
            408 | 425 | 429 | 500..=599 => return Self::NotNow { host, answer, retry_after },
            300..=399 => "it redirects, which is not followed: configure the address it redirects to",
            401 | 403 => "check the token or the address, and that it may be written to with it",
            404 | 410 => "there is nothing at this address: check it",
            413 => "the push is too large: shorten its text",
            _ => "check the address",
        };
        Self::Refused { host, answer, advice }
    }
}

impl From<HttpError> for ChannelError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::TooLarge { host, max } => {
                Self::Refused { host, answer: format!("more than {max} bytes"), advice: "that is no answer to a push: check the address" }
            }
            HttpError::Unreachable { .. } | HttpError::Timeout { .. } => Self::NoAnswer(error.to_string()),
        }
    }
}
