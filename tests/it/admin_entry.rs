//! Who gets into panel and API: by setup link, by password and code, by token; and who does not.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anmei_mcp::clock::{Clock, SystemClock};
use http::StatusCode;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    admin_kit::{Browser, PASSWORD, Person},
    harness::{Answer, App},
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The path of a link.
fn path<'a>(app: &App, link: &'a str) -> &'a str {
    link.strip_prefix(app.admin_root()).unwrap_or_else(|| panic!("{link}"))
}

/// What stands between two texts.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before} is not in {text}")).1;
    rest.split_once(after).unwrap().0
}

/// The code a telephone shows so many steps from now.
pub(crate) fn code(secret: &str, steps: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let seconds = SystemClock.now_ms() / 1000 + steps * 30;
    totp.generate(u64::try_from(seconds).unwrap()).to_string()
}

#[tokio::test]
async fn the_setup_link_makes_the_first_administrator_once() {
    let app = App::start(&[]).await;
    let link = app.setup_link().await;
    let path = path(&app, &link);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(app.data().join("setup-link")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!app.log().contains(path), "the link is in the log");
    let mut browser = Browser::new(&app);
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("otpauth://totp/") && page.body.contains("data:image/svg+xml;base64,"));
    assert_eq!(browser.get("/panel/setup/nonsense").await.status, StatusCode::NOT_FOUND);
    let wrong = browser.post(path, &[("login", "mei"), ("password", PASSWORD), ("again", "another")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("value=\"mei\"") && wrong.body.contains("the two are not the same"), "{}", wrong.body);
    let weak = browser.post(path, &[("login", "mei"), ("password", "123"), ("again", "123")]).await;
    assert!(weak.body.contains("at least 12 characters"), "{}", weak.body);
    let chosen = [("login", "Mei"), ("display_name", "<b>梅</b>"), ("password", PASSWORD), ("again", PASSWORD)];
    let done = browser.post(path, &chosen).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/panel/?said=set-up"));
    let me = browser.get("/panel/me").await;
    assert_eq!(me.status, StatusCode::OK);
    assert!(me.body.contains("&#60;b&#62;梅") && !me.body.contains("<b>梅"), "{}", me.body);
    // Once, whoever comes.
    for used in [Browser::new(&app).get(path).await, Browser::new(&app).post(path, &chosen).await] {
        assert_eq!(used.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.count("SELECT count(*) FROM accounts WHERE panel_role = 'administrator'"), 1);
    assert!(!app.data().join("setup-link").exists());
    for action in ["setup.link", "account.add", "setup.done"] {
        assert_eq!(app.audited(action), 1, "{action}");
    }
    let refused = app.cli(&["admin", "link"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is an administrator"));
}

#[tokio::test]
async fn a_setup_link_ends_after_half_an_hour_and_when_another_takes_its_place() {
    let app = App::start(&[]).await;
    let first = app.setup_link().await;
    app.change("UPDATE admin_setup_links SET expires_at = 1");
    let chosen = [("login", "mei"), ("password", PASSWORD), ("again", PASSWORD)];
    let late = Browser::new(&app).post(path(&app, &first), &chosen).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    assert!(late.body.contains("anmei-mcp admin link"), "{}", late.body);
    let second = app.ok(&["admin", "link"]).trim().to_owned();
    let third = app.ok_json(&["admin", "link"])["link"].as_str().unwrap().to_owned();
    let browser = Browser::new(&app);
    assert_eq!(browser.get(path(&app, &second)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get(path(&app, &third)).await.status, StatusCode::OK);
    let life = app.count("SELECT expires_at - created_at FROM admin_setup_links");
    assert_eq!(life, 30 * 60 * 1000);
    // An administrator who came another way ends it.
    app.account("root1", "administrator");
    assert_eq!(browser.get(path(&app, &third)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_code_counts_once_and_a_recovery_code_stands_in() {
    let app = App::start(&[]).await;
    let link = app.setup_link().await;
    let path = path(&app, &link);
    let page = Browser::new(&app).get(path).await.body;
    let (pending, secret) = (between(&page, "name=\"pending\" value=\"", "\""), between(&page, "<dd><code>", "</code>"));
    let chosen = |code: String| {
        vec![
            ("login", "mei".to_owned()),
            ("password", PASSWORD.into()),
            ("again", PASSWORD.into()),
            ("pending", pending.into()),
            ("code", code),
        ]
    };
    let pairs = |fields: &[(&'static str, String)]| fields.iter().map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>();
    let mut browser = Browser::new(&app);
    for (given, status) in [("000000".to_owned(), StatusCode::UNPROCESSABLE_ENTITY), (code(secret, 0), StatusCode::OK)] {
        let fields = pairs(&chosen(given));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post(path, &fields).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == StatusCode::OK {
            let codes = between(&answer.body, "<pre id=\"once\" tabindex=\"0\">", "</pre>").to_owned();
            assert_eq!(codes.lines().count(), 10);
            signs_in_with(&app, secret, codes.lines().next().unwrap()).await;
        }
    }
    app.ok(&["account", "totp-off", "mei"]);
    assert_eq!(Browser::new(&app).sign_in("mei", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
    for action in ["account.totp.on", "account.totp.off", "account.recovery_code"] {
        assert_eq!(app.audited(action), 1, "{action}");
    }
    let sealed: Vec<u8> =
        app.database().query_row("SELECT hash FROM admin_recovery_codes UNION ALL SELECT x'' LIMIT 1", [], |row| row.get(0)).unwrap();
    assert!(sealed.is_empty(), "the recovery codes went with the second factor");
}

async fn signs_in_with(app: &App, secret: &str, recovery: &str) {
    let mut browser = Browser::new(app);
    // The one that proved the telephone is used up; the next step's is a step early, which is tolerated.
    let (used, next) = (code(secret, 0), code(secret, 1));
    let mut answers = Vec::new();
    for code in ["", "123", used.as_str()] {
        answers.push(browser.sign_in("mei", PASSWORD, code).await);
    }
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (StatusCode::UNPROCESSABLE_ENTITY, &answers[0].body));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    app.change("DELETE FROM admin_sessions");
    assert_eq!(browser.sign_in("mei", PASSWORD, &next).await.status, StatusCode::SEE_OTHER);
    assert_eq!(Browser::new(app).sign_in("mei", PASSWORD, &next).await.status, StatusCode::UNPROCESSABLE_ENTITY, "a replay");
    assert_eq!(Browser::new(app).sign_in("mei", PASSWORD, &recovery.to_uppercase()).await.status, StatusCode::SEE_OTHER);
    assert_eq!(Browser::new(app).sign_in("mei", PASSWORD, recovery).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.count("SELECT second_factor FROM admin_sessions LIMIT 1"), 1);
}

#[tokio::test]
async fn whatever_is_wrong_sounds_the_same_and_too_much_of_it_is_slowed_down() {
    let app = App::start(&[]).await;
    app.account("mei", "administrator");
    app.account("off", "operator");
    app.account("guest", "none");
    app.ok(&["account", "disable", "off"]);
    let mut browser = Browser::new(&app);
    let mut bodies = Vec::new();
    for (login, password) in
        [("mei", "not this one at all"), ("nobody", PASSWORD), ("off", PASSWORD), ("guest", PASSWORD), ("' OR 1=1", PASSWORD)]
    {
        let answer = browser.sign_in(login, password, "").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{login}");
        assert!(!answer.headers.contains_key("set-cookie"), "{login}");
        let shown = format!("value=\"{}\"", login.replace('\'', "&#39;"));
        assert!(answer.body.contains(&shown), "{login}");
        bodies.push(answer.body.replace(&shown, "value"));
    }
    for body in &bodies {
        assert_eq!(body, &bodies[0]);
    }
    assert_eq!(app.audited("session.begin"), 0);
    for _ in 0..3 {
        browser.sign_in("mei", "not this one at all", "").await;
    }
    let throttled = browser.sign_in("mei", PASSWORD, "").await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(throttled.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_session_ends_by_silence_by_age_by_hand_and_with_what_it_stands_on() {
    let app = App::start(&[]).await;
    app.account("root1", "administrator");
    app.account("mei", "operator");
    let state = async |browser: &Browser<'_>| browser.get("/api/v1/me").await.status;
    for (end, again) in [
        ("UPDATE admin_sessions SET seen_at = seen_at - 1800001", None),
        ("UPDATE admin_sessions SET expires_at = 1", None),
        ("UPDATE accounts SET enabled = 0 WHERE login = 'mei'", Some("UPDATE accounts SET enabled = 1")),
        (
            "UPDATE accounts SET panel_role = NULL WHERE login = 'mei'",
            Some("UPDATE accounts SET panel_role = 'operator' WHERE login = 'mei'"),
        ),
        (
            "UPDATE accounts SET password_changed_at = password_changed_at + 100000000 WHERE login = 'mei'",
            Some("UPDATE accounts SET password_changed_at = 1"),
        ),
    ] {
        let browser = Browser::signed_in(&app, "mei").await;
        assert_eq!(state(&browser).await, StatusCode::OK, "{end}");
        app.change(end);
        assert_eq!(state(&browser).await, StatusCode::UNAUTHORIZED, "{end}");
        let page = browser.get("/panel/audit?action=key.reveal").await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/panel/sign-in?next=%2Fpanel%2Faudit%3Faction%3Dkey.reveal"));
        if let Some(sql) = again {
            app.change(sql);
        }
    }
    let mut browser = Browser::signed_in(&app, "mei").await;
    let mut root = Browser::signed_in(&app, "root1").await;
    let listed = root.get("/api/v1/sessions").await.json();
    let of_mei = listed["items"].as_array().unwrap().iter().find(|session| session["login"] == "mei").unwrap();
    let gone = Browser::signed_in(&app, "mei").await.post("/panel/me/sessions/end", &[("id", root_session(&listed))]).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND, "nobody ends what is not theirs");
    let csrf = root.csrf().await;
    let headers = [("x-csrf-token", csrf.as_str()), ("origin", app.admin_root())];
    let ended = root.send("DELETE", &format!("/api/v1/sessions/{}", of_mei["id"].as_str().unwrap()), &headers, "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(state(&browser).await, StatusCode::UNAUTHORIZED);
    browser.cookie = None;
    let out = root.post("/panel/sign-out", &[]).await;
    assert_eq!((out.status, root.cookie.as_deref()), (StatusCode::SEE_OTHER, None));
    for (action, times) in [("session.revoke", 1), ("session.end", 1)] {
        assert_eq!(app.audited(action), times, "{action}");
    }
    assert!(app.audited("session.begin") >= 8);
}

fn root_session(listed: &serde_json::Value) -> &str {
    listed["items"].as_array().unwrap().iter().find(|session| session["login"] == "root1").unwrap()["id"].as_str().unwrap()
}

#[tokio::test]
async fn another_password_ends_every_session_but_the_one_that_set_it() {
    let app = App::start(&[]).await;
    app.account("mei", "auditor");
    let other = Browser::signed_in(&app, "mei").await;
    let mut own = Browser::signed_in(&app, "mei").await;
    let new = "another afternoon in June";
    let done = own.post("/panel/me/password", &[("password", new), ("again", new)]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/panel/me?said=password"));
    assert_eq!(own.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(other.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Browser::new(&app).sign_in("mei", PASSWORD, "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.audited("account.password"), 1);
}

/// A name, headers, and what is wrong.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);

#[tokio::test]
async fn what_no_page_of_ours_sent_changes_nothing() {
    let app = App::start(&[]).await;
    app.account("mei", "operator");
    let browser = Browser::signed_in(&app, "mei").await;
    let csrf = browser.csrf().await;
    let (root, form) = (app.admin_root(), ("content-type", "application/x-www-form-urlencoded"));
    let ours = [("origin", root), ("sec-fetch-site", "same-origin")];
    let good = format!("_csrf={csrf}");
    let cases: [Case<'_>; 7] = [
        ("no token", [&[form][..], &ours].concat(), ""),
        ("wrong token", [&[form][..], &ours].concat(), "_csrf=AAAA"),
        ("token as json", [&[("content-type", "application/json")][..], &ours].concat(), &good),
        ("wrong header", [&[("x-csrf-token", "AAAA")][..], &ours].concat(), ""),
        ("foreign origin", vec![form, ("origin", "http://localhost:1")], &good),
        ("cross-site", vec![form, ("origin", root), ("sec-fetch-site", "cross-site")], &good),
        ("no origin at all", vec![form], &good),
    ];
    for (name, headers, body) in &cases {
        let answer = browser.send("POST", "/panel/me/sessions/end-others", headers, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert!(answer.body.contains("Reload the page"), "{name}: {}", answer.body);
    }
    let api = browser.send("DELETE", "/api/v1/me/second-factor", &ours, "").await;
    assert_eq!((api.status, api.json()["type"].as_str()), (StatusCode::FORBIDDEN, Some("urn:anmei-mcp:problem:csrf")));
    let multipart = format!("--B\r\nContent-Disposition: form-data; name=\"_csrf\"\r\n\r\n{csrf}\r\n--B--\r\n");
    for (kind, body) in [("application/x-www-form-urlencoded", good.as_str()), ("multipart/form-data; boundary=B", multipart.as_str())] {
        let answer = browser.send("POST", "/panel/me/sessions/end-others", &[&[("content-type", kind)][..], &ours].concat(), body).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{kind}: {}", answer.body);
    }
    let large = format!("_csrf={csrf}&x={}", "y".repeat(1024 * 1024));
    let answer = browser.send("POST", "/panel/me/sessions/end-others", &[&[form][..], &ours].concat(), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Nobody can be signed in from elsewhere either.
    let credentials = format!("login=mei&password={}", PASSWORD.replace(' ', "+"));
    let foreign = Browser::new(&app).send("POST", "/panel/sign-in", &[form, ("origin", "http://localhost:1")], &credentials).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(app.audited("session.begin"), 1);
}

#[tokio::test]
async fn every_answer_carries_what_keeps_a_browser_safe() {
    let app = App::start(&[("admin.public_url", "https://admin.clinic.cn")]).await;
    app.account("mei", "operator");
    let token = app.ok(&["admin", "token", "mei", "--name", "t", "--role", "operator"]).trim().to_owned();
    let browser = Browser::new(&app);
    let bearer = format!("Bearer {token}");
    let host = browser.send("GET", "/panel/sign-in", &[("host", "evil.example")], "").await;
    assert_eq!(host.status, StatusCode::FORBIDDEN);
    let origin = browser.send("GET", "/panel/sign-in", &[("origin", "https://evil.example")], "").await;
    assert_eq!(origin.status, StatusCode::FORBIDDEN);
    let answers = [
        ("page", browser.get("/panel/sign-in").await),
        ("redirect", browser.get("/panel/me").await),
        ("nobody", browser.get("/api/v1/me").await),
        ("nothing", browser.send("GET", "/api/v1/nothing", &[("authorization", &bearer)], "").await),
        ("json", browser.send("GET", "/api/v1/me", &[("authorization", &bearer)], "").await),
        ("method", browser.send("PUT", "/api/v1/audit", &[("authorization", &bearer)], "").await),
        ("host", host),
        ("origin", origin),
    ];
    let safe = |name: &str, answer: &Answer| {
        let is = |header: &str, value: &str| {
            assert_eq!(answer.headers.get(header).map(|v| v.to_str().unwrap()), Some(value), "{name}: {header}");
        };
        is("content-security-policy", POLICY);
        is("x-content-type-options", "nosniff");
        is("referrer-policy", "same-origin");
        is("cross-origin-opener-policy", "same-origin");
        is("x-frame-options", "DENY");
        is("strict-transport-security", "max-age=63072000");
    };
    for (name, answer) in &answers {
        safe(name, answer);
        assert_eq!(answer.headers["cache-control"], "no-store", "{name}");
    }
    let asset = browser.get("/panel/assets/panel.css").await;
    safe("asset", &asset);
    assert_eq!(asset.headers["cache-control"], "public, max-age=3600");
    // Other sections of the daemon are no business of this door.
    assert!(!app.send("GET", &format!("{}/healthz", app.admin_root()), &[], "").await.headers.contains_key("x-frame-options"));
}

#[tokio::test]
async fn the_cookie_is_for_us_alone_and_over_encryption_only_where_there_is_one() {
    let app = App::start(&[("admin.public_url", "https://admin.clinic.cn")]).await;
    app.account("mei", "operator");
    let body = format!("login=mei&password={}", PASSWORD.replace(' ', "+"));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let given = async |more: &[(&str, &str)]| {
        let answer = Browser::new(&app).send("POST", "/panel/sign-in", &[&[form][..], more].concat(), &body).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        answer.headers["set-cookie"].to_str().unwrap().to_owned()
    };
    let plain = given(&[("origin", app.admin_root())]).await;
    assert!(plain.starts_with("anmei_admin=") && plain.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{plain}");
    let encrypted = given(&[("host", "admin.clinic.cn"), ("origin", "https://admin.clinic.cn")]).await;
    assert!(encrypted.starts_with("__Host-anmei_admin="), "{encrypted}");
    assert!(encrypted.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{encrypted}");
    let pair = encrypted.split(';').next().unwrap().to_owned();
    let secret = pair.split_once('=').unwrap().1.to_owned();
    assert!(secret.len() == 43 && !app.log().contains(&secret));
    let me = Browser::new(&app).send("GET", "/api/v1/me", &[("host", "admin.clinic.cn"), ("cookie", &pair)], "").await;
    assert_eq!(me.status, StatusCode::OK);
    let hashed: Vec<u8> =
        app.database().query_row("SELECT hash FROM admin_sessions ORDER BY created_at DESC", [], |row| row.get(0)).unwrap();
    assert_ne!(hashed, secret.as_bytes());
}

#[tokio::test]
async fn a_link_from_elsewhere_finds_whoever_is_signed_in() {
    let app = App::start(&[]).await;
    let from_chat = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let answer = Browser::new(&app).send("GET", "/panel/me", &from_chat, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("http-equiv=\"refresh\" content=\"0\""), "{}", answer.body);
    let again = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(Browser::new(&app).send("GET", "/panel/me", &again, "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_leads_to_a_page_of_ours_and_nowhere_else() {
    let app = App::start(&[]).await;
    app.account("mei", "operator");
    for (next, to) in [
        ("/panel/calls?tool=x", "/panel/calls?tool=x"),
        ("https://evil.example/panel/", "/panel/"),
        ("//evil.example/panel/", "/panel/"),
        ("/\\evil.example", "/panel/"),
        ("/api/v1/me", "/panel/"),
        ("/panel/x\r\nSet-Cookie: a=b", "/panel/"),
    ] {
        let mut browser = Browser::new(&app);
        let answer = browser.post("/panel/sign-in", &[("login", "mei"), ("password", PASSWORD), ("next", next)]).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, to), "{next}");
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        assert_eq!(browser.get(&format!("/panel/sign-in?next={query}")).await.location(), to, "{next}");
    }
}

#[tokio::test]
async fn a_token_does_what_its_account_may_and_no_more() {
    let app = App::start(&[]).await;
    let root = app.token_made_for_a("administrator");
    let operator = app.token_made_for_a("operator");
    let auditor = app.token_made_for_a("auditor");
    let status = async |token: &str, path: &str| app.api(token, "GET", path, &[], None).await.status;
    assert_eq!(status(&root, "/api/v1/accounts").await, StatusCode::OK);
    for token in [&operator, &auditor] {
        assert_eq!(status(token, "/api/v1/me").await, StatusCode::OK);
        let refused = app.api(token, "GET", "/api/v1/accounts", &[("accept-language", "zh")], None).await;
        assert_eq!((refused.status, refused.json()["detail"].as_str()), (StatusCode::FORBIDDEN, Some("只有管理员可以执行此操作。")));
    }
    // No origin, no cookie, no form token: a program needs none of them.
    let new = |role: &str| Some(json!({"name": "backup", "role": role, "days": 7}));
    let made = app.api(&operator, "POST", "/api/v1/tokens", &[], new("operator")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let (text, id) = (made.json()["token"].as_str().unwrap().to_owned(), made.json()["id"].as_str().unwrap().to_owned());
    assert!(text.starts_with("anmei_admin_") && made.location().ends_with(&id));
    let more = app.api(&operator, "POST", "/api/v1/tokens", &[], new("administrator")).await;
    assert_eq!((more.status, more.json()["errors"][0]["pointer"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("/role")));
    assert_eq!(app.api(&auditor, "GET", &format!("/api/v1/tokens/{id}"), &[], None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.count("SELECT used_at IS NOT NULL FROM admin_tokens WHERE name = 'tests' LIMIT 1"), 1);
    // What is taken from the account is taken from its tokens at the next request.
    app.ok(&["account", "set", "operator", "--panel-role", "none"]);
    assert_eq!(status(&text, "/api/v1/me").await, StatusCode::UNAUTHORIZED);
    app.ok(&["account", "set", "operator", "--panel-role", "operator"]);
    assert_eq!(status(&text, "/api/v1/me").await, StatusCode::OK);
    let revoked = app.api(&operator, "DELETE", &format!("/api/v1/tokens/{id}"), &[], None).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let answer = app.api(&text, "GET", "/api/v1/me", &[], None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    app.change("UPDATE admin_tokens SET expires_at = 1 WHERE role = 'auditor'");
    assert_eq!(status(&auditor, "/api/v1/me").await, StatusCode::UNAUTHORIZED);
    for nonsense in ["", "x", "anmei_admin_", &text.replace("anmei_admin_", "mcp_key_")] {
        assert_eq!(status(nonsense, "/api/v1/me").await, StatusCode::UNAUTHORIZED, "{nonsense}");
    }
    assert_eq!((app.audited("token.add"), app.audited("token.revoke")), (4, 1));
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE address = '127.0.0.1' AND actor = 'account:operator'"), 2);
}

#[tokio::test]
async fn what_matters_asks_for_the_password_again() {
    let app = App::start(&[]).await;
    app.account("root1", "administrator");
    let mut browser = Browser::signed_in(&app, "root1").await;
    app.change("UPDATE admin_sessions SET confirmed_at = confirmed_at - 600000; UPDATE accounts SET password_changed_at = 1");
    let fields = [("name", "x"), ("role", "operator"), ("days", "1")];
    let asked = browser.post("/panel/me/tokens", &fields).await;
    assert_eq!((asked.status, asked.location()), (StatusCode::SEE_OTHER, "/panel/confirm?next=%2Fpanel%2F"));
    let csrf = browser.csrf().await;
    let headers = [("x-csrf-token", csrf.as_str()), ("origin", app.admin_root()), ("content-type", "application/json")];
    let api = browser.send("POST", "/api/v1/tokens", &headers, r#"{"name": "x", "role": "operator"}"#).await;
    assert_eq!((api.status, api.json()["type"].as_str()), (StatusCode::FORBIDDEN, Some("urn:anmei-mcp:problem:unconfirmed")));
    let wrong = browser.send("POST", "/api/v1/me/confirm", &headers, r#"{"password": "not this one"}"#).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = browser.post("/panel/confirm", &[("password", "not this one"), ("next", "/panel/me")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = browser.post("/panel/confirm", &[("password", PASSWORD), ("next", "/panel/me")]).await;
    assert_eq!((right.status, right.location()), (StatusCode::SEE_OTHER, "/panel/me"));
    let made = browser.post("/panel/me/tokens", &fields).await;
    assert_eq!(made.status, StatusCode::OK);
    assert!(made.body.contains("anmei_admin_"));
    assert_eq!((app.audited("session.confirm"), app.audited("token.add")), (1, 1));
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once() {
    let app = App::start(&[]).await;
    let token = app.token_made_for_a("administrator");
    let send = async |key: &str, name: &str| {
        let body = json!({"name": name, "role": "operator"});
        app.api(&token, "POST", "/api/v1/tokens", &[("idempotency-key", key)], Some(body)).await
    };
    let (first, second) = (send("a-1", "x").await, send("a-1", "x").await);
    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!((&first.body, first.location()), (&second.body, second.location()));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(app.count("SELECT count(*) FROM admin_tokens WHERE name = 'x'"), 1);
    assert_eq!(send("a-1", "y").await.status, StatusCode::UNPROCESSABLE_ENTITY, "another body");
    // What failed may come again.
    assert_eq!(send("a-2", "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(send("a-2", "z").await.status, StatusCode::CREATED);
    app.change("UPDATE admin_idempotency SET sealed = NULL WHERE key = 'a-2'");
    assert_eq!(send("a-2", "z").await.status, StatusCode::CONFLICT, "nobody knows what became of it");
    let text = first.json()["token"].as_str().unwrap().to_owned();
    let file = std::fs::read(app.data().join("anmei-mcp.sqlite3-wal")).unwrap_or_default();
    assert!(!file.windows(text.len()).any(|window| window == text.as_bytes()), "a token is in the database as it is");
}

#[tokio::test]
async fn a_request_whose_sender_went_away_is_done_and_its_answer_kept() {
    let app = App::start(&[]).await;
    let token = app.token_made_for_a("administrator");
    // For a minute from now on its use is not written down again.
    assert_eq!(app.api(&token, "GET", "/api/v1/me", &[], None).await.status, StatusCode::OK);
    let body = json!({"name": "cut", "role": "operator"});
    let (text, address) = (body.to_string(), app.admin_root().strip_prefix("http://").unwrap());
    let head = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         idempotency-key: cut-1\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    // While somebody else writes, the answer waits; and whoever asked does not.
    let other = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.execute_batch("ROLLBACK").unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let answer = loop {
        let answer = app.api(&token, "POST", "/api/v1/tokens", &[("idempotency-key", "cut-1")], Some(body.clone())).await;
        if answer.status != StatusCode::CONFLICT || Instant::now() >= until {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((answer.status, answer.headers.contains_key("idempotency-replayed")), (StatusCode::CREATED, true), "{answer:?}");
    assert_eq!(app.count("SELECT count(*) FROM admin_tokens WHERE name = 'cut'"), 1);
}

#[tokio::test]
async fn whatever_is_refused_is_a_problem_body() {
    let app = App::start(&[]).await;
    let person = Person::new(&app, "auditor");
    for (method, path, status) in [
        ("PUT", "/api/v1/audit", 405),
        ("GET", "/api/v1/groups/system_tools/keys/x/rotate", 405),
        ("GET", "/api/v1/groups/%FF", 400),
        ("GET", "/api/v1/groups/system_tools/tools/%C3%28", 400),
        ("GET", "/api/v1/docs/nothing.js", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/groups?limit=1&limit=2", 422),
    ] {
        for (language, chinese) in [("en", false), ("zh-CN", true)] {
            let answer = app.api(&person.token, method, path, &[("accept-language", language)], None).await;
            assert_eq!(
                (answer.status.as_u16(), answer.headers["content-type"].to_str().unwrap()),
                (status, "application/problem+json"),
                "{method} {path}: {answer:?}"
            );
            let problem = answer.json();
            assert_eq!(problem["status"], status, "{problem}");
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!(detail.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), chinese, "{path}: {detail}");
        }
    }
    for language in ["en", "zh-CN"] {
        let asked = [("accept-language", language)];
        for (method, path, allow) in [("PUT", "/api/v1/audit", "GET,HEAD"), ("GET", "/api/v1/groups/system_tools/keys/x/rotate", "POST")] {
            let answer = app.api(&person.token, method, path, &asked, None).await;
            assert_eq!(answer.headers["allow"], allow, "{language}: {answer:?}");
        }
    }
    let twice = app.api(&person.token, "GET", "/api/v1/groups?limit=1&limit=2", &[], None).await;
    assert_eq!(twice.json()["errors"][0]["pointer"], "/limit");
    let nobody = app.send("PUT", &format!("{}/api/v1/audit", app.admin_root()), &[], "").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "who has not signed in does not hear which methods there are");
    let page = Browser::of(&app, &person).get("/panel/me/tokens/revoke").await;
    assert!(page.status == StatusCode::METHOD_NOT_ALLOWED && page.body.contains("<html"), "{page:?}");
    assert_eq!(page.headers["allow"], "POST");
}

#[tokio::test]
async fn sessions_and_tokens_come_page_by_page_whatever_ends_meanwhile() {
    let app = App::start(&[]).await;
    let person = Person::new(&app, "administrator");
    for name in ["a", "b", "c", "d"] {
        person.post(&app, "/tokens", json!({"name": name, "role": "operator"})).await;
        Person::called(&app, name, "auditor");
    }
    for (list, table) in [("/tokens", "admin_tokens"), ("/sessions", "admin_sessions")] {
        let first = person.get(&app, &format!("{list}?limit=2")).await;
        let last = first["items"][1]["id"].as_str().unwrap().to_owned();
        let mut seen: Vec<String> = first["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        let total = app.count(&format!("SELECT count(*) FROM {table}"));
        app.change(&format!("DELETE FROM {table} WHERE id = '{last}'"));
        let mut next = first["next_cursor"].clone();
        while let Some(cursor) = next.as_str() {
            let page = person.get(&app, &format!("{list}?limit=2&cursor={cursor}")).await;
            assert!(page["items"].as_array().unwrap().len() <= 2, "{page}");
            seen.extend(page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            next = page["next_cursor"].clone();
        }
        let different: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), different.len()), (usize::try_from(total).unwrap(), seen.len()), "{list}: {seen:?}");
        for query in ["cursor=x", "limit=0", "limit=201"] {
            let refused = person.ask(&app, ("GET", &format!("{list}?{query}")), &[], json!(null)).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{list} {query}");
        }
    }
}

#[tokio::test]
async fn accounts_are_changed_on_the_version_that_was_seen_and_somebody_always_administers() {
    let app = App::start(&[]).await;
    let token = app.token_made_for_a("administrator");
    let call = async |method: &str, path: &str, more: &[(&str, &str)], body: Option<serde_json::Value>| {
        app.api(&token, method, path, more, body).await
    };
    let new = json!({"login": "mei", "password": PASSWORD, "tier": "internal", "roles": ["consultant"], "panel_role": "operator"});
    let made = call("POST", "/api/v1/accounts", &[], Some(new.clone())).await;
    assert_eq!((made.status, made.location()), (StatusCode::CREATED, "/api/v1/accounts/mei"), "{made:?}");
    assert!(!made.body.contains("argon2") && !made.body.contains("afternoon"));
    let again = call("POST", "/api/v1/accounts", &[], Some(new)).await;
    assert_eq!((again.status, again.json()["errors"][0]["pointer"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("/login")));
    let bad =
        call("POST", "/api/v1/accounts", &[], Some(json!({"login": "a b", "password": "x", "tier": "gold", "roles": ["boss"]}))).await;
    let pointers: Vec<_> =
        bad.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pointers, ["/login", "/roles/0", "/tier"]);
    let etag = call("GET", "/api/v1/accounts/mei", &[], None).await.headers["etag"].to_str().unwrap().to_owned();
    let edit = Some(json!({"display_name": "梅玲", "panel_role": null}));
    assert_eq!(call("PATCH", "/api/v1/accounts/mei", &[], edit.clone()).await.status, StatusCode::PRECONDITION_REQUIRED);
    let changed = call("PATCH", "/api/v1/accounts/mei", &[("if-match", &etag)], edit.clone()).await;
    assert_eq!((changed.status, &changed.json()["panel_role"]), (StatusCode::OK, &json!(null)));
    assert_eq!(changed.json()["effective_immediately"], true, "{changed:?}");
    let stale = call("PATCH", "/api/v1/accounts/mei", &[("if-match", &etag)], edit).await;
    assert_eq!((stale.status, stale.json()["current"]["display_name"].as_str()), (StatusCode::PRECONDITION_FAILED, Some("梅玲")));
    for (method, body) in [("PATCH", Some(json!({"enabled": false}))), ("PATCH", Some(json!({"panel_role": "operator"}))), ("DELETE", None)]
    {
        let last = call(method, "/api/v1/accounts/administrator", &[("if-match", "*")], body).await;
        assert_eq!(last.status, StatusCode::CONFLICT, "{last:?}");
    }
    assert_eq!(app.cli(&["account", "disable", "administrator"]).status.code(), Some(1));
    assert_eq!(call("DELETE", "/api/v1/accounts/mei", &[("if-match", "*")], None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call("GET", "/api/v1/accounts/mei", &[], None).await.status, StatusCode::NOT_FOUND);
    let log = call("GET", "/api/v1/audit?object=account/mei&limit=2", &[], None).await.json();
    let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["account.delete", "account.set"]);
    let cursor = log["next_cursor"].as_str().unwrap();
    let rest = call("GET", &format!("/api/v1/audit?object=account/mei&cursor={cursor}"), &[], None).await.json();
    assert_eq!((rest["items"][0]["action"].as_str(), &rest["next_cursor"]), (Some("account.add"), &json!(null)));
    assert_eq!(rest["items"][0]["actor"], "account:administrator");
    let proof = call("GET", "/api/v1/audit/verify", &[], None).await.json();
    assert_eq!((&proof["intact"], &proof["contains"]), (&json!(true), &json!(true)));
    app.change("DROP TRIGGER audit_log_unchanged; UPDATE audit_log SET actor = 'nobody' WHERE seq = 2");
    let proof = call("GET", "/api/v1/audit/verify", &[], None).await.json();
    assert_eq!((&proof["intact"], &proof["broken_at"]), (&json!(false), &json!(2)));
}

#[tokio::test]
async fn pages_are_for_whoever_may_see_them_and_say_so_in_both_languages() {
    let app = App::start(&[]).await;
    app.account("root1", "administrator");
    app.account("op1", "operator");
    let mut root = Browser::signed_in(&app, "root1").await;
    let operator = Browser::signed_in(&app, "op1").await;
    for path in ["/panel/accounts", "/panel/accounts/new", "/panel/accounts/of/op1"] {
        let refused = operator.get(path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.body.contains("Only an administrator"), "{path}");
    }
    for path in [
        "/panel/accounts",
        "/panel/accounts/new",
        "/panel/accounts/of/op1",
        "/panel/audit",
        "/panel/audit/verify",
        "/panel/me",
        "/panel/me/second-factor",
        "/panel/confirm",
    ] {
        for language in ["en", "zh-CN"] {
            let page = root.send("GET", path, &[("cookie", &format!("anmei_language={language}"))], "").await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert!(page.body.contains(&format!("<html lang=\"{language}\"")), "{path}");
            assert!(!page.body.contains("style=") && !page.body.contains("<script>"), "{path}");
        }
    }
    let hostile = "<img src=x onerror=alert(1)>";
    let added = root
        .post(
            "/panel/accounts/new",
            &[
                ("login", "mei"),
                ("display_name", hostile),
                ("password", PASSWORD),
                ("tier", "internal"),
                ("roles", "doctor"),
                ("panel_role", "auditor"),
            ],
        )
        .await;
    assert_eq!(added.location(), "/panel/accounts/of/mei?said=account-added", "{}", added.body);
    let list = root.get("/panel/accounts").await.body;
    assert!(!list.contains("<img") && list.contains("onerror=alert(1)"), "{list}");
    let page = root.get("/panel/accounts/of/mei").await.body;
    let version = between(&page, "name=\"version\" value=\"", "\"").to_owned();
    let edit = [("display_name", "梅"), ("tier", "internal"), ("panel_role", "operator"), ("version", version.as_str())];
    assert_eq!(root.post("/panel/accounts/of/mei", &edit).await.location(), "/panel/accounts/of/mei?said=account-changed");
    assert_eq!(app.ok_json(&["account", "show", "mei"])["enabled"], false);
    assert_eq!(root.post("/panel/accounts/of/mei", &edit).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(operator.get("/panel/nothing-here").await.status, StatusCode::NOT_FOUND);
    assert_eq!(Browser::new(&app).get("/panel/nothing-here").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn pages_of_listed_origins_may_call_with_a_token() {
    let app = App::start(&[("admin.allowed_origins", "https://app.clinic.cn")]).await;
    let token = app.token_made_for_a("auditor");
    let page = ("origin", "https://app.clinic.cn");
    let asked = [page, ("access-control-request-method", "PATCH"), ("access-control-request-headers", "authorization")];
    let first = app.send("OPTIONS", &format!("{}/api/v1/me", app.admin_root()), &asked, "").await;
    assert_eq!((first.status, first.headers["access-control-allow-origin"].to_str().unwrap()), (StatusCode::NO_CONTENT, page.1));
    assert!(!first.headers.contains_key("access-control-allow-credentials"));
    let me = app.api(&token, "GET", "/api/v1/me", &[page], None).await;
    assert_eq!((me.status, me.headers["access-control-allow-origin"].to_str().unwrap()), (StatusCode::OK, page.1));
    assert_eq!(app.api(&token, "GET", "/api/v1/me", &[("origin", "https://evil.example")], None).await.status, StatusCode::FORBIDDEN);
    // Our own pages still work.
    app.account("mei", "operator");
    Browser::signed_in(&app, "mei").await;
}
