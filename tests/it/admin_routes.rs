//! Who may ask what: every route of the document and every page, by whoever may ask, has one expected answer in one table.
//!
//! A route that is not in the table fails, and so does a line without a route. An exception from the rules at the top of
//! [`expected`] is a line of [`EXCEPTIONS`]; there may be fewer of them, never more.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Method, StatusCode};

use crate::{
    admin_kit::{Tokens, tokens},
    harness::App,
};

/// Method, path, right, and what somebody who has the right is answered when nothing is called `none` and the body is `{}`
/// (a page: an empty form). `-`: it is not sent by those who may, since it would end the daemon that all others are sent to.
const TABLE: &str = include_str!("admin_routes.txt");

/// Routes that anybody may ask, signed in or not.
const EXCEPTIONS: &[&str] = &[
    "GET /",
    "GET /panel",
    "GET /panel/assets/none",
    "GET /api/v1/docs",
    "GET /panel/sign-in",
    "POST /panel/sign-in",
    "GET /panel/setup",
    "POST /panel/setup",
];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    right: String,
    allowed: Option<u16>,
}

fn table() -> BTreeMap<String, Line> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [method, path, right, allowed] = words[..] else { panic!("four words: {line}") };
        (format!("{method} {path}"), Line { right: right.to_owned(), allowed: allowed.parse().ok() })
    });
    let table: BTreeMap<_, _> = parsed.collect();
    assert_eq!(table.len(), TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count(), "a route twice");
    table
}

/// Every operation of the document, and every route of the panel's sources.
fn routes() -> Vec<String> {
    let document = serde_json::to_value(anmei_mcp::admin::api::document()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        routes.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    for (_, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")) {
        for rest in text.split(".route(").skip(1) {
            let Some(path) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else { continue };
            // Tests have servers of their own.
            if path != "/" && !["/panel", "/api/v1/"].iter().any(|ours| path.starts_with(ours)) {
                continue;
            }
            let call = balanced(rest);
            for (word, method) in [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("patch(", "PATCH"), ("delete(", "DELETE")] {
                let called = call.match_indices(word).any(|(at, _)| !call[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
                if called {
                    routes.push(format!("{method} {path}"));
                }
            }
        }
    }
    routes.sort();
    routes.dedup();
    assert!(routes.len() > 100, "{}", routes.len());
    routes
}

/// What stands before the bracket that closes a call.
fn balanced(text: &str) -> &str {
    let mut depth = 0;
    let end = text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth < 0
    });
    &text[..end.unwrap_or(text.len())]
}

fn sources(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path, text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Nobody,
    Auditor,
    Operator,
    Administrator,
    /// A page of another origin, with an administrator's token.
    Foreign,
}

const ASKERS: [Asker; 5] = [Asker::Nobody, Asker::Foreign, Asker::Auditor, Asker::Operator, Asker::Administrator];

impl Asker {
    fn may(self, right: &str) -> bool {
        match right {
            "anybody" => true,
            "read" => matches!(self, Self::Auditor | Self::Operator | Self::Administrator),
            "bodies" => self == Self::Auditor,
            "operate" => matches!(self, Self::Operator | Self::Administrator),
            "administer" => self == Self::Administrator,
            other => panic!("there is no right {other}"),
        }
    }

    fn token(self, tokens: &Tokens) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Auditor => Some(&tokens.auditor),
            Self::Operator => Some(&tokens.operator),
            Self::Administrator | Self::Foreign => Some(&tokens.administrator),
        }
    }
}

/// The rules: another origin gets nothing; who has no session is told to sign in, and a page's form of nobody's is not
/// taken; who has not the right is refused; everybody else is answered.
fn expected(route: &str, line: &Line, asker: Asker) -> Option<u16> {
    let page = route.contains(" /panel");
    match asker {
        Asker::Foreign => Some(403),
        Asker::Nobody if line.right == "anybody" && (route.starts_with("GET ") || !page) => line.allowed,
        Asker::Nobody if page => Some(if route.starts_with("GET ") { 303 } else { 403 }),
        Asker::Nobody => Some(401),
        _ if asker.may(&line.right) => line.allowed,
        _ => Some(403),
    }
}

#[expect(clippy::disallowed_methods, reason = "a client that looks at the head of an answer only: some never end")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20)).build().unwrap()
}

async fn status(client: &reqwest::Client, app: &App, route: &str, (asker, token): (Asker, Option<&str>)) -> StatusCode {
    let (method, path) = route.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let path: String = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>().join("/");
    let mut request = client.request(method.clone(), format!("{}{path}", app.admin_root())).header("if-match", "*");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if asker == Asker::Foreign {
        request = request.header("origin", "https://evil.example");
    }
    if method != Method::GET {
        let (kind, body) = if path.starts_with("/panel") { ("application/x-www-form-urlencoded", "") } else { ("application/json", "{}") };
        request = request.header("content-type", kind).body(body);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
#[ignore = "the table lacks the pages of sign-in, registrations and accounts"]
async fn every_route_answers_everybody_as_the_table_says() {
    let app = App::with_records(&[]).await;
    let (tokens, client, table) = (tokens(&app), client(), table());
    let routes = routes();
    let mut wrong = Vec::new();
    wrong.extend(table.keys().filter(|route| !routes.contains(route)).map(|route| format!("{route} is in the table and nowhere else")));
    for route in &routes {
        let Some(line) = table.get(route) else {
            wrong.push(format!("{route} is not in the table; found {}", found(&client, &app, &tokens, route).await));
            continue;
        };
        assert!(
            line.right != "anybody" || EXCEPTIONS.contains(&route.replace("{name}", "none").as_str()),
            "{route} asks nobody who they are"
        );
        for asker in ASKERS {
            let Some(expected) = expected(route, line, asker) else { continue };
            let answered = status(&client, &app, route, (asker, asker.token(&tokens))).await.as_u16();
            if answered != expected {
                wrong.push(format!("{route}: {asker:?} got {answered} and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The line a route would have, if what it does is right.
async fn found(client: &reqwest::Client, app: &App, tokens: &Tokens, route: &str) -> String {
    let mut answered = Vec::new();
    for asker in [Asker::Auditor, Asker::Operator, Asker::Administrator] {
        answered.push(status(client, app, route, (asker, asker.token(tokens))).await.as_u16());
    }
    let right = match answered[..] {
        [403, 403, _] => "administer",
        [403, _, _] => "operate",
        [_, 403, 403] => "bodies",
        _ => "read",
    };
    let allowed = answered.iter().find(|status| **status != 403).unwrap_or(&403);
    format!("{route} {right} {allowed}")
}
