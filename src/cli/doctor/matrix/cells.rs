//! One key at one door: what is asked there, and how each answer is to be read.

use serde_json::{Value, json};

use super::{Cell, Transport, Verdict, told};
use crate::{
    cli::doctor::{
        Office, calls,
        probe::{self, Came},
    },
    outbound::mcp_client::{Dialect, McpClient},
    secret::SecretText,
};

/// The revision of clients with a handshake.
const OLDER: Dialect = Dialect::Handshake("2025-11-25");
/// What is asked besides tools. None of it changes anything: there is no such resource, prompt or task.
fn others() -> [(&'static str, Value); 9] {
    // A server tells of tasks only to who says that it understands them.
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let task = json!({"taskId": "doctor", "_meta": meta});
    [
        ("ping", json!({})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "doctor"})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "anmei://doctor"})),
        ("tasks/get", task.clone()),
        ("tasks/update", json!({"taskId": "doctor", "inputResponses": {}, "_meta": meta})),
        ("tasks/cancel", task),
    ]
}

/// Who asks.
pub(super) struct Holder {
    pub(super) label: String,
    /// The group of the key.
    code: Option<String>,
    key: Option<SecretText>,
    /// Whether the key should open anything.
    in_force: bool,
}

impl Holder {
    /// Nobody: no key at all.
    pub(super) fn nobody() -> Self {
        Self { label: "(no key)".into(), code: None, key: None, in_force: false }
    }

    /// Somebody whose key was never given out.
    pub(super) fn stranger(key: SecretText) -> Self {
        Self { label: "(unknown key)".into(), code: None, key: Some(key), in_force: false }
    }

    /// The holder of a group's key.
    pub(super) fn of_key(label: String, code: String, key: SecretText, in_force: bool) -> Self {
        Self { label, code: Some(code), key: Some(key), in_force }
    }
}

/// A door.
pub(super) struct Target {
    /// The group it names; none for the one where the key alone says which.
    pub(super) code: Option<String>,
    pub(super) enabled: bool,
    pub(super) tools: Vec<String>,
}

impl Target {
    /// The URL where the key alone says which group is meant.
    pub(super) fn root() -> Self {
        Self { code: None, enabled: true, tools: Vec::new() }
    }

    pub(super) fn name(&self) -> String {
        self.code.clone().unwrap_or_else(|| "/mcp".into())
    }
}

/// One key at one door over one transport.
pub(super) struct Plan<'a> {
    pub(super) office: &'a Office,
    pub(super) root: &'a str,
    pub(super) transport: Transport,
    pub(super) holder: &'a Holder,
    pub(super) target: &'a Target,
    pub(super) targets: &'a [Target],
    /// Every tool of this program, offered here or not.
    pub(super) tools: &'a [String],
}

