use std::sync::Arc;

use serde_json::json;

use super::{
    stand_ins::{Got, Web},
    *,
};
use crate::{
    clock::FixedClock,
    outbound::{
        http_client::ProxyUse,
        standard_webhooks::{Signed, WebhookSecret, verify},
    },
    secret::SecretText,
};

pub(in crate::outbound::channels) const NOW_MS: i64 = 1_700_000_000_123;
const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(in crate::outbound::channels) fn push() -> Push {
    let recipient = |user_id: &str, email: Option<&str>| Recipient { user_id: user_id.into(), email: email.map(Into::into) };
    Push {
        id: "push_01".into(),
        title: "新客户等待服务".into(),
        body: "有新客户注册，请及时响应\n第二行 & \"引号\"".into(),
        link: Some("https://app.example.cn/c/conv_1".into()),
        severity: Severity::Warning,
        data: json!({"conversation_id": "conv_1"}),
        recipients: vec![recipient("usr_1", Some("li@example.cn")), recipient("usr_2", None)],
    }
}

pub(in crate::outbound::channels) fn tools() -> Tools {
    Tools { http: HttpClient::new(ProxyUse::Direct).unwrap(), clock: Arc::new(FixedClock::at_ms(NOW_MS)), timeout: Duration::from_secs(10) }
}

/// For those that never answer.
pub(in crate::outbound::channels) fn impatient() -> Tools {
    Tools { timeout: Duration::from_millis(300), ..tools() }
}

fn name() -> String {
    "前台".into()
}

fn wecom(host: &str) -> ChannelConfig {
    ChannelConfig::Wecom { name: name(), url: format!("http://{host}/cgi-bin/webhook/send?key=t0ps3cret").into() }
}

fn dingtalk(host: &str) -> ChannelConfig {
    let url = format!("http://{host}/robot/send?access_token=t0ps3cret").into();
    ChannelConfig::Dingtalk { name: name(), url, secret: Some(SecretText::new("SECtest")) }
}

fn feishu(host: &str) -> ChannelConfig {
    let url = format!("http://{host}/open-apis/bot/v2/hook/t0ps3cret").into();
    ChannelConfig::Feishu { name: name(), url, secret: Some(SecretText::new("test")) }
}

fn ntfy(host: &str) -> ChannelConfig {
    ChannelConfig::Ntfy { name: name(), url: format!("http://{host}/base/t0ps3cret").into(), token: Some(SecretText::new("tk_t0ps3cret")) }
}

fn webhook(host: &str) -> ChannelConfig {
    ChannelConfig::Webhook {
        name: name(),
        url: format!("http://u:hunter2@{host}/hook?token=t0ps3cret").into(),
        secret: SecretText::new(WHSEC),
    }
}

type Make = fn(&str) -> ChannelConfig;

async fn sent(make: Make, answer: &str) -> Got {
    let web = Web::answering(200, &[], answer).await;
    let channel = Channel::new(&make(&web.host), tools()).unwrap();
    assert_eq!(channel.send(&push()).await, Ok(Sent::default()));
    web.got().await
}

