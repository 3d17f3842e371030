//! Accounts of every role, each with an API token, and requests in their name.

use anmei_mcp::gate::keys::{fresh, hash};
use http::Method;
use serde_json::Value;

use crate::harness::{Answer, App};

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
        let hash: String = hash(&token).iter().map(|byte| format!("{byte:02x}")).collect();
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
