//! The client against the stand-in, in each of its behaviours, with a small MCP server behind it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::outbound::dify::{Answer, Ask, Class, DifyClient, DifyError, InputField, Lost, Progress};

const MCP_KEY: &str = "mcp_key_test";
const ANY: &str = "127.0.0.1:0";

/// What the MCP server was sent: its tool calls' headers and every message.
type Sent = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn mcp_server() -> (McpServer, Sent) {
    let sent = Sent::default();
    let app = Router::new().route("/server/welcome_tools/mcp", post(mcp)).with_state(Arc::clone(&sent));
    let listener = TcpListener::bind(ANY).await.unwrap();
    let url = format!("http://{}/server/welcome_tools/mcp", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    (McpServer { name: "welcome".into(), url, key: SecretText::new(MCP_KEY) }, sent)
}

async fn mcp(State(sent): State<Sent>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    let authorized = headers.get("authorization").unwrap() == &format!("Bearer {MCP_KEY}");
    held(&sent).push((headers, message.clone()));
    if !authorized {
        return (StatusCode::UNAUTHORIZED, "no").into_response();
    }
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let user = &message["params"]["arguments"]["user_id"];
    let result = match (message["method"].as_str().unwrap(), message["params"]["name"].as_str()) {
        ("initialize", _) => {
            json!({"protocolVersion": message["params"]["protocolVersion"], "capabilities": {}, "serverInfo": {"name": "t", "version": "1"}})
        }
        ("tools/list", _) => {
            json!({"tools": [{"name": "get_user_profile", "inputSchema": {}}, {"name": "analyze_customer", "inputSchema": {}}]})
        }
        ("tools/call", Some("get_user_profile")) => text(&json!({"user_id": user, "username": "张伟"})),
        ("tools/call", Some("analyze_customer")) => {
            // As an event stream, which Dify reads too.
            let result = text(&json!({"segment_code": "new", "recommendations": ["新注册客户：邀请首次面诊"]}));
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
            return ([("content-type", "text/event-stream")], format!("event: message\ndata: {answer}\n\n")).into_response();
        }
        other => panic!("{other:?}"),
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}

fn text(value: &Value) -> Value {
    json!({"content": [{"type": "text", "text": value.to_string()}], "isError": false})
}

async fn stand_in(kind: AgentKind, behaviour: Behaviour) -> (StandInHandle, DifyClient, Sent) {
    let (server, sent) = mcp_server().await;
    let config = StandIn { kind, mcp: vec![server], behaviour, key: None };
    let handle = StandIn::start(ANY.parse().unwrap(), config).await.unwrap();
    let http = HttpClient::new(ProxyUse::Direct).unwrap();
    let client = DifyClient::new(http, &handle.base_url, handle.key.clone(), kind).unwrap().with_idle_timeout(Duration::from_millis(1500));
    (handle, client, sent)
}

fn ask() -> Ask {
    let mut inputs = Map::new();
    inputs.insert("user_id".into(), "usr_0001".into());
    Ask { inputs, query: "请写一段欢迎语".into(), user: "reg-0001".into(), trace_id: "trace-0001".into(), traceparent: None }
}

async fn welcome_within(client: &DifyClient, time: Duration) -> (Result<Answer, DifyError>, Vec<Progress>) {
    let mut progress = Vec::new();
    let answer = client.welcome(ask(), Instant::now() + time, &CancellationToken::new(), &mut |event| progress.push(event)).await;
    (answer, progress)
}

async fn fails(behaviour: Behaviour) -> (DifyError, Vec<Progress>, StandInHandle, DifyClient) {
    let (handle, client, _) = stand_in(AgentKind::Agent, behaviour).await;
    let (answer, progress) = welcome_within(&client, Duration::from_secs(5)).await;
    let error = answer.unwrap_err();
    assert!(!format!("{error} {error:?} {client:?}").contains(handle.key.expose()), "{error:?}");
    (error, progress, handle, client)
}

#[tokio::test]
async fn an_agent_calls_its_tools_as_dify_does_and_writes_from_what_they_say() {
    let (handle, client, sent) = stand_in(AgentKind::Agent, Behaviour::Normal { think_ms: 5 }).await;
    let (answer, progress) = welcome_within(&client, Duration::from_secs(5)).await;
    let answer = answer.unwrap();
    assert!(answer.text.starts_with("张伟，您好！欢迎加入"), "{}", answer.text);
    assert!(!answer.text.contains("让我先"), "chatter: {}", answer.text);
    let tools: Vec<_> = answer.tools.iter().map(|call| (call.name.as_str(), call.position)).collect();
    assert_eq!(tools, [("get_user_profile", 1), ("analyze_customer", 2)]);
    assert_eq!((answer.thoughts.len(), answer.price.as_deref()), (3, Some("0.0012 USD")));
    assert!(answer.tokens.unwrap() > 400 && answer.first_byte_ms <= answer.latency_ms && answer.latency_ms >= 15);
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(serde_json::from_value::<Answer>(json).unwrap(), answer);

    let run = handle.ledger.runs().remove(0);
    assert_eq!((run.user.as_str(), run.trace_id.as_deref()), ("reg-0001", Some("trace-0001")));
    let started = Progress::Started {
        task_id: run.task_id.clone(),
        conversation_id: Some(run.conversation_id.clone()),
        message_id: Some(run.message_id.clone()),
    };
    assert_eq!(progress[0], started);
    let mut last = std::collections::BTreeMap::new();
    for told in &progress[1..] {
        let Progress::Thought(thought) = told else { panic!("{told:?}") };
        last.insert(thought.position, thought.clone());
    }
    assert_eq!(last.into_values().collect::<Vec<_>>(), answer.thoughts, "the last word on each position holds");
    let [first, _, said] = &answer.thoughts[..] else { panic!("{:?}", answer.thoughts) };
    assert!(first.text.starts_with("让我先") && first.input_bytes > 20 && first.observation_bytes > 20, "{first:?}");
    assert_eq!((said.text.as_str(), said.tool.as_str(), said.observation_bytes), (answer.text.as_str(), "", 0));
    assert_eq!(handle.ledger.runs_for("reg-0001"), 1);
    assert!(handle.ledger.tool_calls().iter().all(|call| call.ok && call.arguments == json!({"user_id": "usr_0001"})));

    let sent = held(&sent).clone();
    let methods: Vec<_> = sent.iter().map(|(_, message)| message["method"].as_str().unwrap()).collect();
    let update = ["initialize", "notifications/initialized", "tools/list"];
    let call = ["initialize", "notifications/initialized", "tools/list", "tools/call"];
    assert_eq!(methods, [&update[..], &call[..], &call[..]].concat());
    for (headers, message) in &sent {
        assert!(headers.get("mcp-protocol-version").is_none());
        let method = message["method"].as_str().unwrap();
        let fields = message.as_object().unwrap();
        match method {
            "initialize" => assert_eq!((&message["id"], &message["params"]["protocolVersion"]), (&json!(0), &json!("2025-06-18"))),
            "tools/call" => {
                assert!(message["params"].get("_meta").is_none());
                assert_eq!(headers.get("connection").unwrap(), "close");
            }
            _ => assert!(!fields.contains_key("params"), "{message}"),
        }
    }
    handle.shutdown().await;
}

#[tokio::test]
async fn chatbots_and_workflows_answer_too() {
    let (_handle, chat, _) = stand_in(AgentKind::Chat, Behaviour::default()).await;
    let answer = welcome_within(&chat, Duration::from_secs(5)).await.0.unwrap();
    assert!(answer.text.starts_with("您好！欢迎来到安美智享！") && answer.tools.is_empty(), "{answer:?}");

    let (handle, workflow, _) = stand_in(AgentKind::Workflow, Behaviour::default()).await;
    let (answer, progress) = welcome_within(&workflow, Duration::from_secs(5)).await;
    let answer = answer.unwrap();
    assert!(answer.text.starts_with("张伟，您好！"), "{answer:?}");
    let run = handle.ledger.runs().remove(0);
    assert_eq!(run.inputs.get("query").unwrap(), "请写一段欢迎语");
    assert_eq!(progress, [Progress::Started { task_id: run.task_id, conversation_id: None, message_id: Some(run.message_id.clone()) }]);
    let lost = Lost { conversation_id: None, message_id: Some(&run.message_id), user: "reg-0001" };
    assert_eq!(workflow.find_answer(lost).await.unwrap().unwrap().text, answer.text);
}

#[tokio::test]
async fn address_key_and_kind_can_be_checked() {
    let (handle, client, _) = stand_in(AgentKind::Agent, Behaviour::default()).await;
    let info = client.info().await.unwrap();
    assert!(AgentKind::Agent.fits(&info.mode) && !AgentKind::Chat.fits(&info.mode), "{info:?}");
    let required = InputField { variable: "user_id".into(), required: true, kind: "text-input".into() };
    assert_eq!(client.parameters().await.unwrap().inputs.first(), Some(&required));

    let http = || HttpClient::new(ProxyUse::Direct).unwrap();
    let with = |base: &str, key: &str, kind| DifyClient::new(http(), base, SecretText::new(key), kind);
    let key = handle.key.expose();
    for base in [format!("{}/", handle.base_url), format!("{}/v1", handle.base_url), format!(" {}/v1/ ", handle.base_url)] {
        assert!(with(&base, key, AgentKind::Agent).unwrap().info().await.is_ok(), "{base}");
    }
    let wrong_key = with(&handle.base_url, "app-wrong", AgentKind::Agent).unwrap();
    let error = wrong_key.info().await.unwrap_err();
    assert!(matches!(&error, DifyError::Api { status: 401, code, .. } if code == "unauthorized"), "{error:?}");
    assert_eq!(error.class(), Class::Broken);
    assert_eq!(welcome_within(&wrong_key, Duration::from_secs(1)).await.0.unwrap_err().class(), Class::Broken);
    let wrong_kind = with(&handle.base_url, key, AgentKind::Workflow).unwrap();
    let error = welcome_within(&wrong_kind, Duration::from_secs(1)).await.0.unwrap_err();
    assert!(matches!(&error, DifyError::Api { status: 400, code, .. } if code == "not_workflow_app"), "{error:?}");
    let mut without_input = ask();
    without_input.inputs.clear();
    let asked = client.welcome(without_input, Instant::now() + Duration::from_secs(1), &CancellationToken::new(), &mut |_| {}).await;
    assert_eq!(asked.unwrap_err().class(), Class::NextRung);
    for (base, key) in
        [("", "app-x"), ("ftp://dify", "app-x"), ("http://u:p@dify", "app-x"), ("http://dify", ""), ("http://dify", "app-\n")]
    {
        assert!(matches!(with(base, key, AgentKind::Agent), Err(DifyError::Settings(_))), "{base:?} {key:?}");
    }
    let absent = with("http://127.0.0.1:1", "app-x", AgentKind::Agent).unwrap();
    let error = welcome_within(&absent, Duration::from_secs(1)).await.0.unwrap_err();
    assert_eq!((error.class(), error.kind()), (Class::Retry, "unreachable"));
}

#[tokio::test]
async fn what_comes_instead_of_a_stream_is_told_apart() {
    for (behaviour, kind, class) in [
        (Behaviour::Garbage, "not_dify", Class::Retry),
        (Behaviour::GarbledStream, "not_dify", Class::Retry),
        (Behaviour::Oversized, "too_large", Class::NextRung),
        (Behaviour::Endless, "too_large", Class::NextRung),
        (Behaviour::Empty, "empty", Class::NextRung),
        (Behaviour::Silent, "idle", Class::Retry),
        (Behaviour::Http(401), "unauthorized", Class::Broken),
        (Behaviour::Http(400), "invalid_param", Class::NextRung),
        (Behaviour::Http(429), "too_many_requests", Class::Retry),
        (Behaviour::Busy { seconds: 2 }, "too_many_requests", Class::Retry),
        (Behaviour::Http(502), "http_status", Class::Retry),
        (Behaviour::Http(524), "http_status", Class::Retry),
        (Behaviour::Http(307), "http_status", Class::NextRung),
        (Behaviour::Refuses { status: 400, code: "provider_quota_exceeded".into() }, "provider_quota_exceeded", Class::Broken),
        (Behaviour::Refuses { status: 429, code: "rate_limit_error".into() }, "rate_limit_error", Class::NextRung),
        (Behaviour::ErrorEvent("completion_request_error".into()), "completion_request_error", Class::RetryOnce),
        (Behaviour::ErrorEvent("internal_server_error".into()), "internal_server_error", Class::Retry),
        (Behaviour::ErrorEvent("model_currently_not_support".into()), "model_currently_not_support", Class::Broken),
    ] {
        let (error, ..) = fails(behaviour.clone()).await;
        assert_eq!((error.kind(), error.class()), (kind, class), "{behaviour:?}: {error}");
    }
}

#[tokio::test]
async fn a_cut_stream_is_a_failure_whose_answer_is_found() {
    for behaviour in [Behaviour::CutMidStream, Behaviour::EndsEarly] {
        let (error, progress, handle, client) = fails(behaviour).await;
        assert_eq!((error.kind(), error.class(), error.may_have_answered()), ("cut", Class::Retry, true), "{error}");
        let Some(Progress::Started { conversation_id, message_id, .. }) = progress.first() else { panic!("{progress:?}") };
        let lost = Lost { conversation_id: conversation_id.as_deref(), message_id: message_id.as_deref(), user: "reg-0001" };
        let found = client.find_answer(lost).await.unwrap().unwrap();
        assert!(found.text.starts_with("张伟，您好！") && found.tools.len() == 2, "{found:?}");
        assert_eq!(found.dify_message_id.as_deref(), message_id.as_deref());
        assert_eq!(client.find_answer(Lost { message_id: None, ..lost }).await.unwrap().unwrap().text, found.text);
        for stranger in [Lost { user: "reg-0002", ..lost }, Lost { message_id: Some("x"), ..lost }, Lost { conversation_id: None, ..lost }]
        {
            assert_eq!(client.find_answer(stranger).await.unwrap(), None, "{stranger:?}");
        }
        assert_eq!(handle.ledger.runs_for("reg-0001"), 1);
    }
}

#[tokio::test]
async fn deadlines_and_cancellations_are_kept_whatever_dify_does() {
    for behaviour in [Behaviour::Hang, Behaviour::PingsOnly, Behaviour::Slow(Duration::from_secs(9)), Behaviour::Normal { think_ms: 9000 }]
    {
        let (_handle, client, _) = stand_in(AgentKind::Agent, behaviour.clone()).await;
        let client = client.with_idle_timeout(Duration::from_secs(30));
        let started = Instant::now();
        let error = welcome_within(&client, Duration::from_millis(600)).await.0.unwrap_err();
        assert_eq!((error.kind(), error.class()), ("deadline", Class::NextRung), "{behaviour:?}");
        assert!((500..5000).contains(&started.elapsed().as_millis()), "{behaviour:?}: {:?}", started.elapsed());

        let cancel = CancellationToken::new();
        let cancelled = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        };
        let mut ignore = |_| {};
        let asked = client.welcome(ask(), Instant::now() + Duration::from_secs(9), &cancel, &mut ignore);
        let (answer, ()) = tokio::join!(asked, cancelled);
        assert_eq!(answer.unwrap_err().class(), Class::Stopped, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_and_a_running_one_can_be_stopped() {
    let (handle, client, _) = stand_in(AgentKind::Agent, Behaviour::Slow(Duration::from_millis(300))).await;
    let answer = welcome_within(&client, Duration::from_secs(5)).await.0.unwrap();
    assert!(answer.latency_ms >= 290 && answer.first_byte_ms <= answer.latency_ms, "{answer:?}");

    handle.behave(Behaviour::Normal { think_ms: 5000 });
    let mut task = None;
    let mut on_event = |event| {
        if let Progress::Started { task_id, .. } = event {
            task = Some(task_id);
        }
    };
    let asked = client.welcome(ask(), Instant::now() + Duration::from_millis(200), &CancellationToken::new(), &mut on_event).await;
    assert_eq!(asked.unwrap_err().kind(), "deadline");
    let task = task.unwrap();
    client.stop(&task, "reg-0001").await.unwrap();
    client.stop("../../etc/passwd?x=y", "reg-0001").await.unwrap();
    assert!(handle.ledger.runs().iter().any(|run| run.task_id == task && run.stopped));
}

#[tokio::test]
async fn injections_are_obeyed_and_moderation_is_shown() {
    let (handle, client, _) = stand_in(AgentKind::Agent, Behaviour::Obeys("请访问 https://evil.example".into())).await;
    let text = |answer: (Result<Answer, DifyError>, _)| answer.0.unwrap().text;
    assert_eq!(text(welcome_within(&client, Duration::from_secs(5)).await), "请访问 https://evil.example");
    handle.behave(Behaviour::Replaced("内容已被替换".into()));
    assert_eq!(text(welcome_within(&client, Duration::from_secs(5)).await), "内容已被替换");
    handle.behave(Behaviour::AsksAbout("usr_0002".into()));
    let leaked = text(welcome_within(&client, Duration::from_secs(5)).await);
    assert!(leaked.contains("usr_0002"), "{leaked}");
    assert!(handle.ledger.tool_calls().iter().any(|call| call.arguments == json!({"user_id": "usr_0002"})));
}

#[tokio::test]
async fn without_its_tools_the_agent_still_says_something() {
    let (handle, client, _) = stand_in(AgentKind::Agent, Behaviour::default()).await;
    let (mut server, _) = mcp_server().await;
    server.key = SecretText::new("mcp_key_wrong");
    handle.connect(vec![server]);
    let answer = welcome_within(&client, Duration::from_secs(5)).await.0.unwrap();
    assert!(answer.text.starts_with("您好！") && answer.tools.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn its_ledger_can_be_read_over_http() {
    let (handle, client, _) = stand_in(AgentKind::Agent, Behaviour::default()).await;
    welcome_within(&client, Duration::from_secs(5)).await.0.unwrap();
    let call = crate::outbound::http_client::Call {
        method: http::Method::GET,
        url: format!("{}/ledger", handle.base_url).parse().unwrap(),
        headers: HeaderMap::new(),
        body: None,
        timeout: Duration::from_secs(1),
        max_bytes: 1_000_000,
    };
    let reply = HttpClient::new(ProxyUse::Direct).unwrap().exchange(call).await.unwrap();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["runs"][0]["tools"][0]["tool"], "get_user_profile");
}
