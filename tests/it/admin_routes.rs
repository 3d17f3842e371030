//! Who may ask what: every route of the API, the panel and the existing app's paths, asked by everybody who may come, has
//! one expected answer in one table.
//!
//! That every route there is has a line, and every line a route, `src/admin/routes_tests.rs` holds. An exception from the
//! rules of [`expected`] is a line of [`EXCEPTIONS`]; there may be fewer of them, never more, and each must be needed.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::{admin_kit::Person, harness::App};

/// Method, path, right, and what somebody who has the right is answered when nothing is called `none` and the body is `{}`
/// (a page: an empty form). `-`: it is not sent by those who may, since it would end the daemon that all others are sent to.
/// `?`: not known yet; the test fails and says what it finds.
const TABLE: &str = include_str!("admin_routes.txt");

/// How many exceptions there are. It is lowered with each that goes; whoever wants to raise it makes the new route ask who
/// comes instead.
const MOST_EXCEPTIONS: usize = 8;

/// Routes that anybody may ask, signed in or not, and what somebody is answered who is not.
const EXCEPTIONS: &[(&str, u16)] = &[
    ("GET /", 307),
    ("GET /panel", 308),
    ("GET /panel/assets/{name}", 404),
    ("GET /api/v1/docs", 308),
    ("GET /panel/sign-in", 200),
    ("POST /panel/sign-in", 422),
    ("GET /panel/setup/{secret}", 404),
    ("POST /panel/setup/{secret}", 404),
];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    route: String,
    right: &'static str,
    allowed: Option<u16>,
}

fn table() -> Vec<Line> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [method, path, right, allowed] = words[..] else { panic!("four words: {line}") };
        assert!(allowed == "-" || allowed == "?" || allowed.parse::<u16>().is_ok(), "{line}");
        Line { route: format!("{method} {path}"), right, allowed: allowed.parse().ok() }
    });
    parsed.collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Nobody who signed in, from a page of ours.
    Nobody,
    /// A page of another origin in an administrator's browser.
    Foreign,
    Auditor,
    Operator,
    Administrator,
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
}

/// The rules: another origin gets nothing; who has no session is told to sign in; who has not the right is refused;
/// everybody else is answered.
fn expected(line: &Line, asker: Asker) -> Option<u16> {
    match asker {
        Asker::Foreign => Some(403),
        Asker::Nobody if line.right == "anybody" => EXCEPTIONS.iter().find(|(route, _)| *route == line.route).map(|(_, status)| *status),
        Asker::Nobody => Some(turned_away(&line.route)),
        _ if asker.may(line.right) => line.allowed,
        _ => Some(403),
    }
}

/// What somebody is told who has not signed in: on a page to do so, elsewhere that nobody is signed in.
fn turned_away(route: &str) -> u16 {
    let path = route.split_once(' ').unwrap().1;
    if path.starts_with("/panel") { 303 } else { 401 }
}

/// The side under test, and who comes to it.
struct Side {
    app: App,
    client: reqwest::Client,
    auditor: Person,
    operator: Person,
    administrator: Person,
    visitor: Person,
}

impl Side {
    async fn new() -> Self {
        let app = App::with_records(&[]).await;
        let [auditor, operator, administrator] = ["auditor", "operator", "administrator"].map(|role| Person::new(&app, role));
        let visitor = Person::called(&app, "visitor", "administrator");
        Self { client: client(), auditor, operator, administrator, visitor, app }
    }

    async fn status(&self, route: &str, asker: Asker) -> u16 {
        let (method, path) = route.split_once(' ').unwrap();
        let method: Method = if method == "ANY" { Method::GET } else { method.parse().unwrap() };
        let path: String = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>().join("/");
        let root = self.app.admin_root();
        let mut request = self.client.request(method.clone(), format!("{root}{path}")).header("if-match", "*");
        request = match asker {
            Asker::Nobody => request.header("origin", root).header("sec-fetch-site", "same-origin"),
            Asker::Foreign => {
                let cross = request.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
                cross.header("cookie", self.visitor.cookie())
            }
            Asker::Auditor => request.bearer_auth(&self.auditor.token),
            Asker::Operator => request.bearer_auth(&self.operator.token),
            Asker::Administrator => request.bearer_auth(&self.administrator.token),
        };
        if method != Method::GET {
            let form = path.starts_with("/panel");
            let (kind, body) = if form { ("application/x-www-form-urlencoded", "") } else { ("application/json", "{}") };
            request = request.header("content-type", kind).body(body);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// The line a route would have, if what it does is right.
    async fn found(&self, route: &str) -> String {
        let mut answered = Vec::new();
        for asker in ASKERS {
            answered.push(self.status(route, asker).await);
        }
        let right = match answered[..] {
            [303 | 401, _, 403, 403, _] => "administer",
            [303 | 401, _, 403, _, _] => "operate",
            [303 | 401, _, _, 403, 403] => "bodies",
            [303 | 401, ..] => "read",
            _ => "anybody",
        };
        let allowed = answered[2..].iter().find(|status| **status != 403).unwrap_or(&403);
        format!("{route} {right} {allowed} (by {ASKERS:?}: {answered:?})")
    }
}

#[expect(clippy::disallowed_methods, reason = "a client that looks at the head of an answer only: some never end")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20)).build().unwrap()
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let side = Side::new().await;
    let open = async || side.visitor.page(&side.app, "/panel/me", "en").await.status;
    assert_eq!(open().await, StatusCode::OK, "the browser that another origin misuses is signed in");
    let mut wrong = Vec::new();
    for line in table() {
        let route = &line.route;
        let excepted = EXCEPTIONS.iter().any(|(excepted, _)| excepted == route);
        if line.right == "?" {
            wrong.push(format!("found {}", side.found(route).await));
            continue;
        }
        assert_eq!(line.right == "anybody", excepted, "{route}: who asks nobody who they are is an exception");
        for asker in ASKERS {
            let Some(expected) = expected(&line, asker) else { continue };
            let answered = side.status(route, asker).await;
            if answered != expected {
                wrong.push(format!("{route}: {asker:?} got {answered} and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(open().await, StatusCode::OK, "and still is");
}

#[test]
fn there_are_no_more_exceptions_than_there_were_and_each_is_needed() {
    assert_eq!(
        EXCEPTIONS.len(),
        MOST_EXCEPTIONS,
        "fewer: lower MOST_EXCEPTIONS with what went; more: a route asks who comes, it is not an exception"
    );
    let table = table();
    for (number, (route, status)) in EXCEPTIONS.iter().enumerate() {
        let line = table.iter().find(|line| line.route == *route);
        assert!(line.is_some_and(|line| line.right == "anybody"), "{route} is no route that anybody may ask: take the exception out");
        assert_ne!(*status, turned_away(route), "{route}: whoever has not signed in is turned away as everywhere: take the exception out");
        assert!(EXCEPTIONS[..number].iter().all(|(before, _)| before != route), "{route} is there twice");
    }
}
