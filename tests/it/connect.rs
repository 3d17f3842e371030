//! `connect`: what hosts are told works, is put into their files without harm, and can be tried out; and `bridge`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{App, binary};

/// The groups that a host is given when none is named.
const OFFERED: [&str; 4] = ["system_tools", "consultation_tools", "medical_tools", "project_tools"];

/// `connect` with a home of its own.
fn connect(app: &App, home: &Path, args: &[&str]) -> Output {
    app.command(&[&["connect"], args].concat()).env("HOME", home).output().unwrap()
}

fn connect_ok(app: &App, home: &Path, args: &[&str]) -> String {
    let output = connect(app, home, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Copies of a file that were kept beside it.
fn backups(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ext| ext == "bak")).collect()
}

#[test]
fn every_host_is_told_and_its_data_is_json() {
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    let hosts = [
        "claude-code",
        "claude-desktop",
        "cursor",
        "vscode",
        "cherry-studio",
        "n8n",
        "dify",
        "dify-plugin",
        "inspector",
        "codex",
        "gemini",
    ];
    for host in hosts {
        let text = connect_ok(&app, home.path(), &[host]);
        let data: Value = serde_json::from_str(&connect_ok(&app, home.path(), &[host, "--json"])).unwrap();
        let codes: Vec<&str> = data["entries"].as_array().unwrap().iter().map(|entry| entry["code"].as_str().unwrap()).collect();
        let mut expected = OFFERED.to_vec();
        expected.sort_unstable();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{host}: the group bound to subjects is not offered");
        for code in OFFERED {
            let key = app.key(code);
            // Claude Desktop starts a program on this machine, which needs no key.
            assert_eq!(text.contains(&key), host != "claude-desktop", "{host}, {code}: {text}");
        }
    }
    let second = app.ok_json(&["key", "add", "system_tools", "--name", "second"])["key"].as_str().unwrap().to_owned();
    let told = connect_ok(&app, home.path(), &["cursor", "--group", "system_tools", "--key", "second"]);
    assert!(told.contains(&second) && !told.contains(&app.key("system_tools")), "{told}");
    let unknown = connect(&app, home.path(), &["emacs"]);
    assert!(unknown.status.code() == Some(2) && String::from_utf8_lossy(&unknown.stderr).contains("cherry-studio"));
    for (args, code, says) in [
        (&["codex", "--transport", "sse"][..], 2, "use --transport http or --transport stdio"),
        (&["dify", "--transport", "stdio"], 2, "use --transport http"),
        (&["cursor", "--group", "nothing"], 4, "there is no group nothing"),
        (&["cursor", "--url", "ftp://x"], 2, "--url ftp://x"),
        (&["cursor", "--url", "https://x/mcp"], 2, "in front of /mcp"),
        (&["n8n", "--write"], 2, "in its own window"),
        (&["cherry-studio", "--write"], 2, "name one with --file"),
    ] {
        let refused = connect(&app, home.path(), args);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(code) && stderr.contains(says), "{args:?}: {stderr}");
    }
}

#[test]
fn write_keeps_a_copy_and_touches_nothing_but_its_own_entries() {
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    let file = home.path().join(".cursor/mcp.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let before =
        "{\n  // the team's servers\n  \"mcpServers\": {\n    \"other\": { \"command\": \"x\" }, // keep\n  },\n  \"mine\": true,\n}\n";
    fs::write(&file, before).unwrap();
    let said = connect_ok(&app, home.path(), &["cursor", "--write", "--url", "https://mcp.clinic.cn"]);
    assert!(said.contains("as it was"), "{said}");
    let once = fs::read_to_string(&file).unwrap();
    for kept in ["// the team's servers", "\"other\": { \"command\": \"x\" }", "// keep", "\"mine\": true"] {
        assert!(once.contains(kept), "{once}");
    }
    for code in OFFERED {
        assert!(once.contains(&format!("https://mcp.clinic.cn/server/{code}/mcp")) && once.contains(&app.key(code)), "{code}: {once}");
    }
    let copies = backups(&file);
    assert_eq!(copies.len(), 1);
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), before);
    let again = connect_ok(&app, home.path(), &["cursor", "--write", "--url", "https://mcp.clinic.cn"]);
    assert!(again.contains("already"), "{again}");
    assert_eq!(fs::read_to_string(&file).unwrap(), once, "twice is the same");
    assert_eq!(backups(&file).len(), 1);
    app.ok(&["key", "rotate", "system_tools"]);
    connect_ok(&app, home.path(), &["cursor", "--write", "--group", "system_tools", "--url", "https://mcp.clinic.cn"]);
    let rotated = fs::read_to_string(&file).unwrap();
    assert!(rotated.contains(&app.key("system_tools")) && rotated.contains("// keep"), "{rotated}");
    assert_eq!(backups(&file).len(), 2);
}

