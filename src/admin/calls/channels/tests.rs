//! Previews show what would be sent and no secret; a test reaches the channel and says how it went.

use axum::{Router, routing::post};
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc};

use super::*;
use crate::admin::calls::bench::{Bench, by};

async fn set(bench: &Bench, name: &str, value: Value) {
    bench.calls.settings.set(&[(name.to_owned(), Given::Value(value))], &by()).await.unwrap();
}

fn robot(name: &str, root: &str) -> Value {
    json!({"kind": "wecom", "name": name, "url": format!("{root}/send?key=t0ps3cret")})
}

/// A robot that answers so, and what it is told.
async fn listening(answer: Value) -> (String, mpsc::UnboundedReceiver<Value>) {
    let (tell, told) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/send",
        post(move |axum::Json(body): axum::Json<Value>| {
            tell.send(body).unwrap();
            let answer = answer.clone();
            async move { axum::Json(answer) }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    (root, told)
}

#[tokio::test]
async fn a_preview_shows_what_would_be_sent_and_no_secret() {
    let bench = Bench::new().await;
    set(&bench, "notice.channels", json!([robot("前台群", "http://127.0.0.1:1")])).await;
    set(&bench, "alerts.channels", json!([robot("前台群", "http://127.0.0.1:2")])).await;
    set(&bench, "notice.push_body", json!("{username} 在等您")).await;
    set(&bench, "notice.link_template", json!("https://app.example.cn/c/{conversation_id}")).await;
    let listed = bench.calls.channels().unwrap();
    assert_eq!((listed.len(), listed[0].address.as_str()), (2, "http://127.0.0.1:1/send?key=***"));
    let preview = bench.calls.preview_channel("前台群", PreviewAsked::default()).await.unwrap();
    assert_eq!((preview.title.as_str(), preview.body.as_str()), ("新客户等待服务", "林晓月 在等您"));
    assert_eq!(preview.shown, "**新客户等待服务**\n林晓月 在等您\n[查看详情 / Open](https://app.example.cn/c/conv_sample)");
    let tried = PreviewAsked {
        username: Some("<script>alert(1)</script>".into()),
        push_title: Some("新客".into()),
        push_body: Some("快来，{username}！".into()),
        ..PreviewAsked::default()
    };
    let preview = bench.calls.preview_channel("前台群", tried).await.unwrap();
    assert!(preview.title == "新客" && !preview.shown.contains("<script"), "{preview:?}");
    assert_eq!(bench.calls.settings.current().unwrap().notice.push_body, "{username} 在等您", "nothing is changed");
    let wrong = PreviewAsked { link_template: Some("ftp://x".into()), ..PreviewAsked::default() };
    let error = bench.calls.preview_channel("前台群", wrong).await.unwrap_err();
    assert!(matches!(&error, CallError::Invalid(fields) if fields[0].pointer == "/link_template"), "{error:?}");
    let admins = PreviewAsked { audience: Some(ChannelAudience::Administrators), ..PreviewAsked::default() };
    let preview = bench.calls.preview_channel("前台群", admins).await.unwrap();
    assert!(preview.title.starts_with("告警") && preview.channel.address.starts_with("http://127.0.0.1:2/"));
    assert!(matches!(bench.calls.preview_channel("别的群", PreviewAsked::default()).await, Err(CallError::NotFound(_))));
}

#[tokio::test]
async fn texts_are_tried_before_there_is_a_channel() {
    let bench = Bench::new().await;
    let tried = PreviewAsked { push_body: Some("{username} 在等您".into()), ..PreviewAsked::default() };
    let preview = bench.calls.preview_push(tried).unwrap();
    assert_eq!((preview.title.as_str(), preview.body.as_str(), preview.link), ("新客户等待服务", "林晓月 在等您", None));
    let wrong = PreviewAsked { push_body: Some("{phone}".into()), ..PreviewAsked::default() };
    let error = bench.calls.preview_push(wrong).unwrap_err();
    assert!(matches!(&error, CallError::Invalid(fields) if fields[0].pointer == "/push_body"), "{error:?}");
    let admins = PreviewAsked { audience: Some(ChannelAudience::Administrators), ..PreviewAsked::default() };
    assert!(bench.calls.preview_push(admins).unwrap().title.starts_with("告警"));
}

#[tokio::test]
async fn a_test_reaches_the_channel_and_is_written_down() {
    let bench = Bench::new().await;
    let (root, mut told) = listening(json!({"errcode": 0})).await;
    let (closed, _told) = listening(json!({"errcode": 93000, "errmsg": "invalid key=t0ps3cret"})).await;
    set(&bench, "notice.channels", json!([robot("开", &root), robot("关", &closed), robot("无", "http://127.0.0.1:1")])).await;
    let sent = bench.calls.test_channel("开", PreviewAsked::default(), &by()).await.unwrap();
    assert!(sent.ok && sent.problem.is_none(), "{sent:?}");
    let heard = told.recv().await.unwrap()["markdown"]["content"].as_str().unwrap().to_owned();
    assert!(heard.starts_with("**【测试 / Test】新客户等待服务**\n"), "{heard}");
    let refused = bench.calls.test_channel("关", PreviewAsked::default(), &by()).await.unwrap();
    assert!(!refused.ok && !refused.worth_retrying && refused.problem.as_ref().unwrap().en.contains("93000"), "{refused:?}");
    let absent = bench.calls.test_channel("无", PreviewAsked::default(), &by()).await.unwrap();
    assert!(!absent.ok && absent.worth_retrying, "{absent:?}");
    let seen = bench.audited() + &json!([sent, refused, absent]).to_string();
    assert_eq!(bench.audited().matches("channel.test channel/").count(), 3);
    assert!(!seen.contains("t0ps3cret"), "{seen}");
}
