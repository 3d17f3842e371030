//! The endpoint in this process, with tools made for the purpose: headers that repeat arguments, and bodies that nobody
//! would write by hand.

use std::{sync::Arc, time::Duration};

use anmei_mcp_tools::{About, Context, Effect, NativeTool, Tool, ToolError};
use async_trait::async_trait;
use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::*;
use crate::{
    clock::SystemClock,
    dispatch::{Bodies, Catalogue, Dispatch, Limits, RecordSettings, Recorder, TaskSettings},
    gate::{Gate, keys},
    secret::MasterKey,
    store::{
        Store,
        audit::By,
        policy::{Group, NewGroup, ToolPolicy},
    },
};

/// A tool whose arguments clients of 2026-07-28 repeat in headers.
#[derive(Debug, Deserialize, JsonSchema)]
struct Mirrored {
    /// 地区 / the region
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: Option<String>,
    /// 数量 / how many
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: Option<i64>,
    /// 其他 / what is not repeated
    note: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Heard {
    region: Option<String>,
    count: Option<i64>,
    note: Option<String>,
}

#[async_trait]
impl NativeTool for Mirrored {
    type Output = Heard;

    fn about() -> About {
        About {
            name: "mirrored",
            title: "回显 / Mirror",
            description: "回显参数 / Says what it heard.",
            category: "test",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: "{}",
            config: &[],
        }
    }

    async fn run(self, _: &Context<'_>) -> Result<Heard, ToolError> {
        Ok(Heard { region: self.region, count: self.count, note: self.note })
    }
}

/// An endpoint on a database of its own.
struct Bench {
    _dir: TempDir,
    runtime: Runtime,
    router: Router,
    key: String,
}

impl Bench {
    fn new(fast_lane: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = TempDir::new().unwrap();
        let (router, key) = runtime.block_on(serve(&dir, fast_lane));
        Self { _dir: dir, runtime, router, key }
    }

    /// Status, kind of content and body of the answer.
    fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> (StatusCode, String, String) {
        let mut request = Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
        request = request.header("authorization", format!("Bearer {}", self.key)).header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let answer = async {
                let response = self.router.clone().oneshot(request).await.unwrap();
                let (status, kind) = (response.status(), response.headers().get("content-type").cloned());
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
                (status, kind, String::from_utf8(body.to_vec()).unwrap())
            };
            tokio::time::timeout(Duration::from_secs(10), answer).await.unwrap()
        })
    }
}

async fn serve(dir: &TempDir, fast_lane: bool) -> (Router, String) {
    let (clock, tasks, stop) = (Arc::new(SystemClock), TaskTracker::new(), CancellationToken::new());
    let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
    let gate = Arc::new(Gate::new(store.clone(), clock.clone()));
    let master = MasterKey::generate().unwrap();
    let (key, text) = keys::mint(
        keys::Order { group_id: "g", name: "default", created_by: "cli", expires_at: None },
        &master,
        keys::Reveal::Never,
        clock.as_ref(),
    )
    .unwrap();
    store.create_groups(vec![NewGroup { group: group(), key, tools: vec![policy("mirrored")] }], By::new("cli", 0)).await.unwrap();
    let settings = RecordSettings { durable: false, bodies: Bodies::None, queue: 1024, flush_interval: Duration::from_millis(50) };
    let recorder = Recorder::new(settings);
    tasks.spawn(recorder.clone().run(store.clone()));
    let limits =
        Limits { concurrent_calls: 8, tasks: TaskSettings { ttl: Duration::from_mins(1), poll: Duration::from_secs(1), per_principal: 4 } };
    let catalogue = Catalogue::new(vec![Tool::native::<Mirrored>()]).unwrap();
    let dispatch = Arc::new(Dispatch::new(catalogue, store, clock, recorder, limits));
    let server = ServerSettings { name: "test".into(), version: "1".into(), list_ttl_ms: 0 };
    let product = Product::new(dispatch, Arc::clone(&gate), server, stop, &tasks);
    let router = router(Endpoint::new(product, gate, EndpointSettings { fast_lane, ..EndpointSettings::default() }));
    (router, text.expose().to_owned())
}

fn group() -> Group {
    Group {
        id: "g".into(),
        server_code: "test".into(),
        name: "test".into(),
        description: String::new(),
        user_tier_access: vec![],
        allowed_roles: vec![],
        enabled: true,
        subject_scoped: false,
        created_by: "cli".into(),
        created_at: 0,
        updated_at: 0,
    }
}

fn policy(name: &str) -> ToolPolicy {
    ToolPolicy {
        id: name.into(),
        tool_name: name.into(),
        group_id: "g".into(),
        version: "1.0.0".into(),
        description: None,
        enabled: true,
        timeout_seconds: 5,
        config_data: serde_json::Map::new(),
        created_at: 0,
        updated_at: 0,
    }
}

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

