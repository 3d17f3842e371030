//! The consultants: each on a live connection, noting when the notice of each registration arrives.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anmei_mcp::clock::{Clock, SystemClock};
use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::common::site::Site;

/// How many are told of every customer.
pub(crate) const CONSULTANTS: i64 = 5;

/// When each consultant had the notice of a registration, in milliseconds since 1970, by the registration's id.
pub(crate) type Arrivals = HashMap<String, HashMap<i64, i64>>;

/// The consultants while they are connected.
pub(crate) struct Consultants {
    arrivals: Arc<Mutex<Arrivals>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Their accounts, as JSON lines.
pub(crate) fn accounts() -> String {
    let account = |n| json!({"id": user(n), "username": format!("顾问{n}"), "roles": ["consultant"]});
    (1..=CONSULTANTS).map(|n| account(n).to_string()).collect::<Vec<_>>().join("\n")
}

fn user(n: i64) -> String {
    format!("usr_consultant_{n}")
}

/// A token for each of them.
pub(crate) fn tokens(site: &Site) -> Result<Vec<String>> {
    let token = |n| Ok(site.command(&["live", "token", &user(n)], "")?.trim().to_owned());
    (1..=CONSULTANTS).map(token).collect()
}

impl Consultants {
    /// Connects them all, one for each token.
    pub(crate) async fn connect(live: SocketAddr, tokens: Vec<String>) -> Result<Self> {
        let connected = Self { arrivals: Arc::default(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
        for (n, token) in (1..).zip(tokens) {
            let mut request = format!("ws://{live}/live/ws").into_client_request()?;
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
            let (mut socket, _) = connect_async(request).await.context("connecting a consultant")?;
            let hello = socket.next().await.context("a consultant was not greeted")??;
            ensure!(hello.to_text()?.contains("\"hello\""), "a consultant was greeted with {hello}");
            connected.tasks.spawn(listen(n, socket, Arc::clone(&connected.arrivals), connected.stop.clone()));
        }
        Ok(connected)
    }

    /// Disconnects them, and gives what they noted.
    pub(crate) async fn leave(self) -> Arrivals {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        std::mem::take(&mut *held(&self.arrivals))
    }
}

fn held(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes and acknowledges every notice, as a real desk does, until it is stopped or cut off.
async fn listen(n: i64, mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>, arrivals: Arc<Mutex<Arrivals>>, stop: CancellationToken) {
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return,
            message = socket.next() => message,
        };
        let now = SystemClock.now_ms();
        let Some(Ok(message)) = message else { return };
        let Some(frame) = message.to_text().ok().and_then(|text| serde_json::from_str::<Value>(text).ok()) else { continue };
        let text = |key: &str| frame.get(key).and_then(Value::as_str);
        let Some(id) = text("id") else { continue };
        if text("kind") == Some("new_customer")
            && let Some(run) = text("registration_id")
        {
            held(&arrivals).entry(run.to_owned()).or_default().entry(n).or_insert(now);
        }
        let ack = json!({"type": "ack", "id": id}).to_string();
        if socket.send(Message::text(ack)).await.is_err() {
            return;
        }
    }
}
