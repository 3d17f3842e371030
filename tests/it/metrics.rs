//! `/metrics`: what happens shows there, with labels that nobody can add to; who may read it; and that dashboard and
//! alert rules ask for nothing that is not there.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anmei_mcp::demo::stand_in_dify::Behaviour;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    harness::{App, Era, HOOK_KEY, HOOK_SECRET},
    registration::{agent, new_user},
};

/// What one scrape shows.
struct Scrape(String);

impl Scrape {
    async fn of(app: &App) -> Self {
        let answer = app.send("GET", &format!("{}/metrics", app.admin_root()), &[], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self(answer.body)
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// The sum of all series of this name that have all of these labels; nothing when there is none.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |line: &&str| {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (its_name, its_labels) = series.split_once('{').unwrap_or((series, ""));
            its_name == name && labels.iter().all(|(label, value)| its_labels.contains(&format!("{label}=\"{value}\"")))
        };
        let values: Vec<f64> = self.lines().filter(fits).map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    #[track_caller]
    fn shows(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        assert_eq!(self.sum(name, labels), Some(value), "{name} {labels:?}:\n{}", self.0);
    }

    /// Names of all metrics, as they are typed.
    fn names(&self) -> BTreeSet<String> {
        let typed = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        typed.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

fn root(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Calls of every ending, a list, requests that are no calls.
async fn calls(app: &App) {
    let (url, key) = (app.group_url("system_tools"), app.key("system_tools"));
    let call = |tool: &'static str, arguments: Value| {
        let params = json!({"name": tool, "arguments": arguments});
        async { app.rpc(Era::Modern, &url, Some(&key), "tools/call", params).await }
    };
    let user = app.database().query_row("SELECT id FROM users LIMIT 1", [], |row| row.get::<_, String>(0)).unwrap();
    for _ in 0..3 {
        assert!(call("get_user_profile", json!({"user_id": user})).await.json()["result"]["structuredContent"].is_object());
    }
    call("get_user_profile", json!({})).await;
    call("get_user_profile", json!({"user_id": "usr_nobody"})).await;
    call("no_such_tool", json!({})).await;
    let long = Era::Handshake("2025-11-25");
    app.rpc(long, &url, Some(&key), "tools/list", json!({})).await;
    app.rpc(long, &url, Some(&key), "tools/list", json!({"cursor": "x"})).await;
    app.rpc(long, &url, Some(&key), "made/up", json!({})).await;
    app.rpc(long, &url, Some(&key), "tools/call", json!({"arguments": {}})).await;
    app.rpc(long, &url, None, "tools/list", json!({})).await;
    app.rpc(long, &url, Some("mcp_key_wrong"), "tools/list", json!({})).await;
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", "application/json".into())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    app.send("POST", &url, &headers, "{").await;
}

#[tokio::test]
async fn what_happens_shows_in_the_figures() {
    let app = App::with_records(&[
        ("outbound.webhook_url", "http://127.0.0.1:9/"),
        ("outbound.webhook_secret", HOOK_SECRET),
        ("notice.channels", r#"[{"kind":"ntfy","name":"push","url":"http://127.0.0.1:9/topic"}]"#),
    ])
    .await;
    let before = Scrape::of(&app).await;
    before.shows("anmei_registrations_total", &[("outcome", "done")], 0.0);
    before.shows("anmei_jobs_pending", &[("kind", "registration")], 0.0);
    calls(&app).await;
    let _dify = agent(&app, Behaviour::Normal { think_ms: 20 }).await;
    let accepted = app.register(Some("evt_1"), &new_user(1)).await.json();
    app.register(Some("evt_1"), &new_user(1)).await;
    app.register(Some("evt_1"), &new_user(2)).await;
    app.finished(&accepted).await;
    let wrong = format!("Bearer {HOOK_KEY}x");
    app.send("POST", &format!("{}/hooks/registration", app.hook_root()), &[("authorization", &wrong)], "{}").await;
    app.send("GET", &format!("{}/live/presence", app.live_root()), &[("authorization", "Bearer nonsense")], "").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    let seen = Scrape::of(&app).await;
    let count = "mcp_server_operation_duration_seconds_count";
    let profile = [("mcp_method_name", "tools/call"), ("gen_ai_tool_name", "get_user_profile")];
    let with = |error: &'static str| [profile[0], profile[1], ("error_type", error)];
    // Three of ours and one of the agent's.
    seen.shows(count, &with(""), 4.0);
    seen.shows(count, &with("invalid_arguments"), 1.0);
    seen.shows(count, &with("tool_error"), 1.0);
    seen.shows(count, &[("gen_ai_tool_name", "_other"), ("error_type", "unknown_tool")], 1.0);
    seen.shows(count, &[("gen_ai_tool_name", "_other"), ("error_type", "invalid_arguments")], 1.0);
    seen.shows(count, &[("mcp_method_name", "tools/list"), ("error_type", "-32602")], 1.0);
    seen.shows(count, &[("mcp_method_name", "_other"), ("error_type", "-32601")], 1.0);
    seen.shows(count, &[("mcp_method_name", "_other"), ("error_type", "-32700")], 1.0);
    assert!(seen.sum(count, &[("mcp_method_name", "initialize"), ("error_type", "")]).unwrap() >= 2.0, "{}", seen.0);
    app.stop_and_count_calls(&seen, count);

    let http = "http_server_request_duration_seconds_count";
    let mcp = ("http_route", "/server/{server_code}/mcp");
    assert!(seen.sum(http, &[mcp, ("http_response_status_code", "200")]).unwrap() >= 7.0, "{}", seen.0);
    seen.shows(http, &[mcp, ("http_response_status_code", "401")], 2.0);
    seen.shows(http, &[("http_route", "/hooks/registration"), ("http_response_status_code", "202"), ("http_request_method", "POST")], 1.0);
    seen.shows(http, &[("http_route", "/hooks/registration"), ("http_response_status_code", "409")], 1.0);
    assert!(seen.sum(http, &[("http_route", "/hooks/registration/{id}")]).unwrap() >= 1.0);
    seen.shows(http, &[("http_route", "/metrics")], 1.0);

    for (outcome, value) in [("new", 1.0), ("known", 1.0), ("other_body", 1.0), ("skipped", 0.0)] {
        seen.shows("anmei_registration_deliveries_total", &[("outcome", outcome)], value);
    }
    seen.shows("anmei_registrations_total", &[("outcome", "done")], 1.0);
    seen.shows("anmei_welcomes_total", &[("rung", "agent")], 1.0);
    seen.shows("anmei_welcome_latency_seconds_count", &[], 1.0);
    seen.shows("anmei_notice_latency_seconds_count", &[], 1.0);
    for step in ["open_conversation", "compose_welcome", "deliver_welcome", "notify_consultants"] {
        seen.shows("anmei_registration_step_duration_seconds_count", &[("step", step), ("outcome", "done")], 1.0);
    }
    seen.shows("anmei_agent_calls_total", &[("agent", "管家"), ("outcome", "answered")], 1.0);
    seen.shows("anmei_agent_call_duration_seconds_count", &[("agent", "管家")], 1.0);
    assert!(seen.sum("anmei_agent_tokens_total", &[("agent", "管家")]).unwrap() > 0.0);
    seen.shows("anmei_agent_breaker_state", &[("agent", "管家")], 0.0);
    seen.shows("anmei_notices_total", &[("kind", "new_customer")], 2.0);
    seen.shows("anmei_notices_total", &[("kind", "message")], 1.0);
    assert!(seen.sum("anmei_events_total", &[("outcome", "failed")]).unwrap() >= 1.0);
    assert!(seen.sum("anmei_pushes_total", &[("outcome", "failed")]).unwrap() >= 1.0);
    for (reason, value) in [("no_key", 1.0), ("bad_key", 1.0), ("hook_key", 1.0), ("live_token", 1.0)] {
        seen.shows("anmei_auth_failures_total", &[("reason", reason)], value);
    }
    seen.shows("anmei_unclaimed_customers", &[], 1.0);
    seen.shows("anmei_consultants_online", &[], 0.0);
    seen.shows("anmei_live_connections", &[("role", "consultant")], 0.0);
    seen.shows("anmei_jobs_dead", &[], 0.0);
    seen.shows("anmei_alerts_open", &[("condition", "dead_letter")], 0.0);
    seen.shows("anmei_call_log_queue", &[], 0.0);
    seen.shows("anmei_scrape_failures", &[], 0.0);
    seen.shows("anmei_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    assert!(seen.sum("anmei_jobs_pending", &[("kind", "outgoing_event")]).unwrap() >= 1.0, "they are tried again later");
    for name in ["anmei_db_size_bytes", "anmei_db_wal_bytes", "anmei_disk_free_bytes", "anmei_http_connections"] {
        assert!(seen.sum(name, &[]).unwrap() > 0.0, "{name}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds", "process_threads"] {
        assert!(seen.sum(name, &[]).unwrap() > 0.0, "{name}");
    }

    every_name_that_is_asked_for_is_there(&seen.names());
    // For `promtool check metrics`.
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("metrics.txt"), &seen.0).unwrap();
}

impl App {
    /// What was timed is what was logged.
    fn stop_and_count_calls(&self, seen: &Scrape, count: &str) {
        let logged = self.count("SELECT count(*) FROM mcp_call_logs WHERE outcome <> 'refused'");
        // One call had no name and got to no log.
        let timed = seen.sum(count, &[("mcp_method_name", "tools/call")]).unwrap() - 1.0;
        assert_eq!(timed as i64, logged, "{}", seen.0);
    }
}

/// Names of metrics in a text: words that begin as ours do.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let ours = words.filter(|word| ["anmei_", "mcp_server_", "http_server_", "process_"].iter().any(|prefix| word.starts_with(prefix)));
    let plain = |word: &str| ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word).to_owned();
    ours.map(plain).collect()
}

fn every_name_that_is_asked_for_is_there(names: &BTreeSet<String>) {
    let dashboard = root("examples/grafana-dashboard.json");
    let asked = |text: &str| named_in(text).into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>();
    let panels: Value = serde_json::from_str(&dashboard).unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(asked(expression), Vec::<String>::new(), "{}: {expression}", panel["title"]);
            shown.extend(named_in(expression));
        }
    }
    let left_out: Vec<_> =
        anmei_mcp::telemetry::figures_kept().iter().map(|figure| figure.name).filter(|name| !shown.contains(*name)).collect();
    assert_eq!(left_out, Vec::<&str>::new(), "on no panel");
    for line in root("examples/prometheus-alerts.yml").lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert_eq!(asked(line), Vec::<String>::new(), "{line}");
    }
    for figure in anmei_mcp::telemetry::figures_kept() {
        assert!(names.contains(figure.name), "{} is kept, and was not to be seen", figure.name);
    }
}

#[tokio::test]
async fn nobody_adds_a_label_by_what_is_sent() {
    let app = App::start(&[]).await;
    app.ok(&["limit", "set", "system_tools", "call_per_minute=100000", "other_per_minute=100000"]);
    let (url, key) = (app.group_url("system_tools"), app.key("system_tools"));
    let one = |n: usize| {
        let (app, url, key) = (&app, &url, &key);
        async move {
            let name = format!("odd_{n:04}");
            app.rpc(Era::Modern, url, Some(key), "tools/call", json!({"name": name, "arguments": {}})).await;
            if n.is_multiple_of(10) {
                app.rpc(Era::Silent, url, Some(key), &name, json!({})).await;
                app.send("GET", &format!("{}/{name}", app.mcp_root()), &[], "").await;
                app.send("GET", &format!("{}/server/{name}/mcp", app.mcp_root()), &[("x-app-id", &name)], "").await;
                app.send(&format!("ODD{n}"), url, &[], "").await;
                app.send("POST", &format!("{}/hooks/records/{name}/{name}", app.hook_root()), &[], "").await;
            }
        }
    };
    let all: Vec<()> = stream::iter((0..1_000).map(one)).buffer_unordered(16).collect().await;
    assert_eq!(all.len(), 1_000);
    let seen = Scrape::of(&app).await;
    let odd: Vec<_> = seen.lines().filter(|line| line.to_lowercase().contains("odd")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let series = seen.lines().filter(|line| line.starts_with("mcp_server_operation_duration_seconds_count")).count();
    assert!(series <= 6, "{series}: {}", seen.0);
    seen.shows("mcp_server_operation_duration_seconds_count", &[("gen_ai_tool_name", "_other"), ("error_type", "unknown_tool")], 1_000.0);
    let routes = seen.lines().filter(|line| line.starts_with("http_server_request_duration_seconds_count")).count();
    assert!(routes <= 12, "{routes}: {}", seen.0);
    seen.shows("http_server_request_duration_seconds_count", &[("http_route", "_other")], 100.0);
}

#[tokio::test]
async fn figures_are_for_this_machine_or_for_who_has_the_token() {
    let app = App::start(&[]).await;
    let url = format!("{}/metrics", app.admin_root());
    let status = async |app: &App, url: &str, headers: &[(&str, &str)]| app.send("GET", url, headers, "").await.status;
    assert_eq!(status(&app, &url, &[]).await, 200);
    for (name, value) in
        [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-real-ip", "127.0.0.1"), ("via", "1.1 proxy")]
    {
        assert_eq!(status(&app, &url, &[(name, value)]).await, 403, "{name}");
    }
    assert_eq!(status(&app, &url, &[("host", "rebound.example")]).await, 403);
    assert_eq!(status(&app, &url, &[("origin", "https://elsewhere.example")]).await, 403);
    for elsewhere in [app.mcp_root(), app.hook_root(), app.live_root()] {
        assert_eq!(status(&app, &format!("{elsewhere}/metrics"), &[]).await, 404);
    }
    drop(app);

    let app = App::start(&[("metrics.token", "a-token-of-the-tests")]).await;
    let url = format!("{}/metrics", app.admin_root());
    assert_eq!(status(&app, &url, &[]).await, 401);
    assert_eq!(status(&app, &url, &[("authorization", "Bearer a-token-of-the-test")]).await, 401);
    let right = ("authorization", "Bearer a-token-of-the-tests");
    assert_eq!(status(&app, &url, &[right]).await, 200);
    assert_eq!(status(&app, &url, &[right, ("x-forwarded-for", "198.51.100.7")]).await, 200);
    let dumped = app.ok(&["config", "dump"]);
    assert!(!dumped.contains("a-token-of-the-tests"), "{dumped}");
    drop(app);

    let app = App::start(&[("metrics.enabled", "false")]).await;
    assert_eq!(status(&app, &format!("{}/metrics", app.admin_root()), &[]).await, 404);
    assert_eq!(app.send("GET", &format!("{}/healthz", app.admin_root()), &[], "").await.status, 200);
    drop(app);

    let app = App::start(&[("admin.enabled", "false")]).await;
    assert_eq!(status(&app, &format!("{}/metrics", app.live_root()), &[]).await, 200);
}
