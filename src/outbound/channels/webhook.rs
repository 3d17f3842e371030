//! A signed POST after Standard Webhooks: for whatever else should hear of it.
//!
//! ```json
//! {"type": "push", "data": {"id": "…", "title": "…", "body": "…", "link": "…", "severity": "info",
//!  "recipients": ["usr_1"], "data": {}}}
//! ```

use serde_json::json;

use super::{ChannelError, Push, Sent, Tools, config::Fault, robot};
use crate::{
    outbound::{
        standard_webhooks::WebhookSecret,
        webhook::{DeliveryError, Event, Receiver, deliver_within},
    },
    secret::SecretText,
};

/// A receiver of signed pushes.
pub(super) struct Webhook {
    url: SecretText,
    secret: WebhookSecret,
}

impl Webhook {
    pub(super) fn parse(url: &SecretText, secret: &SecretText) -> Result<Self, Fault> {
        robot::parse_web_address(url)?;
        let secret = WebhookSecret::parse(secret.expose()).map_err(|error| Fault::of("secret", format!("cannot be used: {error}")))?;
        Ok(Self { url: url.clone(), secret })
    }

    pub(super) async fn send(&self, tools: &Tools, push: &Push) -> Result<Sent, ChannelError> {
        let body = body(push);
        let to = Receiver { url: self.url.expose(), secrets: std::slice::from_ref(&self.secret) };
        let event = Event { id: &push.id, body: &body };
        match deliver_within(&tools.http, tools.clock.as_ref(), to, event, tools.timeout).await {
            Ok(_) => Ok(Sent::default()),
            Err(error) => Err(explain(error)),
        }
    }
}

/// What is sent, laid out for people.
pub(super) fn text(push: &Push) -> String {
    let laid_out = serde_json::from_str::<serde_json::Value>(&body(push)).and_then(|body| serde_json::to_string_pretty(&body));
    laid_out.unwrap_or_default()
}

fn body(push: &Push) -> String {
    let recipients: Vec<&str> = push.recipients.iter().map(|to| to.user_id.as_str()).collect();
    json!({
        "type": "push",
        "data": {
            "id": push.id,
            "title": push.title,
            "body": push.body,
            "link": push.link,
            "severity": push.severity,
            "recipients": recipients,
            "data": push.data,
        }
    })
    .to_string()
}

/// A receiver is somebody's program: except for 410, what it refuses today it may take tomorrow.
fn explain(error: DeliveryError) -> ChannelError {
    let refused = |host, answer: &str, advice| ChannelError::Refused { host, answer: answer.to_owned(), advice };
    match error {
        DeliveryError::Http(error) => error.into(),
        DeliveryError::SlowDown { host, status, retry_after } | DeliveryError::Refused { host, status, retry_after } => {
            ChannelError::NotNow { host, answer: format!("HTTP {status}"), retry_after }
        }
        DeliveryError::Gone { host } => refused(host, "HTTP 410", "it wants no more pushes: remove the channel or correct its address"),
        DeliveryError::Address(_) => refused("the webhook".into(), "no address", "configure an http or https address"),
        DeliveryError::Sign(_) => refused("the webhook".into(), "not signed", "check its secret and the machine's clock"),
    }
}
