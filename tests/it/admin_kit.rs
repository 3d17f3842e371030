//! People and programs in front of the admin side: a browser with its cookie, and a client with a token.

use std::{io::Write, process::Stdio};

use anmei_mcp::gate::keys::fresh;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, App};

/// The password of every account here.
pub(crate) const PASSWORD: &str = "a quiet afternoon in May";

impl App {
    /// Adds an account with a role in the panel; `none` keeps it out.
    pub(crate) fn account(&self, login: &str, panel_role: &str) {
        let mut args = vec!["account", "add", login, "--roles", "admin", "--tier", "internal"];
        if panel_role != "none" {
            args.extend(["--panel-role", panel_role]);
        }
        let mut child = self.command(&args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// An API token of an account of this role, which is called after it.
    pub(crate) fn token_of_a(&self, role: &str) -> String {
        Person::new(self, role).token
    }

    /// The same, made as an operator of the machine makes them.
    pub(crate) fn token_made_for_a(&self, role: &str) -> String {
        self.account(role, role);
        self.ok(&["admin", "token", role, "--name", "tests", "--role", role]).trim().to_owned()
    }

    /// A request of a program to the API; `path` begins behind the root.
    #[expect(clippy::too_many_arguments, reason = "each of them varies in the tests")]
    pub(crate) async fn api(&self, token: &str, method: &str, path: &str, more: &[(&str, &str)], body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(body.is_some().then_some(("content-type", "application/json")));
        headers.extend(more);
        self.send(method, &format!("{}{path}", self.admin_root()), &headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// How many rows of the audit log have this action.
    pub(crate) fn audited(&self, action: &str) -> i64 {
        self.count(&format!("SELECT count(*) FROM audit_log WHERE action = '{action}'"))
    }

    /// The setup link that the daemon left in its file.
    pub(crate) async fn setup_link(&self) -> String {
        let file = self.data().join("setup-link");
        for _ in 0..500 {
            if let Ok(link) = std::fs::read_to_string(&file) {
                return link.trim().to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("no setup link: {}", self.log());
    }
}

/// A browser with at most one session.
pub(crate) struct Browser<'a> {
    pub(crate) app: &'a App,
    pub(crate) cookie: Option<String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, cookie: None }
    }

    /// One in which somebody is signed in.
    pub(crate) fn of(app: &'a App, person: &Person) -> Self {
        Self { app, cookie: Some(person.cookie()) }
    }

    /// One in which somebody signs in.
    pub(crate) async fn signed_in(app: &'a App, login: &str) -> Self {
        let mut browser = Self::new(app);
        let answer = browser.sign_in(login, PASSWORD, "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        browser
    }

    /// Sends anything as this browser does: with its cookie, and from a page of ours.
    pub(crate) async fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let root = self.app.admin_root();
        let mut headers = vec![("accept-language", "en")];
        headers.extend(self.cookie.as_deref().map(|cookie| ("cookie", cookie)));
        headers.extend(more);
        self.app.send(method, &format!("{root}{path}"), &headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Sends a form as a page of ours does, with what its forms carry.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf().await;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        form.append_pair("_csrf", &csrf);
        let root = self.app.admin_root();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", root), ("sec-fetch-site", "same-origin")];
        let answer = self.send("POST", path, &headers, &form.finish()).await;
        self.keep(&answer);
        answer
    }

    pub(crate) async fn sign_in(&mut self, login: &str, password: &str, code: &str) -> Answer {
        self.post("/panel/sign-in", &[("login", login), ("password", password), ("code", code)]).await
    }

    /// What forms carry; nothing while nobody is signed in.
    pub(crate) async fn csrf(&self) -> String {
        if self.cookie.is_none() {
            return String::new();
        }
        let me = self.get("/api/v1/me").await;
        if me.status != StatusCode::OK {
            return String::new();
        }
        me.json()["csrf_token"].as_str().unwrap().to_owned()
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok()) {
            if line.contains("anmei_admin=") {
                let pair = line.split(';').next().unwrap();
                self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
            }
        }
    }
}

impl Answer {
    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        self.headers.get("location").map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Somebody with a role, a token for programs and a session for pages: straight into the database, for how one signs in is
/// the concern of tests/it/admin_entry.rs.
pub(crate) struct Person {
    pub(crate) token: String,
    session: String,
}

impl Person {
    /// An account of this role, which is called after it.
    pub(crate) fn new(app: &App, role: &str) -> Self {
        Self::called(app, role, role)
    }

    /// An account of this role with this login.
    pub(crate) fn called(app: &App, login: &str, role: &str) -> Self {
        let token = fresh("anmei_admin_").unwrap();
        let session = URL_SAFE_NO_PAD.encode(Sha256::digest(&token));
        let end = i64::MAX / 2;
        app.change(&format!(
            "INSERT INTO accounts (id, login, display_name, password_hash, roles, tier, panel_role, created_by, created_at, updated_at, password_changed_at)
                VALUES ('a-{login}', '{login}', '{login}', 'none', '["admin"]', 'internal', '{role}', 'tests', 1, 1, 1);
             INSERT INTO admin_tokens (id, hash, account_id, name, role, hint, created_at, expires_at)
                VALUES ('t-{login}', x'{}', 'a-{login}', 'tests', '{role}', 'xxxx', 1, {end});
             INSERT INTO admin_sessions (id, hash, account_id, created_at, seen_at, expires_at, confirmed_at, second_factor, address, agent)
                VALUES ('s-{login}', x'{}', 'a-{login}', 1, {end}, {end}, {end}, 0, '127.0.0.1', 'tests');",
            digest(&token),
            digest(&session)
        ));
        Self { token, session }
    }

    /// What the browser sends.
    pub(crate) fn cookie(&self) -> String {
        format!("anmei_admin={}", self.session)
    }

    /// A request to the API; `body` is JSON, or nothing.
    pub(crate) async fn ask(&self, app: &App, (method, path): (&str, &str), headers: &[(&str, &str)], body: Value) -> Answer {
        let more = [&[("accept-language", "en")], headers].concat();
        app.api(&self.token, method, &format!("/api/v1{path}"), &more, Some(body).filter(|body| !body.is_null())).await
    }

    /// What the API answers to a GET.
    pub(crate) async fn get(&self, app: &App, path: &str) -> Value {
        let answer = self.ask(app, ("GET", path), &[], Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        answer.json()
    }

    /// What the API answers to a POST that must work.
    pub(crate) async fn post(&self, app: &App, path: &str, body: Value) -> Value {
        let answer = self.ask(app, ("POST", path), &[], body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.json()
    }

    /// A page of the panel.
    pub(crate) async fn page(&self, app: &App, path: &str, language: &str) -> Answer {
        let cookie = format!("{}; anmei_language={language}", self.cookie());
        app.send("GET", &format!("{}{path}", app.admin_root()), &[("cookie", &cookie)], "").await
    }

    /// A form of the panel, as a browser sends it.
    pub(crate) async fn form(&self, app: &App, path: &str, fields: &[(&str, &str)]) -> Answer {
        let cookie = format!("{}; anmei_language=en", self.cookie());
        let csrf = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("anmei-mcp csrf\n{}", self.session)));
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("_csrf", &csrf).extend_pairs(fields);
        let headers = [
            ("cookie", cookie.as_str()),
            ("origin", app.admin_root()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        app.send("POST", &format!("{}{path}", app.admin_root()), &headers, body.finish()).await
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Tokens of the three roles.
pub(crate) struct Tokens {
    pub(crate) administrator: String,
    pub(crate) operator: String,
    pub(crate) auditor: String,
}

/// An account of each role with a token.
pub(crate) fn tokens(app: &App) -> Tokens {
    let [administrator, operator, auditor] = ["administrator", "operator", "auditor"].map(|role| app.token_of_a(role));
    Tokens { administrator, operator, auditor }
}

/// Asks the admin side for a path.
pub(crate) async fn ask(app: &App, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    app.api(token, method.as_str(), path, &[("accept-language", "en")], body).await
}

/// Reads something that must be there.
pub(crate) async fn get(app: &App, token: &str, path: &str) -> Answer {
    let answer = ask(app, token, Method::GET, path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// The version that an answer carries.
pub(crate) fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}
