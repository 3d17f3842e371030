//! A daemon of one's own: the real binary on a temporary directory, and the ways to talk to it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The groups of a fresh installation.
pub(crate) const GROUPS: [&str; 5] = ["system_tools", "consultation_tools", "medical_tools", "project_tools", "welcome_tools"];
/// The key of every test's hook.
pub(crate) const HOOK_KEY: &str = "hook-key-of-the-tests-0123456789";
/// A Standard Webhooks secret: the one of the published vectors.
pub(crate) const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The binary under test: the one that cargo built beside this one, or that of another build by `ANMEI_MCP_BINARY`.
#[expect(clippy::disallowed_methods, reason = "which binary is tested is said to the tests, not to the daemon")]
pub(crate) fn binary() -> Command {
    let path = std::env::var_os("ANMEI_MCP_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_anmei-mcp").into());
    let mut command = Command::new(path);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "en_US.UTF-8").stdin(Stdio::null());
    command
}

/// A data directory with a configuration, and perhaps a daemon on it.
pub(crate) struct App {
    pub(crate) dir: TempDir,
    settings: Vec<(String, String)>,
    runtime: Vec<String>,
    child: Option<Child>,
    run: Value,
    http: reqwest::Client,
}

/// An HTTP answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }
}

impl App {
    /// A directory without a daemon.
    pub(crate) fn idle(settings: &[(&str, &str)]) -> Self {
        install_crypto();
        let defaults = [
            ("mcp.listen", "127.0.0.1:0"),
            ("hook.listen", "127.0.0.1:0"),
            ("live.listen", "127.0.0.1:0"),
            ("admin.listen", "127.0.0.1:0"),
            ("hook.key", HOOK_KEY),
            ("log.format", "json"),
            ("keys.failed_attempts", "0"),
        ];
        let (runtime, settings): (Vec<_>, Vec<_>) = defaults.iter().chain(settings).partition(|(key, _)| is_runtime_setting(key));
        let runtime = runtime.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let settings = settings.into_iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { dir: TempDir::new().unwrap(), settings, runtime, child: None, run: Value::Null, http: client() }
    }

