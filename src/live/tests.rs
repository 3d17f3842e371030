//! Real clients on a real listener and a real database: what each of them is told, sent and refused.

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

#[tokio::test]
async fn a_token_is_taken_from_the_protocols_the_header_or_the_first_message() {
    let site = Site::open().await;
    site.connect("c1", Role::Consultant).await;
    let token = site.token("c1", Role::Consultant);
    let mut program = site.dial("/live/ws", &[("authorization", &format!("Bearer {token}"))]).await.unwrap();
    assert_eq!(program.next().await["role"], "consultant");
    assert_eq!(program.protocol, "");
    let mut late = site.dial("/live/ws", &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    let hello = late.ask(json!({"type": "auth", "token": token})).await;
    assert_eq!(
        hello,
        json!({"type": "hello", "protocol": PROTOCOL, "user": "c1", "role": "consultant", "roles": ["consultant"], "unacked": 0})
    );
    let again = late.ask(json!({"type": "auth", "token": token, "ref": "a"})).await;
    assert!(again["ref"] == "a" && again["message"].as_str().unwrap().contains("already authenticated"), "{again}");
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let site = Site::with(&[], |limits| limits.auth_timeout = Duration::from_millis(100)).await;
    let bearer = |token: &str| format!("{PROTOCOL}, bearer.{token}");
    let with_protocol = async |token: &str| site.dial("/live/ws", &[("sec-websocket-protocol", &bearer(token))]).await.unwrap().end().await;
    let good = site.token("c1", Role::Consultant);
    let (code, reason) = with_protocol("live_forged").await;
    assert!(code == 4401 && reason.contains("not valid"), "{code} {reason}");
    let (code, reason) = with_protocol("eyJhbGciOiJIUzI1NiJ9.e30.x").await;
    assert!(code == 4401 && reason.contains("live.jwt_secret"), "{code} {reason}");
    let user = AppId::try_from("c1".to_owned()).unwrap();
    let expired = mint(&site.master, &NewToken { user: &user, role: Role::Consultant, now: NOW - 1, expires_at: NOW }).unwrap().text;
    let (code, reason) = with_protocol(expired.expose()).await;
    assert!(code == 4401 && reason.contains("令牌已过期") && reason.contains("token expired"), "{code} {reason}");
    for address in [format!("/live/ws?token={good}"), format!("/live/ws?x=1&Access_Token={good}")] {
        let (code, reason) = site.dial(&address, &[("sec-websocket-protocol", &bearer(&good))]).await.unwrap().end().await;
        assert!(code == 4401 && reason.contains("no token in the URL"), "{code} {reason}");
    }
    let (code, reason) = site.dial("/live/ws", &[]).await.unwrap().end().await;
    assert!(code == 4401 && reason.contains("no token"), "{code} {reason}");
    let mut other_first = site.dial("/live/ws", &[]).await.unwrap();
    other_first.say(json!({"type": "claim", "registration_id": "r"})).await;
    assert_eq!(other_first.end().await.0, 4401);
    assert_eq!(site.hub.presence("c1"), None);
}

#[tokio::test]
async fn foreign_pages_hosts_and_protocols_are_not_upgraded() {
    let site = Site::with(&[], |limits| limits.max_connections = 1).await;
    let bearer = format!("{PROTOCOL}, bearer.{}", site.token("c1", Role::Consultant));
    let mut dialled = Vec::new();
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        dialled.push(refusal(site.dial("/live/ws", &[("origin", origin), ("sec-websocket-protocol", &bearer)]).await));
    }
    dialled.push(refusal(site.dial("/live/ws", &[("host", "evil.example"), ("sec-websocket-protocol", &bearer)]).await));
    assert!(dialled.iter().all(|(status, body)| *status == 403 && body.contains("`live.allowed_")), "{dialled:?}");
    let (status, body) = refusal(site.dial("/live/ws", &[("sec-websocket-protocol", "bearer.x, chat")]).await);
    assert!(status == 400 && body.contains(PROTOCOL), "{status} {body}");
    let (status, body) = site.ask(Method::GET, "/live/ws", "x", None).await;
    assert!(status == StatusCode::UPGRADE_REQUIRED && body["detail"].as_str().unwrap().contains("WebSocket"), "{status} {body}");
    let allowed = [("origin", "https://app.clinic.cn"), ("sec-websocket-protocol", bearer.as_str())];
    let mut client = site.dial("/live/ws", &allowed).await.unwrap();
    assert_eq!(client.next().await["type"], "hello");
    let (status, body) = refusal(site.dial("/live/ws", &allowed).await);
    assert!(status == 503 && body.contains("live.max_connections"), "{status} {body}");
}

