//! Tokens good and bad, and the public keys behind them on a real server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, response::IntoResponse, routing::get};
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use jsonwebtoken::{EncodingKey, encode, jwk::Jwk};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    clock::FixedClock,
    outbound::http_client::{HttpClient, ProxyUse},
};

/// Seconds at which these tests take place.
const NOW: i64 = 1_800_000_000;
const SECRET: &str = "a-secret-of-the-app-with-more-than-32-bytes";
/// Keys made for these tests, and used nowhere else.
const RSA: &str = "\
    MIIEpQIBAAKCAQEA2HH6/IeEA2br1OCHI8KYRUIoF6K5eCbywccBlpKi8s5XRDnroH27gCybF8rXp5Zdc6LkFgtyg9IdqOKDsB+4BjyvX+OgTw\
    p/UsdtjhuImfbawsqTy0oxK1D3nAsXLs7VfQ/9wVgUh0FjdmKk8TeSDKI1cKaMMBG3blacF27QjT/nPxqXm6u1m5TwgvdwnBY+A1+87Ebf/RBY\
    IezUYyDQl7XMHJfIAA8lp9OaPZu0aiWzLo+1ksko7ekyO8cMX6Yc+t0m880B0lOGOhYa6xsX4S1uLPFvPZCO69+OW/y9jD4/aIEzVMCNl58wMt\
    P6d4hEPPh9SeQ8+GpriGM+8wzB8QIDAQABAoIBADU56E7380yT33wwv8LZPHFRqMLRMxtbNpjU+6y/wB8GA3tFZA6KRNTrAzO5X8l4RmBkpwLN\
    y1ojzkPk+h3SWwJ7o2Po+dfeHLvqS2RmHHRCOn8q6mfURZ2hklZ2+rs5xVG1IEGOy7OMLq2i6e1grUN6kzox1qkOfkV9unJfv5zwLWtfHedNbD\
    NIAvCOQeYWY0JBcgnt2vAmg6GzD1c5rHD/0AfMdbkm8gBUWbOWk/icaMEUw+cdGiMCGHnqMICl1tZoQVP15GdpQaAmcHhG1bLTuhXmMTkUKrop\
    tlOg3s3onipLnf26v2Hxl6AWL6dMVTn2ZdQaAx5D0UCKTr+ujz0CgYEA9RhNYHkXoMqNjCZcY5P0YYJ6KTPrjFtcbU9HOHyD12tgKTBvYLrjZC\
    gnzIXg2b1bpq6Yat9w5a9RzdcIU0yW2Iq3eI8mYjBGp+aBBnMi9vYet+SAdiiEB+1NO4Xr5wz6BL7WjAA4eOhshFk3YysnNRQWi6dJrtBkWOIs\
    /aRcwT0CgYEA4hNZsb3WUOeY9nyqY2D+ehWTx1THJ0QSZPK3AIFcUQIb94m1ksfAYKht6aroFq4R4pKZKfjoQ7AA7v+RyGTM3reaQCF+yohPix\
    7bPH6Od/qjMM6G0f5vXD9q2sFVUD15Slqo/jy6i1rnHXpEdqXYZ1mnfOpMISz8Fcvy5FTBJsUCgYEA9QM9XuLOzwuN4vv6QgWHOO9Bhe0EXQR7\
    6j5leT9oYTJTJ/nmbbGGXfqShq+TLrhQZdmGPthtuP7BbV+4T+VxqrlJXjjkayXNjE0u0K7K1k0GOlkwXm50RqRgH8/qGsjrK1FHkx8pVR0sVk\
    YFy5o5EKOrQiKS0zI6DmzUAx+LJhUCgYEAuO3NPBimvE2GkXJOyrYn0+Pcm3xc4GDNjyf/zHkE8/r+t5E9JxEg67A7IJ499Xd0h9sVUQEbtWq+\
    iMIkFUFnWHPlyLndhnzUXF/kRGrdzYUHgsAeBp7Tpyj1FnZ5fAadNdZNUJKKob29Oh6u7EMjbv8mg4cAuU6b8pR/Xol56mUCgYEA7oOhSbYwtl\
    93/TQ43wwnp313LtCitqEdu4lrbPgeHMwEVjl0wsfvABlQA8SNKNyf+U49twY/rfVKpJj9x7Kxeh5n/ZmFLCxrTGKDE8brPpbQFR2ZNPa86VNJ\
    UA8vVTV+rlUww4CViBK0sCM2DLSOSiCZoUKVasxdAI6EhWb817s=";