    /// A running daemon.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let mut app = Self::idle(settings);
        app.spawn().await;
        app
    }

    /// A running daemon with people and services in it.
    pub(crate) async fn with_records(settings: &[(&str, &str)]) -> Self {
        let mut app = Self::idle(settings);
        app.import_records();
        app.spawn().await;
        app
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) async fn spawn(&mut self) {
        let runtime = std::mem::take(&mut self.runtime);
        if !runtime.is_empty() {
            self.ok(&[&["settings", "set"], &runtime.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let run_file = self.data().join("run.json");
        let _none = std::fs::remove_file(&run_file);
        let mut child = self.command(&["serve", "--quiet"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !run_file.exists() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < until, "the daemon is not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.run = serde_json::from_slice(&std::fs::read(run_file).unwrap()).unwrap();
        self.child = Some(child);
    }

    /// Waits until the daemon has begun anew: every port is another one then.
    pub(crate) async fn begun_anew(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let run = std::fs::read(self.data().join("run.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            if let Some(run) = run.filter(|run| *run != self.run) {
                self.run = run;
                return;
            }
            assert!(Instant::now() < until, "the daemon did not begin anew: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        terminate(&child);
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the daemon does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A configuration file of one's own, for tests that write one.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("own.toml")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log.jsonl")
    }

    /// Everything the daemon logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The binary on this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary();
        command.args(args).arg("--data-dir").arg(self.data());
        if self.config_file().exists() {
            command.arg("--config").arg(self.config_file());
        }
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }

    /// Runs a verb of the CLI to its end.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a verb that must work, and reads its stdout.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a verb with `--json` that must work.
    pub(crate) fn ok_json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// The current key of a group.
    pub(crate) fn key(&self, code: &str) -> String {
        self.ok_json(&["key", "show", code])["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn mcp_root(&self) -> &str {
        self.run["mcp"].as_str().unwrap()
    }

    pub(crate) fn hook_root(&self) -> &str {
        self.run["hook"].as_str().unwrap()
    }

    pub(crate) fn live_root(&self) -> &str {
        self.run["live"].as_str().unwrap()
    }

    pub(crate) fn admin_root(&self) -> &str {
        self.run["admin"].as_str().unwrap()
    }

    pub(crate) fn group_url(&self, code: &str) -> String {
        format!("{}/server/{code}/mcp", self.mcp_root())
    }

    pub(crate) fn root_url(&self) -> String {
        format!("{}/mcp", self.mcp_root())
    }

    /// What the daemon holds in memory, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.run["pid"])).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Opens the database beside the daemon, to look only.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(self.data().join("anmei-mcp.sqlite3"), flags).unwrap()
    }

    /// Changes the database beside the daemon, as another process would.
    pub(crate) fn change(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.data().join("anmei-mcp.sqlite3")).unwrap();
        database.busy_timeout(Duration::from_secs(5)).unwrap();
        database.execute_batch(sql).unwrap();
    }

    /// One number from the database.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Sends anything anywhere.
    pub(crate) async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let request = self.http.request(method.parse().unwrap(), url).headers(map).body(body.into());
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// A JSON-RPC request of a client of `era`.
    #[expect(clippy::too_many_arguments, reason = "every one of them varies in the matrix of invariant I2")]
    pub(crate) async fn rpc(&self, era: Era, url: &str, key: Option<&str>, method: &str, params: Value) -> Answer {
        let (headers, body) = era.request(key, method, params);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.send("POST", url, &headers, body.to_string()).await
    }

    /// Calls a tool; the answer must be a JSON-RPC result.
    pub(crate) async fn call(&self, era: Era, code: &str, tool: &str, arguments: Value) -> Value {
        let key = self.key(code);
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.rpc(era, &self.group_url(code), Some(&key), "tools/call", params).await;
        let json = answer.json();
        assert!(json.get("result").is_some(), "{answer:?}");
        json["result"].clone()
    }

    /// Sends a registration as the app does.
    pub(crate) async fn register(&self, event_id: Option<&str>, body: &Value) -> Answer {
        let bearer = format!("Bearer {HOOK_KEY}");
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(event_id.map(|id| ("webhook-id", id)));
        self.send("POST", &format!("{}/hooks/registration", self.hook_root()), &headers, body.to_string()).await
    }

    /// The run behind a registration's answer, once it has ended.
    pub(crate) async fn finished(&self, accepted: &Value) -> Value {
        let url = format!("{}{}", self.hook_root(), accepted["status_url"].as_str().unwrap());
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let run = self.send("GET", &url, &[("authorization", &format!("Bearer {HOOK_KEY}"))], "").await.json();
            if !run["finished_at"].is_null() {
                return run;
            }
            assert!(Instant::now() < until, "not finished: {run} {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Imports a small clinic from files, as an operator would.
    pub(crate) fn import_records(&self) {
        for (kind, file) in [
            ("users", "users.csv"),
            ("customers", "customers.jsonl"),
            ("preferences", "preferences.jsonl"),
            ("services", "services.csv"),
            ("consultations", "consultations.csv"),
            ("conversations", "conversations.jsonl"),
            ("messages", "messages.jsonl"),
        ] {
            self.ok(&["import", kind, fixture(file).to_str().unwrap()]);
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
        if std::thread::panicking() {
            let _closed = writeln!(std::io::stderr(), "--- log of the daemon ---\n{}", self.log());
        }
    }
}

/// A file beside the tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Whether a name is one of the settings that live in the database, and not one of the configuration file.
fn is_runtime_setting(name: &str) -> bool {
    anmei_mcp::settings::definition(name).is_some()
}

fn terminate(child: &Child) {
    let done = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(done.success());
}

fn install_crypto() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
}

#[expect(clippy::disallowed_methods, reason = "a client of the tests, not of the product")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20)).build().unwrap()
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: no handshake, everything in each request.
    Modern,
    /// An older revision, with its version header.
    Handshake(&'static str),
    /// An older revision by a client that never sends the header (Dify).
    Silent,
}

/// One of each that matters.
pub(crate) const ERAS: [Era; 4] = [Era::Modern, Era::Handshake("2025-11-25"), Era::Handshake("2025-06-18"), Era::Silent];

impl Era {
    /// Headers and body of a request.
    pub(crate) fn request(self, key: Option<&str>, method: &str, mut params: Value) -> (Vec<(String, String)>, Value) {
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ];
        headers.extend(key.map(|key| ("authorization".to_owned(), format!("Bearer {key}"))));
        match self {
            Self::Silent => {}
            Self::Handshake(version) => headers.push(("mcp-protocol-version".into(), version.into())),
            Self::Modern => {
                headers.push(("mcp-protocol-version".into(), "2026-07-28".into()));
                headers.push(("mcp-method".into(), method.into()));
                if let Some(name) = params.get("name").and_then(Value::as_str) {
                    headers.push(("mcp-name".into(), name.into()));
                }
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
                });
            }
        }
        (headers, json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    }
}
