//! An identity provider of one's own: its JWTs open exactly the groups they are mapped to, and nothing else is believed.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use anmei_mcp::clock::{Clock, SystemClock};
use axum::{Router, response::IntoResponse, routing::get};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::harness::{Answer, App, ERAS, Era, GROUPS};

/// Keys made for these tests, and used nowhere else.
const EC: [&str; 2] = [
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjANdC+dq+TIegPlmUK5eEcB4jfVB/EdyE8Mhz+guzPOhRANCAASczmFczyqbCAvTipchBJPc+4OOmPtUsjq97rW+3w2AcBeSerzbVH6Xa23661FKazuCuuffKgwdWS6TB0wjcW5z",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDivHp/h0aIGjCM8fS5s+CqXz2Jju8VAcTS3mC7Xg3wChRANCAAQsJsMXTeI74F+0M3XcpIkH9xHsjp/6rbYpe1mefBYJyepOpvCtVTo3K+6ytXnGYUBrKn8Deu8sqVDbl1d5x3pF",
];
const RSA: &str = "MIIEowIBAAKCAQEAwspsltEXb1N1ZbuthSYESoQwH/iBiTPa+utr+nWUoaND814NBWY4SppTprdCPzT7TghudYcENXqckRpTKytWZhPD6eH0mFzP3KNlSAzYd6TJTmilz9WG0A6rZnLGbA7o5QiJa0fACnqGgrB8OFtST1K0fWhnxcMHPISip2AA90KIb7b2kDoYeFQc7DAxwThrLkbWiVkxRSRR8bcCPlM8GaOBhOc4CEoVfdA7L7tSAyytP3rX3YGM7v/+o63c+D5/knNNrnLZ3xB2hasfREJeDOYtDzfb+YoS5sDe9zwvGj7eBVax8aSWWOMZEUuEwDo60EMEpUYEL+KCFeKLKaKCjwIDAQABAoIBAE2WQ1pvPl5hZ8l1z8/RLLRhoqmZWj9EIF0BmKjSXLllRpORSq5z4MgWYGtvYzu55r9WLGkztkF27RX+3lG7mVZfWRG3pq1pioHfs1/XfgFp6aUJmcIG0wPcU/kijlZMOgfANrw8gAmsdBdqJJBuD4L49ltdUrg6zo8UZZU1cC0L6UdFK9EIhnrb+nt5wsfXYxtdT5dwq/vZkA8ZB8u+F5Vd/Dx4MkK7bnL8pVPTTAmRvyszjjCt5Kh4HMW0k3WgXkjxa7xwe8FvKcfzt9sJuFkR55ksfDipmhOlN2a7N/NJXgJUNixVXk0dgZmxB01qNzUNvbrorI1vh520T+c/y8ECgYEA5ViGxsXKilFs5foJ7YQ1e0tRSdiGmvl9S+e5TaKL22+5QTjvFVCdVaO/hDb5iENVR8IS0uxaEbtlmYrQHVlKRTd+22ZumvbH008hyz05zBmT46asbQHdE68/Z+rQG5lJrtC/O9pkaCmuqI+pNnV9XKvheblNhYKElkvQFFHajcUCgYEA2W3RdfKP9k68AwOGZDt/4zpu0AmNl1l8EfUwjjJvFSfcHQvT5tPI0yrYERzDC3KBjxnl7TT6ZUAH3gSwoA9r6Zyf+4VTzC/Oc3E+4D1PJZOBWntBZajFXqVFktyJ5vSqo5jV/D6FqoMJTTWVvkNZGwfaakcmye86uTZ1f5hQSEMCgYEAo3fN2K/yBVS0QddObDTnydGNRw1GI//gBtJLicJp3SZs7Mgf4RlsizYDs8FbanxTtKnnsN81852WdTIz1DdocJ11lfwUqe9rznmApNQm9grlFkYecDP716P5laAQZRuFIU04gPjQyE2taAe9nEtx5zO7qn8heh/lURsIXPNay+ECgYAXMnA2dTqGvL+yUp3z86UhSQqph1tj2lgyUkZr5VWUnDwPnUNuTQoP/XIv4TGt9vl7mve85voP81TjivyNFxgcRGmNHBxknHUaO+rJYcEf8SzLynqfrfHgtyFFGeJckZ3i9lteHg2Es5Y6do0TT3wiNiRHUnAA+1T4jabbhhSKoQKBgAfNKwcZ/7UbLwK/Ivr2vlGpCBZpbKejSjDTXRux5ale1iBMpT8aPKFV1hpfK1xTcrXzApwDKMBVl0WKlXkfKpeM0dZNToulpzijFJg4YyJ+/BRGD+cWEG6z9j4nMu68pzymh7YHe+Ko3f3EZBfjytxIu27oXhSlfy2JONwHQsG3";

