//! The app's side of outgoing events: checks each signature, answers 204, and counts.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anmei_mcp::{
    clock::{Clock, SystemClock},
    outbound::standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, WebhookSecret, verify},
};
use anyhow::{Result, anyhow};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What has come so far.
#[derive(Default)]
struct Heard {
    /// How often each event came.
    events: HashMap<String, u64>,
    refused: u64,
}

struct Shared {
    secret: WebhookSecret,
    heard: Mutex<Heard>,
}

/// The receiver while it runs.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// How many events came.
#[derive(Clone, Copy)]
pub(crate) struct Events {
    /// Different ones.
    pub(crate) received: u64,
    /// Deliveries beyond the first of each.
    pub(crate) repeated: u64,
    /// Deliveries with a bad signature.
    pub(crate) refused: u64,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let secret = WebhookSecret::generate().map_err(|_| anyhow!("no randomness for the receiver's secret"))?;
        let shared = Arc::new(Shared { secret, heard: Mutex::default() });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = Router::new().route("/events", post(receive)).with_state(Arc::clone(&shared));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move { axum::serve(listener, app).with_graceful_shutdown(stopped).await });
        Ok(Self { address, shared, stop, tasks })
    }

    /// The daemon's settings that name it.
    pub(crate) fn settings(&self) -> String {
        let secret = self.shared.secret.to_text();
        format!("\n[outbound]\nwebhook_url = \"http://{}/events\"\nwebhook_secret = \"{}\"\n", self.address, secret.expose())
    }

    pub(crate) fn events(&self) -> Events {
        let heard = self.shared.heard();
        let received = heard.events.len() as u64;
        Events { received, repeated: heard.events.values().sum::<u64>() - received, refused: heard.refused }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = Signed { id: text(ID_HEADER), timestamp: text(TIMESTAMP_HEADER), signatures: text(SIGNATURE_HEADER) };
    let verified = verify(std::slice::from_ref(&shared.secret), signed, &body, SystemClock.now().timestamp());
    let mut heard = shared.heard();
    if verified.is_err() {
        heard.refused += 1;
        return StatusCode::UNAUTHORIZED;
    }
    *heard.events.entry(signed.id.to_owned()).or_default() += 1;
    StatusCode::NO_CONTENT
}