#[test]
fn write_makes_what_is_missing_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    for (host, file) in [
        ("claude-code", ".claude.json"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".config/Code/User/mcp.json"),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("inspector", ".mcp-inspector/mcp.json"),
    ] {
        let path = home.path().join(file);
        for _ in 0..2 {
            connect_ok(&app, home.path(), &[host, "--write"]);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{host}");
            assert!(backups(&path).is_empty(), "{host}");
        }
        assert!(fs::read_to_string(&path).unwrap().contains("anmei-system-tools"), "{host}");
    }
    let vscode = read(&home.path().join(".config/Code/User/mcp.json"));
    assert_eq!(vscode["servers"]["anmei-system-tools"]["headers"]["Authorization"], "Bearer ${input:anmei-system-tools-key}");
    assert_eq!(vscode["inputs"].as_array().unwrap().len(), 4);
    let named = home.path().join("elsewhere/plugin.json");
    connect_ok(&app, home.path(), &["dify-plugin", "--write", "--file", named.to_str().unwrap()]);
    assert_eq!(read(&named).as_object().unwrap().len(), 4);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_and_stays() {
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    let cases = [
        ("cursor", ".cursor/mcp.json", "{\n  \"mcpServers\": {,}\n}", "line 2, column 18"),
        ("codex", ".codex/config.toml", "[a]\nb = \n", "line 2, column 5"),
        ("gemini", ".gemini/settings.json", "[1]", "not a JSON object"),
    ];
    for (host, file, text, place) in cases {
        let path = home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let refused = connect(&app, home.path(), &[host, "--write"]);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && stderr.contains(place) && stderr.contains(file), "{host}: {stderr}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(backups(&path).is_empty());
    }
}

