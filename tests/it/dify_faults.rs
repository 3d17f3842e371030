//! Every way in which Dify fails, and what comes of it. The customer has a welcome by the deadline in each.
//!
//! | Dify | the customer has | the question ends as | asked again | the breaker learns | alert |
//! |---|---|---|---|---|---|
//! | refuses the connection | the template | failed, `unreachable` | yes | network | when it opens |
//! | has a name that does not resolve | the template | failed, `unreachable` | yes | network | when it opens |
//! | 401, 403 | the template | failed, Dify's code | no | broken | at once |
//! | 400 or an event, quota spent or model gone | the template | failed, Dify's code | no | broken | at once |
//! | 404, 400 | the template | failed, Dify's code | no | nothing | none |
//! | 429 | the template | failed, `too_many_requests` | yes, not before `Retry-After` | server | when it opens |
//! | 429 of the plan's limit | the template | failed, `rate_limit_error` | no | nothing | none |
//! | 500 in Dify's words | the template | failed, Dify's code | yes | server | when it opens |
//! | 502, 503, 524 of a proxy | the template | failed, `http_status` | yes | server | when it opens |
//! | 200 with an HTML page, or a stream of something else | the template | failed, `not_dify` | yes | server | when it opens |
//! | 200 with an `error` event | the template | failed, Dify's code | yes | server | when it opens |
//! | never answers, only headers, only pings | the template | stopped, `first_byte` | yes | first byte | when it opens |
//! | falls silent within the answer | the template | failed, `idle` | yes, once the run is stopped | stall | when it opens |
//! | cuts the stream, and goes on | the template | failed, `cut` | yes, once the run is stopped | cut | when it opens |
//! | cuts the stream or ends it early, and has the answer | the answer, from `GET /messages` | answered, `cut` | no | cut | when it opens |
//! | thinks beyond the deadline | the template | stopped, `deadline` | no | nothing | none |
//! | answers nothing | the template | failed, `empty` | no | nothing | none |
//! | answers 5 MB, as one event or as many | the template | failed, `too_large` | no | nothing | none |
//! | answers in another language, with a tool call, a link or markup | the template | refused | no | it works | none |
//! | wraps the answer in JSON or a fence | the answer, unwrapped | answered | – | it works | none |
//!
//! "The template" is the next rung: the fallback agent where there is one, else the segment's template or the static
//! text, as in this file. A breaker opens after `breaker.failures` failures in a row, two in this file, so that one run
//! that asks twice opens it, and the reason it logs is what it learnt.

