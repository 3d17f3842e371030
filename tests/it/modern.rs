//! What 2026-07-28 adds: progress, cancellation, cache hints, subscriptions; on both lanes, over HTTP and stdio.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{App, ERAS, Era},
};

const LANES: [&str; 2] = ["true", "false"];

/// A call of the tool that may take long.
pub(crate) fn long_call() -> Value {
    json!({"name": "generate_treatment_plan", "arguments": {
        "customer_profile": {"age": 30, "skin_type": "dry"}, "requirements": {"concerns": ["色斑", "暗沉", "细纹", "皱纹", "痘印"], "budget": 300_000},
    }})
}

/// Says in a request that its client understands tasks.
pub(crate) fn declaring_tasks(body: &mut Value) {
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
}

/// A catalogue that is much alike, so that the search for a plan goes to its limit.
pub(crate) fn busy_clinic(app: &App) {
    let concerns = ["色斑", "暗沉", "细纹", "皱纹", "痘印"];
    let head = "code,name,name_en,category,description,treats,price_min,price_max,duration_minutes,recovery_days,sessions,interval_days,efficacy,contraindications";
    let rows = (0..90).map(|n| {
        let treats: Vec<_> = (0..3).map(|k| concerns[(n * (k + 2) + k) % 5]).collect();
        let (price, efficacy) = (900 + (n * 137) % 700, 20 + (n * 7) % 15);
        format!("svc_{n},项目{n},Service {n},skin,说明,{},{price},{price},30,1,6,14,{efficacy},", treats.join(";"))
    });
    let text = std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n");
    let file = app.dir.path().join("busy.csv");
    std::fs::write(&file, text).unwrap();
    app.ok(&["import", "services", file.to_str().unwrap()]);
}

