//! Figures are what happened: after a known number of calls and registrations the API, the overview and the existing app's
//! two paths say exactly these, for every range, and nothing of nothing where nothing happened.

use std::time::{Duration, Instant};

use anmei_mcp::demo::stand_in_dify::Behaviour;
use serde_json::{Value, json};

use crate::{
    admin_kit::{get, tokens},
    harness::{App, Era},
    registration::{agent, new_user},
};

const METRICS: &str = "/registration-automation/metrics";
const DASHBOARD: &str = "/admin/registration-automation/dashboard";
const RANGES: [&str; 6] = ["1h", "6h", "24h", "7d", "30d", "90d"];
const HOUR_MS: i64 = 3_600_000;

/// A figure of a card: what stands in it below its name.
fn card<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split_once(&format!("<small>{name}</small><strong>")).unwrap_or_else(|| panic!("no card {name}: {page}")).1;
    rest.split_once("</strong>").unwrap().0
}

/// What a chart says of itself, and the sums of the columns of the table beneath it.
fn chart<'a>(page: &'a str, name: &str) -> (&'a str, Vec<i64>) {
    let figure = page.split_once(&format!("<figure id=\"chart-{name}\"")).unwrap().1.split_once("</figure>").unwrap().0;
    let says = figure.split_once("aria-label=\"").unwrap().1.split_once('"').unwrap().0;
    let mut sums = Vec::new();
    for row in figure.split_once("<tbody>").unwrap().1.split("<tr>").skip(1) {
        let cells = row.split("<td class=\"number\">").skip(1).map(|cell| cell.split_once('<').unwrap().0);
        for (column, cell) in cells.enumerate() {
            sums.resize(sums.len().max(column + 1), 0);
            sums[column] += cell.parse().unwrap_or(0);
        }
    }
    (says, sums)
}

/// The text of a piece of a page.
fn plain(html: &str) -> String {
    html.split('<').enumerate().map(|(n, part)| if n == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) }).collect()
}

/// The cells of a row of a table of the overview, behind its name.
fn row(page: &str, table: &str, name: &str) -> Vec<String> {
    let table = page.split_once(&format!("<h2>{table}</h2>")).unwrap_or_else(|| panic!("no table {table}: {page}")).1;
    let rows = table.split_once("</table>").unwrap().0.split("<tr>").map(|row| row.split("</th>").collect::<Vec<_>>());
    let found = rows.filter(|row| row.len() == 2).find(|row| plain(row[0]) == name);
    let cells = found.unwrap_or_else(|| panic!("no row {name}: {table}"))[1];
    cells.split("<td").skip(1).map(|cell| plain(&format!("<td{cell}"))).collect()
}

/// What stands behind a name in a list of facts.
fn fact(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("no fact {name}: {page}")).1;
    plain(rest.split_once("</dd>").unwrap().0)
}