#[test]
fn headers_that_repeat_arguments_must_agree_with_them_on_both_lanes() {
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "mirrored")];
    for fast_lane in [true, false] {
        let bench = Bench::new(fast_lane);
        for (arguments, headers, good) in [
            (json!({"region": "eu", "count": 3}), &[("mcp-param-region", "eu"), ("mcp-param-count", "3")][..], true),
            (json!({"region": "华东"}), &[("mcp-param-region", "=?base64?5Y2O5Lic?=")], true),
            (json!({"note": "x"}), &[], true),
            (json!({"region": null, "note": "x"}), &[], true),
            (json!({"region": "eu"}), &[("mcp-param-region", "us")], false),
            (json!({"region": "eu"}), &[], false),
            (json!({"note": "x"}), &[("mcp-param-region", "eu")], false),
            (json!({"region": "eu"}), &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")], false),
            (json!({"region": "eu"}), &[("mcp-param-region", "=?base64?*?=")], false),
        ] {
            let meta: Value = serde_json::from_str(META).unwrap();
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "mirrored", "arguments": arguments, "_meta": meta}});
            let (status, _, text) = bench.post(&[&modern[..], headers].concat(), body.to_string().into_bytes());
            let answer: Value = serde_json::from_str(&text).unwrap();
            if good {
                assert_eq!((status, &answer["result"]["isError"]), (StatusCode::OK, &json!(false)), "{arguments} {headers:?}: {answer}");
            } else {
                assert_eq!(
                    (status, &answer["error"]["code"]),
                    (StatusCode::BAD_REQUEST, &json!(-32020)),
                    "{arguments} {headers:?}: {answer}"
                );
            }
        }
        let older =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "mirrored", "arguments": {"region": "eu"}}});
        let (status, _, text) = bench.post(&[("mcp-protocol-version", "2025-11-25")], older.to_string().into_bytes());
        assert!(status == StatusCode::OK && text.contains("\"isError\":false"), "older clients repeat nothing: {text}");
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-07-28")),
        Just(json!("mirrored")),
    ]
}

/// Any JSON, with names that mean something here and there.
fn anything() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z_]{0,6}",
        prop::sample::select(vec![
            "name",
            "arguments",
            "_meta",
            "region",
            "count",
            "uri",
            "cursor",
            "taskId",
            "progressToken",
            "protocolVersion"
        ])
        .prop_map(str::to_owned),
    ];
    leaf().prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What looks like a request, as far as chance lets it.
fn request() -> impl Strategy<Value = Value> {
    let method = prop_oneof![
        4 => prop::sample::select(vec![
            "tools/call", "tools/list", "initialize", "ping", "server/discover", "resources/list", "resources/read", "prompts/get", "prompts/list",
            "tasks/get", "tasks/cancel", "tasks/update", "completion/complete", "logging/setLevel", "notifications/initialized",
            "notifications/cancelled",
        ]).prop_map(Value::from),
        1 => leaf(),
    ];
    let params = prop_oneof![
        2 => anything(),
        2 => (anything(), any::<bool>()).prop_map(|(arguments, modern)| {
            let meta: Value = if modern { serde_json::from_str(META).unwrap() } else { json!({}) };
            json!({"name": "mirrored", "arguments": arguments, "_meta": meta})
        }),
    ];
    let id = prop_oneof![3 => any::<i64>().prop_map(Value::from), 1 => leaf()];
    let whole = (
        prop::option::weighted(0.9, Just(json!("2.0"))),
        prop::option::of(id),
        prop::option::weighted(0.95, method),
        prop::option::of(params),
    );
    whole.prop_map(|(jsonrpc, id, method, params)| {
        let members = [("jsonrpc", jsonrpc), ("id", id), ("method", method), ("params", params)];
        Value::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => anything().prop_map(|value| value.to_string().into_bytes()),
        6 => request().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(request(), 0..4).prop_map(|values| Value::from(values).to_string().into_bytes()),
        1 => (request(), any::<prop::sample::Index>()).prop_map(|(value, cut)| {
            let mut bytes = value.to_string().into_bytes();
            bytes.truncate(cut.index(bytes.len()));
            bytes
        }),
    ]
}

/// Whether a value can be the id of a message.
fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64()
}

fn is_answer(answer: &Value, sent: Option<&Value>) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{answer}");
    if let Some(error) = answer.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
    }
    match sent.and_then(|sent| sent.get("id")).filter(|id| is_id(id)) {
        Some(id) => assert_eq!(&answer["id"], id, "{answer}"),
        None => assert!(answer["id"].is_null(), "{answer}"),
    }
}

/// Whatever a holder of a key sends: an answer in JSON-RPC with the id of the question, or 202 and nothing.
fn is_understood(bench: &Bench, version: Option<&str>, body: Vec<u8>) {
    let sent: Option<Value> = serde_json::from_slice(&body).ok();
    let headers: Vec<_> = version.map(|version| ("mcp-protocol-version", version)).into_iter().collect();
    let (status, kind, text) = bench.post(&headers, body);
    if status == StatusCode::ACCEPTED {
        assert_eq!(text, "");
        return;
    }
    assert!(status == StatusCode::OK || status.is_client_error(), "{status} {text}");
    assert_eq!(kind, "application/json", "{status} {text}");
    match serde_json::from_str(&text).unwrap() {
        Value::Array(answers) => answers.iter().for_each(|answer| assert_eq!(answer["jsonrpc"], "2.0", "{answer}")),
        answer => is_answer(&answer, sent.as_ref()),
    }
}

#[test]
fn h6_whatever_is_sent_is_answered_in_json_rpc_with_its_own_id() {
    for fast_lane in [true, false] {
        let bench = Bench::new(fast_lane);
        let version = prop::option::of(prop::sample::select(vec!["2025-11-25", "2025-03-26", "2026-07-28", "", "1"]));
        let mut runner =
            proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() });
        runner
            .run(&(version, body()), |(version, body)| {
                is_understood(&bench, version, body);
                Ok(())
            })
            .unwrap();
    }
}
