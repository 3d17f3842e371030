//! A client of the authorization server, and a person at a browser: every step by itself, so that each can be wrong.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, App, Era};

/// The example pair of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Where the tests' client is sent back to.
pub(crate) const REDIRECT: &str = "https://client.example/callback";

/// A page as a browser got it.
pub(crate) struct Page {
    pub(crate) answer: Answer,
    pub(crate) cookie: String,
    pub(crate) transaction: String,
}

impl Page {
    /// The consent page in an answer.
    pub(crate) fn of(answer: Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let transaction = answer.body.split("name=\"transaction\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { answer, cookie, transaction }
    }
}

/// One form or query.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

/// `base` with some parameters replaced, added, or (with an empty value) left out.
pub(crate) fn with<'a>(base: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = base.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name)).copied();
    kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
}

/// The parameters a browser is sent back with.
pub(crate) fn sent_back(answer: &Answer, redirect: &str) -> std::collections::BTreeMap<String, String> {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let location = answer.headers["location"].to_str().unwrap();
    let query = location.strip_prefix(redirect).unwrap_or_else(|| panic!("{location} is not {redirect}"));
    form_urlencoded::parse(query.trim_start_matches(['?', '&']).as_bytes()).into_owned().collect()
}

/// HTTP Basic.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

impl App {
    /// Registers a client that is sent back to `redirects`; its id.
    pub(crate) async fn client_with(&self, redirects: &[&str]) -> String {
        let answer = self.post_json("/oauth/register", &json!({"client_name": "Tester", "redirect_uris": redirects})).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// Registers the tests' usual client.
    pub(crate) async fn client(&self) -> String {
        self.client_with(&[REDIRECT]).await
    }

    /// POSTs JSON to a path.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", &format!("{}{path}", self.mcp_root()), &[("content-type", "application/json")], body.to_string()).await
    }

    /// POSTs a form to a path.
    pub(crate) async fn post_form(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        self.send("POST", &format!("{}{path}", self.mcp_root()), &headers, encode(fields)).await
    }

    /// Asks for tokens.
    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post_form("/oauth/token", &[], fields).await
    }

    /// GETs the authorization endpoint.
    pub(crate) async fn authorize(&self, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("{}/oauth/authorize?{}", self.mcp_root(), encode(fields)), headers, "").await
    }

    /// An authorization request in order, for a group's URL.
    pub(crate) fn request<'a>(client: &'a str, resource: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("state", "st&te=1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", resource),
        ]
    }

    /// The consent page of a request in order.
    pub(crate) async fn page(&self, fields: &[(&str, &str)]) -> Page {
        Page::of(self.authorize(fields, &[]).await)
    }

    /// Sends the page's form as its browser would.
    pub(crate) async fn answer(&self, page: &Page, fields: &[(&str, &str)]) -> Answer {
        let headers = [("origin", self.mcp_root()), ("sec-fetch-site", "same-origin"), ("cookie", page.cookie.as_str())];
        let fields = [&[("transaction", page.transaction.as_str())], fields].concat();
        self.post_form("/oauth/consent", &headers, &fields).await
    }

    /// A code for a group, granted by its key.
    pub(crate) async fn code(&self, request: &[(&str, &str)], group: &str) -> String {
        let page = self.page(request).await;
        let key = self.key(group);
        let answer = self.answer(&page, &[("action", "allow"), ("write", "1"), ("key", &key)]).await;
        let redirect = request.iter().find(|(name, _)| *name == "redirect_uri").map_or(REDIRECT, |(_, uri)| uri);
        sent_back(&answer, redirect)["code"].clone()
    }

    /// What a client sends to exchange a code.
    pub(crate) fn exchange<'a>(client: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]
    }

    /// Tokens of a client for a group's URL.
    pub(crate) async fn tokens(&self, client: &str, group: &str) -> Value {
        let resource = self.group_url(group);
        let code = self.code(&Self::request(client, &resource), group).await;
        let answer = self.token(&Self::exchange(client, &code)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// The next pair.
    pub(crate) async fn refresh(&self, client: &str, refresh: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)]).await
    }

    /// A token that is in force, but not for this URL, is told so, and where to get one that is (RFC 6750 §3.1).
    pub(crate) async fn is_for_elsewhere(&self, group: &str, bearer: &str) {
        let answer = self.rpc(Era::Silent, &self.group_url(group), Some(bearer), "tools/list", json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(&format!("/.well-known/oauth-protected-resource/server/{group}/mcp\"")), "{challenge}");
        let said = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.starts_with("This token opens the group") && !said.contains("key"), "{said}");
    }

    /// The status of `tools/list` with a bearer.
    pub(crate) async fn listed(&self, url: &str, bearer: &str) -> u16 {
        self.rpc(Era::Silent, url, Some(bearer), "tools/list", json!({})).await.status.as_u16()
    }
}

/// A text field of an answer in JSON.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The error of an answer in JSON, with its status.
pub(crate) fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), text(&answer.json(), "error").to_owned())
}