impl Client {
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
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_after_a_reconnect_in_order_and_whole() {
    let site = Site::open().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(site.notify("c1", json!({"type": "new_customer", "number": number})).await);
    }
    let mut client = site.connect("c1", Role::Consultant).await;
    assert_eq!(client.notices(100).await, ids);
    let acked = client.ask(json!({"type": "ack", "ids": ids[..60], "ref": 1})).await;
    assert_eq!((&acked["ref"], acked["result"]["acked"].as_array().unwrap().len()), (&json!(1), 60));
    drop(client);
    site.until_connections("c1", 0).await;
    // Committed by a process that died before it could say so.
    ids.push(site.store.notify_for_test(&site.run, "c1", json!({})).await);
    let mut client = site.dial("/live/ws", &[]).await.unwrap();
    let hello = client.ask(json!({"type": "auth", "token": site.token("c1", Role::Consultant)})).await;
    assert_eq!(hello["unacked"], 41);
    assert_eq!(client.notices(41).await, ids[60..]);
    let live = site.notify("c1", json!({"title": "新客户注册"})).await;
    let frame = client.next().await;
    assert_eq!(
        (frame["id"].as_str(), &frame["kind"], &frame["payload"]["title"]),
        (Some(live.as_str()), &json!("new_customer"), &json!("新客户注册"))
    );
    assert!(client.is_left_alone().await, "nothing comes twice within the time for acknowledgements");
    let (sent, acked) = site.store.notification_times_for_test(&ids[0]);
    assert_eq!((sent, acked), (Some(NOW), Some(NOW)));
}

#[tokio::test]
async fn rows_committed_out_of_order_are_not_passed_over() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    let first = site.notify("c1", json!({})).await;
    assert_eq!(client.notices(1).await, [first.as_str()]);
    let earlier = "00000000-0000-7000-8000-000000000001";
    assert!(*earlier < *first);
    site.store.notify_as_for_test(earlier, &site.run, "c1", json!({})).await;
    site.hub.deliver(["c1"]);
    assert_eq!(client.notices(1).await, [earlier]);
}

#[tokio::test]
async fn everybody_gets_what_is_theirs_and_nobody_elses() {
    let site = Site::open().await;
    let mut one = site.connect("c1", Role::Consultant).await;
    let mut two = site.connect("c2", Role::Consultant).await;
    let mut customer = site.connect("cust", Role::Customer).await;
    let (own, shared) = (site.notify("c1", json!(1)).await, site.notify(EVERY_CONSULTANT, json!(2)).await);
    assert_eq!(one.notices(2).await, [own.clone(), shared.clone()]);
    assert_eq!(two.notices(1).await, [shared.as_str()]);
    let welcome = site.notify("cust", json!(3)).await;
    assert_eq!(customer.notices(1).await, [welcome]);
    let foreign = two.ask(json!({"type": "ack", "id": own})).await;
    let unknown = two.ask(json!({"type": "ack", "id": "no-such-id"})).await;
    assert_eq!(foreign, unknown, "nothing tells a foreign notice from none");
    assert_eq!(foreign["code"], "not_found");
    assert_eq!(customer.ask(json!({"type": "ack", "id": shared})).await, foreign);
    assert_eq!(site.store.notification_times_for_test(&own).1, None);
    assert!(customer.is_left_alone().await && one.is_left_alone().await && two.is_left_alone().await);
}

