//! Consultants and customers on live connections, while the real daemon carries a registration.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    harness::{App, HOOK_KEY, HOOK_SECRET},
    registration::{new_user, receiver},
};

/// Somebody's connection, and what came while something else was waited for.
struct Peer(WebSocketStream<MaybeTlsStream<TcpStream>>, Vec<Value>);

impl Peer {
    async fn connect(app: &App, user: &str, role: &str) -> Self {
        let token = app.ok_json(&["live", "token", user, "--role", role])["token"].as_str().unwrap().to_owned();
        Self::with_token(app, &token).await
    }

    async fn with_token(app: &App, token: &str) -> Self {
        let mut request = format!("{}/live/ws", app.live_root().replace("http", "ws")).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        let mut peer = Self(socket, Vec::new());
        assert_eq!(peer.next().await["type"], "hello");
        peer
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The next notice of a kind; each is acknowledged.
    async fn notice(&mut self, kind: &str) -> Value {
        let mut early = std::mem::take(&mut self.1).into_iter();
        loop {
            let frame = match early.next() {
                Some(frame) => frame,
                None => self.next().await,
            };
            if frame["type"] == "notification" {
                self.send(json!({"type": "ack", "id": frame["id"]})).await;
                if frame["kind"] == kind {
                    self.1.extend(early);
                    return frame;
                }
            }
        }
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Asks, and waits for the answer to just that.
    async fn ask(&mut self, mut frame: Value) -> Value {
        frame["ref"] = json!("r1");
        self.send(frame).await;
        loop {
            let answer = self.next().await;
            if answer["ref"] == "r1" {
                return answer;
            }
            self.1.push(answer);
        }
    }
}

#[tokio::test]
async fn consultants_hear_within_a_second_one_claims_and_the_others_are_told_by_whom() {
    let app = App::with_records(&[]).await;
    let consultants: Vec<String> = {
        let db = app.database();
        let sql =
            "SELECT id FROM users WHERE is_active = 1 AND EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'consultant') ORDER BY id";
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut first = Peer::connect(&app, &consultants[0], "consultant").await;
    let mut second = Peer::connect(&app, &consultants[1], "consultant").await;
    let began = Instant::now();
    let accepted = app.register(None, &new_user(1)).await.json();
    let notice = first.notice("new_customer").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let payload = &notice["payload"];
    assert_eq!((&payload["type"], &payload["action"]), (&json!("new_customer"), &json!("claim_customer")));
    assert_eq!(payload["customer"]["username"], "林晓月");
    assert!(payload["expected_response_seconds"].as_i64().unwrap() > 0 && !payload.to_string().contains("x@example.com"), "{payload}");
    second.notice("new_customer").await;
    let won = first.ask(json!({"type": "claim", "conversation_id": payload["conversation_id"]})).await;
    assert_eq!((&won["type"], &won["result"]["claimed_by"]), (&json!("ok"), &json!(consultants[0])), "{won}");
    let lost = second.ask(json!({"type": "claim", "registration_id": accepted["registration_id"]})).await;
    assert_eq!((&lost["type"], &lost["code"]), (&json!("error"), &json!("taken")), "{lost}");
    assert!(lost.to_string().contains(&consultants[0]), "by whom: {lost}");
    let told = second.notice("customer_claimed").await;
    assert!(told["payload"].to_string().contains(&consultants[0]), "{told}");
    app.finished(&accepted).await;
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind IN ('escalation', 'notice_ack') AND state = 'ready'"), 0);
    assert_eq!(app.count("SELECT ai_controlled FROM conversations WHERE registration_id IS NOT NULL"), 0);
}

#[tokio::test]
async fn a_customer_gets_the_welcome_live_answers_and_rates_it() {
    let app = App::start(&[]).await;
    let user = new_user(1);
    let id = user["user_id"].as_str().unwrap();
    // The app asks for the customer's token with its hook key.
    let bearer = format!("Bearer {HOOK_KEY}");
    let asked = json!({"user_id": id, "role": "customer", "ttl_seconds": 600}).to_string();
    let url = format!("{}/hooks/live-tokens", app.hook_root());
    let minted = app.send("POST", &url, &[("authorization", &bearer), ("content-type", "application/json")], asked).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    let mut customer = Peer::with_token(&app, minted.json()["token"].as_str().unwrap()).await;
    let accepted = app.register(None, &user).await.json();
    let welcome = customer.notice("message").await;
    let run = app.finished(&accepted).await;
    assert_eq!(welcome["payload"]["content"]["text"], run["welcome"]["text"]);
    let read = customer.ask(json!({"type": "read", "message_id": welcome["payload"]["message_id"]})).await;
    assert_eq!(read["type"], "ok", "{read}");
    let said = customer.ask(json!({"type": "message", "conversation_id": run["conversation_id"], "text": "你好，我想了解光子嫩肤"})).await;
    assert_eq!(said["type"], "ok", "{said}");
    let foreign = customer.ask(json!({"type": "message", "conversation_id": "cnv_of_somebody_else", "text": "x"})).await;
    assert_eq!(foreign["code"], "not_found", "{foreign}");
    let rated =
        customer.ask(json!({"type": "feedback", "registration_id": run["registration_id"], "rating": 5, "comment": "很亲切"})).await;
    assert_eq!(rated["type"], "ok", "{rated}");
    assert_eq!(app.count("SELECT rating FROM feedback"), 5);
    assert_eq!(app.count("SELECT count(*) FROM registrations WHERE welcome_read_at IS NOT NULL"), 1);
    assert_eq!(app.count("SELECT count(*) FROM messages WHERE sender_type = 'customer'"), 1);
    let report = app.ok_json(&["report"]);
    assert!(report.is_object(), "{report}");
}

#[tokio::test]
async fn when_nobody_is_connected_channels_are_used_and_a_failing_one_is_tried_again_alone() {
    let (good, mut heard) = receiver(http::StatusCode::NO_CONTENT).await;
    let (bad, mut refused) = receiver(http::StatusCode::SERVICE_UNAVAILABLE).await;
    let channel = |name: &str, url: &str| json!({"kind": "webhook", "name": name, "url": url, "secret": HOOK_SECRET});
    let channels = json!([channel("good", &good), channel("bad", &bad)]).to_string();
    let app = App::start(&[("notice.channels", &channels), ("retry.delays", "50ms, 50ms")]).await;
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let (headers, body) = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap();
    let push: Value = serde_json::from_slice(&body).unwrap();
    assert!(push.to_string().contains("新客户等待服务"), "{push}");
    assert!(headers.contains_key("webhook-signature"));
    let mut ids = Vec::new();
    while let Ok(Some((headers, _))) = tokio::time::timeout(Duration::from_secs(2), refused.recv()).await {
        ids.push(headers["webhook-id"].to_str().unwrap().to_owned());
    }
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "tried, and twice again, under one id: {ids:?}");
    assert!(tokio::time::timeout(Duration::from_millis(300), heard.recv()).await.is_err(), "the good channel is left alone");
    assert_eq!(app.count("SELECT count(*) FROM pushes WHERE delivered_at IS NOT NULL"), 1);
    let secret = &HOOK_SECRET["whsec_".len()..];
    let raw = std::fs::read(app.data().join("anmei-mcp.sqlite3")).unwrap();
    assert!(!raw.windows(secret.len()).any(|part| part == secret.as_bytes()), "channel secrets are sealed");
}

#[tokio::test]
async fn a_connected_consultant_who_does_not_react_is_followed_by_the_channels_and_the_escalation() {
    let (url, mut heard) = receiver(http::StatusCode::NO_CONTENT).await;
    let channels = json!([{"kind": "webhook", "name": "desk", "url": url, "secret": HOOK_SECRET}]).to_string();
    let levels = json!([{"after": "1s", "target": "again"}]).to_string();
    let app = App::with_records(&[
        ("notice.channels", &channels),
        ("notice.ack_timeout", "400ms"),
        ("escalation.levels", &levels),
        ("working_hours.from", "00:00"),
        ("working_hours.to", "24:00"),
    ])
    .await;
    let consultant: String = app
        .database()
        .query_row("SELECT id FROM users WHERE EXISTS (SELECT 1 FROM json_each(roles) WHERE value = 'consultant') LIMIT 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    let mut silent = Peer::connect(&app, &consultant, "consultant").await;
    let began = Instant::now();
    app.register(None, &new_user(1)).await;
    assert_eq!(silent.next().await["kind"], "new_customer");
    let (_, first) = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(400), "not before the time to acknowledge is over");
    assert!(String::from_utf8_lossy(&first).contains("新客户等待服务"));
    let (_, second) = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&second).contains("escalation") || String::from_utf8_lossy(&second).contains("尚无顾问认领"));
    assert_eq!(app.count("SELECT count(*) FROM escalations WHERE level = 1"), 1);
}

