use serde_json::{Value, json};

use crate::outbound::channels::{
    Channel, ChannelConfig, ChannelError, Next, Sent,
    stand_ins::{Answers, Lines},
    tests::{impatient, push, tools},
};

/// Answers by the last argument of each command: RESP sends each on a line of its own.
fn app(line: &str) -> Option<String> {
    match line {
        "usr_1" => Some(":1\r\n".into()),
        "usr_2" => Some(":0\r\n".into()),
        line if line.starts_with('{') => Some(":2\r\n".into()),
        other => greeting(other),
    }
}

/// What the client says of itself at the beginning.
fn greeting(line: &str) -> Option<String> {
    match line {
        "LIB-NAME" | "LIB-VER" => Some("+OK\r\n".into()),
        _ => None,
    }
}

fn config(host: &str) -> ChannelConfig {
    ChannelConfig::Redis { name: "应用".into(), url: format!("redis://{host}/0").into() }
}

async fn send(answers: Answers) -> (Result<Sent, ChannelError>, Vec<String>) {
    let server = Lines::speaking("", answers).await;
    let result = Channel::new(&config(&server.host), tools()).unwrap().send(&push()).await;
    (result, server.lines().await)
}

#[tokio::test]
async fn those_online_are_told_and_the_others_missed() {
    let (result, lines) = send(app).await;
    assert_eq!(result, Ok(Sent { missed: vec!["usr_2".into()] }));
    let command = |name: &str| lines.iter().filter(|line| *line == name).count();
    assert_eq!((command("SISMEMBER"), command("PUBLISH"), command("ws:online_users"), command("ws:broadcast")), (2, 1, 2, 1));
    let message: Value = serde_json::from_str(lines.iter().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let payload = json!({
        "id": "push_01",
        "title": "⚠️ 新客户等待服务",
        "body": "有新客户注册，请及时响应\n第二行 & \"引号\"",
        "link": "https://app.example.cn/c/conv_1",
        "severity": "warning",
        "data": {"conversation_id": "conv_1"},
    });
    let expected = json!({
        "target_user_id": "usr_1",
        "payload": payload,
        "instance_id": "anmei-mcp",
        "timestamp": "2023-11-14T22:13:20.123Z",
    });
    assert_eq!(message, expected);
}

#[tokio::test]
async fn each_failure_says_what_to_do() {
    let cases: [(Answers, Next, &str); 4] = [
        (|line| if line.starts_with('{') { Some(":0\r\n".into()) } else { app(line) }, Next::Retry { after: None }, "nobody listens"),
        (|line| if line == "usr_1" { Some(":0\r\n".into()) } else { app(line) }, Next::Never, "online"),
        (|line| if line.starts_with("usr_") { Some("-NOAUTH quoted\r\n".into()) } else { app(line) }, Next::Never, "NOAUTH"),
        (|line| if line.starts_with('{') { Some("-OOM quoted\r\n".into()) } else { app(line) }, Next::Retry { after: None }, "OOM"),
    ];
    for (answers, next, word) in cases {
        let (result, _) = send(answers).await;
        let error = result.unwrap_err();
        assert_eq!(error.next(), next, "{error}");
        assert!(error.to_string().contains(word) && !format!("{error:?}").contains("quoted"), "{error}");
    }
}

#[tokio::test]
async fn a_silent_redis_is_tried_again() {
    let server = Lines::speaking("", greeting).await;
    let error = Channel::new(&config(&server.host), impatient()).unwrap().send(&push()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no answer: {} took more than 300 ms", server.host));
    assert_eq!(error.next(), Next::Retry { after: None });
}

#[tokio::test]
async fn an_absent_redis_is_tried_again_and_its_password_kept() {
    let url = "redis://u:t0ps3cret@127.0.0.1:1/0".to_owned().into();
    let channel = Channel::new(&ChannelConfig::Redis { name: "应用".into(), url }, tools()).unwrap();
    let error = channel.send(&push()).await.unwrap_err();
    assert_eq!(error.next(), Next::Retry { after: None });
    assert!(error.to_string().contains("127.0.0.1:1") && !format!("{error:?}").contains("t0ps3cret"), "{error:?}");
}

#[test]
fn only_plain_redis_addresses_are_taken() {
    for bad in ["rediss://t0ps3cret", "http://t0ps3cret", "t0ps3cret", "redis://h/t0ps3cret"] {
        let error = ChannelConfig::Redis { name: "应用".into(), url: bad.to_owned().into() }.check().unwrap_err();
        assert!(error.field == "url" && !error.to_string().contains("t0ps3cret"), "{error}");
    }
}