const ISSUER: &str = "https://id.clinic.example/realms/staff";

fn ec(which: usize) -> EncodingKey {
    EncodingKey::from_ec_der(&STANDARD.decode(EC[which]).unwrap())
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_der(&STANDARD.decode(RSA).unwrap())
}

fn listed(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk
}

/// A stand-in for the provider: it lists its keys, and signs.
struct Issuer {
    keys: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let issuer = Self { keys: Arc::default(), asked: Arc::default(), url };
        issuer.lists(&[listed(&ec(0), Algorithm::ES256, "one"), listed(&rsa(), Algorithm::RS256, "rsa")]);
        let (keys, asked) = (Arc::clone(&issuer.keys), Arc::clone(&issuer.asked));
        let certs = async move || {
            asked.fetch_add(1, Ordering::SeqCst);
            keys.lock().unwrap().clone().into_response()
        };
        let router = Router::new().route("/certs", get(certs));
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn lists(&self, keys: &[Value]) {
        *self.keys.lock().unwrap() = (StatusCode::OK, json!({"keys": keys}).to_string());
    }

    async fn daemon(&self, more: &[(&str, &str)]) -> App {
        let ours = [
            ("external_idp.issuer", ISSUER),
            ("external_idp.jwks_url", self.url.as_str()),
            ("external_idp.audience", "anmei-mcp"),
            ("external_idp.groups", "mcp-admins=system_tools,mcp-doctors=medical_tools,mcp-doctors=consultation_tools,gone=no_such_group"),
            ("keys.failed_attempts", "10000"),
        ];
        App::start(&[&ours[..], more].concat()).await
    }
}

fn now() -> i64 {
    SystemClock.now_ms() / 1000
}

fn claims(groups: &Value) -> Value {
    json!({"iss": ISSUER, "aud": ["account", "anmei-mcp"], "sub": "staff-17", "exp": now() + 300, "azp": "desktop", "groups": groups})
}

fn signed(algorithm: Algorithm, kid: &str, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header { kid: Some(kid.into()), ..Header::new(algorithm) }, claims, key).unwrap()
}

/// A good token with one claim changed.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims(&json!(["mcp-admins"]));
    claims[name] = value;
    signed(Algorithm::ES256, "one", &ec(0), &claims)
}

async fn list(app: &App, url: &str, token: &str) -> Answer {
    app.rpc(Era::Modern, url, Some(token), "tools/list", json!({})).await
}

