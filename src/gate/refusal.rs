//! Why a request was not let in, and what is said of it to whom.
//!
//! A stranger (no key, or one that never was one) hears the same bytes whatever happened and whatever group was named,
//! so that neither groups nor keys can be probed for. The holder of a key, even of one that has ended, proved it by
//! showing it, and hears what happened, when, and what to do.

use http::{HeaderValue, StatusCode};

use super::{lifetime::Standing, token::TokenRefusal};
use crate::{clock::rfc3339, problem::Problem, store::StoreError};

/// Why a request was not let in.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// No key was presented.
    NoKey,
    /// What was presented is not a key.
    BadKey,
    /// It is written as a key, but its check characters say that it is mistyped.
    Mistyped,
    /// It was a key once.
    Ended(Box<Ended>),
    /// Too many attempts from one address with what is no key.
    Throttled {
        /// Seconds until the next attempt is heard.
        retry_after: u64,
    },
    /// The key is for another group than the URL names.
    OtherGroup {
        /// The group the key opens.
        opens: String,
        /// The group's id.
        group_id: String,
    },
    /// The group is switched off.
    Disabled {
        /// Its server code.
        code: String,
        /// Its id.
        group_id: String,
    },
    /// There is no such group (said to holders of some key only).
    UnknownCode,
    /// The token is not, or no longer, in force.
    InvalidToken {
        /// What is the matter, and what to do.
        why: String,
    },
    /// The token is in force, but not for this.
    InsufficientScope {
        /// The scopes that are needed, separated by spaces.
        needed: String,
        /// What is the matter, and what to do.
        why: String,
    },
    /// The policy cannot be read.
    Unavailable(String),
}

/// A key that is not in force any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The key's id.
    pub key_id: String,
    /// Its name.
    pub name: String,
    /// Server code of the group it opened.
    pub code: String,
    /// The group's id.
    pub group_id: String,
    /// How it stands.
    pub standing: Standing,
}

impl Ended {
    /// Name of the kind of problem, and what is said of it.
    fn words(&self) -> (&'static str, String) {
        let (name, code) = (&self.name, &self.code);
        match self.standing {
            Standing::Revoked { at } => (
                "key-revoked",
                format!(
                    "This key ({name} of the group {code}) was revoked on {}. Ask an operator for another one (`anmei-mcp key add {code} --name NAME`).",
                    rfc3339(at)
                ),
            ),
            Standing::Replaced { rotated_at, ended_at, retired } => {
                let how = if retired { "was retired on {}, before its grace ended" } else { "its grace ended on {}" };
                let how = how.replace("{}", &rfc3339(ended_at));
                (
                    "key-replaced",
                    format!(
                        "This key ({name} of the group {code}) was replaced on {}, and {how}. Use its successor, which an operator finds with `anmei-mcp key show {code} --key {name}`.",
                        rfc3339(rotated_at)
                    ),
                )
            }
            Standing::Expired { at } => (
                "key-expired",
                format!(
                    "This key ({name} of the group {code}) expired on {}. Ask an operator for a new one (`anmei-mcp key rotate {code} --key {name}`).",
                    rfc3339(at)
                ),
            ),
            // A key in force is not refused; were it, there would be nothing to say of its end.
            Standing::Current | Standing::InGrace { .. } => ("unauthorized", STRANGER.to_owned()),
        }
    }
}

/// What every stranger hears.
const STRANGER: &str = "No key in force came with this request. Send the header `Authorization: Bearer mcp_key_…` with the key of the group; a key that was sent may be mistyped or out of use. An operator finds the right one with `anmei-mcp key show <server-code>`.";

impl Refusal {
    /// The group the request got as far as, for the call log.
    pub fn group_id(&self) -> Option<&str> {
        match self {
            Self::OtherGroup { group_id, .. } | Self::Disabled { group_id, .. } => Some(group_id),
            Self::Ended(ended) => Some(&ended.group_id),
            Self::NoKey
            | Self::BadKey
            | Self::Mistyped
            | Self::Throttled { .. }
            | Self::UnknownCode
            | Self::InvalidToken { .. }
            | Self::InsufficientScope { .. }
            | Self::Unavailable(_) => None,
        }
    }

