//! Why there is no result, in words for whoever asked.

use std::{path::PathBuf, time::Duration};

use http::StatusCode;
use serde_json::Value;

use crate::outbound::{event_stream::StreamFault, http_client::HttpError};

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum McpError {
    /// The address, the key or a header cannot be used.
    #[error("{0}")]
    Target(String),
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
        /// Host and port, or the program.
        host: String,
        /// How long we waited.
        after: Duration,
    },
    /// The answer is larger than we read.
    #[error("{host} sent more than {max} bytes")]
    TooLarge {
        /// Host and port, or the program.
        host: String,
        /// The cap.
        max: usize,
    },
    /// An HTTP status, without JSON-RPC in the body.
    #[error("{host} answered {status}: {detail}")]
    Refused {
        /// Host and port.
        host: String,
        /// The status.
        status: StatusCode,
        /// What the body says of it.
        detail: String,
        /// How long we should wait.
        retry_after: Option<Duration>,
    },
    /// A JSON-RPC error.
    #[error("the server says ({code}): {message}")]
    Rpc {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
        /// What comes with it.
        data: Option<Value>,
        /// Status of the HTTP answer it came in, if it came in one.
        status: Option<StatusCode>,
    },
    /// An answer that is no MCP.
    #[error("{host} does not speak MCP here: {why}")]
    NotMcp {
        /// Host and port, or the program.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The program cannot be started, or ended too early.
    #[error("{}: {why}", .path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// What happened, with the last lines it wrote to stderr.
        why: String,
    },
}

impl McpError {
    /// The HTTP status, where one was answered.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Rpc { status, .. } => *status,
            _ => None,
        }
    }

    /// Whether the server refused whoever asks, or asks too often: 401, 403, 404, 405, 429.
    pub fn is_refusal(&self) -> bool {
        self.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403 | 404 | 405 | 429))
    }

    pub(super) fn of_stream(host: &str, fault: StreamFault) -> Self {
        let host = host.to_owned();
        match fault {
            StreamFault::Transport(why) => Self::Unreachable { host, why },
            StreamFault::Idle(after) => Self::Timeout { host, after },
            StreamFault::TooLarge(_, max) => Self::TooLarge { host, max },
            StreamFault::Malformed(why) => Self::NotMcp { host, why },
        }
    }
}

impl From<HttpError> for McpError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable { host, why } => Self::Unreachable { host, why },
            HttpError::Timeout { host, after } => Self::Timeout { host, after },
            HttpError::TooLarge { host, max } => Self::TooLarge { host, max },
        }
    }
}