/// Waits for the row of a call that ended like this.
pub(crate) async fn ended(app: &App, outcome: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while app.count(&format!("SELECT count(*) FROM mcp_call_logs WHERE outcome = '{outcome}'")) == 0 {
        assert!(Instant::now() < until, "no call ended as {outcome}: {}", app.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A host that starts the program itself. Lines are read on a thread, so that a test can wait for one that may not come.
pub(crate) struct Host {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<Value>,
    next: u64,
    modern: bool,
}

impl Host {
    pub(crate) fn modern(app: &App, code: &str) -> Self {
        Self::start(app, code, true)
    }

    pub(crate) fn older(app: &App, code: &str) -> Self {
        let mut host = Self::start(app, code, false);
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}});
        assert_eq!(host.ask(&hello)["result"]["capabilities"]["tools"]["listChanged"], true);
        host.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        host
    }

    fn start(app: &App, code: &str, modern: bool) -> Self {
        let mut command = app.command(&["stdio", "--server-code", code]);
        command.env("ANMEI_MCP_API_KEY", app.key(code)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || read(BufReader::new(stdout).lines(), &sender));
        Self { child, stdin, lines, next: 1, modern }
    }

    pub(crate) fn request(&mut self, method: &str, mut params: Value) -> Value {
        self.next += 1;
        if self.modern {
            params["_meta"] =
                json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        }
        json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params})
    }

    pub(crate) fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    /// The next message, if one comes in time.
    pub(crate) fn hear(&mut self, wait: Duration) -> Option<Value> {
        self.lines.recv_timeout(wait).ok()
    }

    pub(crate) fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.hear(Duration::from_secs(30)).unwrap()
    }

    pub(crate) fn end(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

fn read(lines: Lines<BufReader<ChildStdout>>, sender: &mpsc::Sender<Value>) {
    for line in lines.map_while(Result::ok) {
        if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn post(url: &str, headers: &[(String, String)], body: &Value) -> reqwest::RequestBuilder {
    let request = client().post(url).body(body.to_string());
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// The messages of an event stream.
fn messages(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| line.strip_prefix("data:")).filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

/// Progress that increases, of one token, and then the answer.
pub(crate) fn is_progress_and_answer(messages: &[Value]) {
    let (answer, told) = messages.split_last().unwrap();
    assert!(answer["result"]["structuredContent"]["plan_id"].is_string(), "{answer}");
    let percents: Vec<f64> = told
        .iter()
        .map(|message| {
            assert_eq!(message["method"], "notifications/progress", "{message}");
            let params = &message["params"];
            assert_eq!((&params["progressToken"], &params["total"]), (&json!("how far"), &json!(100.0)), "{message}");
            assert!(params["message"].as_str().unwrap().contains(" / "), "{message}");
            params["progress"].as_f64().unwrap()
        })
        .collect();
    assert!(percents.len() >= 3 && percents.windows(2).all(|pair| pair[0] < pair[1]), "{percents:?}");
    assert!(percents.iter().any(|percent| (11.0..90.0).contains(percent)), "the search itself is heard of: {percents:?}");
}

#[tokio::test]
async fn a_client_that_asks_hears_how_far_its_call_is() {
    for fast_lane in LANES {
        let mut app = App::idle(&[("mcp.fast_lane", fast_lane)]);
        busy_clinic(&app);
        app.spawn().await;
        let key = app.key("medical_tools");
        for era in [Era::Modern, Era::Handshake("2025-06-18")] {
            let (headers, mut body) = era.request(Some(&key), "tools/call", long_call());
            body["params"]["_meta"]["progressToken"] = json!("how far");
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = app.send("POST", &app.root_url(), &headers, body.to_string()).await;
            assert_eq!(answer.headers["content-type"], "text/event-stream", "{era:?}");
            assert_eq!(answer.headers["x-accel-buffering"], "no");
            is_progress_and_answer(&messages(&answer.body));
            let only_json: Vec<_> =
                headers.iter().map(|(name, value)| if *name == "accept" { (*name, "application/json") } else { (*name, *value) }).collect();
            let answer = app.send("POST", &app.root_url(), &only_json, body.to_string()).await;
            assert_eq!(answer.headers["content-type"], "application/json", "{era:?}: nobody is sent a stream who takes none");
            assert!(answer.json()["result"]["structuredContent"]["plan_id"].is_string());
        }
    }
}

#[test]
fn progress_reaches_a_host_over_stdio() {
    let app = App::idle(&[]);
    busy_clinic(&app);
    for mut host in [Host::modern(&app, "medical_tools"), Host::older(&app, "medical_tools")] {
        let mut call = host.request("tools/call", long_call());
        call["params"]["_meta"]["progressToken"] = json!("how far");
        host.send(&call);
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &Value| last.get("id").is_none()) {
            heard.push(host.hear(Duration::from_secs(30)).unwrap());
        }
        is_progress_and_answer(&heard);
        host.end();
    }
}

#[tokio::test]
async fn whoever_goes_away_ends_the_work_of_the_call() {
    for fast_lane in LANES {
        for progress in [false, true] {
            let mut app = App::idle(&[("mcp.fast_lane", fast_lane)]);
            busy_clinic(&app);
            app.spawn().await;
            let (headers, mut body) = Era::Modern.request(Some(&app.key("medical_tools")), "tools/call", long_call());
            if progress {
                body["params"]["_meta"]["progressToken"] = json!(1);
                let mut stream = post(&app.root_url(), &headers, &body).send().await.unwrap().bytes_stream();
                assert!(stream.next().await.unwrap().is_ok(), "it is at work");
            } else {
                let cut = post(&app.root_url(), &headers, &body).timeout(Duration::from_millis(150)).send().await;
                assert!(cut.is_err_and(|error| error.is_timeout()), "the call is long enough to be cut");
            }
            ended(&app, "cancelled").await;
            assert_eq!(app.count("SELECT count(*) FROM plans"), 0);
        }
    }
}

#[tokio::test]
async fn a_cancelled_notification_ends_the_work_over_stdio() {
    let app = App::idle(&[]);
    busy_clinic(&app);
    for (nth, mut host) in [Host::modern(&app, "medical_tools"), Host::older(&app, "medical_tools")].into_iter().enumerate() {
        let call = host.request("tools/call", long_call());
        host.send(&call);
        tokio::time::sleep(Duration::from_millis(100)).await;
        host.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call["id"], "reason": "enough"}}));
        let list = host.request("tools/list", json!({}));
        host.send(&list);
        let answer = loop {
            let heard = host.hear(Duration::from_secs(5)).unwrap();
            if heard["id"] == list["id"] {
                break heard;
            }
        };
        assert!(answer["result"]["tools"].is_array(), "{answer}");
        host.end();
        let cancelled = app.count("SELECT count(*) FROM mcp_call_logs WHERE outcome = 'cancelled' AND channel = 'stdio'");
        assert_eq!(cancelled, i64::try_from(nth).unwrap() + 1);
    }
    assert_eq!(app.count("SELECT count(*) FROM plans"), 0);
}