const EC: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCqNvN0UMgCCooy17CuA/n6bp+kDT0oscakIJZNpchrGhRANCAAQ12TovttUFEZ\
    LXmdZ9gbo6O3aBNLB2SW0Jytk9RP147r71tnFQLs/jxPd/AZqQiY1o523s3FCqsAHdjE1XNs3v";
const ED: &str = "\
    MC4CAQAwBQYDK2VwBCIEIHjz2q13oiddA6m+LYNIPMco10BZBYfa+qAmYTH6oema";

fn der(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 | Algorithm::RS512 | Algorithm::PS256 => EncodingKey::from_rsa_der(&der(RSA)),
        Algorithm::ES256 => EncodingKey::from_ec_der(&der(EC)),
        Algorithm::EdDSA => EncodingKey::from_ed_der(&der(ED)),
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    }
}

fn claims() -> Value {
    json!({"sub": "usr_1", "exp": NOW + 60, "role": "consultant"})
}

fn signed(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, &key(algorithm)).unwrap()
}

/// A public key as the app would list it.
fn listed(algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key(algorithm), algorithm).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk
}

struct World {
    clock: Arc<FixedClock>,
    master: Arc<MasterKey>,
}

impl World {
    fn new() -> Self {
        Self { clock: Arc::new(FixedClock::at_ms(NOW * 1000)), master: Arc::new(MasterKey::generate().unwrap()) }
    }

    fn tokens(&self, jwt: JwtSettings) -> Tokens {
        Tokens::new(Arc::clone(&self.master), Arc::clone(&self.clock) as SharedClock, jwt)
    }

    fn shared_secret(&self) -> Tokens {
        self.tokens(JwtSettings { secret: Some(SecretText::new(SECRET)), ..JwtSettings::default() })
    }
}

/// The app's key set, as it is served at the moment, and how often it was asked for.
#[derive(Clone)]
struct KeyServer {
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    url: url::Url,
}

impl KeyServer {
    async fn start(keys: &[Value]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap()).parse().unwrap();
        let server = Self { answer: Arc::default(), asked: Arc::default(), url };
        server.lists(keys);
        let shown = server.clone();
        let answer = async move || {
            shown.asked.fetch_add(1, Ordering::SeqCst);
            shown.answer.lock().unwrap().clone().into_response()
        };
        let router = Router::new().route("/jwks.json", get(answer));
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn lists(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = (StatusCode::OK, json!({"keys": keys}).to_string());
    }

    fn fails(&self) {
        *self.answer.lock().unwrap() = (StatusCode::BAD_GATEWAY, "<html>".into());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn settings(&self, world: &World) -> JwtSettings {
        let http = HttpClient::new(ProxyUse::Direct).unwrap();
        let jwks = Jwks::new(http, self.url.clone(), "live.jwks_url", Arc::clone(&world.clock) as SharedClock);
        JwtSettings { jwks: Some(jwks), ..JwtSettings::default() }
    }
}

#[tokio::test]
async fn tokens_of_ours_open_for_their_time_and_under_their_key_only() {
    let world = World::new();
    let tokens = world.tokens(JwtSettings::default());
    let user = AppId::try_from("usr_1".to_owned()).unwrap();
    let minted =
        mint(&world.master, &NewToken { user: &user, role: Role::Consultant, now: NOW * 1000, expires_at: (NOW + 1) * 1000 }).unwrap();
    let (id, minted) = (minted.id, minted.text);
    assert!(minted.expose().starts_with("live_") && minted.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    let who = tokens.verify(minted.expose()).await.unwrap();
    assert_eq!((who.user_id.as_str(), who.role, who.expires_at), ("usr_1", Role::Consultant, (NOW + 1) * 1000));
    assert_eq!((who.token_id, who.issued_at), (Some(id), Some(NOW * 1000)));
    for altered in [format!("{}A", minted.expose()), minted.expose().replace("live_", "live_A"), "live_".into(), "live_!".into()] {
        assert_eq!(tokens.verify(&altered).await, Err(TokenError::Invalid), "{altered}");
    }
    assert_eq!(World::new().shared_secret().verify(minted.expose()).await, Err(TokenError::Invalid));
    world.clock.advance_ms(1000);
    assert_eq!(tokens.verify(minted.expose()).await, Err(TokenError::Expired));
}

#[tokio::test]
async fn a_sealed_text_of_another_purpose_is_no_token() {
    let world = World::new();
    let plain = json!({"user": "usr_1", "role": "admin", "expires_at": i64::MAX}).to_string();
    let foreign = world.master.seal("mcp_keys/1/sealed", plain.as_bytes()).unwrap();
    let token = format!("live_{}", URL_SAFE_NO_PAD.encode(foreign));
    assert_eq!(world.shared_secret().verify(&token).await, Err(TokenError::Invalid));
}

#[tokio::test]
async fn the_shared_secret_verifies_its_algorithm_and_nothing_else() {
    let world = World::new();
    let tokens = world.shared_secret();
    let who = tokens.verify(&signed(Algorithm::HS256, None, &claims())).await.unwrap();
    assert_eq!((who.user_id.as_str(), who.role), ("usr_1", Role::Consultant));
    for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(tokens.verify(&signed(algorithm, None, &claims())).await, Err(TokenError::Algorithm), "{algorithm:?}");
    }
    let other = encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"another secret")).unwrap();
    assert_eq!(tokens.verify(&other).await, Err(TokenError::Invalid));
    let good = signed(Algorithm::HS256, None, &claims());
    let (rest, _) = good.rsplit_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let body = good.split('.').nth(1).unwrap();
    for bad in [format!("{rest}."), format!("{none}.{body}."), "a.b.c".into(), String::new(), "x".repeat(MAX_TOKEN + 1)] {
        assert_eq!(tokens.verify(&bad).await, Err(TokenError::Invalid), "{bad}");
    }
    let crit = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    assert_eq!(tokens.verify(&encode(&crit, &claims(), &key(Algorithm::HS256)).unwrap()).await, Err(TokenError::Invalid));
    assert_eq!(world.tokens(JwtSettings::default()).verify(&good).await, Err(TokenError::NoJwt));
}