#[tokio::test]
async fn two_tabs_get_a_notice_and_one_acknowledgement_is_enough() {
    let site = Site::with(&[("notice.ack_timeout", json!("250ms"))], |_| ()).await;
    let mut left = site.connect("c1", Role::Consultant).await;
    let mut right = site.connect("c1", Role::Consultant).await;
    let id = site.notify("c1", json!({})).await;
    assert_eq!(left.notices(1).await, [id.as_str()]);
    assert_eq!(right.notices(1).await, [id.as_str()]);
    assert_eq!(left.notices(1).await, [id.as_str()], "unacknowledged, it comes again on the same connection");
    assert_eq!(right.notices(1).await, [id.as_str()]);
    for tab in [&mut left, &mut right] {
        assert_eq!(tab.ask(json!({"type": "ack", "id": id})).await["result"]["acked"], json!([id]), "twice is the same");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(left.is_left_alone().await && right.is_left_alone().await);
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_holds_up_nobody() {
    let site = Site::with(&[], |limits| limits.write_timeout = Duration::from_millis(300)).await;
    let mut slow = site.connect("c1", Role::Consultant).await;
    let mut quick = site.connect("c2", Role::Consultant).await;
    // More than the sockets' buffers take.
    for _ in 0..40 {
        site.store.notify_for_test(&site.run, "c1", json!({"filler": "x".repeat(1 << 20)})).await;
    }
    site.hub.deliver(["c1"]);
    let id = site.notify("c2", json!({})).await;
    assert_eq!(timeout(Duration::from_millis(250), quick.notices(1)).await.expect("no waiting for the slow one"), [id]);
    // The frame that nobody takes ends the connection, while its close frame still waits for a while.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (code, reason) = slow.end().await;
    assert!(code == 4408 && reason.contains("too slowly"), "{code} {reason}");
    site.until_connections("c1", 0).await;
    assert_eq!(site.store.count_waiting_notifications(&Who::new("c1".into(), vec![Role::Doctor], 0).unwrap().audience()).unwrap(), 40);
}

#[tokio::test]
async fn a_client_that_misses_two_heartbeats_is_gone_and_one_that_answers_stays() {
    let site = Site::with(&[("live.heartbeat", json!("100ms"))], |_| ()).await;
    let mut silent = site.connect("c1", Role::Consultant).await;
    let mut alive = site.connect("c2", Role::Consultant).await;
    let idle = TaskTracker::new().spawn(async move { timeout(Duration::from_millis(800), alive.next()).await.is_err() });
    site.clock.advance_ms(5_000);
    site.until_connections("c1", 0).await;
    let (code, reason) = silent.end().await;
    assert!(code == 4408 && reason.contains("heartbeats"), "{code} {reason}");
    let presence = site.hub.presence("c2").unwrap();
    assert_eq!((presence.since, presence.last_seen), (NOW, NOW + 5_000), "pongs count as a sign of life");
    assert!(idle.await.unwrap(), "nothing but pings came");
}

#[tokio::test]
async fn a_token_that_ends_ends_its_connection() {
    let site = Site::with(&[("live.heartbeat", json!("100ms"))], |_| ()).await;
    let mut client = site.connect("c1", Role::Consultant).await;
    site.clock.advance_ms(HOUR - 1);
    assert!(client.is_left_alone().await);
    site.clock.advance_ms(1);
    let (code, reason) = client.end().await;
    assert!(code == 4401 && reason.contains("expired"), "{code} {reason}");
}

#[tokio::test]
async fn commands_reach_the_desk_and_are_answered_under_their_reference() {
    let site = Site::open().await;
    let mut one = site.connect("c1", Role::Consultant).await;
    let mut two = site.connect("c2", Role::Consultant).await;
    let mut customer = site.connect("cust", Role::Customer).await;
    let claim = json!({"type": "claim", "conversation_id": "v1", "ref": "r1"});
    let won = one.ask(claim.clone()).await;
    assert_eq!(won, json!({"type": "ok", "result": {"claimed_by": "c1", "door": "Live"}, "ref": "r1"}));
    let lost = two.ask(claim.clone()).await;
    assert_eq!((&lost["type"], &lost["code"], &lost["detail"]["claimed_by"]), (&json!("error"), &json!("taken"), &json!("c1")));
    assert_eq!(customer.ask(claim).await["code"], "forbidden");
    for frame in [
        json!({"type": "read", "message_id": "m9"}),
        json!({"type": "feedback", "registration_id": "r", "rating": 5, "comment": "很好"}),
        json!({"type": "message", "conversation_id": "v1", "text": "你好"}),
    ] {
        assert_eq!(one.ask(frame.clone()).await["code"], "forbidden");
        assert_eq!(customer.ask(frame).await["type"], "ok");
    }
    assert_eq!(*site.desk.said.lock().unwrap(), ["cust read m9", "cust rated 5 Some(\"很好\")", "cust in v1: 你好"]);
}

#[tokio::test]
async fn garbage_is_answered_and_ends_the_connection_when_it_goes_on() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    for _ in 0..3 {
        for number in 0..9 {
            client.raw(if number % 2 == 0 { "{not json" } else { r#"{"type":"dance"}"# }).await;
            assert_eq!(client.next().await["code"], "invalid");
        }
        client.ask(json!({"type": "ack", "id": "x"})).await;
    }
    for _ in 0..10 {
        client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    }
    let (code, reason) = client.end().await;
    assert!(code == 4400 && reason.contains("unreadable"), "{code} {reason}");
    let mut client = site.connect("c1", Role::Consultant).await;
    client.raw(&" ".repeat(16 * 1024 + 1)).await;
    assert_eq!(client.end().await.0, 1009);
    let mut client = site.connect("c1", Role::Consultant).await;
    client.raw(&" ".repeat(1 << 20)).await;
    assert_eq!(client.end().await.0, 1002);
}

#[tokio::test]
async fn one_user_has_so_many_connections_and_no_more() {
    let site = Site::with(&[("live.connections_per_user", json!(2))], |_| ()).await;
    let _first = site.connect("c1", Role::Consultant).await;
    let second = site.connect("c1", Role::Consultant).await;
    let _other = site.connect("c2", Role::Consultant).await;
    let bearer = format!("Bearer {}", site.token("c1", Role::Consultant));
    let (code, reason) = site.dial("/live/ws", &[("authorization", &bearer)]).await.unwrap().end().await;
    assert!(code == 4429 && reason.contains("too many"), "{code} {reason}");
    drop(second);
    site.until_connections("c1", 1).await;
    site.connect("c1", Role::Consultant).await;
}

#[tokio::test]
async fn a_stop_says_goodbye_to_everybody_and_is_waited_for() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    let mut undecided = site.dial("/live/ws", &[]).await.unwrap();
    // The undecided one's connection has to have begun.
    tokio::time::sleep(Duration::from_millis(50)).await;
    site.stop.cancel();
    assert_eq!(client.end().await.0, 1001);
    assert_eq!(undecided.end().await.0, 1001);
    drop((client, undecided));
    site.tasks.close();
    timeout(Duration::from_secs(1), site.tasks.wait()).await.expect("every connection ends");
    assert_eq!(site.hub.online(Role::Consultant), []);
}

#[tokio::test]
async fn the_rest_calls_take_the_same_tokens() {
    let site = Site::open().await;
    let (consultant, customer) = (site.token("c1", Role::Consultant), site.token("cust", Role::Customer));
    let _tab = site.connect("c2", Role::Consultant).await;
    let (status, body) = site.ask(Method::GET, "/live/presence", &consultant, None).await;
    let at = crate::clock::rfc3339(site.clock.now_ms());
    let online = json!([{"user_id": "c2", "role": "consultant", "since": at, "last_seen": at, "connections": 1}]);
    assert_eq!((status, body), (StatusCode::OK, json!({"role": "consultant", "online": online})));
    assert_eq!(site.ask(Method::GET, "/live/presence?role=customer", &consultant, None).await.1["online"], json!([]));
    assert_eq!(site.ask(Method::GET, "/live/presence?role=boss", &consultant, None).await.0, 400);
    assert_eq!(site.ask(Method::GET, "/live/presence", &customer, None).await.0, 403);
    assert_eq!(site.ask(Method::GET, "/live/presence", "live_forged", None).await.0, 401);
    let (status, body) = site.ask(Method::GET, &format!("/live/presence?token={consultant}"), &consultant, None).await;
    assert!(status == 400 && body["detail"].as_str().unwrap().contains("no token in the URL"), "{status} {body}");

    let claim = Some(json!({"registration_id": "r1"}));
    let (status, body) = site.ask(Method::POST, "/live/claims", &consultant, claim.clone()).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"claimed_by": "c1", "door": "Rest"})));
    let (status, body) = site.ask(Method::POST, "/live/claims", &site.token("c2", Role::Consultant), claim.clone()).await;
    assert!(status == 409 && body["detail"].as_str().unwrap().contains(r#""claimed_by":"c1""#), "{status} {body}");
    assert_eq!(site.ask(Method::POST, "/live/claims", &customer, claim).await.0, 403);
    assert_eq!(site.ask(Method::POST, "/live/claims", &consultant, Some(json!({}))).await.0, 400);
    assert_eq!(site.ask(Method::POST, "/live/claims", &consultant, Some(json!("x".repeat(20_000)))).await.0, 413);

    let first = site.notify("c1", json!(1)).await;
    site.notify(EVERY_CONSULTANT, json!(2)).await;
    let (_, page) = site.ask(Method::GET, "/live/notifications?limit=1", &consultant, None).await;
    assert_eq!((page["notifications"][0]["id"].as_str(), page["next"].as_str()), (Some(first.as_str()), Some(first.as_str())));
    let (_, page) = site.ask(Method::GET, &format!("/live/notifications?after={first}"), &consultant, None).await;
    assert_eq!((&page["notifications"][0]["payload"], &page["next"]), (&json!(2), &Value::Null));
    assert_eq!(site.ask(Method::GET, "/live/notifications", &customer, None).await.1["notifications"], json!([]));
    assert_eq!(site.ask(Method::GET, "/live/notifications?limit=0", &consultant, None).await.0, 400);
}

#[test]
fn the_example_page_speaks_this_protocol() {
    let page = include_str!("../../examples/consultant.html");
    assert!(page.contains(&format!("const PROTOCOL = '{PROTOCOL}';")) && page.contains("`bearer.${"));
    let last = [close::Close::Garbage, close::Close::NoToken, close::Close::Refused(TokenError::NoRole), close::Close::TooMany];
    let codes = last.map(|close| close.code().to_string()).join(", ");
    assert!(page.contains(&format!("const FINAL = new Set([{codes}]);")), "{codes}");
}