/// Says hello to a program as a host does, and asks for its tools.
fn tools_of(mut command: Command) -> Vec<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    for message in [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    ] {
        writeln!(input, "{message}").unwrap();
    }
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()).find(|message| message["id"] == 1).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "the end of its input is an orderly end");
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The command of an entry, as a host starts it.
fn command_of(entry: &Value) -> Command {
    let mut command = Command::new(entry["command"].as_str().unwrap());
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.args(entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    for (name, value) in entry["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    command
}

#[tokio::test]
async fn the_commands_that_are_written_start_and_serve_their_group() {
    let (app, home) = (App::start(&[]).await, home());
    let path = home.path().join(".config/Claude/claude_desktop_config.json");
    let expected = ["get_user_profile", "search_users"];
    connect_ok(&app, home.path(), &["claude-desktop", "--write"]);
    let local = read(&path)["mcpServers"]["anmei-system-tools"].clone();
    assert_eq!(tools_of(command_of(&local)), expected, "{local}");
    connect_ok(&app, home.path(), &["claude-desktop", "--write", "--transport", "http"]);
    let bridged = read(&path)["mcpServers"]["anmei-system-tools"].clone();
    assert_eq!((&bridged["args"][0], &bridged["env"]["ANMEI_MCP_API_KEY"]), (&json!("bridge"), &json!(app.key("system_tools"))));
    assert_eq!(tools_of(command_of(&bridged)), expected, "{bridged}");
}

#[tokio::test]
async fn check_connects_as_the_host_will_and_says_who_was_refused() {
    let (mut app, home) = (App::start(&[]).await, home());
    for args in [&["cursor"][..], &["cursor", "--transport", "stdio"], &["claude-desktop", "--transport", "http"], &["vscode"]] {
        let said = connect_ok(&app, home.path(), &[args, &["--group", "system_tools", "--check"]].concat());
        assert!(said.contains("system_tools: connected, 2 tools: get_user_profile, search_users"), "{args:?}: {said}");
    }
    // Without --transport the plugin of Dify comes over HTTP+SSE, as the requirements show it.
    for (transport, more) in [("sse", &[][..]), ("http", &["--transport", "http"])] {
        let all = connect_ok(&app, home.path(), &[&["dify-plugin", "--check", "--json"], more].concat());
        let told: Value = serde_json::from_str(&all).unwrap();
        assert_eq!(told["transport"], transport, "{told}");
        let checked = told["checked"].as_array().unwrap();
        assert!(checked.len() == 4 && checked.iter().all(|one| one["ok"] == true && one["error"].is_null()), "{told}");
        let of_system: Vec<_> = checked.iter().filter(|one| one["code"] == "system_tools").map(|one| &one["tools"]).collect();
        assert_eq!(of_system, [&json!(["get_user_profile", "search_users"])], "{told}");
    }
    let root = app.mcp_root().to_owned();
    let foreign = app
        .command(&["connect", "cursor", "--group", "system_tools", "--check", "--url", &root])
        .env("HOME", home.path())
        .env("ANMEI_MCP_API_KEY", app.key("medical_tools"))
        .output()
        .unwrap();
    assert_eq!(foreign.status.code(), Some(3), "{}", String::from_utf8_lossy(&foreign.stdout));
    app.stop().await;
    let gone = connect(&app, home.path(), &["cursor", "--group", "system_tools", "--check", "--url", &root]);
    assert_eq!(gone.status.code(), Some(1), "{}", String::from_utf8_lossy(&gone.stdout));
}

#[tokio::test]
async fn a_key_of_which_no_copy_is_kept_leaves_a_place_and_a_word() {
    let (app, home) = (App::start(&[("keys.reveal", "never")]).await, home());
    let said = connect_ok(&app, home.path(), &["cursor", "--group", "system_tools"]);
    assert!(said.contains("Bearer KEY_OF_SYSTEM_TOOLS") && said.contains("key rotate system_tools"), "{said}");
    let checked = connect(&app, home.path(), &["cursor", "--group", "system_tools", "--check"]);
    let stdout = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.code() == Some(3) && stdout.contains("ANMEI_MCP_API_KEY"), "{stdout}");
}

/// `connect` with a key in the environment.
fn connect_with_key(app: &App, home: &Path, key: &str, args: &[&str]) -> Output {
    app.command(&[&["connect"], args].concat()).env("HOME", home).env("ANMEI_MCP_API_KEY", key).output().unwrap()
}

#[test]
fn a_key_that_stands_in_a_file_is_not_replaced_by_a_placeholder() {
    let (app, home) = (App::idle(&[("keys.reveal", "never")]), home());
    app.ok(&["group", "list"]);
    let cursor = home.path().join(".cursor/mcp.json");
    let codex = home.path().join(".codex/config.toml");
    for path in [&cursor, &codex] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    let before = r#"{"mcpServers": {"anmei-system-tools": {"url": "http://old/mcp", "headers": {"Authorization": "Bearer mcp_key_mine"}, "timeout": 9}}}"#;
    fs::write(&cursor, before).unwrap();
    let write = |host| [host, "--write", "--group", "system_tools", "--url", "https://mcp.clinic.cn"];
    let said = connect_ok(&app, home.path(), &write("cursor"));
    assert!(said.contains("stay") && said.contains("anmei-system-tools") && !said.contains("KEY_OF"), "{said}");
    let expected =
        json!({"url": "https://mcp.clinic.cn/server/system_tools/mcp", "headers": {"Authorization": "Bearer mcp_key_mine"}, "timeout": 9});
    assert_eq!(read(&cursor)["mcpServers"]["anmei-system-tools"], expected);
    let told: Value = serde_json::from_str(&connect_ok(&app, home.path(), &[&write("cursor")[..], &["--json"]].concat())).unwrap();
    assert_eq!((&told["installed"]["changed"], &told["installed"]["kept"]), (&json!(false), &json!(["anmei-system-tools"])));
    // The command that is printed for Codex leaves the key in a variable.
    fs::write(&codex, "[mcp_servers.anmei-system-tools]\nurl = \"http://old/mcp\"\nbearer_token_env_var = \"MINE\"\n").unwrap();
    connect_ok(&app, home.path(), &write("codex"));
    let kept = fs::read_to_string(&codex).unwrap();
    assert!(
        kept.contains("bearer_token_env_var = \"MINE\"") && kept.contains("https://mcp.clinic.cn") && !kept.contains("KEY_OF"),
        "{kept}"
    );
    // A key that is given takes its place.
    let given = connect_with_key(&app, home.path(), "mcp_key_new", &write("cursor"));
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    assert_eq!(read(&cursor)["mcpServers"]["anmei-system-tools"]["headers"]["Authorization"], "Bearer mcp_key_new");
}

#[test]
fn a_placeholder_is_never_written_where_no_key_stands() {
    let (app, home) = (App::idle(&[("keys.reveal", "never")]), home());
    app.ok(&["group", "list"]);
    let refused = |args: &[&str]| {
        let output = connect(&app, home.path(), args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(3) && stderr.contains("ANMEI_MCP_API_KEY"), "{args:?}: {stderr}");
        stderr
    };
    let file = home.path().join(".cursor/mcp.json");
    refused(&["cursor", "--write", "--group", "system_tools"]);
    assert!(!file.exists() && !file.parent().unwrap().exists(), "nothing is made");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let entry =
        |key: &str| format!("{{\"mcpServers\": {{\"anmei-system-tools\": {{\"headers\": {{\"Authorization\": \"Bearer {key}\"}}}}}}}}");
    for (before, without) in [
        ("{\"mcpServers\": {\"other\": {\"command\": \"x\"}}}".to_owned(), "anmei-system-tools"),
        (entry("KEY_OF_SYSTEM_TOOLS"), "anmei-system-tools"),
        // The key of one group is there, those of the others are not.
        (entry("mcp_key_mine"), "anmei-medical-tools"),
    ] {
        fs::write(&file, &before).unwrap();
        let stderr = refused(&["cursor", "--write"]);
        assert!(stderr.contains(without), "{stderr}");
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert!(backups(&file).is_empty());
    }
    refused(&["claude-desktop", "--write", "--transport", "http", "--group", "system_tools"]);
    // What holds no key is written as ever: VS Code asks for it, and a program that is started needs none.
    connect_ok(&app, home.path(), &["vscode", "--write"]);
    connect_ok(&app, home.path(), &["claude-desktop", "--write"]);
    let given = connect_with_key(&app, home.path(), "mcp_key_new", &["cursor", "--write", "--group", "system_tools"]);
    assert!(given.status.success(), "{}", String::from_utf8_lossy(&given.stderr));
    assert_eq!(read(&file)["mcpServers"]["anmei-system-tools"]["headers"]["Authorization"], "Bearer mcp_key_new");
}

#[tokio::test]
async fn without_a_database_nothing_is_made_up() {
    let (server, laptop, home) = (App::start(&[]).await, App::idle(&[]), home());
    let root = server.mcp_root().to_owned();
    let key = server.key("system_tools");
    let here = ["cursor", "--group", "system_tools"];
    let there = [&here[..], &["--url", &root]].concat();
    for args in [&["cursor"][..], &here[..], &there[..], &["cursor", "--url", &root], &["dify"], &["claude-desktop", "--url", &root]] {
        let refused = connect(&laptop, home.path(), args);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(4), "{args:?}: {stderr}");
        for says in ["there is no database", "data directory", "anmei-mcp serve", "ANMEI_MCP_API_KEY"] {
            assert!(stderr.contains(says), "{args:?}: {stderr}");
        }
        assert!(!stderr.contains("mcp_key_") && refused.stdout.is_empty(), "{args:?}: no key of a new database is handed out");
    }
    assert!(!laptop.data().exists(), "a refusal makes nothing");
    // A name is looked up in the database, and there is none; the key alone says nothing of where the server is.
    for args in [&[&there[..], &["--key", "default"]].concat()[..], &here[..]] {
        assert_eq!(connect_with_key(&laptop, home.path(), &key, args).status.code(), Some(4), "{args:?}");
    }
    let wrong = connect_with_key(&laptop, home.path(), &key, &["cursor", "--group", "../x", "--url", &root]);
    assert!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains("server code"), "{wrong:?}");
    let done = connect_with_key(&laptop, home.path(), &key, &[&there[..], &["--write", "--check"]].concat());
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && stdout.contains("system_tools: connected, 2 tools"), "{stdout}");
    let entry = read(&home.path().join(".cursor/mcp.json"))["mcpServers"]["anmei-system-tools"].clone();
    assert_eq!(entry, json!({"url": server.group_url("system_tools"), "headers": {"Authorization": format!("Bearer {key}")}}));
    let foreign = connect_with_key(&laptop, home.path(), &server.key("medical_tools"), &[&there[..], &["--check"]].concat());
    assert_eq!(foreign.status.code(), Some(3), "{}", String::from_utf8_lossy(&foreign.stdout));
    assert!(!laptop.data().exists(), "a server elsewhere needs no data directory here");
    // A host that starts the program itself is served from a database that the first start makes.
    connect_ok(&laptop, home.path(), &["claude-desktop", "--write"]);
    assert!(laptop.data().join("anmei-mcp.sqlite3").exists());
}

