//! Real clients on a real listener and a real database: what each of them is told, sent and refused.

mod desk;
mod ends;
mod entry;
mod notices;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::{
    clock::{Clock, FixedClock},
    http::{ConnectionLimits, bind},
    ids::AppId,
    outbound::http_client::{Call, HttpClient, ProxyUse},
    secret::MasterKey,
    store::{audit::By, notifications::EVERY_CONSULTANT, settings::SettingChange},
};

const NOW: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

/// What stands behind the port: one winner for each customer, and a memory of what customers said.
#[derive(Default)]
struct Desk {
    claims: Mutex<HashMap<String, String>>,
    said: Mutex<Vec<String>>,
}

#[async_trait]
impl Inbound for Desk {
    async fn claim(&self, who: &Who, target: Target, door: Door) -> Result<Value, Refusal> {
        let (Target::Registration(id) | Target::Conversation(id)) = target;
        let mut claims = self.claims.lock().unwrap();
        let winner = claims.entry(id).or_insert_with(|| who.user_id.clone());
        if *winner == who.user_id {
            return Ok(json!({"claimed_by": winner, "door": format!("{door:?}")}));
        }
        Err(Refusal::new(RefusalCode::Taken, "已被认领 taken").with_detail(json!({"claimed_by": winner})))
    }

    async fn read(&self, who: &Who, message_id: &str) -> Result<Value, Refusal> {
        self.said.lock().unwrap().push(format!("{} read {message_id}", who.user_id));
        Ok(json!({}))
    }

    async fn feedback(&self, who: &Who, feedback: Feedback) -> Result<Value, Refusal> {
        let Feedback { rating, comment, .. } = feedback;
        self.said.lock().unwrap().push(format!("{} rated {rating} {comment:?}", who.user_id));
        Ok(json!({}))
    }

    async fn message(&self, who: &Who, conversation_id: &str, text: &str) -> Result<Value, Refusal> {
        self.said.lock().unwrap().push(format!("{} in {conversation_id}: {text}", who.user_id));
        Ok(json!({"message_id": "m1"}))
    }
}

struct Site {
    _dir: tempfile::TempDir,
    store: Store,
    hub: Hub,
    clock: Arc<FixedClock>,
    master: Arc<MasterKey>,
    desk: Arc<Desk>,
    stop: CancellationToken,
    tasks: TaskTracker,
    address: SocketAddr,
    run: String,
}

impl Site {
    async fn open() -> Self {
        Self::with(&[], |_| ()).await
    }

    async fn with(settings: &[(&str, Value)], change: impl FnOnce(&mut LiveSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("anmei.db")).unwrap();
        let changes = settings.iter().map(|(name, value)| SettingChange::plain(name, value.clone())).collect();
        let seen = store.policy_revision().unwrap();
        assert!(store.put_settings(changes, By::new("test", 1), seen).await.unwrap());
        let run = store.registration_for_test("cust_0").await;
        let clock = Arc::new(FixedClock::at_ms(NOW));
        let master = Arc::new(MasterKey::generate().unwrap());
        let (hub, desk, stop, tasks) = (Hub::new(), Arc::new(Desk::default()), CancellationToken::new(), TaskTracker::new());
        let origins = Origins::new(&["127.0.0.1".into()], &["https://app.clinic.cn".into()], "live");
        let mut limits = LiveSettings::new(origins, 100);
        change(&mut limits);
        let state = LiveState::new(LiveParts {
            store: store.clone(),
            clock: Arc::clone(&clock) as SharedClock,
            book: Book::new(store.clone(), Arc::clone(&master), Arc::clone(&clock) as SharedClock),
            tokens: Tokens::new(Arc::clone(&master), Arc::clone(&clock) as SharedClock, JwtSettings::default()),
            hub: hub.clone(),
            inbound: Arc::clone(&desk) as Arc<dyn Inbound>,
            stop: stop.clone(),
            tasks: tasks.clone(),
            settings: limits,
        });
        let bound = bind("live", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = bound.address;
        let second = Duration::from_secs(1);
        let http = ConnectionLimits { connections: 100, first_byte: second, head: second, shutdown: second, ..ConnectionLimits::default() };
        TaskTracker::new().spawn(bound.serve(router(state), http, stop.clone()));
        Self { _dir: dir, store, hub, clock, master, desk, stop, tasks, address, run }
    }

    fn token(&self, user: &str, role: Role) -> String {
        let user = AppId::try_from(user.to_owned()).unwrap();
        mint(&self.master, &NewToken { user: &user, role, now: NOW, expires_at: NOW + HOUR }).unwrap().text.expose().to_owned()
    }

    async fn dial(&self, path: &str, headers: &[(&str, &str)]) -> Result<Client, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, response)| Client { socket, protocol: text_of(&response, "sec-websocket-protocol") })
    }

    /// A client that was greeted.
    async fn connect(&self, user: &str, role: Role) -> Client {
        let protocols = format!("{PROTOCOL}, bearer.{}", self.token(user, role));
        let mut client = self.dial("/live/ws", &[("sec-websocket-protocol", &protocols)]).await.unwrap();
        assert_eq!(client.protocol, PROTOCOL);
        let hello = client.next().await;
        assert_eq!((hello["type"].as_str(), hello["user"].as_str()), (Some("hello"), Some(user)), "{hello}");
        client
    }

    /// A committed notice, and the poke.
    async fn notify(&self, recipient: &str, payload: Value) -> String {
        let id = self.store.notify_for_test(&self.run, recipient, payload).await;
        self.hub.deliver([recipient]);
        id
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut headers = http::HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        let url = format!("http://{}{path}", self.address).parse().unwrap();
        let body = body.map(|body| Bytes::from(body.to_string()));
        let call = Call { method, url, headers, body, timeout: Duration::from_secs(5), max_bytes: 1 << 20 };
        let reply = HttpClient::new(ProxyUse::Direct).unwrap().exchange(call).await.unwrap();
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    /// Waits until a user has this many connections.
    async fn until_connections(&self, user: &str, count: usize) {
        for _ in 0..500 {
            if self.hub.presence(user).map_or(0, |presence| presence.connections) == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{user} never had {count} connections: {:?}", self.hub.presence(user));
    }
}

fn text_of<T>(response: &http::Response<T>, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    protocol: String,
}

impl Client {
    async fn say(&mut self, frame: Value) {
        self.raw(&frame.to_string()).await;
    }

    async fn raw(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next JSON frame; pings are answered on the way.
    async fn next(&mut self) -> Value {
        loop {
            match timeout(Duration::from_secs(5), self.socket.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn ask(&mut self, frame: Value) -> Value {
        self.say(frame).await;
        self.next().await
    }

    /// The next so many notices' ids; answers to acknowledgements in between are passed over.
    async fn notices(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let frame = self.next().await;
            match frame["type"].as_str() {
                Some("notification") => ids.push(frame["id"].as_str().unwrap().to_owned()),
                Some("ok") => {}
                _ => panic!("{frame}"),
            }
        }
        ids
    }

    /// Whether nothing comes for a while.
    async fn is_left_alone(&mut self) -> bool {
        timeout(Duration::from_millis(150), self.next()).await.is_err()
    }

    /// Reads to the end; the close code and its text.
    async fn end(&mut self) -> (u16, String) {
        loop {
            match timeout(Duration::from_secs(10), self.socket.next()).await.expect("an end in time") {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn refusal(result: Result<Client, tungstenite::Error>) -> (u16, String) {
    match result {
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8(body).unwrap())
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was upgraded"),
    }
}
