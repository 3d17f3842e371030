//! What clients ask for, over the connection and by REST.

use super::*;

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
    let page = include_str!("../../../examples/consultant.html");
    assert!(page.contains(&format!("const PROTOCOL = '{PROTOCOL}';")) && page.contains("`bearer.${"));
    let last = [close::Close::Garbage, close::Close::NoToken, close::Close::Refused(TokenError::NoRole), close::Close::TooMany];
    let codes = last.map(|close| close.code().to_string()).join(", ");
    assert!(page.contains(&format!("const FINAL = new Set([{codes}]);")), "{codes}");
}