#[tokio::test]
async fn claims_are_judged_one_by_one() {
    let world = World::new();
    let settings = JwtSettings {
        secret: Some(SecretText::new(SECRET)),
        issuer: Some("https://app".into()),
        audience: Some("live".into()),
        ..JwtSettings::default()
    };
    let tokens = world.tokens(settings);
    let full = json!({"sub": "usr_1", "exp": NOW + 60, "nbf": NOW + 10, "iss": "https://app", "aud": ["x", "live"], "role": "customer"});
    let with = |change: Value| {
        let mut claims = full.clone();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signed(Algorithm::HS256, None, &claims)
    };
    assert!(tokens.verify(&with(json!({}))).await.is_ok());
    let cases = [
        (json!({"exp": NOW}), TokenError::Expired),
        (json!({"exp": -1e300}), TokenError::Expired),
        (json!({"exp": null}), TokenError::Claims),
        (json!({"exp": "2030"}), TokenError::Claims),
        (json!({"nbf": NOW + 31}), TokenError::NotYet),
        (json!({"iss": "https://app/"}), TokenError::Issuer),
        (json!({"iss": null}), TokenError::Issuer),
        (json!({"aud": "liver"}), TokenError::Audience),
        (json!({"aud": null}), TokenError::Audience),
        (json!({"sub": null}), TokenError::Claims),
        (json!({"sub": "a b"}), TokenError::Claims),
        (json!({"sub": ""}), TokenError::Claims),
        (json!({"role": "superuser"}), TokenError::NoRole),
        (json!({"role": null}), TokenError::NoRole),
    ];
    for (change, expected) in cases {
        assert_eq!(tokens.verify(&with(change.clone())).await, Err(expected), "{change}");
    }
    let many = with(json!({"role": "customer", "roles": ["doctor", "consultant", "unheard-of", "customer"]}));
    let who = tokens.verify(&many).await.unwrap();
    assert_eq!((who.role, who.roles), (Role::Consultant, vec![Role::Consultant, Role::Doctor, Role::Customer]));
}

#[tokio::test]
async fn each_public_key_verifies_the_algorithm_of_its_kind() {
    let world = World::new();
    let (rs, es, ed) = (listed(Algorithm::RS256, "rs"), listed(Algorithm::ES256, "es"), listed(Algorithm::EdDSA, "ed"));
    let server = KeyServer::start(&[rs, json!({"kty": "unheard-of"}), es, ed]).await;
    let tokens = world.tokens(server.settings(&world));
    for (algorithm, kid) in [(Algorithm::RS256, "rs"), (Algorithm::ES256, "es"), (Algorithm::EdDSA, "ed")] {
        assert!(tokens.verify(&signed(algorithm, Some(kid), &claims())).await.is_ok(), "{kid}");
    }
    assert_eq!(server.asked(), 1, "the set is kept");
    for (algorithm, kid) in
        [(Algorithm::RS512, "rs"), (Algorithm::PS256, "rs"), (Algorithm::ES256, "rs"), (Algorithm::RS256, "es"), (Algorithm::HS256, "rs")]
    {
        assert_eq!(tokens.verify(&signed(algorithm, Some(kid), &claims())).await, Err(TokenError::Algorithm), "{algorithm:?} {kid}");
    }
    assert_eq!(tokens.verify(&signed(Algorithm::RS256, None, &claims())).await, Err(TokenError::UnknownKey), "three keys: which?");
}

