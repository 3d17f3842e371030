//! What the hook takes beside single registrations: batches, records, feedback; and where it stops taking (I1).

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Answer, App, Era, HOOK_KEY};

async fn keyed(app: &App, method: &str, path: &str, body: String) -> Answer {
    let bearer = format!("Bearer {HOOK_KEY}");
    app.send(method, &format!("{}{path}", app.hook_root()), &[("authorization", &bearer)], body).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn change_setting(app: &App, name: &str, value: &str) {
    let db = rusqlite::Connection::open(app.data().join("anmei-mcp.sqlite3")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute(
        "INSERT INTO system_settings (name, value, updated_by, updated_at) VALUES (?1, ?2, 'test', 1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )
    .unwrap();
}

fn pid(app: &App) -> String {
    let run: Value = serde_json::from_slice(&std::fs::read(app.data().join("run.json")).unwrap()).unwrap();
    run["pid"].to_string()
}

/// A batch that is being sent, and its answers as they come.
struct Batch {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Batch {
    fn open(app: &App) -> Self {
        let stream = TcpStream::connect(app.hook_root().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut batch = Self { answers: BufReader::new(stream.try_clone().unwrap()), stream };
        let head = format!(
            "POST /hooks/registrations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {HOOK_KEY}\r\nContent-Length: 1000000000\r\n\r\n"
        );
        batch.stream.write_all(head.as_bytes()).unwrap();
        batch
    }

    /// The next answer; none when the connection has ended.
    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        while self.answers.read_line(&mut line).unwrap_or(0) > 0 {
            // Headers and the sizes of chunks lie between.
            if line.starts_with("{\"line\"") {
                return serde_json::from_str(&line).ok();
            }
            line.clear();
        }
        None
    }
}

#[tokio::test]
async fn i1_what_a_batch_was_answered_is_durable_when_the_client_or_the_daemon_goes_away() {
    let mut app = App::start(&[]).await;
    let mut answered = Vec::new();
    for round in 0..2 {
        let mut batch = Batch::open(&app);
        let mut sending = batch.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            // Ends with the connection: that is what is tested.
            (0..200_000).try_for_each(|n| writeln!(sending, "{{\"user_id\":\"usr_{round}_{n}\"}}")).is_err()
        });
        for _ in 0..1500 {
            answered.push(batch.answer().unwrap());
        }
        if round == 0 {
            batch.stream.shutdown(std::net::Shutdown::Both).unwrap();
        } else {
            app.kill();
            while let Some(answer) = batch.answer() {
                answered.push(answer);
            }
        }
        assert!(sender.join().unwrap(), "the batch was cut in its middle");
    }
    app.spawn().await;
    let db = app.database();
    let mut known = db.prepare("SELECT 1 FROM registrations WHERE id = ?1").unwrap();
    for answer in &answered {
        assert!(answer["status"] == 202 && known.exists([answer["registration_id"].as_str().unwrap()]).unwrap(), "{answer}");
    }
}

#[tokio::test]
async fn a_batch_of_any_size_takes_little_memory() {
    let app = App::start(&[]).await;
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid(&app))).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    keyed(&app, "POST", "/hooks/registrations", "{\"user_id\":\"usr_0\"}".into()).await;
    let before = peak();
    let mut body = String::new();
    for n in 0..1000 {
        // Too long, no JSON, and good in turn.
        body +=
            &[format!("{}\n", "x".repeat(90_000)), format!("{}\n", "y".repeat(60_000)), format!("{{\"user_id\":\"usr_{n}\"}}\n")][n % 3];
    }
    let megabytes = body.len() >> 20;
    let answer = keyed(&app, "POST", "/hooks/registrations", body).await;
    let statuses: Vec<_> = lines(&answer).iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert!(statuses.len() == 1000 && statuses.iter().enumerate().all(|(n, status)| *status == [422, 422, 202][n % 3]), "{statuses:?}");
    let grown = (peak() - before) >> 10;
    assert!(megabytes > 40 && grown < 24, "{grown} MiB more for a body of {megabytes} MiB");
}