#[test]
fn a_group_without_a_key_does_not_keep_the_others_from_their_hosts() {
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    app.ok(&["key", "revoke", "project_tools"]);
    let told = connect(&app, home.path(), &["cursor"]);
    let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success() && stderr.contains("left out: ") && stderr.contains("project_tools"), "{stderr}");
    assert!(!stdout.contains("project_tools"), "{stdout}");
    for code in ["system_tools", "consultation_tools", "medical_tools"] {
        assert!(stdout.contains(&app.key(code)) && !stderr.contains(&format!("left out: {code}")), "{code}: {stdout} {stderr}");
    }
    let alone = connect(&app, home.path(), &["cursor", "--group", "project_tools"]);
    let stderr = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(alone.status.code() == Some(4) && stderr.contains("project_tools") && alone.stdout.is_empty(), "{stderr}");
    for code in ["system_tools", "consultation_tools", "medical_tools"] {
        app.ok(&["key", "revoke", code]);
    }
    let none = connect(&app, home.path(), &["cursor"]);
    assert!(none.status.code() == Some(4) && none.stdout.is_empty(), "{}", String::from_utf8_lossy(&none.stderr));
    // Over stdio nobody needs a key.
    let stdio = connect_ok(&app, home.path(), &["cursor", "--transport", "stdio"]);
    assert!(OFFERED.iter().all(|code| stdio.contains(code)), "{stdio}");
}

