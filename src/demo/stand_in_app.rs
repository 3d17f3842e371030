//! A stand-in for the app and for a push service: takes signed events, checks them, and keeps what it heard.
//!
//! A drill compares it with the daemon's own rows: what they call delivered must have arrived, and what arrived twice
//! must have come under one id. It refuses what a careful receiver refuses: a wrong signature, a body that is no event.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::{Clock, SystemClock},
    outbound::standard_webhooks::{self, Signed, WebhookSecret},
};

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct StandInApp {
    /// Where it takes events.
    pub url: String,
    heard: Arc<Heard>,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Heard {
    secrets: Vec<WebhookSecret>,
    events: Mutex<Events>,
}

#[derive(Debug, Default)]
struct Events {
    /// Deliveries of each id.
    ids: BTreeMap<String, u32>,
    /// Ids of each thing that was told.
    told: BTreeMap<String, BTreeSet<String>>,
    refused: u32,
}

impl StandInApp {
    /// Starts to serve on a free port.
    pub async fn start(secret: WebhookSecret) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let heard = Arc::new(Heard { secrets: vec![secret], events: Mutex::default() });
        let shutdown = CancellationToken::new();
        let routes = Router::new().route("/events", post(take)).with_state(Arc::clone(&heard));
        let stop = shutdown.clone().cancelled_owned();
        TaskTracker::new().spawn(async move {
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop).await {
                tracing::warn!(%error, "the stand-in for the app ended");
            }
        });
        Ok(Self { url, heard, shutdown })
    }

    /// Whether an event of this id arrived.
    pub fn has(&self, id: &str) -> bool {
        super::held(&self.heard.events).ids.contains_key(id)
    }

    /// Deliveries, the repeated ones included.
    pub fn deliveries(&self) -> u32 {
        super::held(&self.heard.events).ids.values().sum()
    }

    /// What was told under more than one id, and so could not be dropped as a repetition.
    pub fn told_twice(&self) -> Vec<String> {
        let events = super::held(&self.heard.events);
        events.told.iter().filter(|(_, ids)| ids.len() > 1).map(|(what, _)| what.clone()).collect()
    }

    /// Requests that were no genuine events.
    pub fn refused(&self) -> u32 {
        super::held(&self.heard.events).refused
    }
}

impl Drop for StandInApp {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn take(State(heard): State<Arc<Heard>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = text(standard_webhooks::ID_HEADER);
    let signed = Signed { id, timestamp: text(standard_webhooks::TIMESTAMP_HEADER), signatures: text(standard_webhooks::SIGNATURE_HEADER) };
    let genuine = standard_webhooks::verify(&heard.secrets, signed, &body, SystemClock.now().timestamp()).is_ok();
    let mut events = super::held(&heard.events);
    match serde_json::from_slice::<Value>(&body) {
        Ok(event) if genuine => {
            *events.ids.entry(id.to_owned()).or_default() += 1;
            events.told.entry(what(&event)).or_default().insert(id.to_owned());
            StatusCode::NO_CONTENT
        }
        _ => {
            events.refused += 1;
            StatusCode::UNAUTHORIZED
        }
    }
}

/// What an event tells, whatever its id: its kind and the thing it is about.
fn what(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {} {} {}", text("/type"), text("/data/registration_id"), text("/data/message_id"), text("/data/id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        clock::SharedClock,
        outbound::{
            http_client::{HttpClient, ProxyUse},
            webhook::{Event, Receiver, deliver},
        },
    };

    #[tokio::test]
    async fn it_keeps_what_is_signed_and_sees_what_was_told_twice() {
        let secrets = [WebhookSecret::generate().unwrap()];
        let app = StandInApp::start(WebhookSecret::parse(secrets[0].to_text().expose()).unwrap()).await.unwrap();
        let (http, clock) = (HttpClient::new(ProxyUse::Direct).unwrap(), Arc::new(SystemClock) as SharedClock);
        let send = async |secrets: &[WebhookSecret], id: &str, message: &str| {
            let body = json!({"type": "message.created", "data": {"registration_id": "r", "message_id": message}}).to_string();
            let to = Receiver { url: &app.url, secrets };
            deliver(&http, clock.as_ref(), to, Event { id, body: &body }).await.is_ok()
        };
        assert!(send(&secrets, "msg_1", "m1").await && send(&secrets, "msg_1", "m1").await && send(&secrets, "msg_2", "m2").await);
        assert!(app.has("msg_1") && !app.has("msg_3"));
        assert_eq!((app.deliveries(), app.told_twice().len()), (3, 0), "a repetition under one id can be dropped");
        assert!(send(&secrets, "msg_3", "m2").await);
        assert_eq!(app.told_twice(), ["message.created r m2 "]);
        assert!(!send(&[WebhookSecret::generate().unwrap()], "msg_4", "m4").await);
        assert_eq!(app.refused(), 1);
    }
}