#[tokio::test]
async fn records_that_the_app_puts_are_what_tools_answer_from() {
    let app = App::start(&[]).await;
    let user = json!({"username": "林晓月", "roles": ["customer"], "registeredAt": "2025-05-20"});
    assert_eq!(keyed(&app, "PUT", "/hooks/records/users/usr_1", user.to_string()).await.json(), json!({"changed": true}));
    let profile = app.call(Era::Modern, "system_tools", "get_user_profile", json!({"user_id": "usr_1"})).await;
    assert!(profile.to_string().contains("林晓月"), "{profile}");
    let body = [
        json!({"kind": "users", "record": {"id": "usr_1", "username": "林小月"}}),
        json!({"kind": "preferences", "record": {"userId": "usr_1", "budgetMax": 5000, "contactTime": "weekday_evening"}}),
        json!({"kind": "messages", "record": {"id": "msg_1", "conversation_id": "cnv_none", "sender_type": "customer", "content": "你好"}}),
    ]
    .map(|line| line.to_string())
    .join("\n");
    let answer = keyed(&app, "POST", "/hooks/records", body).await;
    let said = lines(&answer);
    assert_eq!((&said[0]["changed"], &said[1]["changed"], &said[2]["status"]), (&json!(true), &json!(true), &json!(422)), "{answer:?}");
    assert!(said[2]["errors"][0]["detail"].as_str().unwrap().contains("cnv_none is not in conversations"), "{}", said[2]);
    let profile = app.call(Era::Modern, "system_tools", "get_user_profile", json!({"user_id": "usr_1"})).await;
    assert!(profile.to_string().contains("林小月"), "{profile}");
    let wishes = app.call(Era::Modern, "consultation_tools", "get_customer_preferences", json!({"user_id": "usr_1"})).await;
    assert!(wishes.to_string().contains("工作日晚上"), "{wishes}");
}

#[tokio::test]
async fn switches_and_limits_are_in_force_for_the_next_request() {
    let app = App::start(&[]).await;
    change_setting(&app, "registration_automation.enabled", "false");
    let skipped = app.register(None, &json!({"user_id": "usr_1"})).await;
    assert_eq!((skipped.status.as_u16(), skipped.json()["state"].as_str()), (202, Some("skipped")), "{skipped:?}");
    assert_eq!(app.count("SELECT count(*) FROM jobs"), 0);
    assert_eq!(app.count("SELECT count(*) FROM registrations WHERE state = 'skipped' AND skip_reason IS NOT NULL"), 1);
    change_setting(&app, "registration_automation.enabled", "true");
    for group in ["system_tools", "welcome_tools"] {
        app.ok(&["tool", "disable", group, "get_user_profile"]);
    }
    let skipped = app.register(None, &json!({"user_id": "usr_2"})).await;
    assert!(skipped.status == 202 && skipped.body.contains("get_user_profile"), "{skipped:?}");
    app.ok(&["tool", "enable", "system_tools", "get_user_profile"]);
    let started = app.register(None, &json!({"user_id": "usr_1"})).await;
    assert!(started.status == 202 && started.json().get("state").is_none(), "{started:?}");
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'registration'"), 1);
    change_setting(&app, "intake.disk_min_mib", "4000000000");
    tokio::time::sleep(Duration::from_millis(10)).await;
    let refused = app.register(None, &json!({"user_id": "usr_3"})).await;
    assert!(refused.status == 503 && refused.headers.contains_key("retry-after"), "{refused:?}");
    change_setting(&app, "intake.disk_min_mib", "1");
    change_setting(&app, "intake.per_minute", "1");
    let answers = futures_util::future::join_all((0..130).map(|n| {
        let body = json!({"user_id": format!("usr_{}", n + 10)});
        let app = &app;
        async move { app.register(None, &body).await }
    }))
    .await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!((25..=40).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|answer| answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1));
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted + refused.len(), 130);
    assert_eq!(app.count("SELECT count(*) FROM registrations"), i64::try_from(accepted).unwrap() + 2);
}