#[tokio::test]
async fn every_modern_result_names_the_server_and_how_long_it_holds() {
    for fast_lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane), ("mcp.list_ttl", "90s")]).await;
        let key = app.key("system_tools");
        let cached = ["server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"];
        for method in cached {
            let result = app.rpc(Era::Modern, &app.root_url(), Some(&key), method, json!({})).await.json()["result"].clone();
            assert_eq!(
                (&result["resultType"], &result["ttlMs"], &result["cacheScope"]),
                (&json!("complete"), &json!(90_000), &json!("private")),
                "{method}: {result}"
            );
            assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["version"], "1.0.0", "{method}: {result}");
        }
        for arguments in [json!({"user_id": "usr_anna"}), json!({"user_id": "usr_nobody"}), json!({})] {
            let result = app.call(Era::Modern, "system_tools", "get_user_profile", arguments).await;
            assert_eq!(result["resultType"], "complete");
            assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["version"], "1.0.0", "{result}");
        }
        for era in ERAS.into_iter().filter(|era| *era != Era::Modern) {
            for method in &cached[1..] {
                let result = app.rpc(era, &app.root_url(), Some(&key), method, json!({})).await.json()["result"].clone();
                for member in ["resultType", "ttlMs", "cacheScope"] {
                    assert!(result.get(member).is_none(), "{era:?} {method} knows no {member}: {result}");
                }
            }
        }
    }
}

#[tokio::test]
async fn extensions_are_advertised_where_they_exist() {
    let app = App::start(&[]).await;
    let key = app.key("medical_tools");
    let discover = app.rpc(Era::Modern, &app.root_url(), Some(&key), "server/discover", json!({})).await.json();
    assert!(discover["result"]["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{discover}");
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = app.rpc(Era::Silent, &app.root_url(), Some(&key), "initialize", params).await.json();
    assert!(hello["result"]["capabilities"].get("extensions").is_none(), "{hello}");
}

#[tokio::test]
async fn a_name_in_a_header_may_be_encoded() {
    for fast_lane in LANES {
        let app = App::with_records(&[("mcp.fast_lane", fast_lane)]).await;
        let params = json!({"name": "search_users", "arguments": {"query": "anna"}});
        for (value, status, code) in [
            ("=?base64?c2VhcmNoX3VzZXJz?=", 200, Value::Null),
            ("=?base64?Z2V0X3VzZXJfcHJvZmlsZQ==?=", 400, json!(-32020)),
            ("=?base64?*?=", 400, json!(-32020)),
        ] {
            let (mut headers, body) = Era::Modern.request(Some(&app.key("system_tools")), "tools/call", params.clone());
            headers.retain(|(name, _)| name != "mcp-name");
            headers.push(("Mcp-Name".into(), value.into()));
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = app.send("POST", &app.root_url(), &headers, body.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.json()["error"]["code"].clone()), (status, code), "{value}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_subscription_says_what_it_is_and_ends_with_a_result() {
    let mut app = App::start(&[]).await;
    let wanted = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["x://y"]}});
    let (headers, mut body) = Era::Modern.request(Some(&app.key("system_tools")), "subscriptions/listen", wanted);
    body["id"] = json!("my subscription");
    let response = post(&app.root_url(), &headers, &body).send().await.unwrap();
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    let mut next = async |wait: u64| loop {
        if let Some((event, rest)) = text.clone().split_once("\n\n") {
            rest.clone_into(&mut text);
            if let Some(message) = messages(event).pop() {
                return Some(message);
            }
            continue;
        }
        let chunk = tokio::time::timeout(Duration::from_millis(wait), stream.next()).await.ok()??.unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    };
    let acknowledged = next(3000).await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    assert_eq!(acknowledged["params"]["notifications"], json!({"toolsListChanged": true}), "{acknowledged}");
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    let changed = next(1000).await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed", "{changed}");
    for told in [&acknowledged, &changed] {
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "my subscription", "{told}");
    }
    app.ok(&["tool", "set", "system_tools", "get_user_profile", "--timeout", "20"]);
    assert_eq!(next(700).await, None, "a change that no client sees is none");
    app.stop().await;
    let last = next(3000).await.unwrap();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("my subscription"), &json!("complete")), "{last}");
}