/// The names of what the overview shows, in one language.
struct Names {
    tag: &'static str,
    indicators: [&'static str; 2],
    yes: &'static str,
    steps: [&'static str; 2],
    rungs: [&'static str; 4],
    agents: &'static str,
    open: &'static str,
    tools: &'static str,
    errors: &'static str,
    kinds: [&'static str; 3],
    claim: &'static str,
    system: [&'static str; 3],
}

const NAMES: [Names; 2] = [
    Names {
        tag: "en",
        indicators: ["Success indicators", "Runs that brought a welcome"],
        yes: "yes",
        steps: ["Steps of the automation", "Compose the welcome"],
        rungs: ["Written by the agent", "Written by the fallback agent", "From the segment's template", "The fixed text"],
        agents: "Agents",
        open: "open",
        tools: "Tools",
        errors: "Errors",
        kinds: ["Tool call · no such tool", "Tool call · refused", "Agent · key not accepted"],
        claim: "Claim time",
        system: ["Database", "Jobs due", "Jobs given up"],
    },
    Names {
        tag: "zh-CN",
        indicators: ["成功指标", "自动化成功率"],
        yes: "是",
        steps: ["自动化各步骤", "生成欢迎消息"],
        rungs: ["由智能体撰写", "由备用智能体撰写", "按客群模板", "固定文本"],
        agents: "智能体",
        open: "已熔断",
        tools: "工具",
        errors: "错误",
        kinds: ["工具调用 · 没有这个工具", "工具调用 · 被拒绝", "智能体 · 密钥未被接受"],
        claim: "认领用时",
        system: ["数据库", "待处理任务", "已放弃的任务"],
    },
];

/// Every table of the overview says what the API says, in both languages.
async fn every_table_says_it(app: &App, reader: &str, overview: &Value) {
    let percent = |share: &Value| format!("{:.1} %", share.as_f64().unwrap() * 100.0);
    let agent = &overview["agents"][0];
    let tool = overview["calls"]["tools"].as_array().unwrap().iter().find(|tool| tool["tool"] == "get_user_profile").unwrap();
    let claim = &overview["consultants"]["claim"];
    let (p50, p95) = (claim["p50_ms"].as_i64().unwrap(), claim["p95_ms"].as_i64().unwrap());
    assert!(claim["count"] == 1 && p95 < 10_000, "claimed within seconds: {claim}");
    for names in &NAMES {
        let answer = app.api(reader, "GET", "/panel/?range=1h", &[("accept-language", names.tag)], None).await;
        let page = answer.body.replace("&#39;", "'");
        assert!(answer.status == 200 && page.contains(&format!("<html lang=\"{}\"", names.tag)), "{page}");
        assert_eq!(row(&page, names.indicators[0], names.indicators[1]), ["100.0 %", "≥ 99.0 %", names.yes], "{}", names.tag);
        assert_eq!(row(&page, names.steps[0], names.steps[1])[0], "100.0 %");
        assert_eq!(names.rungs.map(|rung| fact(&page, rung)), ["2", "0", "0", "1"]);
        let name = agent["agent"].as_str().unwrap();
        let cells = row(&page, names.agents, name);
        assert_eq!(
            (cells[0].as_str(), &cells[1], cells[4].as_str()),
            ("3", &percent(&agent["answered"]["share"]), names.open),
            "{cells:?}"
        );
        let cells = row(&page, names.tools, "get_user_profile");
        assert_eq!((&cells[0], &cells[1]), (&tool["calls"].to_string(), &percent(&tool["failed"]["share"])), "{cells:?}");
        assert_eq!(names.kinds.map(|kind| row(&page, names.errors, kind).concat()), ["1", "1", "1"]);
        let said = format!("<small>{} p50 {p50} ms · p95 {p95} ms</small>", names.claim);
        assert!(page.contains(&said), "{said}: {page}");
        assert!(fact(&page, names.system[0]).contains(" MiB + WAL "), "{page}");
        assert!(fact(&page, names.system[1]).parse::<i64>().is_ok(), "{page}");
        assert_eq!(fact(&page, names.system[2]), "0");
    }
}

fn sum(points: &Value, name: &str) -> i64 {
    points.as_array().unwrap().iter().map(|point| point[name].as_i64().unwrap()).sum()
}

/// Three calls with a result; one with wrong arguments, one about nobody, one of no tool, and one without a key.
async fn seven_calls_of_which_four_fail(app: &App) {
    let (url, key) = (app.group_url("system_tools"), app.key("system_tools"));
    let user = app.database().query_row("SELECT id FROM users LIMIT 1", [], |row| row.get::<_, String>(0)).unwrap();
    let call = async |key: Option<&str>, tool: &str, arguments: Value| {
        app.rpc(Era::Modern, &url, key, "tools/call", json!({"name": tool, "arguments": arguments})).await
    };
    for _ in 0..3 {
        let answer = call(Some(&key), "get_user_profile", json!({"user_id": user})).await;
        assert!(answer.json()["result"]["structuredContent"].is_object(), "{answer:?}");
    }
    call(Some(&key), "get_user_profile", json!({})).await;
    call(Some(&key), "get_user_profile", json!({"user_id": "usr_nobody"})).await;
    call(Some(&key), "no_such_tool", json!({})).await;
    call(None, "get_user_profile", json!({"user_id": user})).await;
}

/// Waits until the call log has so many rows: it is written a moment after the answers.
async fn logged(app: &App, calls: i64) {
    let until = Instant::now() + Duration::from_secs(10);
    while app.count("SELECT count(*) FROM mcp_call_logs") < calls {
        assert!(Instant::now() < until, "{} of {calls} calls", app.count("SELECT count(*) FROM mcp_call_logs"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn figures_are_what_happened_and_the_same_everywhere() {
    let app = App::with_records(&[("working_hours.from", "00:00"), ("working_hours.to", "24:00")]).await;
    let reader = tokens(&app).auditor;
    seven_calls_of_which_four_fail(&app).await;
    let dify = agent(&app, Behaviour::Normal { think_ms: 20 }).await;
    for n in 1..=2 {
        let run = app.finished(&app.register(None, &new_user(n)).await.json()).await;
        assert_eq!(run["welcome"]["rung"], "agent", "{run}");
        if n == 1 {
            app.ok(&["claim", "take", run["registration_id"].as_str().unwrap(), "--consultant", "usr_consultant1"]);
        }
    }
    // An agent whose key is refused is asked once, and not again.
    dify.behave(Behaviour::Http(401));
    let run = app.finished(&app.register(None, &new_user(3)).await.json()).await;
    assert_ne!(run["welcome"]["rung"], "agent", "{run}");
    let made: Vec<String> = dify.ledger.runs().iter().flat_map(|run| run.tools.iter().map(|call| call.tool.clone())).collect();
    let profiles = 5 + made.iter().filter(|tool| *tool == "get_user_profile").count() as i64;
    let calls = 7 + made.len() as i64;
    logged(&app, calls).await;

    let overview = get(&app, &reader, "/api/v1/metrics/overview?range=1h").await.json();
    assert_eq!((&overview["calls"]["calls"], &overview["calls"]["failed"]), (&json!(calls), &json!(4)), "{overview:#}");
    let tool = overview["calls"]["tools"].as_array().unwrap().iter().find(|tool| tool["tool"] == "get_user_profile").unwrap();
    assert_eq!((&tool["calls"], &tool["failed"]["hits"]), (&json!(profiles), &json!(2)), "{tool}");
    assert_eq!(overview["registrations"]["in_range"], 3);
    assert_eq!(overview["registrations"]["success"], json!({"hits": 3, "of": 3, "share": 1.0}));
    assert_eq!(overview["automation"]["welcomes"], json!({"agent": 2, "fallback_agent": 0, "segment": 0, "static": 1}));
    let agent = &overview["agents"][0];
    assert_eq!((&agent["questions"], &agent["answered"]["hits"], &agent["answered"]["of"]), (&json!(3), &json!(2), &json!(3)), "{agent}");
    let indicators = get(&app, &reader, "/api/v1/metrics/indicators?range=1h").await.json();
    assert_eq!((&indicators["registrations"], &indicators["indicators"]), (&json!(3), &overview["indicators"]));
    let points = get(&app, &reader, "/api/v1/metrics/series?range=1h").await.json()["points"].take();
    for (name, expected) in [
        ("calls", calls),
        ("calls_failed", 4),
        ("registrations", 3),
        ("welcomes_by_agent", 2),
        ("welcomes_by_template", 1),
        ("registrations_failed", 0),
        ("agent_questions", 3),
        ("agent_answers", 2),
    ] {
        assert_eq!(sum(&points, name), expected, "{name}: {points}");
    }

    let page = get(&app, &reader, "/panel/?range=1h").await.body;
    assert_eq!((card(&page, "Tool calls"), card(&page, "Success")), (calls.to_string().as_str(), "100.0 %"));
    for page in [&page, &get(&app, &reader, "/panel/overview/charts?range=1h").await.body] {
        let says = |what: &str, numbers: &str| format!("{what}, a chart: {numbers}. The numbers are in the table beneath it.");
        assert_eq!(chart(page, "registrations"), (&*says("Registrations", "Accepted 3, Welcomed 3, Failed 0"), vec![3, 3, 0]));
        assert_eq!(chart(page, "calls"), (&*says("Tool calls", &format!("All {calls}, Without a result 4")), vec![calls, 4]));
        assert_eq!(chart(page, "questions"), (&*says("Questions to agents", "Answered 2, Not answered 1"), vec![2, 1]));
        assert!(chart(page, "call-times").0.contains("p95 in ms up to "), "{:?}", chart(page, "call-times"));
        let waits = chart(page, "waits");
        assert!(
            waits.0.contains("Agents, p95 in ms up to ") && waits.0.contains("Welcomes, p95 in ms up to ") && waits.1[1] > 0,
            "{waits:?}"
        );
    }
    every_table_says_it(&app, &reader, &overview).await;
    the_existing_apps_paths_say(&app, &reader, &overview).await;
}

/// The same figures under the PRD's names.
async fn the_existing_apps_paths_say(app: &App, reader: &str, overview: &Value) {
    let calls = &overview["calls"]["calls"];
    let metrics = get(app, reader, &format!("{METRICS}?range=1h")).await.json();
    let mcp = &metrics["mcp_metrics"];
    assert_eq!(&mcp["total_calls"], calls, "{metrics:#}");
    for tool in overview["calls"]["tools"].as_array().unwrap() {
        let name = tool["tool"].as_str().unwrap();
        assert_eq!((&mcp["tool_calls"][name], &mcp["error_rates"][name]), (&tool["calls"], &tool["failed"]["share"]), "{name}");
    }
    let rate = 1.0 - 4.0 / calls.as_f64().unwrap();
    assert!((mcp["success_rate"].as_f64().unwrap() - rate).abs() < 1e-9, "{mcp}");
    assert_eq!(metrics["automation_success_rate"], 1.0);
    let welcomes = &metrics["welcome_message_stats"];
    assert_eq!((&welcomes["total"], &welcomes["by_agent"], &welcomes["by_static_text"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(sum(&metrics["daily_registrations"], "registrations"), 3);

    let dashboard = get(app, reader, &format!("{DASHBOARD}?range=1h")).await.json();
    let automation = &dashboard["automation_metrics"];
    assert_eq!((&automation["success_rate"], &automation["total_automations"]), (&json!(1.0), &json!(3)), "{dashboard:#}");
    assert_eq!((&automation["mcp_call_count"], &automation["dify_call_count"]), (calls, &json!(3)));
    assert_eq!(automation["average_response_time"], overview["automation"]["first_response"]["mean_ms"]);
    let days = &automation["daily_trends"];
    let told: Vec<_> =
        ["registrations", "successful_automations", "mcp_errors", "dify_agent_calls"].iter().map(|name| sum(days, name)).collect();
    assert_eq!((told, sum(days, "mcp_calls")), (vec![3, 3, 4, 3], calls.as_i64().unwrap()));
    let agent = &dashboard["dify_agent_status"][0];
    assert_eq!((&agent["status"], &agent["calls"]), (&json!("unavailable"), &json!(3)), "its key is refused: {agent}");
    let health = &dashboard["system_health"];
    assert_eq!((&health["mcp_response_time"], &health["database_status"]), (&overview["calls"]["latency"]["mean_ms"], &json!("ok")));
    assert!(health["dify_response_time"].as_f64().unwrap() >= 20.0, "it thinks for so long: {health}");
    let errors = dashboard["recent_errors"].as_array().unwrap();
    let of = |kind: &str| errors.iter().filter(|error| error["kind"] == kind).map(|error| error["count"].as_i64().unwrap()).sum::<i64>();
    assert_eq!((of("call"), of("agent")), (4, 1), "{errors:#?}");
    assert!(errors.is_sorted_by(|a, b| a["time"].as_str() >= b["time"].as_str()), "{errors:#?}");
}

/// A run that was accepted so long ago, with a welcome or given up.
fn run_of_earlier(app: &App, hours: i64, welcomed: bool) {
    let at = app.count("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)") - hours * HOUR_MS;
    let (state, rung, after) = if welcomed { ("done", "'agent'", "900") } else { ("dead_letter", "NULL", "NULL") };
    app.change(&format!(
        "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at, welcome_rung, welcome_at, finished_at)
         VALUES ('run_{hours}', 'usr_{hours}', x'00', '{{}}', '{state}', {at}, {at} + 3000, {rung}, {at} + {after}, {at} + 1000)"
    ));
}

#[tokio::test]
async fn a_range_holds_what_is_in_it() {
    let app = App::start(&[]).await;
    let reader = tokens(&app).operator;
    for (hours, welcomed) in [(3, true), (10, true), (3 * 24, true), (20 * 24, false), (80 * 24, true)] {
        run_of_earlier(&app, hours, welcomed);
    }
    for (range, accepted, of, steps) in
        [("1h", 0, 0, 61), ("6h", 1, 1, 73), ("24h", 2, 2, 97), ("7d", 3, 3, 57), ("30d", 4, 4, 31), ("90d", 5, 5, 91)]
    {
        let overview = get(&app, &reader, &format!("/api/v1/metrics/overview?range={range}")).await.json();
        let (registrations, failed) = (&overview["registrations"], i64::from(of > 3));
        assert_eq!(registrations["in_range"], accepted, "{range}: {registrations}");
        assert_eq!((&registrations["success"]["hits"], &registrations["success"]["of"]), (&json!(of - failed), &json!(of)), "{range}");
        let series = get(&app, &reader, &format!("/api/v1/metrics/series?range={range}")).await.json();
        let points = series["points"].as_array().unwrap().len();
        assert!(points == steps || points == steps + 1, "{range}: {points}");
        assert_eq!(
            (sum(&series["points"], "registrations"), sum(&series["points"], "registrations_failed")),
            (accepted, failed),
            "{range}"
        );
        let page = get(&app, &reader, &format!("/panel/?range={range}")).await.body;
        assert!(
            page.contains(&format!("{accepted} in the range"))
                && page.contains(&format!("data-from=\"/panel/overview/charts?range={range}\""))
        );
        if accepted > 0 {
            assert_eq!(chart(&page, "registrations").1, [accepted, of - failed, failed], "{range}");
        }

        let dashboard = get(&app, &reader, &format!("{DASHBOARD}?range={range}")).await.json();
        let automation = &dashboard["automation_metrics"];
        assert_eq!((&dashboard["range"], &automation["total_automations"]), (&json!(range), &json!(of)), "{automation}");
        let expected = if of == 0 { 0.0 } else { (of - failed) as f64 / of as f64 };
        assert!((automation["success_rate"].as_f64().unwrap() - expected).abs() < 1e-9, "{range}: {automation}");
        let days = &automation["daily_trends"];
        let (length, all) = if range == "90d" { (91, 5) } else { (31, 4) };
        assert_eq!(
            (days.as_array().unwrap().len(), sum(days, "registrations"), sum(days, "failed_automations")),
            (length, all, 1),
            "{range}"
        );
        let dates: Vec<_> = days.as_array().unwrap().iter().map(|day| day["date"].as_str().unwrap()).collect();
        assert!(dates.iter().all(|date| date.len() == 10) && dates.windows(2).all(|two| two[0] < two[1]), "{dates:?}");
    }
    let unsaid = get(&app, &reader, DASHBOARD).await.json();
    assert_eq!((&unsaid["range"], &unsaid["automation_metrics"]["total_automations"]), (&json!("30d"), &json!(4)));
    let page = get(&app, &reader, "/panel/?range=forever").await.body;
    assert!(
        page.contains("data-from=\"/panel/overview/charts?range=24h\"") && page.contains("2 in the range"),
        "a page shows a day instead"
    );
    for path in ["/api/v1/metrics/overview", "/api/v1/metrics/series", "/api/v1/metrics/indicators", METRICS, DASHBOARD] {
        let answer = app.api(&reader, "GET", &format!("{path}?range=forever"), &[], None).await;
        assert!(answer.status == 422 && answer.body.contains("/range"), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn where_nothing_happened_there_is_nothing() {
    let app = App::start(&[]).await;
    let reader = tokens(&app).administrator;
    for range in RANGES {
        let overview = get(&app, &reader, &format!("/api/v1/metrics/overview?range={range}")).await.json();
        assert_eq!(
            overview["registrations"],
            json!({"today": 0, "in_range": 0, "success": {"hits": 0, "of": 0, "share": null}}),
            "{range}"
        );
        assert_eq!((&overview["calls"]["calls"], &overview["calls"]["tools"], &overview["errors"]), (&json!(0), &json!([]), &json!([])));
        let judged: Vec<_> = overview["indicators"].as_array().unwrap().iter().filter(|one| !one["value"].is_null()).collect();
        assert!(judged.is_empty(), "{judged:?}");
        let points = get(&app, &reader, &format!("/api/v1/metrics/series?range={range}")).await.json()["points"].take();
        assert!(points.as_array().unwrap().iter().all(|point| point["calls"] == 0 && point["call_p95_ms"].is_null()), "{range}");
        let page = get(&app, &reader, &format!("/panel/?range={range}")).await.body;
        assert_eq!((page.matches("There is nothing in this range.").count(), page.contains("class=\"chart\"")), (5, false), "{range}");
        assert_eq!((card(&page, "Success"), card(&page, "Tool calls")), ("—", "0"));
        assert!(!page.contains("NaN") && !page.contains("inf "), "{range}: {page}");
    }
    let metrics = get(&app, &reader, METRICS).await.json();
    assert_eq!(metrics["mcp_metrics"], json!({"total_calls": 0, "tool_calls": {}, "error_rates": {}, "success_rate": 1.0}));
    assert_eq!((&metrics["automation_success_rate"], &metrics["dify_agent_status"]), (&json!(0.0), &json!([])));
    let welcomes = &metrics["welcome_message_stats"];
    assert_eq!(
        (&welcomes["total"], &welcomes["within_deadline_rate"], &welcomes["p95_response_time"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let dashboard = get(&app, &reader, DASHBOARD).await.json();
    let automation = &dashboard["automation_metrics"];
    for (name, zero) in
        [("success_rate", json!(0.0)), ("total_automations", json!(0)), ("mcp_call_count", json!(0)), ("dify_call_count", json!(0))]
    {
        assert_eq!(automation[name], zero, "{name}");
    }
    assert_eq!((&automation["average_response_time"], sum(&automation["daily_trends"], "mcp_calls")), (&json!(0.0), 0));
    assert_eq!(
        (&dashboard["recent_errors"], &dashboard["system_health"]),
        (&json!([]), &json!({"mcp_response_time": null, "dify_response_time": null, "database_status": "ok"}))
    );
}