#[tokio::test]
async fn i1_a_file_that_may_not_grow_refuses_and_everything_goes_on_when_it_may() {
    let app = App::start(&[]).await;
    let limit = |soft: &str| {
        let done = Command::new("prlimit").args(["--pid", &pid(&app), &format!("--fsize={soft}:unlimited")]).status().unwrap();
        assert!(done.success());
    };
    assert_eq!(app.register(None, &json!({"user_id": "usr_first"})).await.status, 202);
    let log = std::fs::metadata(app.data().join("anmei-mcp.sqlite3-wal")).unwrap().len();
    limit(&(log + 100_000).to_string());
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for n in 0..400 {
        let answer = app.register(None, &json!({"user_id": format!("usr_{n}")})).await;
        match answer.status.as_u16() {
            202 => accepted.push(answer.json()["registration_id"].as_str().unwrap().to_owned()),
            503 => {
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
        if refused > 5 {
            break;
        }
    }
    assert!(refused > 5 && !accepted.is_empty(), "{} accepted, {refused} refused", accepted.len());
    let health = app.send("GET", &format!("{}/healthz", app.hook_root()), &[], "").await;
    assert_eq!(health.status, 200, "reads go on");
    limit("unlimited");
    let until = Instant::now() + Duration::from_secs(5);
    while app.register(None, &json!({"user_id": "usr_last"})).await.status != 202 {
        assert!(Instant::now() < until, "room came back: {}", app.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let db = app.database();
    let mut known = db.prepare("SELECT 1 FROM registrations WHERE id = ?1").unwrap();
    assert!(accepted.iter().all(|id| known.exists([id]).unwrap()));
    let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn a_rating_of_a_welcome_is_kept() {
    let app = App::start(&[]).await;
    let run = app.register(None, &json!({"user_id": "usr_1"})).await.json()["registration_id"].clone();
    let rated = keyed(&app, "POST", "/hooks/feedback", json!({"user_id": "usr_1", "rating": 5, "comment": "很贴心"}).to_string()).await;
    assert_eq!((rated.status.as_u16(), &rated.json()["registration_id"]), (200, &run), "{rated:?}");
    assert_eq!(app.count("SELECT rating FROM feedback WHERE source = 'hook'"), 5);
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'feedback'"), 1);
    let stranger = keyed(&app, "POST", "/hooks/feedback", json!({"user_id": "usr_none", "rating": 5}).to_string()).await;
    assert_eq!(stranger.status, 404, "{stranger:?}");
}

#[tokio::test]
async fn a_batch_whose_sender_never_reads_its_answers_is_cut_and_holds_up_nobody() {
    let app = App::start(&[("http.write_timeout", "1s")]).await;
    let address = app.hook_root().strip_prefix("http://").unwrap().to_owned();
    let sending = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        // Longer than the daemon's limit by far: whoever is still stuck then was never cut.
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "POST /hooks/registrations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {HOOK_KEY}\r\nContent-Length: 1000000000\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        // Each of these short lines has a long answer.
        let lines = "{}\n".repeat(10_000);
        loop {
            if let Err(error) = socket.write_all(lines.as_bytes()) {
                return error.kind();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    let beside = keyed(&app, "POST", "/hooks/registration", json!({"user_id": "usr_beside"}).to_string()).await;
    assert!(beside.status == 202 && began.elapsed() < Duration::from_secs(2), "{:?} {beside:?}", began.elapsed());
    let ended = tokio::time::timeout(Duration::from_secs(30), sending).await.unwrap().unwrap();
    assert!(matches!(ended, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{ended:?}");
}
