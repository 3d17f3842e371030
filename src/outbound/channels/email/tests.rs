use base64::{Engine, engine::general_purpose::STANDARD};

use crate::outbound::channels::{
    Channel, ChannelConfig, ChannelError, Next, Push, Recipient, Sent,
    stand_ins::{Answers, Lines},
    tests::{impatient, push, tools},
};

const GREETING: &str = "220 mail.test ESMTP\r\n";

/// Takes everything but what the addresses themselves ask to be refused.
fn mail_server(line: &str) -> Option<String> {
    Some(
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => "235 ok\r\n",
            "RCPT" if line.contains("nosuch") => "550 5.1.1 quoted nosuch@example.cn\r\n",
            "RCPT" if line.contains("grey") => "450 4.2.0 quoted grey@example.cn\r\n",
            "MAIL" | "RCPT" => "250 ok\r\n",
            "DATA" => "354 go on\r\n",
            "." => "250 queued\r\n",
            "QUIT" => "221 bye\r\n",
            _ => return None,
        }
        .to_owned(),
    )
}

fn config(host: &str, query: &str, to: &[&str]) -> ChannelConfig {
    config_over("smtp", host, query, to)
}

fn config_over(scheme: &str, host: &str, query: &str, to: &[&str]) -> ChannelConfig {
    ChannelConfig::Email {
        name: "邮件".into(),
        url: format!("{scheme}://user%40a.cn:t0ps3cret@{host}{query}").into(),
        from: "安美智享 <notice@example.cn>".into(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    }
}

async fn send(answers: Answers, to: &[&str], push: &Push) -> (Result<Sent, ChannelError>, Vec<String>) {
    let server = Lines::speaking(GREETING, answers).await;
    let result = Channel::new(&config(&server.host, "", to), tools()).unwrap().send(push).await;
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!["t0ps3cret", "quoted", "@", "新客户"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }
    (result, server.lines().await)
}

/// The value of a header, unfolded and decoded.
fn read(lines: &[String], header: &str) -> String {
    let start = lines.iter().position(|line| line.starts_with(header)).unwrap();
    let folded = lines[start + 1..].iter().take_while(|line| line.starts_with(' '));
    let value = [&lines[start][header.len()..]].into_iter().chain(folded.map(|line| line.trim())).collect::<Vec<_>>().join(" ");
    if !value.contains("=?utf-8?b?") {
        return value;
    }
    let words = value.split(' ').map(|word| word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?=")).unwrap());
    words.map(|word| String::from_utf8(STANDARD.decode(word).unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_message_reaches_everybody_with_an_address() {
    let (result, lines) = send(mail_server, &[], &push()).await;
    assert_eq!(result, Ok(Sent { missed: vec!["usr_2".into()] }));
    let login = STANDARD.encode("\0user@a.cn\0t0ps3cret");
    assert_eq!(
        lines[..5],
        ["EHLO example.cn", &format!("AUTH PLAIN {login}"), "MAIL FROM:<notice@example.cn>", "RCPT TO:<li@example.cn>", "DATA"]
    );
    assert_eq!(lines[lines.len() - 2..], [".", "QUIT"]);
    assert_eq!(read(&lines, "Subject: "), "⚠️ 新客户等待服务");
    assert_eq!(read(&lines, "Message-ID: "), "<push_01@example.cn>");
    assert_eq!(read(&lines, "To: "), "li@example.cn");
    assert_eq!(read(&lines, "Date: "), "Tue, 14 Nov 2023 22:13:20 +0000");
    assert_eq!(read(&lines, "Auto-Submitted: "), "auto-generated");
    assert_eq!(read(&lines, "Content-Type: "), "text/plain; charset=utf-8");
    assert_eq!(read(&lines, "Content-Transfer-Encoding: "), "base64");
    let blank = lines.iter().position(String::is_empty).unwrap();
    let body = STANDARD.decode(lines[blank + 1..lines.len() - 2].concat()).unwrap();
    let expected = "有新客户注册，请及时响应\n第二行 & \"引号\"\n\n查看详情 / Open: https://app.example.cn/c/conv_1\n";
    assert_eq!(String::from_utf8(body).unwrap().replace("\r\n", "\n"), expected);
}

#[tokio::test]
async fn one_who_is_refused_keeps_it_from_nobody() {
    let (result, lines) = send(mail_server, &["nosuch@example.cn", "wang@example.cn", "grey@example.cn"], &push()).await;
    assert_eq!(result, Ok(Sent { missed: vec!["to[0]".into(), "to[2]".into()] }));
    assert!(lines.contains(&".".to_owned()) && !lines.iter().any(|line| line.contains("RCPT TO:<li@")));
    // Nobody left: whether it can be tried again is what the mildest refusal says.
    for (to, next) in [
        (vec!["nosuch@example.cn"], Next::Never),
        (vec!["nosuch@example.cn", "grey@example.cn"], Next::Retry { after: None }),
        (vec!["grey@example.cn", "nosuch@example.cn"], Next::Retry { after: None }),
    ] {
        let (result, lines) = send(mail_server, &to, &push()).await;
        assert_eq!(result.unwrap_err().next(), next, "{to:?}");
        assert!(!lines.contains(&"DATA".to_owned()));
    }
}

#[tokio::test]
async fn without_addresses_nothing_is_sent() {
    let nobody = Push { recipients: vec![Recipient { user_id: "usr_1".into(), email: Some("no address".into()) }], ..push() };
    let (result, lines) = send(mail_server, &[], &nobody).await;
    assert!(matches!(result, Err(ChannelError::Nobody(_))));
    assert!(lines.is_empty());
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let cases: [(Answers, Next, &str); 5] = [
        (|line| if line.starts_with("AUTH") { Some("535 5.7.8 quoted\r\n".into()) } else { mail_server(line) }, Next::Never, "password"),
        (
            |line| if line.starts_with("AUTH") { Some("454 quoted\r\n".into()) } else { mail_server(line) },
            Next::Retry { after: None },
            "454",
        ),
        (|line| if line.starts_with("EHLO") { Some("250 mail.test\r\n".into()) } else { mail_server(line) }, Next::Never, "log in"),
        (|line| if line == "." { Some("554 quoted spam\r\n".into()) } else { mail_server(line) }, Next::Never, "554"),
        (|line| if line == "DATA" { Some("hello quoted\r\n".into()) } else { mail_server(line) }, Next::Retry { after: None }, "not SMTP"),
    ];
    for (answers, next, word) in cases {
        let (result, _) = send(answers, &[], &push()).await;
        let error = result.unwrap_err();
        assert_eq!(error.next(), next, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn silence_and_absence_are_tried_again() {
    let server = Lines::speaking(GREETING, |_| None).await;
    let error = Channel::new(&config(&server.host, "", &["a@example.cn"]), impatient()).unwrap().send(&push()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no answer: {} took more than 300 ms", server.host));
    assert_eq!(error.next(), Next::Retry { after: None });
    // A server that has taken the message may keep silent at the end.
    let (result, _) = send(|line| if line == "QUIT" { None } else { mail_server(line) }, &["a@example.cn"], &push()).await;
    assert_eq!(result, Ok(Sent::default()));
    let error = Channel::new(&config("127.0.0.1:1", "", &["a@example.cn"]), tools()).unwrap().send(&push()).await.unwrap_err();
    assert_eq!(error.next(), Next::Retry { after: None });
    assert!(error.to_string().starts_with("no answer: cannot reach 127.0.0.1:1: "), "{error}");
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_where_tls_is_required() {
    let server = Lines::speaking(GREETING, mail_server).await;
    let channel = Channel::new(&config(&server.host, "?tls=required", &["a@example.cn"]), tools()).unwrap();
    let error = channel.send(&push()).await.unwrap_err();
    assert_eq!(error.next(), Next::Never, "{error}");
    let lines = server.lines().await;
    assert!(lines.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{lines:?}");
}

#[tokio::test]
async fn smtps_speaks_tls_from_the_first_byte() {
    let server = Lines::speaking(GREETING, mail_server).await;
    let channel = Channel::new(&config_over("smtps", &server.host, "", &["a@example.cn"]), tools()).unwrap();
    let error = channel.send(&push()).await.unwrap_err().to_string();
    // On a machine without certificate authorities it does not even begin.
    assert!(error.contains("InvalidContentType") || error.contains("ca-certificates"), "{error}");
    assert!(server.lines().await.iter().all(|line| !line.contains("EHLO") && !line.contains("AUTH")));
}
