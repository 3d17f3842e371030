//! People and programs in front of the admin side: a browser with its cookie, and a client with a token.

use std::{io::Write, process::Stdio};

use anmei_mcp::gate::keys::{fresh, hash};
use http::{Method, StatusCode};
use serde_json::Value;

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

    /// An API token of an account of this role, which is added under the role's name.
    pub(crate) fn token_of_a(&self, role: &str) -> String {
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

    /// One in which somebody signed in.
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

/// Tokens of the three roles.
pub(crate) struct Tokens {
    pub(crate) administrator: String,
    pub(crate) operator: String,
    pub(crate) auditor: String,
}

/// Puts an account of each role into the database, called after its role, with a token.
pub(crate) fn tokens(app: &App) -> Tokens {
    let token = |role: &str| {
        let token = fresh("anmei_admin_").unwrap();
        let hash = hash(&token).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        app.change(&format!(
            "INSERT INTO accounts (id, login, display_name, password_hash, tier, panel_role, created_by, created_at, updated_at, password_changed_at)
             VALUES ('acc-{role}', '{role}', '{role}', 'none', 'internal', '{role}', 'tests', 1, 1, 1);
             INSERT INTO admin_tokens (id, hash, account_id, name, role, hint, created_at, expires_at)
             VALUES ('tok-{role}', x'{hash}', 'acc-{role}', 'tests', '{role}', 'xxxx', 1, 9000000000000);"
        ));
        token
    };
    Tokens { administrator: token("administrator"), operator: token("operator"), auditor: token("auditor") }
}

/// Asks the admin side for a path.
pub(crate) async fn ask(app: &App, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str()), ("accept-language", "en")];
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    app.send(method.as_str(), &format!("{}{path}", app.admin_root()), &headers, body).await
}

/// Reads something that must be there.
pub(crate) async fn get(app: &App, token: &str, path: &str) -> Answer {
    let answer = ask(app, token, Method::GET, path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}