#[tokio::test]
async fn an_alert_is_opened_for_a_dead_letter_and_resolved_by_a_retry() {
    let (admin, mut heard) = receiver(http::StatusCode::NO_CONTENT).await;
    let channels = json!([{"kind": "webhook", "name": "ops", "url": admin, "secret": HOOK_SECRET}]).to_string();
    let (app_url, _never) = receiver(http::StatusCode::BAD_REQUEST).await;
    let app = App::start(&[
        ("alerts.channels", &channels),
        ("outbound.webhook_url", &app_url),
        ("outbound.webhook_secret", HOOK_SECRET),
        ("events.delays", "50ms"),
    ])
    .await;
    app.finished(&app.register(None, &new_user(1)).await.json()).await;
    let (_, body) = tokio::time::timeout(Duration::from_secs(15), heard.recv()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&body).contains("alert"), "{}", String::from_utf8_lossy(&body));
    let alerts = app.ok_json(&["alert", "list"]);
    assert!(alerts.to_string().contains("dead_letter"), "{alerts}");
    let events = app.ok_json(&["event", "list", "--state", "given_up"]);
    let id = events["events"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.ok_json(&["event", "show", &id])["attempts"][0]["status"], 400);
    app.ok(&["event", "replay", &id]);
}

/// The close code and its text.
async fn end(peer: &mut Peer) -> (u16, String) {
    loop {
        match tokio::time::timeout(Duration::from_secs(5), peer.0.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

/// How somebody with this token is received over REST.
async fn received(app: &App, token: &str) -> u16 {
    let url = format!("{}/live/notifications", app.live_root());
    app.send("GET", &url, &[("authorization", &format!("Bearer {token}"))], "").await.status.as_u16()
}

#[tokio::test]
async fn a_revoked_token_ends_its_open_connection_within_a_second_and_opens_no_other() {
    let app = App::with_records(&[]).await;
    let mint = |user: &str| {
        let minted = app.ok_json(&["live", "token", user]);
        (minted["token"].as_str().unwrap().to_owned(), minted["token_id"].as_str().unwrap().to_owned())
    };
    let ((one, id), (other, _), (others, _)) = (mint("usr_c1"), mint("usr_c1"), mint("usr_c2"));
    let mut first = Peer::with_token(&app, &one).await;
    let mut second = Peer::with_token(&app, &other).await;
    let mut bystander = Peer::with_token(&app, &others).await;
    app.ok(&["live", "revoke", "--token-id", &id]);
    let began = Instant::now();
    let (code, reason) = end(&mut first).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(code == 4401 && reason.contains("令牌已撤销") && reason.contains("revoked"), "{code} {reason}");
    assert_eq!((received(&app, &one).await, received(&app, &other).await), (401, 200));

    app.ok(&["live", "revoke", "--user", "usr_c1"]);
    let began = Instant::now();
    assert_eq!(end(&mut second).await.0, 4401);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((received(&app, &other).await, received(&app, &others).await), (401, 200));
    assert_eq!(bystander.ask(json!({"type": "read", "message_id": "m"})).await["ref"], "r1", "nobody else is cut off");
    let (later, _) = mint("usr_c1");
    assert_eq!(received(&app, &later).await, 200, "a token that is made later is good");

    app.ok(&["live", "revoke", "--token-id", &id, "--undo"]);
    assert_eq!(received(&app, &one).await, 401, "its person's revocation still holds");
    app.ok(&["live", "revoke", "--user", "usr_c1", "--undo"]);
    assert_eq!((received(&app, &one).await, received(&app, &other).await), (200, 200));
    let nothing = app.cli(&["live", "revoke", "--user", "usr_c1", "--undo"]);
    assert_eq!(nothing.status.code(), Some(4));
}

#[tokio::test]
async fn the_app_takes_a_token_back_with_its_hook_key() {
    let app = App::start(&[]).await;
    let headers = [("authorization", format!("Bearer {HOOK_KEY}")), ("content-type", "application/json".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let url = format!("{}/hooks/live-tokens", app.hook_root());
    let minted = app.send("POST", &url, &headers, json!({"user_id": "usr_1"}).to_string()).await.json();
    let token = minted["token"].as_str().unwrap();
    assert_eq!(received(&app, token).await, 200);
    let revoke = format!("{url}/revoke");
    for bad in [json!({}), json!({"token_id": "a", "user_id": "b"})] {
        let refused = app.send("POST", &revoke, &headers, bad.to_string()).await;
        assert!(refused.status == 422 && refused.body.contains("one of the two"), "{refused:?}");
    }
    assert_eq!(app.send("POST", &revoke, &headers[1..], json!({"user_id": "usr_1"}).to_string()).await.status, 401);
    assert_eq!(received(&app, token).await, 200);
    let revoked = app.send("POST", &revoke, &headers, json!({"token_id": minted["token_id"]}).to_string()).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(received(&app, token).await, 401);
}