impl Plan<'_> {
    pub(super) async fn carry_out(&self) -> anyhow::Result<Vec<Cell>> {
        // A process without a key works for whoever may read the database: there is no door to try.
        if self.transport == Transport::Stdio && self.holder.key.is_none() {
            return Ok(Vec::new());
        }
        let mut cells = Vec::new();
        let mut client = self.client()?;
        let hello = if self.transport == Transport::Stateless { None } else { Some(probe::hello(&mut client).await) };
        let shut = matches!(hello, Some(Came::Refused(_) | Came::Ended(_) | Came::Broken(_)));
        // 2026-07-28 knows no handshake: its clients ask who is there.
        let greeting = if self.transport == Transport::Modern { "server/discover" } else { "initialize" };
        cells.extend(hello.map(|came| self.cell(greeting, came)));
        // Where the conversation itself was refused there is nothing more to say: no stream, no process.
        let needs_hello = matches!(self.transport, Transport::Sse | Transport::Stdio);
        if !(shut && needs_hello) {
            self.talk(&mut client, &mut cells).await;
        }
        client.close().await;
        if self.transport == Transport::Sse {
            cells.push(self.stream_of_mcp().await?);
        }
        Ok(cells)
    }

    /// The address of streamable HTTP, at which a GET opens the stream of HTTP+SSE as well.
    async fn stream_of_mcp(&self) -> anyhow::Result<Cell> {
        let path = self.path("mcp");
        let target = calls::at(self.office, self.root, &path, self.holder.key.as_ref())?;
        let mut client = McpClient::over_sse(self.office.http.clone(), target, self.office.limits);
        let came = probe::hello(&mut client).await;
        client.close().await;
        Ok(self.cell(&format!("GET {path}"), came))
    }

    fn path(&self, last: &str) -> String {
        self.target.code.as_ref().map_or_else(|| format!("/{last}"), |code| format!("/server/{code}/{last}"))
    }

    async fn talk(&self, client: &mut McpClient, cells: &mut Vec<Cell>) {
        let listed = probe::list(client).await;
        cells.push(self.cell("tools/list", listed));
        if self.holder.code.is_none() {
            // More attempts with a key that opens nothing only make the daemon throttle this machine.
            return;
        }
        for (method, params) in others() {
            let came = probe::ask(client, method, &params).await;
            cells.push(self.cell(method, came));
        }
        if self.transport == Transport::Modern {
            let came = probe::subscribe(client).await;
            cells.push(self.cell("subscriptions/listen", came));
        }
        for tool in self.tools {
            let came = probe::call(client, tool).await;
            cells.push(self.call_cell(tool, came));
        }
    }

    fn client(&self) -> anyhow::Result<McpClient> {
        let (office, code) = (self.office, self.target.code.as_deref());
        if self.transport == Transport::Stdio {
            let mut program = office.stdio(code.unwrap_or_default())?;
            program.env.extend(self.holder.key.clone().map(|key| ("ANMEI_MCP_API_KEY".to_owned(), key)));
            return Ok(McpClient::over_stdio(program, OLDER, office.limits));
        }
        let last = if self.transport == Transport::Sse { "sse" } else { "mcp" };
        let target = calls::at(office, self.root, &self.path(last), self.holder.key.as_ref())?;
        let http = office.http.clone();
        Ok(match self.transport {
            Transport::Sse => McpClient::over_sse(http, target, office.limits),
            Transport::Modern => McpClient::over_http(http, target, Dialect::Modern, office.limits),
            Transport::Handshake | Transport::Stateless | Transport::Stdio => McpClient::over_http(http, target, OLDER, office.limits),
        })
    }

    /// The group whose tools the holder should find here.
    fn home(&self) -> Option<&Target> {
        let code = self.holder.code.as_deref().filter(|_| self.holder.in_force)?;
        let named = self.target.code.as_deref();
        let home = self.targets.iter().find(|target| target.code.as_deref() == Some(code) && target.enabled)?;
        (named.is_none() || named == Some(code)).then_some(home)
    }

    fn cell(&self, method: &str, came: Came) -> Cell {
        let home = self.home();
        let verdict = match (home, &came) {
            (Some(home), Came::Listed(names)) => match *names == home.tools {
                true => Verdict::Right,
                false if names.iter().any(|name| !home.tools.contains(name)) => Verdict::Leak,
                false => Verdict::Broken,
            },
            (Some(_), Came::Answered) => Verdict::Right,
            (Some(_), Came::Refused(404 | 405)) if self.transport == Transport::Sse => Verdict::Off,
            _ => self.elsewhere(&came),
        };
        self.made(method.to_owned(), if home.is_some() { "its own group" } else { "a refusal" }, (came, verdict))
    }

    fn call_cell(&self, tool: &str, came: Came) -> Cell {
        let own = self.home().map(|home| home.tools.iter().any(|name| name == tool));
        let (expected, verdict) = match (own, &came) {
            (Some(true), Came::Reached) => ("the tool", Verdict::Right),
            (Some(false), Came::NotOffered) => ("not offered", Verdict::Right),
            (Some(false), Came::Reached) => ("not offered", Verdict::Leak),
            (Some(true), came) => ("the tool", self.elsewhere(came)),
            (Some(false), came) => ("not offered", self.elsewhere(came)),
            (None, came) => ("a refusal", self.elsewhere(came)),
        };
        self.made(format!("tools/call {tool}"), expected, (came, verdict))
    }

    /// What is to be said of anything that is not exactly what was expected.
    fn elsewhere(&self, came: &Came) -> Verdict {
        match (self.home().is_some(), came) {
            (_, Came::Limited) => Verdict::Limited,
            (false, Came::Refused(_) | Came::Ended(_)) => Verdict::Right,
            (false, Came::Listed(_) | Came::Reached | Came::NotOffered | Came::Answered) => Verdict::Leak,
            _ => Verdict::Broken,
        }
    }

    fn made(&self, method: String, expected: &'static str, (came, verdict): (Came, Verdict)) -> Cell {
        let (key, target) = (self.holder.label.clone(), self.target.name());
        Cell { key, target, transport: self.transport, method, expected, came: told(&came), verdict }
    }
}