#[test]
fn the_key_that_is_named_goes_before_the_one_in_the_environment() {
    let (app, home) = (App::idle(&[]), home());
    app.ok(&["group", "list"]);
    let second = app.ok_json(&["key", "add", "system_tools", "--name", "second"])["key"].as_str().unwrap().to_owned();
    let told = |more: &[&str]| {
        let output = connect_with_key(&app, home.path(), "mcp_key_given", &[&["cursor", "--group", "system_tools"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let named = told(&["--key", "second"]);
    assert!(named.contains(&second) && !named.contains("mcp_key_given"), "{named}");
    let given = told(&[]);
    assert!(given.contains("mcp_key_given") && !given.contains(&second), "{given}");
}

#[test]
fn the_bridge_says_what_is_wrong_with_its_address_and_answers_when_nobody_is_there() {
    let bad = binary().args(["bridge", "nowhere"]).output().unwrap();
    assert!(bad.status.code() == Some(2) && String::from_utf8_lossy(&bad.stderr).contains("not a URL"), "{bad:?}");
    let mut command = binary();
    let mut child = command
        .args(["bridge", "http://127.0.0.1:1/mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), r#"{{"jsonrpc":"2.0","id":"x","method":"initialize","params":{{}}}}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["id"] == "x" && answer["error"]["message"].as_str().unwrap().contains("127.0.0.1:1"), "{answer}");
}
