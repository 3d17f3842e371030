//! What can go wrong with an agent, and what each failure means: try again, go on to the next rung, or stop asking.
//!
//! Dify answers errors as `{code, message, status}`, a proxy before it as HTML, and a stream that has begun as an event
//! while HTTP stays 200; all of them end in the same classes. No text here holds the app's key or a whole address.

use std::time::Duration;

use crate::outbound::http_client::HttpError;

/// What the caller should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again after a while: the network, an overload, a cut stream.
    Retry,
    /// Try again once: the model's provider failed.
    RetryOnce,
    /// Do not ask this agent again for this run: go on to the next rung of the ladder.
    NextRung,
    /// Nothing will work until somebody changes the settings: open the agent's breaker and tell an administrator.
    Broken,
    /// We gave up ourselves: it costs no attempt.
    Stopped,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DifyError {
    /// The agent's settings cannot be used.
    #[error("the agent's settings cannot be used: {0}")]
    Settings(String),
    /// No connection, or it broke before an answer began.
    #[error("the agent gave no answer: {0}")]
    Http(#[from] HttpError),
    /// An error status without Dify's error body, as a proxy sends it.
    #[error("{host} answered {status} without Dify's error body: a proxy's answer, or not Dify's address")]
    Status {
        /// Host and port.
        host: String,
        /// The status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Dify's own error, as a body or as an event of the stream.
    #[error("Dify at {host} answered {status} {code}: {message}")]
    Api {
        /// Host and port.
        host: String,
        /// The status it gave.
        status: u16,
        /// Its code, such as `provider_quota_exceeded`.
        code: String,
        /// Its text, shortened, without the key.
        message: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is not what Dify sends.
    #[error("{host} did not answer as Dify does ({what}). Check the base URL, and that no proxy answers in its place")]
    NotDify {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The stream ended before the answer did.
    #[error("the stream from {host} ended before the answer did ({why})")]
    Cut {
        /// Host and port.
        host: String,
        /// How it ended.
        why: String,
    },
    /// Not one byte for too long: Dify sends a ping every 10 s.
    #[error("{host} sent nothing for {} ms, not even a ping", .after.as_millis())]
    Idle {
        /// Host and port.
        host: String,
        /// How long we waited.
        after: Duration,
    },
    /// More than a welcome can be.
    #[error("{host} sent more than {max} bytes for one {part}")]
    TooLarge {
        /// Host and port.
        host: String,
        /// Event or run.
        part: &'static str,
        /// The cap.
        max: usize,
    },
    /// The workflow ended without success.
    #[error("the run at {host} ended as {status}: {message}")]
    RunFailed {
        /// Host and port.
        host: String,
        /// Dify's word for it.
        status: String,
        /// Its text, shortened, without the key.
        message: String,
    },
    /// The run ended well and said nothing.
    #[error("the agent at {host} answered with no text")]
    Empty {
        /// Host and port.
        host: String,
    },
    /// The time for this run is spent.
    #[error("the agent at {host} had no answer by the deadline")]
    Deadline {
        /// Host and port.
        host: String,
    },
    /// The caller gave up.
    #[error("asking the agent was cancelled")]
    Cancelled,
}

impl DifyError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Settings(_) => Class::Broken,
            Self::Http(HttpError::Unreachable { .. } | HttpError::Timeout { .. })
            | Self::NotDify { .. }
            | Self::Cut { .. }
            | Self::Idle { .. } => Class::Retry,
            Self::Status { status, .. } => class_of_status(*status),
            Self::Api { status, code, .. } => class_of_code(code).unwrap_or_else(|| class_of_status(*status)),
            Self::RunFailed { .. } => Class::RetryOnce,
            Self::Http(HttpError::TooLarge { .. }) | Self::TooLarge { .. } | Self::Empty { .. } | Self::Deadline { .. } => Class::NextRung,
            Self::Cancelled => Class::Stopped,
        }
    }

    /// Whether Dify may still be working on the run, or have finished it unseen: look for the answer before asking anew.
    pub fn may_have_answered(&self) -> bool {
        match self {
            Self::Cut { .. } | Self::Idle { .. } | Self::Deadline { .. } | Self::Cancelled | Self::Http(_) => true,
            Self::Settings(_)
            | Self::Status { .. }
            | Self::Api { .. }
            | Self::NotDify { .. }
            | Self::TooLarge { .. }
            | Self::RunFailed { .. }
            | Self::Empty { .. } => false,
        }
    }

    /// How long Dify, or a proxy before it, asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A short word for counters and timelines, the same for the same kind of failure.
    pub fn kind(&self) -> &str {
        match self {
            Self::Settings(_) => "settings",
            Self::Http(HttpError::Unreachable { .. }) => "unreachable",
            Self::Http(HttpError::Timeout { .. }) => "timeout",
            Self::Http(HttpError::TooLarge { .. }) | Self::TooLarge { .. } => "too_large",
            Self::Status { .. } => "http_status",
            Self::Api { code, .. } => code,
            Self::NotDify { .. } => "not_dify",
            Self::Cut { .. } => "cut",
            Self::Idle { .. } => "idle",
            Self::RunFailed { .. } => "run_failed",
            Self::Empty { .. } => "empty",
            Self::Deadline { .. } => "deadline",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Codes that mean the same whatever status comes with them.
fn class_of_code(code: &str) -> Option<Class> {
    match code {
        "too_many_requests" => Some(Class::Retry),
        "completion_request_error" => Some(Class::RetryOnce),
        "rate_limit_error" => Some(Class::NextRung),
        "unauthorized" | "app_unavailable" | "provider_not_initialize" | "provider_quota_exceeded" | "model_currently_not_support" => {
            Some(Class::Broken)
        }
        _ => None,
    }
}

fn class_of_status(status: u16) -> Class {
    match status {
        401 | 403 => Class::Broken,
        429 => Class::Retry,
        300..=499 => Class::NextRung,
        // 5xx, a proxy's 524, and numbers that are no status: nothing is known, so it may pass.
        _ => Class::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16, code: &str) -> Class {
        DifyError::Api { host: "dify".into(), status, code: code.into(), message: String::new(), retry_after: None }.class()
    }

    #[test]
    fn codes_and_statuses_fall_into_their_classes() {
        let bare = |status| DifyError::Status { host: "dify".into(), status, retry_after: None }.class();
        for status in [500, 502, 503, 504, 524, 429] {
            assert_eq!(bare(status), Class::Retry, "{status}");
        }
        for status in [301, 307, 400, 404, 413] {
            assert_eq!(bare(status), Class::NextRung, "{status}");
        }
        for status in [401, 403] {
            assert_eq!(bare(status), Class::Broken, "{status}");
        }
        assert_eq!(api(429, "too_many_requests"), Class::Retry);
        assert_eq!(api(400, "completion_request_error"), Class::RetryOnce);
        assert_eq!(api(429, "rate_limit_error"), Class::NextRung);
        assert_eq!(api(400, "invalid_param"), Class::NextRung);
        assert_eq!(api(404, "not_found"), Class::NextRung);
        assert_eq!(api(500, "internal_server_error"), Class::Retry);
        for code in ["app_unavailable", "provider_not_initialize", "provider_quota_exceeded", "model_currently_not_support"] {
            assert_eq!(api(400, code), Class::Broken, "{code}");
        }
        assert_eq!(api(403, "anything"), Class::Broken);
        assert_eq!(api(401, "unauthorized"), Class::Broken);
    }
}
