//! What is shown holds: examples run, generated files are what the program generates, and links, commands, keys and
//! snippets of the documents exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, UNIX_EPOCH},
};

use anmei_mcp::outbound::standard_webhooks::{WebhookSecret, sign};
use serde_json::{Value, json};

use crate::{
    admin_kit::Person,
    harness::{App, Era, GROUPS, HOOK_KEY, HOOK_SECRET, binary},
};

const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"];
/// Verbs that have verbs of their own.
const NESTED: [&str; 18] = [
    "admin", "log", "account", "agent", "alert", "audit", "claim", "config", "drill", "event", "generate", "group", "job", "key", "limit",
    "live", "settings", "tool",
];
/// The files of examples/import, in an order in which they can be imported.
const IMPORTS: [(&str, &str); 9] = [
    ("users", "users.csv"),
    ("customers", "customers.csv"),
    ("preferences", "preferences.jsonl"),
    ("consultants", "consultants.csv"),
    ("services", "services.csv"),
    ("consultations", "consultations.csv"),
    ("conversations", "conversations.jsonl"),
    ("messages", "messages.jsonl"),
    ("plans", "plans.jsonl"),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn python(vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new("python3");
    command.env("no_proxy", "*").env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1").envs(vars.iter().copied());
    command.stdin(Stdio::null());
    command
}

#[test]
fn generated_files_are_what_the_program_generates() {
    let fresh = tempfile::tempdir().unwrap();
    let fresh = fresh.path();
    for (what, target) in [("config", "examples"), ("openapi", "examples"), ("man", "man")] {
        assert!(binary().args(["generate", what, "--output"]).arg(fresh.join(target)).status().unwrap().success());
    }
    assert_eq!(names(&path("man")), names(&fresh.join("man")), "run `just docs`");
    let pages = names(&path("man")).into_iter().map(|page| format!("man/{page}"));
    for name in pages.chain(["anmei-mcp.toml", "openapi.json"].map(|name| format!("examples/{name}"))) {
        assert!(fs::read(path(&name)).unwrap() == fs::read(fresh.join(&name)).unwrap(), "{name} is not what is generated; run `just docs`");
    }
}

#[tokio::test]
async fn the_document_of_the_api_is_the_one_that_is_served() {
    let app = App::start(&[]).await;
    let auditor = Person::new(&app, "auditor");
    let served = auditor.get(&app, "/openapi.json").await;
    let committed: Value = serde_json::from_str(&text("examples/openapi.json")).unwrap();
    assert!(served == committed, "examples/openapi.json is not what is served; run `just docs`");
}

/// As it is, and with every default that it shows taken at its word.
#[test]
fn the_sample_configuration_is_right() {
    let app = App::idle(&[]);
    let open = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n";
    let opened = app.dir.path().join("opened.toml");
    fs::write(&opened, text("examples/anmei-mcp.toml").lines().map(open).collect::<String>()).unwrap();
    fs::set_permissions(&opened, fs::Permissions::from_mode(0o600)).unwrap();
    for file in [path("examples/anmei-mcp.toml"), opened] {
        let said = app.ok(&["config", "check", "--config", file.to_str().unwrap()]);
        assert!(said.starts_with("ok: ") && !said.contains("warning"), "{said}");
    }
}

#[test]
fn the_import_examples_import_and_import_again() {
    let folder = path("examples/import");
    assert_eq!(names(&folder), IMPORTS.iter().map(|(_, file)| (*file).to_owned()).collect(), "every file is tried");
    let app = App::idle(&[]);
    for again in [false, true] {
        for (kind, file) in IMPORTS {
            let told = app.ok_json(&["import", kind, folder.join(file).to_str().unwrap()]);
            let count = |what: &str| told[what].as_u64().unwrap();
            let (added, unchanged) = (count("added"), count("unchanged"));
            assert!(if again { added == 0 && unchanged > 0 } else { added > 0 && unchanged == 0 }, "{told}");
            assert_eq!(count("changed"), 0, "{told}");
        }
    }
    let profile = app.ok(&["tool", "call", "system_tools", "search_users", "--arguments", r#"{"query":"陈悦"}"#]);
    assert!(profile.contains("usr_chenyue"), "{profile}");
}

fn register(app: &App, secret: (&str, &str), user_id: &str) -> Output {
    let url = format!("{}/hooks/registration", app.hook_root());
    python(&[("HOOK_URL", &url), secret]).arg(path("examples/register.py")).args([user_id, "林晓月"]).output().unwrap()
}

#[tokio::test]
async fn register_py_registers_with_a_key_and_with_a_signature() {
    let app = App::start(&[("hook.signing_secrets", HOOK_SECRET)]).await;
    for (secret, user_id) in [(("HOOK_KEY", HOOK_KEY), "usr_keyed"), (("HOOK_SECRET", HOOK_SECRET), "usr_signed")] {
        let mut ids = BTreeSet::new();
        for _ in 0..2 {
            let output = register(&app, secret, user_id);
            assert!(output.status.success(), "{output:?}");
            let accepted: Value = serde_json::from_slice(&output.stdout).unwrap();
            let run = app.finished(&accepted).await;
            assert_eq!((&run["user_id"], &run["state"]), (&json!(user_id), &json!("done_with_fallback")), "{run}");
            ids.insert(accepted["registration_id"].to_string());
        }
        assert_eq!(ids.len(), 1, "a repetition is the same run");
    }
    let refused = register(&app, ("HOOK_KEY", "not-the-key"), "usr_stranger");
    assert!(refused.status.code() == Some(1) && String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
    assert_eq!(app.count("SELECT count(*) FROM registrations"), 2);
}

#[tokio::test]
async fn register_py_registers_a_whole_file_and_names_what_was_refused() {
    let app = App::start(&[("hook.signing_secrets", HOOK_SECRET)]).await;
    let url = format!("{}/hooks/registration", app.hook_root());
    let file = app.dir.path().join("users.jsonl");
    let users = (0..1200).map(|n| json!({"user_id": format!("usr_{n}"), "username": "林晓月"}).to_string() + "\n");
    fs::write(&file, users.collect::<String>()).unwrap();
    let run = |secret| python(&[("HOOK_URL", &url), secret]).arg(path("examples/register.py")).arg("--batch").arg(&file).output().unwrap();
    for secret in [("HOOK_KEY", HOOK_KEY), ("HOOK_SECRET", HOOK_SECRET)] {
        let done = run(secret);
        assert!(done.status.success() && done.stdout == b"1200 registered, 0 refused\n", "{done:?}");
        assert_eq!(app.count("SELECT count(*) FROM registrations"), 1200);
    }
    fs::write(&file, "{\"user_id\": \"usr_new\"}\n{\"user_id\": 7}\n").unwrap();
    let done = run(("HOOK_KEY", HOOK_KEY));
    assert!(done.status.code() == Some(1) && done.stdout == b"1 registered, 1 refused\n", "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("/user_id"), "{done:?}");
}

/// The receiver of the examples at work.
struct Receiver {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    fn start() -> Self {
        let mut command = python(&[("WEBHOOK_SECRET", HOOK_SECRET)]);
        command.arg(path("examples/webhook_receiver.py")).arg("127.0.0.1:0");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[tokio::test]
async fn webhook_receiver_py_takes_the_daemons_event_once_and_no_tampered_one() {
    let receiver = Receiver::start();
    let url = receiver.line();
    let app = App::start(&[("outbound.webhook_url", &url), ("outbound.webhook_secret", HOOK_SECRET)]).await;
    let run = app.finished(&app.register(None, &json!({"user_id": "usr_event"})).await.json()).await;
    let told: Value = serde_json::from_str(&receiver.line()).unwrap();
    let kinds = ["conversation.created", "customer.waiting", "message.created", "registration.completed"];
    assert!(kinds.contains(&told["event"]["type"].as_str().unwrap()), "{told}");
    assert_eq!(told["event"]["data"]["registration_id"], run["registration_id"]);

    let secrets = [WebhookSecret::parse(HOOK_SECRET).unwrap()];
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let send = async |id: &str, timestamp: i64, signed: &str, sent: &str| {
        let signature = sign(&secrets, id, timestamp, signed.as_bytes()).unwrap();
        let timestamp = timestamp.to_string();
        let headers = [("webhook-id", id), ("webhook-timestamp", timestamp.as_str()), ("webhook-signature", signature.as_str())];
        app.send("POST", &url, &headers, sent).await.status.as_u16()
    };
    let body = told["event"].to_string();
    assert_eq!(send("msg_new", now, &body, &body.replace("usr_event", "usr_other")).await, 401, "another body");
    assert_eq!(send("msg_new", now - 600, &body, &body).await, 401, "too old");
    assert_eq!(app.send("POST", &url, &[], body.as_str()).await.status, 401, "unsigned");
    assert_eq!(send(told["id"].as_str().unwrap(), now, &body, &body).await, 204, "a repetition is acknowledged");
    assert_eq!(send("msg_last", now, &body, &body).await, 204);
    let mut ids = Vec::new();
    while ids.last() != Some(&json!("msg_last")) {
        ids.push(serde_json::from_str::<Value>(&receiver.line()).unwrap()["id"].clone());
    }
    assert!(
        !ids.contains(&json!("msg_new")) && !ids.contains(&told["id"]),
        "neither the refused ones nor the repetition were printed: {ids:?}"
    );
}

/// The tools that the README's table names, with their groups and effect.
fn table() -> Vec<(String, String, bool)> {
    let readme = text("README.md");
    let table = readme.split("<!-- tools:begin -->").nth(1).unwrap().split("<!-- tools:end -->").next().unwrap();
    let rows = table.trim().lines().skip(2);
    rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        let groups: Vec<_> = cells[2].split("`, `").map(str::to_owned).collect();
        groups.into_iter().map(move |group| (cells[1].clone(), group, cells[4] == "reads"))
    })
    .collect()
}

#[tokio::test]
async fn client_configurations_open_the_groups_that_the_readme_lists() {
    let app = App::start(&[]).await;
    let dify: Value = serde_json::from_str(&text("examples/dify-mcp-servers.json")).unwrap();
    let claude: Value = serde_json::from_str(&text("examples/claude-code.mcp.json")).unwrap();
    // The group of the welcome agent is for no other client.
    for (servers, groups) in [(&dify, &GROUPS[..]), (&claude["mcpServers"], &GROUPS[..4])] {
        let mut listed = BTreeMap::new();
        for server in servers.as_object().unwrap().values() {
            assert!(server["transport"] == "streamable_http" || server["type"] == "http", "{server}");
            assert!(server["headers"]["Authorization"].as_str().unwrap().starts_with("Bearer "), "{server}");
            let shown = server["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:8000").unwrap();
            let code = shown.split('/').nth(2).unwrap();
            let answer = app.rpc(Era::Silent, &format!("{}{shown}", app.mcp_root()), Some(&app.key(code)), "tools/list", json!({})).await;
            listed.insert(code.to_owned(), answer.json()["result"]["tools"].clone());
        }
        let told = groups.iter().flat_map(|code| listed[*code].as_array().unwrap().iter().map(move |tool| (tool, (*code).to_owned())));
        let mut told: Vec<_> = told
            .map(|(tool, code)| (tool["name"].as_str().unwrap().to_owned(), code, tool["annotations"]["readOnlyHint"] == true))
            .collect();
        let mut shown: Vec<_> = table().into_iter().filter(|(_, group, _)| groups.contains(&group.as_str())).collect();
        told.sort_unstable();
        shown.sort_unstable();
        assert_eq!((told, listed.len()), (shown, groups.len()));
    }
}

/// What a document shows as code: fenced blocks with their language, and spans in lines with none.
fn code(document: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (mut blocks, mut spans, mut block) = (Vec::new(), Vec::new(), None::<(String, String)>);
    for line in document.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(language)) => block = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some((_, content)), None) => content.extend([line, "\n"]),
            (None, None) => spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned)),
        }
    }
    (blocks, spans)
}

