//! The command line as people and scripts use it: first start, exit codes, `--json`, import, stdio.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{App, GROUPS, binary, fixture};

#[test]
fn the_first_start_makes_a_private_directory_and_shows_each_key_once() {
    let app = App::idle(&[]);
    let first = app.cli(&["group", "list"]);
    let shown = String::from_utf8(first.stderr).unwrap();
    assert_eq!(shown.matches("mcp_key_").count(), GROUPS.len(), "{shown}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&app.data()), mode(&app.data().join("master.key"))), (0o700, 0o600));
    let again = app.cli(&["group", "list"]);
    assert!(!String::from_utf8(again.stderr).unwrap().contains("mcp_key_"));
    for code in GROUPS {
        assert!(shown.contains(&app.key(code)), "key show shows what the first start showed");
    }
}

#[test]
fn a_wrong_or_exposed_master_key_is_told_at_start() {
    let app = App::idle(&[]);
    app.ok(&["group", "list"]);
    let file = app.data().join("master.key");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = String::from_utf8(app.cli(&["group", "list"]).stderr).unwrap();
    assert!(text.contains("chmod 600"), "{text}");
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8(app.cli(&["group", "list"]).stderr).unwrap();
    assert!(text.contains("not the one this database was set up with"), "{text}");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let app = App::idle(&[]);
    for (args, code) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["group", "list"], 0),
        (&["no-such-verb"], 2),
        (&["group", "create", "Not A Code"], 2),
        (&["group", "delete", "system_tools"], 2),
        (&["group", "show", "nobody"], 4),
        (&["key", "show", "nobody"], 4),
        (&["tool", "show", "nothing"], 4),
        (&["tool", "call", "system_tools", "nothing"], 4),
        (&["tool", "call", "system_tools", "search_users", "--arguments", "[]"], 2),
        (&["tool", "call", "system_tools", "search_users"], 1),
        (&["tool", "set", "system_tools", "search_users", "--config-data", "{\"alow_contact\":true}"], 2),
        (&["register"], 1),
        (&["claim", "list"], 0),
        (&["claim", "take", "nobody", "--consultant", "usr_nobody"], 1),
        (&["stdio", "--server-code", "nobody"], 4),
    ] {
        let output = if args[0].starts_with("--") { binary().args(args).output().unwrap() } else { app.cli(args) };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(code == 0 || text.contains("error"), "{args:?} says nothing: {text}");
        assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
    }
    let wrong =
        app.command(&["stdio", "--server-code", "system_tools"]).env("ANMEI_MCP_API_KEY", app.key("medical_tools")).output().unwrap();
    assert_eq!(wrong.status.code(), Some(3), "{}", String::from_utf8_lossy(&wrong.stderr));
}

#[test]
fn every_list_has_json() {
    let app = App::idle(&[]);
    app.import_records();
    for args in [&["group", "list"][..], &["tool", "list"], &["agent", "list"], &["config", "dump"], &["config", "check"]] {
        let value = app.ok_json(args);
        assert!(value.is_array() || value.is_object(), "{args:?}");
    }
    assert_eq!(app.ok_json(&["tool", "list", "--group", "medical_tools"]).as_array().unwrap().len(), 2);
    assert_eq!(app.ok_json(&["group", "show", "project_tools"])["tool_policies"][0]["tool_name"], "get_service_info");
}

#[test]
fn a_group_is_made_filled_and_deleted() {
    let app = App::idle(&[]);
    let made = app.ok_json(&["group", "create", "frontdesk", "--tool", "search_users", "--tool", "get_service_info"]);
    assert!(made["key"].as_str().unwrap().starts_with("mcp_key_"));
    assert_eq!(app.ok_json(&["group", "show", "frontdesk"])["tools"], json!(["search_users", "get_service_info"]));
    let twice = app.cli(&["group", "create", "frontdesk"]);
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("exists already"));
    app.ok(&["group", "delete", "frontdesk", "--yes"]);
    assert_eq!(app.ok_json(&["group", "list"]).as_array().unwrap().len(), GROUPS.len());
}