/// What comes when a key subscribes: the stream, or why there is none.
async fn subscribing(url: &str, key: &str) -> reqwest::Response {
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let (headers, body) = Era::Modern.request(Some(key), "subscriptions/listen", wanted);
    post(url, &headers, &body).send().await.unwrap()
}

#[tokio::test]
async fn subscriptions_are_capped_per_key_and_a_closed_one_makes_room() {
    let app = App::start(&[("mcp.subscription_streams", "2")]).await;
    let (key, other) = (app.key("system_tools"), app.key("medical_tools"));
    let (root, own) = (app.root_url(), app.group_url("system_tools"));
    let (first, second) = (subscribing(&root, &key).await, subscribing(&own, &key).await);
    assert!(first.status() == 200 && second.status() == 200, "{first:?} {second:?}");
    for url in [&root, &own] {
        let refused = subscribing(url, &key).await;
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (429, &b"5"[..]));
        let error: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
        assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(429)), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("mcp.subscription_streams"), "{error}");
    }
    assert_eq!(app.rpc(Era::Modern, &root, Some(&key), "tools/list", json!({})).await.status, 200, "all else goes on");
    assert_eq!(subscribing(&root, &other).await.status(), 200, "another key has its own");
    drop(first);
    let until = Instant::now() + Duration::from_secs(5);
    while subscribing(&root, &key).await.status() != 200 {
        assert!(Instant::now() < until, "the closed subscription still counts");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(second);
}

#[tokio::test]
async fn a_subscription_is_never_silent_for_fifteen_seconds() {
    let app = App::start(&[]).await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let (headers, body) = Era::Modern.request(Some(&app.key("system_tools")), "subscriptions/listen", wanted);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut events = Events::open("POST", &app.root_url(), &headers, body.to_string()).await;
    assert_eq!(events.next().await.unwrap().json()["method"], "notifications/subscriptions/acknowledged");
    events.comment(Duration::from_secs(14)).await;
}

#[test]
fn a_change_reaches_hosts_over_stdio_within_a_second() {
    let app = App::idle(&[]);
    let mut older = Host::older(&app, "system_tools");
    let list = older.request("tools/list", json!({}));
    older.ask(&list);
    let mut modern = Host::modern(&app, "system_tools");
    let listen = modern.request("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(modern.ask(&listen)["method"], "notifications/subscriptions/acknowledged");
    let mut silent = Host::modern(&app, "system_tools");
    let list = silent.request("tools/list", json!({}));
    silent.ask(&list);
    app.ok(&["tool", "disable", "medical_tools", "optimize_plan"]);
    assert_eq!(older.hear(Duration::from_millis(700)), None, "another group's change");
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    for host in [&mut older, &mut modern] {
        let told = host.hear(Duration::from_secs(1)).unwrap();
        assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    }
    assert_eq!(silent.hear(Duration::from_millis(500)), None, "a modern client that did not subscribe hears nothing");
    for host in [older, modern, silent] {
        host.end();
    }
}