#[test]
fn links_lead_to_files() {
    for name in DOCUMENTS {
        for link in text(name).split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()) {
            assert!(link.contains("://") || path(&link).exists(), "{name} links to {link}");
        }
    }
}

#[test]
fn commands_and_their_flags_exist() {
    let mut seen = 0;
    for name in DOCUMENTS {
        let (blocks, spans) = code(&text(name));
        let lines = blocks.iter().flat_map(|(_, content)| content.lines().map(str::to_owned));
        for shown in lines.chain(spans).filter(|line| line.starts_with("anmei-mcp ")) {
            let is_verb = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase());
            let verbs: Vec<_> = shown.split_whitespace().skip(1).take_while(is_verb).collect();
            let depth = match verbs[0] {
                "oauth" => 3,
                verb if NESTED.contains(&verb) => 2,
                _ => 1,
            };
            let help = binary().args(verbs.iter().take(depth)).arg("--help").output().unwrap();
            assert!(help.status.success(), "{name}: there is no `{shown}`");
            let help = String::from_utf8(help.stdout).unwrap();
            for flag in shown.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{name}: {flag} of `{shown}` is not in its help");
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn configuration_keys_exist() {
    let dump = App::idle(&[]).ok_json(&["config", "dump"]);
    let keys: BTreeSet<_> = dump["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect();
    let sections: BTreeSet<_> = keys.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut seen = 0;
    for name in DOCUMENTS {
        for word in code(&text(name)).1.iter().flat_map(|span| span.split_whitespace()) {
            let word = word.split('=').next().unwrap();
            let key = match word.strip_prefix("ANMEI_MCP_").filter(|rest| rest.contains("__")) {
                Some(variable) => variable.to_ascii_lowercase().replace("__", "."),
                None => word.to_owned(),
            };
            let Some((section, rest)) = key.split_once('.') else { continue };
            if sections.contains(section) && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                assert!(keys.contains(&key), "{name}: there is no key {key}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn snippets_are_what_they_say() {
    let app = App::idle(&[]);
    let file = app.dir.path().join("snippet.toml");
    for (language, content) in code(&text("README.md")).0 {
        match language.as_str() {
            "json" => drop(serde_json::from_str::<Value>(&content).unwrap_or_else(|error| panic!("{error}: {content}"))),
            "toml" => {
                fs::write(&file, &content).unwrap();
                app.ok(&["config", "check", "--config", file.to_str().unwrap()]);
            }
            "python" => {
                let mut child =
                    python(&[]).args(["-c", "import ast, sys; ast.parse(sys.stdin.read())"]).stdin(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
                assert!(child.wait().unwrap().success(), "{content}");
                assert!(
                    !content.starts_with("def sign(") || text("examples/register.py").contains(&content),
                    "sign() of README and register.py differ"
                );
            }
            other => assert!(["sh", "text"].contains(&other), "{other} is not checked: {content}"),
        }
    }
}

/// Every Rust source below a folder, one after the other.
fn append_sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append_sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn files_and_tests_that_the_documents_name_exist() {
    let mut sources = String::new();
    for folder in ["src", "tests/it"] {
        append_sources(&path(folder), &mut sources);
    }
    for name in DOCUMENTS {
        for span in code(&text(name)).1 {
            let in_tree = ["src/", "tests/", "tools/", "examples/", "man/"].iter().any(|folder| span.starts_with(folder));
            let is_path = in_tree && (span.contains('.') || span.ends_with('/'));
            assert!(!is_path || path(&span).exists(), "{name} names {span}");
            let words = span.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let is_test = name == "ARCHITECTURE.md" && words && span.matches('_').count() >= 3;
            assert!(!is_test || sources.contains(&format!("fn {span}(")), "{name} names the test {span}");
        }
    }
}