#[tokio::test]
async fn a_token_opens_exactly_the_groups_it_is_mapped_to() {
    let issuer = Issuer::start().await;
    let app = issuer.daemon(&[]).await;
    let cases: [(Value, &[&str]); 5] = [
        (json!(["mcp-admins"]), &["system_tools"]),
        (json!("mcp-admins"), &["system_tools"]),
        (json!(["other", "mcp-doctors"]), &["medical_tools", "consultation_tools"]),
        (json!(["mcp-admins", "mcp-doctors", "gone"]), &["system_tools", "medical_tools", "consultation_tools"]),
        (json!(["other", "gone", "system_tools", "mcp-admins=system_tools", 5]), &[]),
    ];
    for (groups, open) in cases {
        for (algorithm, kid, key) in [(Algorithm::ES256, "one", ec(0)), (Algorithm::RS256, "rsa", rsa())] {
            let token = signed(algorithm, kid, &key, &claims(&groups));
            for code in GROUPS {
                for era in ERAS {
                    let answer = app.rpc(era, &app.group_url(code), Some(&token), "tools/list", json!({})).await;
                    let expected = match open {
                        [] => StatusCode::FORBIDDEN,
                        open if open.contains(&code) => StatusCode::OK,
                        // What opens others is a token for somewhere else.
                        _ => StatusCode::UNAUTHORIZED,
                    };
                    assert_eq!(answer.status, expected, "{groups} {code}: {answer:?}");
                }
            }
            let shared = list(&app, &app.root_url(), &token).await;
            let expected = match open.len() {
                0 => StatusCode::FORBIDDEN,
                1 => StatusCode::OK,
                _ => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(shared.status, expected, "{groups}: {shared:?}");
        }
    }
    let called = {
        let token = signed(Algorithm::ES256, "one", &ec(0), &claims(&json!(["mcp-admins"])));
        let params = json!({"name": "search_users", "arguments": {"query": "x"}});
        app.rpc(Era::Modern, &app.group_url("system_tools"), Some(&token), "tools/call", params).await
    };
    assert_eq!(called.json()["result"]["isError"], json!(false), "{called:?}");
    let token = signed(Algorithm::ES256, "one", &ec(0), &claims(&json!(["mcp-admins"])));
    app.ok(&["group", "disable", "system_tools"]);
    assert_eq!(list(&app, &app.group_url("system_tools"), &token).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_to_its_holder_and_to_nobody_else() {
    let issuer = Issuer::start().await;
    let app = issuer.daemon(&[]).await;
    let url = app.group_url("system_tools");
    let stranger = list(&app, &url, "mat_nothing").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    // The issuer's own tokens, but not good ones: the holder hears why.
    for (token, told) in [
        (with("exp", json!(now() - 31)), "expired"),
        (with("nbf", json!(now() + 90)), "nbf"),
        (with("iss", json!("https://id.clinic.example/realms/other")), "issuer"),
        (with("iss", Value::Null), "issuer"),
        (with("aud", json!("somebody-else")), "another service"),
        (with("aud", json!([])), "another service"),
        (with("aud", Value::Null), "another service"),
        (with("exp", Value::Null), "claim"),
        (with("exp", json!("tomorrow")), "claim"),
        (with("sub", Value::Null), "sub"),
    ] {
        let answer = list(&app, &url, &token).await;
        assert!(answer.status == StatusCode::UNAUTHORIZED && answer.body.contains(told), "{told}: {answer:?}");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    // Within the leeway both ways.
    for token in [with("exp", json!(now() - 20)), with("nbf", json!(now() + 20)), with("exp", json!(now() as f64 + 9.5))] {
        assert_eq!(list(&app, &url, &token).await.status, StatusCode::OK);
    }
    // Everything that the issuer did not sign is a stranger's, byte for byte.
    let good = with("sub", json!("staff-17"));
    let (rest, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = rest.split_once('.').unwrap();
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let public = listed(&ec(0), Algorithm::ES256, "one").to_string();
    let everyone = claims(&json!(["mcp-admins"]));
    let confused = |secret: &[u8]| signed(Algorithm::HS256, "one", &EncodingKey::from_secret(secret), &everyone);
    let forged = [
        format!("{}.{body}.", header(r#"{"alg":"none"}"#)),
        format!("{}.{body}.", header(r#"{"alg":"None","kid":"one"}"#)),
        format!("{}.{body}.{signature}", header(r#"{"alg":"none","kid":"one"}"#)),
        format!("{head}.{body}."),
        format!("{head}.{body}.{}", "A".repeat(86)),
        format!("{head}.{}.{signature}", header(&claims(&json!(["mcp-admins", "mcp-doctors"])).to_string())),
        format!("{}.{body}.{signature}", header(r#"{"alg":"ES256","kid":"one","crit":["exp"]}"#)),
        confused(public.as_bytes()),
        confused(&STANDARD.decode(EC[0]).unwrap()),
        confused(b""),
        signed(Algorithm::RS256, "one", &rsa(), &everyone),
        signed(Algorithm::ES256, "rsa", &ec(0), &everyone),
        signed(Algorithm::ES256, "one", &ec(1), &everyone),
        signed(Algorithm::ES256, "nobody", &ec(0), &everyone),
        encode(&Header::new(Algorithm::ES256), &everyone, &ec(0)).unwrap(),
        "ey.ey.ey".into(),
        "ey..".into(),
        format!("ey{}.a.b", "A".repeat(9000)),
    ];
    for token in forged {
        let answer = list(&app, &url, &token).await;
        assert_eq!((answer.status, &answer.body), (stranger.status, &stranger.body), "{token}");
    }
    assert!(!app.log().contains(signature), "a token was logged");
}

#[tokio::test]
async fn keys_change_and_the_issuer_may_be_away() {
    let issuer = Issuer::start().await;
    let app = issuer.daemon(&[]).await;
    let url = app.group_url("system_tools");
    let everyone = claims(&json!(["mcp-admins"]));
    let old = signed(Algorithm::ES256, "one", &ec(0), &everyone);
    let new = signed(Algorithm::ES256, "two", &ec(1), &everyone);
    assert_eq!(list(&app, &url, &old).await.status, StatusCode::OK);
    let asked = issuer.asked.load(Ordering::SeqCst);
    for _ in 0..50 {
        assert_eq!(list(&app, &url, &old).await.status, StatusCode::OK);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), asked, "the keys are asked for beside the requests");
    issuer.lists(&[listed(&ec(1), Algorithm::ES256, "two"), listed(&ec(0), Algorithm::ES256, "one")]);
    // A key nobody has seen makes us ask, but not more often than every 15 s: until then it is a stranger's.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(25);
    while list(&app, &url, &new).await.status != StatusCode::OK {
        assert!(std::time::Instant::now() < until, "the new key was not fetched");
        assert_eq!(list(&app, &url, &old).await.status, StatusCode::OK);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(issuer.asked.load(Ordering::SeqCst) <= asked + 2, "{}", issuer.asked.load(Ordering::SeqCst));
    *issuer.keys.lock().unwrap() = (StatusCode::BAD_GATEWAY, "<html>".into());
    assert_eq!(list(&app, &url, &old).await.status, StatusCode::OK);
    assert_eq!(list(&app, &url, &new).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_listed_algorithms_count_and_claims_may_lie_deep() {
    let issuer = Issuer::start().await;
    let app = issuer.daemon(&[("external_idp.algorithms", "RS256"), ("external_idp.group_claim", "realm_access.roles")]).await;
    let url = app.group_url("system_tools");
    let mut deep = claims(&json!(["mcp-doctors"]));
    deep["realm_access"] = json!({"roles": ["mcp-admins"]});
    assert_eq!(list(&app, &url, &signed(Algorithm::RS256, "rsa", &rsa(), &deep)).await.status, StatusCode::OK);
    assert_eq!(list(&app, &url, &signed(Algorithm::ES256, "one", &ec(0), &deep)).await.status, StatusCode::UNAUTHORIZED);
    let flat = signed(Algorithm::RS256, "rsa", &rsa(), &claims(&json!(["mcp-admins"])));
    assert_eq!(list(&app, &url, &flat).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_keys_a_token_is_not_believed_and_without_a_provider_none_is() {
    let issuer = Issuer::start().await;
    *issuer.keys.lock().unwrap() = (StatusCode::BAD_GATEWAY, "<html>secret</html>".into());
    let app = issuer.daemon(&[]).await;
    let token = signed(Algorithm::ES256, "one", &ec(0), &claims(&json!(["mcp-admins"])));
    let answer = list(&app, &app.group_url("system_tools"), &token).await;
    assert!(answer.status == StatusCode::SERVICE_UNAVAILABLE && !answer.body.contains("secret"), "{answer:?}");
    let plain = App::start(&[]).await;
    assert_eq!(list(&plain, &plain.group_url("system_tools"), &token).await.status, StatusCode::UNAUTHORIZED);
    let half = App::idle(&[("external_idp.issuer", ISSUER), ("external_idp.jwks_url", "http://id.clinic.example/certs")]);
    let refused = half.cli(&["config", "check"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    for key in ["external_idp.jwks_url", "external_idp.audience", "external_idp.groups"] {
        assert!(told.contains(key), "{key}: {told}");
    }
}