use std::{
    collections::BTreeSet,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use anmei_mcp::demo::stand_in_dify::{Behaviour, StandIn, StandInHandle};
use serde_json::Value;

use crate::{
    harness::App,
    registration::{connect, new_user},
};

/// What one mode is.
enum Fault {
    /// A stand-in that behaves like this.
    Dify(Behaviour),
    /// Nothing that could answer at this address.
    Address(&'static str),
}

/// What the breaker makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Learns {
    /// A failure of this kind, which counts.
    Failure(&'static str),
    /// That somebody has to act.
    Broken,
    /// Nothing: a row of failures before it goes on after it.
    Nothing,
    /// That the agent works: it ends a row of failures.
    Works,
}

/// One line of the table.
struct Mode {
    name: &'static str,
    fault: Fault,
    rung: &'static str,
    state: &'static str,
    error_kind: Option<&'static str>,
    asked: usize,
    learns: Learns,
}

/// A mode in which the next rung writes.
fn fails(name: &'static str, fault: Fault, ends: (&'static str, &'static str), learns: Learns) -> Mode {
    let asked = if matches!(learns, Learns::Failure(_)) { 2 } else { 1 };
    Mode { name, fault, rung: "static", state: ends.0, error_kind: Some(ends.1), asked, learns }
}

fn refuses(name: &'static str, status: u16, code: &'static str, learns: Learns) -> Mode {
    fails(name, Fault::Dify(Behaviour::Refuses { status, code: code.into() }), ("failed", code), learns)
}

fn unsuitable(name: &'static str, answer: &str) -> Mode {
    fails(name, says(answer), ("refused", "refused"), Learns::Works)
}

fn suitable(name: &'static str, answer: &str) -> Mode {
    Mode { name, fault: says(answer), rung: "agent", state: "answered", error_kind: None, asked: 1, learns: Learns::Works }
}

fn says(answer: &str) -> Fault {
    Fault::Dify(Behaviour::Obeys(answer.into()))
}

fn no_connection() -> Vec<Mode> {
    ["http://127.0.0.1:1", "http://no-such-host.invalid"]
        .map(|address| fails(address, Fault::Address(address), ("failed", "unreachable"), Learns::Failure("Network")))
        .into()
}

fn statuses() -> Vec<Mode> {
    let status = |name, status, kind| fails(name, Fault::Dify(Behaviour::Http(status)), ("failed", kind), Learns::Failure("Server"));
    vec![
        refuses("401", 401, "unauthorized", Learns::Broken),
        refuses("403", 403, "forbidden", Learns::Broken),
        refuses("quota", 400, "provider_quota_exceeded", Learns::Broken),
        refuses("404", 404, "not_found", Learns::Nothing),
        refuses("400", 400, "invalid_param", Learns::Nothing),
        refuses("429 of the plan", 429, "rate_limit_error", Learns::Nothing),
        refuses("500", 500, "internal_server_error", Learns::Failure("Server")),
        status("429", 429, "too_many_requests"),
        status("502", 502, "http_status"),
        status("503", 503, "http_status"),
        status("524", 524, "http_status"),
    ]
}

fn streams() -> Vec<Mode> {
    let with = |name, behaviour, kind, learns| fails(name, Fault::Dify(behaviour), ("failed", kind), learns);
    let slow = |name, behaviour| fails(name, Fault::Dify(behaviour), ("stopped", "first_byte"), Learns::Failure("FirstByte"));
    let event = |code: &str| Behaviour::ErrorEvent(code.into());
    let server = Learns::Failure("Server");
    vec![
        with("page", Behaviour::Garbage, "not_dify", server),
        with("other stream", Behaviour::GarbledStream, "not_dify", server),
        with("error event", event("completion_request_error"), "completion_request_error", server),
        with("broken event", event("model_currently_not_support"), "model_currently_not_support", Learns::Broken),
        with("cut", Behaviour::CutMidRun, "cut", Learns::Failure("Cut")),
        with("stall", Behaviour::StallsMidStream, "idle", Learns::Failure("Stall")),
        slow("hang", Behaviour::Hang),
        slow("silent", Behaviour::Silent),
        slow("pings", Behaviour::PingsOnly),
        fails("thinks", Fault::Dify(Behaviour::Normal { think_ms: 30_000 }), ("stopped", "deadline"), Learns::Nothing),
    ]
}

fn answers() -> Vec<Mode> {
    let with = |name, behaviour, kind| fails(name, Fault::Dify(behaviour), ("failed", kind), Learns::Nothing);
    vec![
        with("empty", Behaviour::Empty, "empty"),
        with("one event", Behaviour::Oversized, "too_large"),
        with("5 MB", Behaviour::Endless, "too_large"),
        unsuitable("English", "Dear 林晓月, welcome to Anmei! Your consultant will be in touch with you very soon."),
        unsuitable("Japanese", "林様、ようこそ安美智享へ。専門のカウンセラーがご相談を承ります。"),
        unsuitable("tool JSON", r#"{"name": "get_user_profile", "arguments": {"user_id": "usr_1", "include_details": true}}"#),
        unsuitable("ReAct JSON", r#"{"action": "get_user_profile", "action_input": "usr_1"}"#),
        unsuitable("tool tag", r#"<tool_call>{"name": "get_user_profile"}</tool_call>林晓月，您好！"#),
        unsuitable("link", "林晓月，您好！请访问 https://evil.example 领取优惠。"),
        unsuitable("markup", "林晓月，您好！<img src=x onerror=alert(1)>"),
        suitable("wrapped", "```json\n{\"welcome_message\": \"林晓月，您好！欢迎来到安美智享。\"}\n```"),
        suitable("brands", "林晓月，您好！Thermage FLX、Ultherapy 与 HydraFacial 的区别，都可以问我。"),
    ]
}

/// An app whose breakers open after two failures and stay open.
async fn app() -> App {
    App::start(&[
        ("welcome.deadline", "2500ms"),
        ("welcome.late_answer", "drop"),
        ("breaker.failures", "2"),
        ("breaker.open_for", "1h"),
        ("breaker.window", "1h"),
    ])
    .await
}

/// Runs modes one after the other, each with an agent of its own, and compares everything with the table.
async fn hold(modes: Vec<Mode>) {
    let app = app().await;
    let mut opened = BTreeSet::new();
    let mut before: Option<&str> = None;
    for (n, mode) in modes.iter().enumerate() {
        let dify = meet(&app, mode).await;
        if let Some(before) = before.replace(mode.name) {
            app.ok(&["agent", "disable", before]);
        }
        let judged_by_rows = dify.as_ref().filter(|_| matches!(mode.learns, Learns::Nothing | Learns::Works));
        let customer = n * 3;
        if let Some(dify) = judged_by_rows {
            one_failure(&app, dify, customer).await;
            behave(dify, mode);
        }
        check(mode, &welcomed(&app, mode.name, customer + 1).await);
        if let Some(dify) = judged_by_rows {
            one_failure(&app, dify, customer + 2).await;
        }
        let reason = why_opened(&app, mode.name);
        let expected = match mode.learns {
            Learns::Failure(kind) => Some(format!("2 failures in a row, the last: {kind}")),
            Learns::Broken => Some("a failure that needs an administrator".to_owned()),
            Learns::Nothing => Some("2 failures in a row, the last: Server".to_owned()),
            Learns::Works => None,
        };
        assert_eq!(reason, expected, "{}: {:?}", mode.name, mode.learns);
        opened.extend(reason.map(|_| mode.name.to_owned()));
    }
    alerts_are(&app, &opened).await;
}

/// An agent of the mode's name.
async fn meet(app: &App, mode: &Mode) -> Option<StandInHandle> {
    let (dify, base_url, key) = match &mode.fault {
        Fault::Address(address) => (None, (*address).to_owned(), "app-nobody".to_owned()),
        Fault::Dify(behaviour) => {
            let stand_in = StandIn { behaviour: behaviour.clone(), ..StandIn::default() };
            let handle = StandIn::start(([127, 0, 0, 1], 0).into(), stand_in).await.unwrap();
            connect(app, &handle);
            let (base_url, key) = (handle.base_url.clone(), handle.key.expose().to_owned());
            (Some(handle), base_url, key)
        }
    };
    // An agent that thinks is silent for longer than one that stalls may be.
    let stall = if mode.error_kind == Some("deadline") { "15000" } else { "700" };
    let options = ["--base-url", &base_url, "--first-byte-ms", "400", "--stall-ms", stall];
    let mut command = app.command(&[&["agent", "add", mode.name], &options[..]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", mode.name);
    dify
}

fn behave(dify: &StandInHandle, mode: &Mode) {
    if let Fault::Dify(behaviour) = &mode.fault {
        dify.behave(behaviour.clone());
    }
}

/// One failure that counts, and no second question: the agent asks for more time than there is.
async fn one_failure(app: &App, dify: &StandInHandle, customer: usize) {
    dify.behave(Behaviour::Busy { seconds: 60 });
    let run = welcomed(app, "busy", customer).await;
    let calls = run["agent_calls"].as_array().unwrap();
    assert_eq!((calls.len(), calls[0]["error_kind"].as_str()), (1, Some("too_many_requests")), "{run}");
}

/// A run to its end and that of its questions, with a welcome that was stored by the deadline.
async fn welcomed(app: &App, name: &str, customer: usize) -> Value {
    let accepted = app.register(None, &new_user(customer)).await.json();
    let mut run = app.finished(&accepted).await;
    let until = Instant::now() + Duration::from_secs(5);
    while run["agent_calls"].as_array().unwrap().iter().any(|call| call["state"] == "asked") {
        assert!(Instant::now() < until, "{name}: a question without an end: {run}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        run = app.finished(&accepted).await;
    }
    assert!(run["welcome"]["text"].as_str().is_some_and(|text| text.contains("安美智享") || text.contains("林晓月")), "{name}: {run}");
    let (stored, deadline) = (run["welcome"]["stored_at"].as_str().unwrap(), run["deadline_at"].as_str().unwrap());
    assert!(stored <= deadline, "{name}: a welcome after the deadline: {run}");
    run
}

fn check(mode: &Mode, run: &Value) {
    let name = mode.name;
    assert_eq!(run["welcome"]["rung"], mode.rung, "{name}: {run}");
    assert_eq!(run["state"], if mode.rung == "agent" { "done" } else { "done_with_fallback" }, "{name}: {run}");
    let calls = run["agent_calls"].as_array().unwrap();
    assert_eq!(calls.len(), mode.asked, "{name}: {run}");
    for call in calls {
        assert_eq!((call["state"].as_str(), call["error_kind"].as_str()), (Some(mode.state), mode.error_kind), "{name}: {run}");
        assert_eq!(call["error"].is_null(), mode.error_kind.is_none(), "{name}: a failure says why: {run}");
    }
}

/// What an agent's breaker said when it opened.
fn why_opened(app: &App, agent: &str) -> Option<String> {
    let lines = app.log();
    let opened = lines.lines().filter(|line| line.contains("智能体熔断")).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let find = |line: &Value, key: &str| line.get(key).or_else(|| line["fields"].get(key)).and_then(Value::as_str).map(str::to_owned);
    opened.filter(|line| find(line, "agent.name").as_deref() == Some(agent)).find_map(|line| find(&line, "reason"))
}

/// Administrators hear of each open breaker once, and of no other.
async fn alerts_are(app: &App, expected: &BTreeSet<String>) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let db = app.database();
        let mut rows = db.prepare("SELECT subject FROM alerts WHERE condition = 'breaker_open'").unwrap();
        let told: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        if told.len() == expected.len() {
            return assert_eq!(&told.into_iter().collect::<BTreeSet<_>>(), expected);
        }
        assert!(Instant::now() < until, "{told:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn no_connection_to_dify() {
    hold(no_connection()).await;
}

#[tokio::test]
async fn statuses_of_dify_and_of_proxies() {
    hold(statuses()).await;
}

#[tokio::test]
async fn streams_that_fail() {
    hold(streams()).await;
}

#[tokio::test]
async fn answers_that_cannot_be_shown() {
    hold(answers()).await;
}

#[tokio::test]
async fn an_agent_that_asks_for_time_is_given_it_as_far_as_the_deadline_goes() {
    let app = app().await;
    let mode = fails("busy", Fault::Dify(Behaviour::Busy { seconds: 1 }), ("failed", "too_many_requests"), Learns::Failure("Server"));
    let dify = meet(&app, &mode).await.unwrap();
    let run = welcomed(&app, mode.name, 1).await;
    check(&mode, &run);
    let at = |n: usize| run["agent_calls"][n]["started_at"].as_i64().unwrap();
    assert!(at(1) - at(0) >= 1_000, "not before Retry-After: {run}");
    assert_eq!(dify.ledger.runs().len(), 2);
}

#[tokio::test]
async fn an_agent_that_nobody_waits_for_is_told_to_stop() {
    let app = app().await;
    let mode = fails("thinks", Fault::Dify(Behaviour::Normal { think_ms: 30_000 }), ("stopped", "deadline"), Learns::Nothing);
    let dify = meet(&app, &mode).await.unwrap();
    check(&mode, &welcomed(&app, mode.name, 1).await);
    assert!(dify.ledger.runs().iter().all(|run| run.stopped), "{:?}", dify.ledger.runs());
}

#[tokio::test]
async fn the_language_is_a_setting() {
    let english = "Dear 林晓月, welcome to Anmei! Your consultant will be in touch with you very soon.";
    let app = app().await;
    let _dify = meet(&app, &suitable("agent", english)).await;
    for (n, (language, rung)) in [("zh", "static"), ("en", "agent"), ("any", "agent")].into_iter().enumerate() {
        app.ok(&["settings", "set", &format!("welcome.language={language}")]);
        let run = welcomed(&app, language, n).await;
        assert_eq!(run["welcome"]["rung"], rung, "{language}: {run}");
        assert_eq!(run["welcome"]["text"] == english, rung == "agent", "{run}");
        assert_eq!(run["welcome"]["reason"].as_str().unwrap().contains("welcome.language"), rung == "static", "{run}");
    }
}

#[tokio::test]
async fn an_answer_that_dify_finished_behind_a_cut_stream_is_found_and_nobody_is_asked_again() {
    for (n, behaviour) in [Behaviour::CutMidStream, Behaviour::EndsEarly].into_iter().enumerate() {
        let app = app().await;
        let name = format!("{behaviour:?}");
        let dify = meet(&app, &fails("found", Fault::Dify(behaviour), ("answered", "cut"), Learns::Failure("Cut"))).await.unwrap();
        let run = welcomed(&app, &name, n).await;
        assert_eq!((run["state"].as_str(), run["welcome"]["rung"].as_str()), (Some("done"), Some("agent")), "{name}: {run}");
        let runs = dify.ledger.runs();
        assert_eq!(runs.len(), 1, "{name}: asked once");
        assert!(!runs[0].stopped, "{name}: what has ended is not stopped");
        assert_eq!(run["welcome"]["text"].as_str(), runs[0].answer.as_deref(), "{name}: {run}");
        let call = &run["agent_calls"][0];
        assert_eq!((call["state"].as_str(), call["error_kind"].as_str()), (Some("answered"), Some("cut")), "{name}: {run}");
        assert_eq!(call["dify_message_id"].as_str(), Some(runs[0].message_id.as_str()), "{name}: {run}");
        assert_eq!(why_opened(&app, "found"), None, "{name}: one cut opens no breaker");
        let again = welcomed(&app, &name, n + 10).await;
        assert_eq!(again["welcome"]["rung"], "agent", "{name}: {again}");
        assert_eq!(why_opened(&app, "found").as_deref(), Some("2 failures in a row, the last: Cut"), "{name}");
    }
}

#[tokio::test]
async fn a_run_behind_a_cut_stream_without_an_answer_is_stopped_before_the_agent_is_asked_again() {
    let app = app().await;
    let mode = fails("goes on", Fault::Dify(Behaviour::CutMidRun), ("failed", "cut"), Learns::Failure("Cut"));
    let dify = meet(&app, &mode).await.unwrap();
    dify.behave_once(Behaviour::CutMidRun);
    dify.behave(Behaviour::default());
    let run = welcomed(&app, mode.name, 1).await;
    assert_eq!((run["state"].as_str(), run["welcome"]["rung"].as_str()), (Some("done"), Some("agent")), "{run}");
    let calls: Vec<_> = run["agent_calls"].as_array().unwrap().iter().map(|call| call["state"].as_str().unwrap()).collect();
    assert_eq!(calls, ["failed", "answered"], "{run}");
    let runs = dify.ledger.runs();
    assert_eq!(runs.iter().map(|run| run.stopped).collect::<Vec<_>>(), [true, false], "{runs:?}");
    assert_eq!(run["welcome"]["text"].as_str(), runs[1].answer.as_deref(), "{run}");
}
