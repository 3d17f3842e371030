//! Who is let in, by which token and from where; who is not, and is told why.

use super::*;

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
