//! Ways to reach people who are not connected: webhook, e-mail, chat robots, ntfy, the app's Redis.
//!
//! A [`Channel`] is built from a [`ChannelConfig`] and sends one [`Push`] at a time, once. It does not retry, sleep or
//! remember: its [`ChannelError`] says whether another attempt can help, and when ([`Next`]). Wherever the other side
//! can tell a repeated push from a new one, the push's id is what it tells by: `webhook-id`, `Message-ID`, ntfy's
//! `sequence_id`. The group robots have no such thing: a push whose answer was lost may be shown twice there.
//!
//! Addresses of robots and topics hold what lets anybody write to them, so that errors name the host alone, and never
//! quote what the other side said: it may repeat a key, or the person a push is about.

mod config;
mod dingtalk;
mod email;
mod error;
mod feishu;
mod ntfy;
#[cfg(feature = "redis")]
mod redis;
mod robot;
mod text;
mod webhook;
mod wecom;

#[cfg(test)]
mod stand_ins;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

pub use config::{ChannelConfig, ConfigError};
pub use error::{ChannelError, Next};

use super::http_client::HttpClient;
use crate::clock::SharedClock;

/// How loud a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something to know.
    #[default]
    Info,
    /// Something to look at soon.
    Warning,
    /// Something to act on at once.
    Critical,
}

/// One of the people a push is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Their id in the app.
    pub user_id: String,
    /// Their address, when it is known.
    pub email: Option<String>,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// The same on every attempt: 1 to 64 letters, digits, `-` and `_`.
    pub id: String,
    /// One line.
    pub title: String,
    /// The text; it is shown as it is, never as markup.
    pub body: String,
    /// Where to go from here.
    pub link: Option<String>,
    /// How loud it is.
    pub severity: Severity,
    /// What programs read: sent by the webhook and the Redis channel.
    pub data: serde_json::Value,
    /// Whom it is for. A group robot or a topic reaches its group, whoever is named here.
    pub recipients: Vec<Recipient>,
}

/// The channel has taken the push.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// The ones it could not reach: user ids, or `to[0]` for the first address of the configuration. The others have it.
    pub missed: Vec<String>,
}

/// What channels send with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The client for everything over HTTP.
    pub http: HttpClient,
    /// The time, which signatures hold.
    pub clock: SharedClock,
    /// Limit of one send, from connecting to the last answer.
    pub timeout: Duration,
}

/// One way to reach people.
pub struct Channel {
    name: String,
    kind: &'static str,
    way: Way,
    tools: Tools,
}

/// The kinds of channels, each read from its configuration. Not `Debug`: they hold keys.
enum Way {
    Webhook(webhook::Webhook),
    Email(Box<email::Mailer>),
    Wecom(wecom::Wecom),
    Dingtalk(dingtalk::Dingtalk),
    Feishu(feishu::Feishu),
    Ntfy(ntfy::Ntfy),
    #[cfg(feature = "redis")]
    Redis(redis::Bridge),
}

impl Channel {
    /// A channel as configured.
    pub fn new(config: &ChannelConfig, tools: Tools) -> Result<Self, ConfigError> {
        Ok(Self { name: config.name().to_owned(), kind: config.kind(), way: config.parse()?, tools })
    }

    /// Name shown to people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `webhook`, `email`, `wecom`, `dingtalk`, `feishu`, `ntfy` or `redis`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The text of a push as people see it on this channel, or what a program reads there.
    pub fn text(&self, push: &Push) -> String {
        match &self.way {
            Way::Webhook(_) => webhook::text(push),
            Way::Email(way) => way.text(push),
            Way::Wecom(_) => wecom::text(push),
            Way::Dingtalk(_) => dingtalk::text(push),
            Way::Feishu(_) | Way::Ntfy(_) => text::plain(push),
            #[cfg(feature = "redis")]
            Way::Redis(_) => redis::text(push, self.tools.clock.now_ms()),
        }
    }

    /// Sends a push, once.
    pub async fn send(&self, push: &Push) -> Result<Sent, ChannelError> {
        if !text::is_good_id(&push.id) {
            return Err(ChannelError::Id);
        }
        let tools = &self.tools;
        match &self.way {
            Way::Webhook(way) => way.send(tools, push).await,
            Way::Email(way) => way.send(tools, push).await,
            Way::Wecom(way) => way.send(tools, push).await,
            Way::Dingtalk(way) => way.send(tools, push).await,
            Way::Feishu(way) => way.send(tools, push).await,
            Way::Ntfy(way) => way.send(tools, push).await,
            #[cfg(feature = "redis")]
            Way::Redis(way) => way.send(tools, push).await,
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} {:?})", self.kind, self.name)
    }
}

/// The channels of one list, by name.
#[derive(Debug, Default)]
pub struct Channels(Vec<Channel>);

impl Channels {
    /// Builds all, or says which one is wrong.
    pub fn new(configs: &[ChannelConfig], tools: &Tools) -> Result<Self, ConfigError> {
        ChannelConfig::check_all(configs)?;
        configs.iter().map(|config| Channel::new(config, tools.clone())).collect::<Result<_, _>>().map(Self)
    }

    /// The channel of that name.
    pub fn get(&self, name: &str) -> Option<&Channel> {
        self.0.iter().find(|channel| channel.name == name)
    }

    /// All, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
