//! People at the admin side of a test's daemon: an account of each role, with a token for programs and a session for pages.

use anmei_mcp::gate::keys::fresh;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, App};

/// Somebody with a role.
pub(crate) struct Person {
    token: String,
    cookie: String,
}

impl Person {
    /// An account of this role, straight into the database: how one signs in is other tests' concern.
    pub(crate) fn new(app: &App, role: &str) -> Self {
        let token = fresh("anmei_admin_").unwrap();
        let cookie = URL_SAFE_NO_PAD.encode(Sha256::digest(role));
        let hex = |text: &str| Sha256::digest(text).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let end = i64::MAX / 2;
        app.change(&format!(
            "INSERT INTO accounts (id, login, display_name, password_hash, tier, panel_role, created_by, created_at, updated_at, password_changed_at)
                VALUES ('a-{role}', '{role}', '{role}', 'none', 'internal', '{role}', 'test', 1, 1, 1);
             INSERT INTO admin_tokens (id, hash, account_id, name, role, hint, created_at, expires_at)
                VALUES ('t-{role}', x'{}', 'a-{role}', 'test', '{role}', '1234', 1, {end});
             INSERT INTO admin_sessions (id, hash, account_id, created_at, seen_at, expires_at, confirmed_at, second_factor, address, agent)
                VALUES ('s-{role}', x'{}', 'a-{role}', 1, {end}, {end}, {end}, 0, '127.0.0.1', 'test');",
            hex(&token),
            hex(&cookie)
        ));
        Self { token, cookie }
    }

    /// A request to the API; `body` is JSON, or nothing.
    pub(crate) async fn ask(&self, app: &App, (method, path): (&str, &str), headers: &[(&str, &str)], body: Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str()), ("accept-language", "en")];
        all.extend(headers);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        app.send(method, &format!("{}/api/v1{path}", app.admin_root()), &all, body).await
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
        let cookie = format!("anmei_admin={}; anmei_language={language}", self.cookie);
        app.send("GET", &format!("{}{path}", app.admin_root()), &[("cookie", &cookie)], "").await
    }

    /// A form of the panel, as a browser sends it.
    pub(crate) async fn form(&self, app: &App, path: &str, fields: &[(&str, &str)]) -> Answer {
        let cookie = format!("anmei_admin={}; anmei_language=en", self.cookie);
        let csrf = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("anmei-mcp csrf\n{}", self.cookie)));
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

/// The version that an answer carries.
pub(crate) fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}
