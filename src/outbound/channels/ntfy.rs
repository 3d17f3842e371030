//! A topic of an ntfy server.
//!
//! Published as JSON to the server's root, as headers hold no Chinese. A topic's name lets anybody read it where topics
//! are open: it is not shown. The push's id is the `sequence_id`, so that a push sent twice is one notification
//! (servers from 2.16 on; older ones ignore it).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use url::Url;

use super::{ChannelError, Push, Sent, Severity, Tools, config::Fault, robot, text};
use crate::{outbound::http_client::host_of, secret::SecretText};

/// A longer message becomes an attachment, which many servers do not take.
const MAX_MESSAGE: usize = 4_000;

/// A topic.
pub(super) struct Ntfy {
    root: Url,
    topic: String,
    authorization: Option<HeaderValue>,
}

impl Ntfy {
    pub(super) fn parse(url: &SecretText, token: Option<&SecretText>) -> Result<Self, Fault> {
        let mut root = robot::parse_web_address(url)?;
        if root.query().is_some() {
            return Err(Fault::of("url", "must end with the topic's name: an access token belongs into token"));
        }
        let (parents, topic) = root.path().rsplit_once('/').unwrap_or_default();
        if !text::is_good_id(topic) {
            return Err(Fault::of(
                "url",
                "must end with the topic's name of 1 to 64 letters, digits, '-' and '_', such as https://ntfy.sh/…",
            ));
        }
        let (parents, topic) = (format!("{parents}/"), topic.to_owned());
        root.set_path(&parents);
        Ok(Self { root, topic, authorization: token.map(bearer).transpose()? })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let headers: HeaderMap = self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect();
        let reply = robot::post(tools, self.root.clone(), headers, &self.body(push)).await?;
        if reply.status.is_success() {
            return Ok(Sent::default());
        }
        Err(ChannelError::from_status(host_of(&self.root), reply.status, robot::asked_wait(tools, &reply.headers)))
    }

    fn body(&self, push: &Push) -> Value {
        let priority = match push.severity {
            Severity::Info => 3,
            Severity::Warning => 4,
            Severity::Critical => 5,
        };
        let mut body = json!({
            "topic": self.topic,
            "title": text::title(push),
            "message": text::cut(&push.body, MAX_MESSAGE),
            "priority": priority,
            "sequence_id": push.id,
        });
        if let (Some(link), Some(fields)) = (text::link(push), body.as_object_mut()) {
            fields.insert("click".into(), link.into());
        }
        body
    }
}

fn bearer(token: &SecretText) -> Result<HeaderValue, Fault> {
    let token = token.expose().trim();
    let graphic = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let value = graphic.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok()).flatten();
    let mut value = value.ok_or_else(|| Fault::of("token", "must be printable ASCII without spaces: leave it out, or copy it again"))?;
    value.set_sensitive(true);
    Ok(value)
}
