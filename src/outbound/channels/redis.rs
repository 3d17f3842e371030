//! The existing app's sockets, over its Redis: a PUBLISH per recipient who is online there.
//!
//! The set `ws:online_users` says who is; the channel `ws:broadcast` carries
//! `{"target_user_id", "payload", "instance_id", "timestamp"}` to the instances of the app, which hand it on. Whether
//! a socket got it nobody says: this reaches people who look at the app, it proves nothing.

use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, aio::MultiplexedConnection, pipe};
use serde_json::json;
use url::Url;

use super::{ChannelError, Push, Recipient, Sent, Tools, config::Fault, text};
use crate::{clock::rfc3339, outbound::http_client::host_of, secret::SecretText};

const ONLINE: &str = "ws:online_users";
const BROADCAST: &str = "ws:broadcast";
/// Who publishes: the app's instances skip their own.
const INSTANCE: &str = "anmei-mcp";

/// The way to the app's sockets.
pub(super) struct Bridge {
    client: Client,
    host: String,
}

impl Bridge {
    pub(super) fn parse(url: &SecretText) -> Result<Self, Fault> {
        let parsed = Url::parse(url.expose()).map_err(|error| Fault::of("url", format!("is not an address: {error}")))?;
        if parsed.scheme() != "redis" {
            return Err(Fault::of("url", "must begin with redis://, without TLS: reach a remote Redis through a tunnel"));
        }
        let client = Client::open(parsed.as_str()).map_err(|_| Fault::of("url", "is no Redis address, such as redis://host:6379/0"))?;
        Ok(Self { client, host: host_of(&parsed) })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        if push.recipients.is_empty() {
            return Err(ChannelError::Nobody("the push names no recipients"));
        }
        let published = self.publish(push, tools.clock.now_ms());
        match tokio::time::timeout(tools.timeout, published).await {
            Ok(result) => result,
            Err(_) => Err(ChannelError::NoAnswer(format!("{} took more than {} ms", self.host, tools.timeout.as_millis()))),
        }
    }

    async fn publish(&self, push: &Push, now_ms: i64) -> Result<Sent, ChannelError> {
        // The limit of the whole send holds for its parts.
        let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&patient);
        let mut connection = connecting.await.map_err(|error| self.explain(error))?;
        let online = self.online(&mut connection, &push.recipients).await?;
        let (there, away): (Vec<_>, Vec<_>) = push.recipients.iter().zip(online).partition(|(_, online)| *online);
        if there.is_empty() {
            return Err(ChannelError::Nobody("none of the recipients is online in the app"));
        }
        let mut commands = pipe();
        for (recipient, _) in &there {
            commands.cmd("PUBLISH").arg(BROADCAST).arg(message(push, &recipient.user_id, now_ms));
        }
        let listeners: Vec<i64> = commands.query_async(&mut connection).await.map_err(|error| self.explain(error))?;
        if listeners.iter().all(|count| *count == 0) {
            return Err(ChannelError::NotNow {
                host: self.host.clone(),
                answer: format!("nobody listens on {BROADCAST}"),
                retry_after: None,
            });
        }
        Ok(Sent { missed: away.into_iter().map(|(recipient, _)| recipient.user_id.clone()).collect() })
    }

    async fn online(&self, connection: &mut MultiplexedConnection, recipients: &[Recipient]) -> Result<Vec<bool>, ChannelError> {
        let mut commands = pipe();
        for recipient in recipients {
            commands.cmd("SISMEMBER").arg(ONLINE).arg(&recipient.user_id);
        }
        commands.query_async(connection).await.map_err(|error| self.explain(error))
    }

    /// By the code alone: the words may repeat what was sent.
    fn explain(&self, error: RedisError) -> ChannelError {
        let host = self.host.clone();
        if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
            return ChannelError::NoAnswer(format!("cannot reach {host}: {}", error.category()));
        }
        let refused_login = error.kind() == ErrorKind::AuthenticationFailed;
        let answer = code(error);
        if refused_login || matches!(answer.as_str(), "NOAUTH" | "WRONGPASS" | "NOPERM" | "WRONGTYPE") {
            let advice = "check the user, the password and what they may do: SISMEMBER ws:online_users and PUBLISH ws:broadcast";
            return ChannelError::Refused { host, answer, advice };
        }
        ChannelError::NotNow { host, answer, retry_after: None }
    }
}

/// The first word of Redis's answer, such as `NOAUTH`. For several commands at once, that of the first that failed.
fn code(error: RedisError) -> String {
    if let Some(code) = error.code() {
        return code.to_owned();
    }
    let category = error.category().to_owned();
    let failed = error.into_server_errors();
    failed.and_then(|failed| failed.first().map(|(_, error)| error.code().to_owned())).unwrap_or(category)
}

/// What the first of the recipients would be sent, laid out for people.
pub(super) fn text(push: &Push, now_ms: i64) -> String {
    let user_id = push.recipients.first().map_or("…", |recipient| &recipient.user_id);
    let message = message(push, user_id, now_ms);
    serde_json::from_str::<serde_json::Value>(&message).and_then(|message| serde_json::to_string_pretty(&message)).unwrap_or(message)
}

fn message(push: &Push, user_id: &str, now_ms: i64) -> String {
    json!({
        "target_user_id": user_id,
        "payload": {
            "id": push.id,
            "title": text::title(push),
            "body": push.body,
            "link": text::link(push),
            "severity": push.severity,
            "data": push.data,
        },
        "instance_id": INSTANCE,
        "timestamp": rfc3339(now_ms),
    })
    .to_string()
}

#[cfg(test)]
mod tests;