async fn error(make: Make, status: u16, headers: &'static [(&'static str, &'static str)], answer: &str) -> ChannelError {
    let web = Web::answering(status, headers, answer).await;
    let error = Channel::new(&make(&web.host), tools()).unwrap().send(&push()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for secret in ["t0ps3cret", "hunter2", "SECtest", "sign=", "/hook", "quoted", "新客户"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(&web.host), "{shown}");
    error
}

fn retry(after: Option<u64>) -> Next {
    Next::Retry { after: after.map(Duration::from_secs) }
}

#[tokio::test]
async fn wecom_gets_markdown() {
    let got = sent(wecom, r#"{"errcode":0,"errmsg":"ok"}"#).await;
    assert_eq!(got.uri, "/cgi-bin/webhook/send?key=t0ps3cret");
    let content = "**⚠️ 新客户等待服务**\n有新客户注册，请及时响应\n第二行 & \"引号\"\n[查看详情 / Open](https://app.example.cn/c/conv_1)";
    assert_eq!(got.json(), json!({"msgtype": "markdown", "markdown": {"content": content}}));
    // WeCom takes no \uXXXX.
    assert!(String::from_utf8(got.body.to_vec()).unwrap().contains("新客户等待服务"));
}

#[tokio::test]
async fn dingtalk_gets_signed_markdown() {
    let got = sent(dingtalk, r#"{"errcode":0,"errmsg":"ok"}"#).await;
    let sign = "lrMq5E54T40t3FfGVjxdvoqIbXlWY6mzkZYiVoI6emk%3D";
    assert_eq!(got.uri, format!("/robot/send?access_token=t0ps3cret&timestamp=1700000000123&sign={sign}"));
    assert_eq!(got.header("content-type"), "application/json; charset=utf-8");
    let text =
        "**⚠️ 新客户等待服务**\n\n有新客户注册，请及时响应\n\n第二行 & \"引号\"\n\n[查看详情 / Open](https://app.example.cn/c/conv_1)";
    assert_eq!(got.json(), json!({"msgtype": "markdown", "markdown": {"title": "⚠️ 新客户等待服务", "text": text}}));
}

#[tokio::test]
async fn feishu_gets_a_signed_card() {
    let got = sent(feishu, r#"{"code":0,"msg":"success","data":{}}"#).await;
    assert_eq!(got.uri, "/open-apis/bot/v2/hook/t0ps3cret");
    let plain = |content: &str| json!({"tag": "plain_text", "content": content});
    let button = json!({"tag": "button", "text": plain("查看详情 / Open"), "url": "https://app.example.cn/c/conv_1", "type": "primary"});
    let expected = json!({
        "msg_type": "interactive",
        "card": {
            "header": {"title": plain("⚠️ 新客户等待服务"), "template": "orange"},
            "elements": [
                {"tag": "div", "text": plain("有新客户注册，请及时响应\n第二行 & \"引号\"")},
                {"tag": "action", "actions": [button]},
            ],
        },
        "timestamp": "1700000000",
        "sign": "eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg=",
    });
    assert_eq!(got.json(), expected);
}

#[tokio::test]
async fn ntfy_gets_json_at_its_root() {
    let got = sent(ntfy, "{}").await;
    assert_eq!((got.uri.as_str(), got.header("authorization")), ("/base/", "Bearer tk_t0ps3cret"));
    let expected = json!({
        "topic": "t0ps3cret",
        "title": "⚠️ 新客户等待服务",
        "message": "有新客户注册，请及时响应\n第二行 & \"引号\"",
        "priority": 4,
        "sequence_id": "push_01",
        "click": "https://app.example.cn/c/conv_1",
    });
    assert_eq!(got.json(), expected);
}

#[tokio::test]
async fn the_webhook_gets_a_signed_push() {
    let got = sent(webhook, "").await;
    let expected = json!({
        "type": "push",
        "data": {
            "id": "push_01",
            "title": "新客户等待服务",
            "body": "有新客户注册，请及时响应\n第二行 & \"引号\"",
            "link": "https://app.example.cn/c/conv_1",
            "severity": "warning",
            "recipients": ["usr_1", "usr_2"],
            "data": {"conversation_id": "conv_1"},
        }
    });
    assert_eq!(got.json(), expected);
    assert_eq!(got.header("webhook-id"), "push_01");
    let signed = Signed { id: "push_01", timestamp: got.header("webhook-timestamp"), signatures: got.header("webhook-signature") };
    assert_eq!(verify(&[WebhookSecret::parse(WHSEC).unwrap()], signed, &got.body, 1_700_000_000), Ok(()));
}

#[tokio::test]
async fn codes_say_what_to_do() {
    let cases: &[(Make, i64, Next)] = &[
        (wecom, 45_009, retry(Some(60))),
        (wecom, -1, retry(None)),
        (wecom, 93_000, Next::Never),
        (wecom, 40_058, Next::Never),
        (dingtalk, 130_101, retry(Some(600))),
        (dingtalk, 410_100, retry(Some(600))),
        (dingtalk, -1, retry(None)),
        (dingtalk, 310_000, Next::Never),
        (dingtalk, 1, Next::Never),
    ];
    for (make, code, next) in cases {
        let answer = format!(r#"{{"errcode":{code},"errmsg":"quoted t0ps3cret 新客户"}}"#);
        let error = error(*make, 200, &[], &answer).await;
        assert_eq!(error.next(), *next, "{error}");
        assert!(error.to_string().contains(&format!("errcode {code}")), "{error}");
    }
}

#[tokio::test]
async fn feishu_tells_a_rush_from_a_bad_body_in_words() {
    let cases = [
        (9_499, "too many request", retry(None)),
        (9_499, "Bad Request", Next::Never),
        (11_232, "frequency limited psm[quoted]", retry(None)),
        (19_021, "sign match fail or timestamp is not within one hour", Next::Never),
        (19_024, "Key Words Not Found", Next::Never),
    ];
    for (code, words, next) in cases {
        let error = error(feishu, 400, &[], &json!({"code": code, "msg": words}).to_string()).await;
        assert_eq!(error.next(), next, "{error}");
    }
    let limited =
        error(feishu, 429, &[("x-ogw-ratelimit-reset", "52")], r#"{"code":99991400,"msg":"request trigger frequency limit"}"#).await;
    assert_eq!(limited.next(), retry(Some(52)));
}

#[tokio::test]
async fn without_a_code_the_status_says_what_to_do() {
    for make in [wecom as Make, dingtalk, feishu, ntfy] {
        for (status, next) in [(429, retry(Some(7))), (500, retry(Some(7))), (503, retry(Some(7)))] {
            assert_eq!(error(make, status, &[("retry-after", "7")], "<html>quoted").await.next(), next);
        }
        for status in [302, 400, 401, 403, 404, 413] {
            assert_eq!(error(make, status, &[("location", "http://127.0.0.1:1/")], "quoted").await.next(), Next::Never, "{status}");
        }
    }
    // A portal's 200 is no robot's.
    for make in [wecom as Make, dingtalk, feishu] {
        for body in ["<html>quoted", "{}", "[]", r#"{"errcode":"0","code":"0"}"#, ""] {
            assert_eq!(error(make, 200, &[], body).await.next(), Next::Never, "{body}");
        }
        assert_eq!(error(make, 200, &[], &" ".repeat(70_000)).await.next(), Next::Never);
    }
    // Somebody's program is given another chance, except when it is gone.
    for (status, next) in [(400, retry(None)), (401, retry(None)), (500, retry(None)), (410, Next::Never)] {
        assert_eq!(error(webhook, status, &[], "quoted").await.next(), next);
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    for make in [wecom as Make, dingtalk, feishu, ntfy, webhook] {
        let error = Channel::new(&make("127.0.0.1:1"), tools()).unwrap().send(&push()).await.unwrap_err();
        assert_eq!(error.next(), retry(None));
        assert!(matches!(error, ChannelError::NoAnswer(_)), "{error}");
        let shown = format!("{error:?}");
        assert!(shown.contains("127.0.0.1:1") && !shown.contains("t0ps3cret") && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn an_id_must_fit_everywhere() {
    let channel = Channel::new(&wecom("127.0.0.1:1"), tools()).unwrap();
    for id in ["", "a b", "a.b", "a\r\nX: y", "é", &"x".repeat(65)] {
        let error = channel.send(&Push { id: id.into(), ..push() }).await.unwrap_err();
        assert_eq!((error.next(), &error), (Next::Never, &ChannelError::Id), "{id:?}");
    }
}

#[test]
fn configurations_are_checked_without_sending() {
    let url = |text: &str| SecretText::new(text);
    let email = |address: &str, from: &str, to: &[&str]| ChannelConfig::Email {
        name: name(),
        url: url(address),
        from: from.into(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    };
    let relay = "smtps://u:t0ps3cret@mail.example.cn";
    for good in [
        wecom("localhost:1"),
        dingtalk("[::1]:1"),
        feishu("127.0.0.1"),
        ntfy("ntfy.example.cn"),
        webhook("hook.example.cn"),
        email(relay, "安美智享 <notice@example.cn>", &["a@example.cn"]),
    ] {
        assert_eq!(good.check(), Ok(()), "{good:?}");
        assert!(!format!("{good:?}").contains("t0ps3cret"), "{good:?}");
    }
    let bad = [
        (wecom("qyapi.weixin.qq.com"), "url"),
        (ChannelConfig::Wecom { name: name(), url: url("https://oapi.dingtalk.com/robot/send?access_token=t0ps3cret") }, "url"),
        (ChannelConfig::Dingtalk { name: name(), url: url("https://h/robot/send?access_token="), secret: None }, "url"),
        (ChannelConfig::Dingtalk { name: name(), url: url("https://h/?access_token=t0ps3cret"), secret: Some(url(" ")) }, "secret"),
        (ChannelConfig::Feishu { name: name(), url: url("https://open.feishu.cn/open-apis/bot/v2/hook/"), secret: None }, "url"),
        (ChannelConfig::Ntfy { name: name(), url: url("https://ntfy.sh/"), token: None }, "url"),
        (ChannelConfig::Ntfy { name: name(), url: url("https://ntfy.sh/a?auth=t0ps3cret"), token: None }, "url"),
        (ChannelConfig::Ntfy { name: name(), url: url("https://ntfy.sh/a"), token: Some(url("t0ps3cret\n x")) }, "token"),
        (ChannelConfig::Webhook { name: name(), url: url("ftp://t0ps3cret"), secret: url(WHSEC) }, "url"),
        (ChannelConfig::Webhook { name: name(), url: url("https://a.cn"), secret: url("t0ps3cret") }, "secret"),
        (ChannelConfig::Wecom { name: " ".into(), url: url("https://a.cn/?key=t0ps3cret") }, "name"),
        (email("smtp://u:t0ps3cret@mail.example.cn:25", "a@example.cn", &[]), "url"),
        (email(relay, "t0ps3cret", &[]), "from"),
        (email(relay, "a@example.cn", &["t0ps3cret"]), "to"),
    ];
    for (config, field) in bad {
        let error = config.check().unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(!format!("{error} {error:?}").contains("t0ps3cret"), "{error}");
    }
}

#[test]
fn names_are_unique() {
    let error = Channels::new(&[wecom("localhost"), ntfy("localhost")], &tools()).unwrap_err();
    assert_eq!(error.to_string(), "channel \"前台\": name is taken by another channel: give each its own");
    let channels = Channels::new(&[wecom("localhost")], &tools()).unwrap();
    assert_eq!(channels.get("前台").map(Channel::kind), Some("wecom"));
    assert!(channels.get("后台").is_none());
    assert_eq!(format!("{channels:?}"), "Channels([Channel(wecom \"前台\")])");
}

#[cfg(not(feature = "redis"))]
#[test]
fn without_the_feature_redis_names_it() {
    let config = ChannelConfig::Redis { name: name(), url: "redis://127.0.0.1/".to_owned().into() };
    assert!(config.check().unwrap_err().to_string().contains("--features redis"));
}