    /// The same for the holder of a token. One for another group is for another audience, and as invalid here as if it had
    /// ended: the answer leads to a token for this URL (RFC 6750 §3.1, RFC 8707 §2).
    pub(super) fn of_token(self) -> Self {
        match self {
            Self::OtherGroup { opens, .. } => Self::InvalidToken {
                why: format!(
                    "This token opens the group {opens}, not the one in this URL. Use /server/{opens}/mcp, or ask for a token for this URL (the `resource` parameter)."
                ),
            },
            other => other,
        }
    }

    /// One word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::BadKey => "bad_key",
            Self::Mistyped => "mistyped_key",
            Self::Ended(_) => "ended_key",
            Self::Throttled { .. } => "throttled",
            Self::OtherGroup { .. } => "other_group",
            Self::Disabled { .. } => "disabled_group",
            Self::UnknownCode => "unknown_group",
            Self::InvalidToken { .. } => "invalid_token",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Whether it is written down. Attempts beyond the limit are not: they would fill the log for whoever makes them.
    pub fn recorded(&self) -> bool {
        !matches!(self, Self::Throttled { .. })
    }

    /// What the call log says: more than a stranger is told.
    pub fn for_log(&self) -> String {
        match self {
            Self::NoKey => "no key was sent".into(),
            Self::BadKey => "what was sent is no key".into(),
            Self::Mistyped => "what was sent looks like a key, but its check characters do not fit: it is mistyped".into(),
            other => other.problem().detail,
        }
    }

    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        let say = |status, name: &str, text: &str| Problem::new(status, name, text);
        match self {
            Self::NoKey | Self::BadKey | Self::Mistyped => say(StatusCode::UNAUTHORIZED, "unauthorized", STRANGER),
            Self::Ended(ended) => {
                let (kind, text) = ended.words();
                say(StatusCode::UNAUTHORIZED, kind, &text)
            }
            Self::Throttled { retry_after } => say(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                &format!("Too many requests with a wrong key came from this address. Try again in {retry_after} s, with the right key."),
            )
            .with_retry_after(*retry_after),
            Self::OtherGroup { opens, .. } => say(
                StatusCode::FORBIDDEN,
                "other-group",
                &format!(
                    "This key opens the group {opens}, not the one in this URL. Use /server/{opens}/mcp, or the key of the group you mean."
                ),
            ),
            Self::Disabled { code, .. } => say(
                StatusCode::FORBIDDEN,
                "group-disabled",
                &format!("The group {code} is disabled. An operator enables it with `anmei-mcp group enable {code}`."),
            ),
            Self::UnknownCode => say(
                StatusCode::NOT_FOUND,
                "unknown-group",
                "There is no group with the server code in this URL. `anmei-mcp group list` shows the codes.",
            ),
            Self::InvalidToken { why } => say(StatusCode::UNAUTHORIZED, "invalid-token", why),
            Self::InsufficientScope { why, .. } => say(StatusCode::FORBIDDEN, "insufficient-scope", why),
            Self::Unavailable(_) => say(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The key cannot be checked at the moment because the database does not answer. Try again in a second.",
            ),
        }
    }

    /// `WWW-Authenticate` (RFC 6750, section 3), with the address of the resource's metadata (RFC 9728) when there is one.
    pub fn challenge(&self, resource_metadata: Option<&str>) -> Option<HeaderValue> {
        let mut text = String::from("Bearer realm=\"anmei-mcp\"");
        match self {
            // Without credentials there is no error to name.
            Self::NoKey => {}
            Self::BadKey | Self::Mistyped | Self::Ended(_) | Self::InvalidToken { .. } => text.push_str(", error=\"invalid_token\""),
            Self::InsufficientScope { needed, .. } => {
                text.push_str(", error=\"insufficient_scope\", scope=\"");
                text.push_str(needed);
                text.push('"');
            }
            Self::Throttled { .. } | Self::OtherGroup { .. } | Self::Disabled { .. } | Self::UnknownCode | Self::Unavailable(_) => {
                return None;
            }
        }
        if let Some(url) = resource_metadata {
            text.push_str(", resource_metadata=\"");
            text.push_str(url);
            text.push('"');
        }
        HeaderValue::from_str(&text).ok()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<TokenRefusal> for Refusal {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Unknown => Self::BadKey,
            TokenRefusal::Invalid { why } => Self::InvalidToken { why },
            TokenRefusal::InsufficientScope { needed, why } => Self::InsufficientScope { needed, why },
            TokenRefusal::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
