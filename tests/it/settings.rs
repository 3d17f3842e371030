//! Runtime settings through the real binary: what is set by one process is in force in the other, what is wrong is said.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{App, binary};

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn new_user(id: &str) -> Value {
    json!({"user_id": id, "username": "林晓月", "roles": ["customer"]})
}

#[tokio::test]
async fn a_change_is_in_force_for_the_next_registration_of_a_running_daemon() {
    let app = App::start(&[]).await;
    let time_for_a_welcome = async |user: &str| {
        let answer = app.register(None, &new_user(user)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        app.count(&format!("SELECT deadline_at - accepted_at FROM registrations WHERE user_id = '{user}'"))
    };
    assert_eq!(time_for_a_welcome("usr_1").await, 3_000);
    let text = app.ok(&["settings", "set", "welcome.deadline=7s", "conversation.title=新客"]);
    assert!(text.contains("welcome.deadline is 7s\n") && text.contains("in force at once"), "{text}");
    assert_eq!(time_for_a_welcome("usr_2").await, 7_000);
    assert!(!app.cli(&["settings", "set", "welcome.deadline=0s"]).status.success());
    assert_eq!(time_for_a_welcome("usr_3").await, 7_000);
    app.ok(&["settings", "reset", "welcome.deadline"]);
    assert_eq!(time_for_a_welcome("usr_4").await, 3_000);
}

#[test]
fn settings_are_listed_shown_changed_and_reset() {
    let app = App::idle(&[]);
    let all = app.ok_json(&["settings", "list"]);
    let count = all.as_array().unwrap().len();
    assert!(count > 50 && app.ok_json(&["settings", "list", "--changed"]).as_array().unwrap().is_empty());
    assert_eq!(app.ok(&["settings", "list"]).lines().count(), count + 1, "a heading, and a line for each");
    app.ok(&["settings", "set", "retry.delays=1s,2s", "alerts.success_rate=0.95"]);
    assert_eq!(app.ok(&["settings", "get", "retry.delays"]), "1s,2s\n");
    let shown = app.ok_json(&["settings", "get", "alerts.success_rate"]);
    assert_eq!(
        (&shown["value"], &shown["is_default"], &shown["changed_by"]),
        (&json!(0.95), &json!(false), &json!("cli:unknown")),
        "{shown}"
    );
    let changed = app.ok_json(&["settings", "list", "--changed"]);
    assert_eq!(
        changed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["retry.delays", "alerts.success_rate"]
    );
    assert!(app.ok(&["settings", "reset", "retry.delays"]).contains("retry.delays is 5s,15s,1m (default)"));
    assert_eq!(app.ok_json(&["settings", "list", "--changed"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code_and_changes_nothing() {
    let app = App::idle(&[]);
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (
            &["set", "welcome.max_chars=300", "welcome.deadline=soon"],
            2,
            &["error: welcome.deadline: found the text \"soon\"", "100ms to 10m", "Example: welcome.deadline=3s"],
        ),
        (&["set", "welcome.max_chars=300", "welcome.deadlin=3s"], 4, &["there is no such setting; did you mean welcome.deadline?"]),
        (&["set", "welcome.deadline=2m"], 2, &["longer than welcome.total_limit, 1m"]),
        (&["set", "welcome.deadline"], 2, &["write NAME=VALUE"]),
        (&["set"], 2, &["NAME=VALUE"]),
        (&["set", "welcome.deadline=3s", "--file", "/dev/null"], 2, &["leave out one of the two"]),
        (&["get", "deadline"], 4, &["did you mean welcome.deadline?"]),
        (&["reset", "welcome.deadlines"], 4, &["did you mean welcome.deadline?"]),
        (&["explain", "welcome.deadlines"], 4, &["did you mean welcome.deadline?"]),
    ];
    for (args, code, parts) in cases {
        let output = app.cli(&[&["settings"], args].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{args:?}: {text}");
    }
    assert_eq!(app.count("SELECT count(*) FROM system_settings"), 0, "all or none");
}

#[test]
fn a_value_comes_from_a_file_or_stdin_and_secrets_stay_sealed() {
    let app = App::idle(&[]);
    let file = app.dir.path().join("welcome.txt");
    std::fs::write(&file, "您好！\n\n请问想了解什么？\n").unwrap();
    app.ok(&["settings", "set", "welcome.static_text", "--file", file.to_str().unwrap()]);
    assert_eq!(app.ok(&["settings", "get", "welcome.static_text"]), "您好！\n\n请问想了解什么？\n");

    let channels = r#"[{"kind":"feishu","name":"群","url":"https://open.feishu.cn/open-apis/bot/v2/hook/topsecret","secret":"topsecret"}]"#;
    let mut command = app.command(&["settings", "set", "notice.channels", "--file", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(channels.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("topsecret"));
    for entry in std::fs::read_dir(app.data()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"topsecret"));
    }
    for args in [&["get", "notice.channels"][..], &["get", "notice.channels", "--json"], &["list"], &["list", "--json"]] {
        assert!(!app.ok(&[&["settings"], args].concat()).contains("topsecret"), "{args:?}");
    }
    let shown = app.cli(&["settings", "get", "notice.channels", "--reveal"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).matches("topsecret").count(), 2);
    assert!(said(&shown).contains("the secrets of a setting were shown") && !said(&shown).contains("topsecret"));
}

#[test]
fn settings_are_explained_in_the_configured_language_without_a_database() {
    let app = App::idle(&[]);
    let english = app.ok(&["settings", "explain", "welcome.late_answer"]);
    assert!(english.contains("Kind: one of append, replace_unread, drop") && english.contains("Default: append"), "{english}");
    let chinese = app.ok(&["settings", "explain", "welcome.deadline", "--set", "language=zh-CN"]);
    assert!(chinese.contains("时限") && chinese.contains("范围: 100ms 至 10m") && chinese.contains("默认: 3s"), "{chinese}");
    let all = app.ok_json(&["settings", "explain"]);
    assert!(all.as_array().unwrap().iter().all(|one| one["meaning"]["zh"].as_str().unwrap().ends_with('。')), "{all}");
    assert!(!app.data().exists());
}

/// Whoever still has such a key in a file is told the setting, and the very command works.
#[test]
fn a_key_that_became_a_setting_is_answered_with_a_command_that_works() {
    let app = App::idle(&[]);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_anmei-mcp"));
    let keys = [
        "enabled",
        "welcome_deadline",
        "conversation_title",
        "retry_delays",
        "retry_jitter",
        "static_welcome",
        "expected_response",
        "link_template",
    ];
    for key in keys {
        let file = app.dir.path().join("anmei-mcp.toml");
        std::fs::write(&file, format!("[registration]\n{key} = 1\n")).unwrap();
        let output = binary().args(["config", "check", "--config", file.to_str().unwrap()]).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&format!("anmei-mcp.toml:2: registration.{key}: is the runtime setting ")), "{text}");
        let told = text.split('`').nth(1).unwrap();
        assert!(told.starts_with("anmei-mcp settings set "), "{told}");
        let mut shell = std::process::Command::new("sh");
        shell.env_clear().env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display())).env("LANG", "C.UTF-8");
        let output = shell.arg("-c").arg(format!("{told} --data-dir '{}'", app.data().display())).output().unwrap();
        assert!(output.status.success(), "{told}: {}", said(&output));
    }
    assert_eq!(app.ok_json(&["settings", "list", "--changed"]).as_array().unwrap().len(), keys.len());
    let output = binary().args(["config", "check"]).env("ANMEI_MCP_REGISTRATION__WELCOME_DEADLINE", "3s").output().unwrap();
    assert!(said(&output).contains("the runtime setting welcome.deadline"), "{}", said(&output));
}