#[test]
fn import_is_all_or_nothing_names_lines_and_can_be_repeated() {
    let app = App::idle(&[]);
    let users = fixture("users.csv");
    let first = app.ok_json(&["import", "users", users.to_str().unwrap()]);
    assert_eq!((&first["added"], &first["unchanged"]), (&json!(6), &json!(0)), "{first}");
    let again = app.ok_json(&["import", "users", users.to_str().unwrap()]);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(6)), "{again}");
    let bad = app.dir.path().join("bad.csv");
    std::fs::write(&bad, "id,username,phone\nusr_new,新人,138\nusr bad,坏人,139\n,无名,\n").unwrap();
    let output = app.cli(&["import", "users", bad.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("bad.csv:3") && text.contains("bad.csv:4"), "{text}");
    assert_eq!(app.count("SELECT count(*) FROM users"), 6, "nothing of a file with errors is kept");
    let orphan = app.dir.path().join("orphan.jsonl");
    std::fs::write(&orphan, "{\"user_id\":\"usr_nobody\"}\n").unwrap();
    let text = String::from_utf8(app.cli(&["import", "customers", orphan.to_str().unwrap()]).stderr).unwrap();
    assert!(text.contains("orphan.jsonl:1") && text.contains("usr_nobody") && text.contains("users"), "{text}");
    let dry = app.dir.path().join("dry.jsonl");
    std::fs::write(&dry, "{\"id\":\"usr_dry\",\"username\":\"试\"}\n").unwrap();
    app.ok(&["import", "users", dry.to_str().unwrap(), "--dry-run"]);
    assert_eq!(app.count("SELECT count(*) FROM users"), 6);
}

/// A host that starts the program itself.
struct Host {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Host {
    fn of(app: &App, code: &str) -> Self {
        let mut command = app.command(&["stdio", "--server-code", code]);
        command.env("ANMEI_MCP_API_KEY", app.key(code)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout).lines() }
    }

    fn ask(&mut self, message: &Value) -> Value {
        writeln!(self.stdin, "{message}").unwrap();
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    fn end(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn stdio_speaks_both_eras_and_keeps_stdout_clean() {
    let app = App::idle(&[]);
    app.import_records();
    let mut modern = Host::of(&app, "system_tools");
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"name": "get_user_profile", "arguments": {"user_id": "usr_zhangwei"}, "_meta": meta});
    let answer = modern.ask(&json!({"jsonrpc": "2.0", "id": "m", "method": "tools/call", "params": call}));
    assert_eq!(answer["result"]["structuredContent"]["username"], "张伟", "{answer}");
    let mut older = Host::of(&app, "system_tools");
    let hello = older.ask(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}}));
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18", "{hello}");
    writeln!(older.stdin, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
    let list = older.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 2, "{list}");
    app.ok(&["tool", "disable", "system_tools", "search_users"]);
    let list = older.ask(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 1, "a change by another process is in force at once");
    modern.end();
    older.end();
    assert_eq!(app.count("SELECT count(*) FROM mcp_call_logs WHERE channel = 'stdio' AND success = 1"), 1);
}

#[test]
fn a_group_is_bound_to_subjects_and_takes_no_tool_that_reaches_anybody() {
    let app = App::idle(&[]);
    app.ok(&["group", "create", "welcome2", "--subject-scoped", "--tool", "get_user_profile", "--tool", "get_service_info"]);
    let shown = app.ok_json(&["group", "show", "welcome2"]);
    assert_eq!((&shown["subject_scoped"], &shown["tools"]), (&json!(true), &json!(["get_user_profile", "get_service_info"])));
    assert!(app.ok(&["group", "show", "welcome2"]).contains("enabled, subject-scoped"));
    for tool in ["search_users", "optimize_plan"] {
        for refused in
            [app.cli(&["tool", "enable", "welcome2", tool]), app.cli(&["group", "create", "welcome3", "--subject-scoped", "--tool", tool])]
        {
            let text = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(refused.status.code() == Some(2) && text.contains(tool) && text.contains("subject-scoped"), "{text}");
        }
    }
    let told = app.ok(&["group", "set", "system_tools", "--subject-scoped", "true"]);
    assert!(told.contains("not offered any more: search_users"), "{told}");
    assert_eq!(app.ok_json(&["group", "show", "system_tools"])["tools"], json!(["get_user_profile"]));
    app.ok(&["group", "set", "system_tools", "--subject-scoped", "false"]);
    let list = app.ok_json(&["group", "list"]);
    let scoped: Vec<_> = list.as_array().unwrap().iter().filter(|group| group["subject_scoped"] == true).collect();
    assert_eq!(scoped.len(), 2, "welcome_tools and welcome2: {scoped:?}");
    assert_eq!(app.ok_json(&["group", "show", "system_tools"])["tools"], json!(["get_user_profile", "search_users"]));
}

#[test]
fn the_demo_does_the_main_job() {
    let output = binary().args(["demo", "--once"]).env("HOME", "/tmp").output().unwrap();
    let (text, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{complaints}");
    for part in [
        "open_conversation",
        "compose_welcome",
        "get_user_profile → analyze_customer",
        "deliver_welcome",
        "notify_consultants",
        "consultants=12",
        "done · agent",
        "林晓月",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}
