//! What a channel is configured with, and whether that is well-formed.
//!
//! Checking sends nothing and looks nothing up: it answers at once, while the settings are being changed.

use super::{Way, dingtalk, email, feishu, ntfy, webhook, wecom};
use crate::secret::SecretText;

/// Configuration of one channel. Every address is held as a secret: most hold a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelConfig {
    /// A signed POST after Standard Webhooks.
    Webhook {
        /// Name shown to people.
        name: String,
        /// Where.
        url: SecretText,
        /// `whsec_` and base64 of 24 to 64 bytes.
        secret: SecretText,
    },
    /// E-mail over SMTP.
    Email {
        /// Name shown to people.
        name: String,
        /// `smtps://user:password@host:465`, `smtp://host:587?tls=required`, or `smtp://host:25?tls=none`.
        url: SecretText,
        /// Sender.
        from: String,
        /// Recipients; empty: the addresses of each push's recipients.
        to: Vec<String>,
    },
    /// A robot of a WeCom (企业微信) group.
    Wecom {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: SecretText,
    },
    /// A robot of a DingTalk (钉钉) group.
    Dingtalk {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: SecretText,
        /// Its signing secret (`SEC…`), when it has one.
        secret: Option<SecretText>,
    },
    /// A robot of a Feishu (飞书) group.
    Feishu {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: SecretText,
        /// Its signing secret, when it has one.
        secret: Option<SecretText>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Name shown to people.
        name: String,
        /// Address of the topic.
        url: SecretText,
        /// Access token, when it needs one.
        token: Option<SecretText>,
    },
    /// The existing app's sockets, over its Redis (`ws:broadcast`).
    Redis {
        /// Name shown to people.
        name: String,
        /// `redis://host:6379/0`.
        url: SecretText,
    },
}

/// What is wrong with a channel's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel {channel:?}: {field} {why}")]
pub struct ConfigError {
    /// Name of the channel.
    pub channel: String,
    /// Its field.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub why: String,
}

/// What is wrong with one field; the channel's name is added outside.
#[derive(Debug)]
pub(super) struct Fault {
    field: &'static str,
    why: String,
}

impl Fault {
    pub(super) fn of(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

impl ChannelConfig {
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

    /// The kind's name, as in the settings.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Email { .. } => "email",
            Self::Wecom { .. } => "wecom",
            Self::Dingtalk { .. } => "dingtalk",
            Self::Feishu { .. } => "feishu",
            Self::Ntfy { .. } => "ntfy",
            Self::Redis { .. } => "redis",
        }
    }

    /// Whether it is well-formed. Nothing is sent.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.parse().map(|_| ())
    }

    /// Whether each of a list is well-formed and no two have the same name.
    pub fn check_all(configs: &[Self]) -> Result<(), ConfigError> {
        let mut names = std::collections::BTreeSet::new();
        for config in configs {
            config.check()?;
            if !names.insert(config.name()) {
                return Err(config.wrong(Fault::of("name", "is taken by another channel: give each its own")));
            }
        }
        Ok(())
    }

    pub(super) fn parse(&self) -> Result<Way, ConfigError> {
        if self.name().trim().is_empty() {
            return Err(self.wrong(Fault::of("name", "is empty: give the channel a name by which people know it")));
        }
        self.way().map_err(|fault| self.wrong(fault))
    }

    fn way(&self) -> Result<Way, Fault> {
        Ok(match self {
            Self::Webhook { url, secret, .. } => Way::Webhook(webhook::Webhook::parse(url, secret)?),
            Self::Email { url, from, to, .. } => Way::Email(Box::new(email::Mailer::parse(url, from, to)?)),
            Self::Wecom { url, .. } => Way::Wecom(wecom::Wecom::parse(url)?),
            Self::Dingtalk { url, secret, .. } => Way::Dingtalk(dingtalk::Dingtalk::parse(url, secret.as_ref())?),
            Self::Feishu { url, secret, .. } => Way::Feishu(feishu::Feishu::parse(url, secret.as_ref())?),
            Self::Ntfy { url, token, .. } => Way::Ntfy(ntfy::Ntfy::parse(url, token.as_ref())?),
            #[cfg(feature = "redis")]
            Self::Redis { url, .. } => Way::Redis(super::redis::Bridge::parse(url)?),
            #[cfg(not(feature = "redis"))]
            Self::Redis { .. } => {
                let why = "is redis, which this build leaves out: build it with `cargo build --features redis`, or use another kind";
                return Err(Fault::of("kind", why));
            }
        })
    }

    fn wrong(&self, fault: Fault) -> ConfigError {
        ConfigError { channel: self.name().to_owned(), field: fault.field, why: fault.why }
    }
}