/// The classic: a token signed with HMAC, its secret being the public key that everybody can read.
#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    let world = World::new();
    let jwk = listed(Algorithm::RS256, "rs");
    let server = KeyServer::start(std::slice::from_ref(&jwk)).await;
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus.as_slice(), jwk["n"].as_str().unwrap().as_bytes(), jwk.to_string().as_bytes()] {
        let header = Header { kid: Some("rs".into()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        let mut both = server.settings(&world);
        assert_eq!(world.tokens(both.clone()).verify(&forged).await, Err(TokenError::Algorithm));
        both.secret = Some(SecretText::new(SECRET));
        assert_eq!(world.tokens(both).verify(&forged).await, Err(TokenError::Invalid));
    }
}

#[tokio::test]
async fn keys_that_are_weak_symmetric_or_for_something_else_are_not_used() {
    let world = World::new();
    let mut encryption = listed(Algorithm::ES256, "encryption");
    encryption["use"] = "enc".into();
    let mut other = listed(Algorithm::RS256, "other");
    other["alg"] = "RS512".into();
    let mut short = listed(Algorithm::RS256, "short");
    short["n"] = URL_SAFE_NO_PAD.encode([0xff; 128]).into();
    let symmetric = json!({"kty": "oct", "kid": "symmetric", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let server = KeyServer::start(&[encryption, other, short, symmetric]).await;
    let tokens = world.tokens(server.settings(&world));
    for (algorithm, kid) in
        [(Algorithm::ES256, "encryption"), (Algorithm::RS256, "other"), (Algorithm::RS256, "short"), (Algorithm::HS256, "symmetric")]
    {
        assert_eq!(tokens.verify(&signed(algorithm, Some(kid), &claims())).await, Err(TokenError::UnknownKey), "{kid}");
    }
}

#[tokio::test]
async fn keys_are_rotated_without_asking_too_often() {
    let world = World::new();
    let server = KeyServer::start(&[listed(Algorithm::ES256, "old")]).await;
    let tokens = world.tokens(server.settings(&world));
    let long = json!({"sub": "usr_1", "exp": NOW + 1_000_000, "role": "customer"});
    let (old, new) = (signed(Algorithm::ES256, Some("old"), &long), signed(Algorithm::EdDSA, Some("new"), &long));
    assert!(tokens.verify(&old).await.is_ok());
    assert!(tokens.verify(&signed(Algorithm::ES256, None, &long)).await.is_ok(), "the only key needs no id");
    server.lists(&[listed(Algorithm::EdDSA, "new")]);
    for _ in 0..50 {
        assert_eq!(tokens.verify(&new).await, Err(TokenError::UnknownKey));
    }
    assert_eq!(server.asked(), 1, "a moment ago is not asked again");
    world.clock.advance_ms(15_000);
    let (one, two) = tokio::join!(tokens.verify(&new), tokens.verify(&new));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(server.asked(), 2, "those who come at once share one question");
    assert_eq!(tokens.verify(&old).await, Err(TokenError::UnknownKey), "what is no longer listed no longer counts");
    server.fails();
    world.clock.advance_ms(Duration::from_hours(23).as_millis() as i64);
    assert!(tokens.verify(&new).await.is_ok(), "an outage of the source locks nobody out");
    assert_eq!(server.asked(), 3);
    world.clock.advance_ms(Duration::from_hours(1).as_millis() as i64);
    assert_eq!(tokens.verify(&new).await, Err(TokenError::KeysUnavailable), "but not for ever");
    server.lists(&[listed(Algorithm::EdDSA, "new")]);
    world.clock.advance_ms(15_000);
    assert!(tokens.verify(&new).await.is_ok());
}

#[tokio::test]
async fn a_source_that_is_away_or_odd_is_said() {
    let world = World::new();
    let server = KeyServer::start(&[]).await;
    let token = signed(Algorithm::ES256, Some("es"), &claims());
    for body in ["<html>", "{}", r#"{"keys":{}}"#, &" ".repeat(300 * 1024)] {
        *server.answer.lock().unwrap() = (StatusCode::OK, body.to_owned());
        assert_eq!(world.tokens(server.settings(&world)).verify(&token).await, Err(TokenError::KeysUnavailable));
    }
}
