//! Ways to reach people who are not connected.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to reach people who are not connected.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// A signed POST after Standard Webhooks.
    Webhook {
        /// Name shown to people.
        name: String,
        /// Where.
        url: String,
        /// `whsec_` and base64 of 24 to 64 bytes.
        secret: String,
    },
    /// E-mail over SMTP.
    Email {
        /// Name shown to people.
        name: String,
        /// `smtps://user:password@host:465` or `smtp://host:587?tls=required`.
        url: String,
        /// Sender.
        from: String,
        /// Recipients; empty: the consultants' own addresses.
        to: Vec<String>,
    },
    /// A robot of a WeCom (企业微信) group.
    Wecom {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
    },
    /// A robot of a DingTalk (钉钉) group.
    Dingtalk {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
        /// Its signing secret (`SEC…`), when it has one.
        secret: Option<String>,
    },
    /// A robot of a Feishu (飞书) group.
    Feishu {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
        /// Its signing secret, when it has one.
        secret: Option<String>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Name shown to people.
        name: String,
        /// Address of the topic.
        url: String,
        /// Access token, when it needs one.
        token: Option<String>,
    },
    /// The existing app's sockets, over its Redis (`ws:broadcast`).
    Redis {
        /// Name shown to people.
        name: String,
        /// `redis://host:6379/0`.
        url: String,
    },
}

impl Channel {
    /// Name shown to people; unique among the channels.
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook { name, .. }
            | Self::Email { name, .. }
            | Self::Wecom { name, .. }
            | Self::Dingtalk { name, .. }
            | Self::Feishu { name, .. }
            | Self::Ntfy { name, .. }
            | Self::Redis { name, .. } => name,
        }
    }
}

/// Addresses and keys of channels are secrets: only the name is shown.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name()).finish_non_exhaustive()
    }
}
