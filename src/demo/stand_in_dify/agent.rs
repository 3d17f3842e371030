//! One run of the agent: its turns, its tool calls, its words, and how it fails when it is told to.
//!
//! The order of events is that of a real agent app: a thought without content, the model's chatter as deltas, the
//! thought again with the tool named, and again with its observation; in the last turn the answer as deltas, then as
//! the thought of a position without a tool.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Behaviour, McpServer, Shared, ToolEntry, held,
    mcp::{Caller, call_tool, list_tools},
    new_uuid,
    sse::Emitter,
    words::{Facts, welcome},
};
use crate::outbound::dify::AgentKind;

/// What the agent wants to know, in this order.
const WANTED: [&str; 2] = ["get_user_profile", "analyze_customer"];
/// How often a stand-in that only pings does so: faster than Dify, so that tests need not wait.
const FAST_PING: Duration = Duration::from_millis(50);
/// Larger than any event a client should take.
const OVERSIZED: usize = 2 * 1024 * 1024;
/// An answer of 5 MiB, in events of this many letters.
const ENDLESS: (usize, usize) = (320, 16 * 1024);

/// One run.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    pub(super) out: Emitter,
    pub(super) task_id: String,
    pub(super) subject: String,
    pub(super) behaviour: Behaviour,
    pub(super) stopped: CancellationToken,
    /// The trace it is part of: an installation with tracing passes it on.
    pub(super) traceparent: Option<String>,
}

impl Run {
    /// Runs to the end, or until it is stopped or the stand-in is.
    pub(super) async fn go(self) {
        let shutdown = self.shared.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.stopped.cancelled() => self.end("").await,
            () = self.behave() => {}
        }
        held(&self.shared.running).remove(&self.task_id);
    }

    async fn behave(&self) {
        if self.behaviour != Behaviour::Silent {
            self.out.ping().await;
        }
        match &self.behaviour {
            Behaviour::Slow(time) => {
                self.out.wait(*time).await;
                self.answer(Duration::ZERO).await;
            }
            Behaviour::Normal { think_ms } => self.answer(Duration::from_millis(*think_ms)).await,
            Behaviour::Silent => self.shared.shutdown.cancelled().await,
            Behaviour::PingsOnly => {
                while !self.out.is_gone() {
                    self.out.ping().await;
                    tokio::time::sleep(FAST_PING).await;
                }
            }
            Behaviour::GarbledStream => self.out.raw("data: {\"status\": \"ok\"}\n\n").await,
            Behaviour::Oversized => self.out.raw(format!("data: {}\n\n", "x".repeat(OVERSIZED))).await,
            Behaviour::Endless => {
                let (events, letters) = ENDLESS;
                for _ in 0..events {
                    self.say(&"x".repeat(letters)).await;
                }
            }
            Behaviour::ErrorEvent(code) => {
                self.begin().await;
                let status = if code == "internal_server_error" { 500 } else { 400 };
                self.out.event("error", json!({ "status": status, "code": code, "message": "the stand-in fails as it was told to" })).await;
            }
            Behaviour::Empty => {
                self.begin().await;
                self.end("").await;
            }
            // The rest has been dealt with before a stream began, or answers in its own words.
            _ => self.answer(Duration::ZERO).await,
        }
    }

    /// Calls the tools, writes the welcome.
    async fn answer(&self, think: Duration) {
        self.begin().await;
        let mut facts = Facts::default();
        let mut told = Vec::new();
        let mut position = 1;
        if self.shared.kind != AgentKind::Chat {
            for tool in WANTED {
                let Some(server) = self.server_with(tool).await else { continue };
                told.push(self.use_tool(&server, tool, position, think).await);
                position += 1;
            }
        }
        for text in &told {
            facts.learn(text);
        }
        self.out.wait(think).await;
        let text = match &self.behaviour {
            Behaviour::Obeys(text) => text.clone(),
            Behaviour::AsksAbout(_) => told.join("\n"),
            _ => welcome(&facts),
        };
        self.write(position, &text).await;
    }

    /// The last turn: the answer as deltas, then whole.
    async fn write(&self, position: usize, text: &str) {
        self.thought(position, json!({ "thought": "" })).await;
        let letters: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = letters.chunks(8).map(|piece| piece.iter().collect()).collect();
        let half = pieces.len() / 2;
        for (at, piece) in pieces.iter().enumerate() {
            if at == half && self.breaks_off(text).await {
                return;
            }
            self.say(piece).await;
        }
        self.thought(position, json!({ "thought": text })).await;
        if let Behaviour::Replaced(text) = &self.behaviour {
            self.out.event("message_replace", json!({ "answer": text })).await;
        }
        self.end(text).await;
    }

    /// In the midst of the answer: whether nothing more is said.
    async fn breaks_off(&self, text: &str) -> bool {
        // The run itself goes on: to its end, which nobody sees, or without one.
        let unseen = || self.shared.ledger.change(&self.task_id, |run| run.answer = Some(text.to_owned()));
        match self.behaviour {
            Behaviour::EndsEarly => unseen(),
            Behaviour::CutMidStream => {
                unseen();
                self.out.cut().await;
            }
            Behaviour::CutMidRun => {
                self.out.cut().await;
                self.shared.shutdown.cancelled().await;
            }
            Behaviour::StallsMidStream => self.shared.shutdown.cancelled().await,
            _ => return false,
        }
        true
    }

    async fn begin(&self) {
        if self.shared.kind == AgentKind::Workflow {
            self.out.event("workflow_started", json!({ "data": { "workflow_id": new_uuid(), "inputs": {} } })).await;
        }
    }

    /// One turn of the model that ends in a tool call. Returns what the model learns.
    async fn use_tool(&self, server: &McpServer, tool: &str, position: usize, think: Duration) -> String {
        self.thought(position, json!({ "thought": "" })).await;
        self.out.wait(think).await;
        let chatter = "让我先了解一下这位用户的情况。";
        self.say(chatter).await;
        let mut arguments = Map::new();
        let asked = if let Behaviour::AsksAbout(other) = &self.behaviour { other } else { &self.subject };
        arguments.insert("user_id".into(), asked.clone().into());
        let input = json!({ tool: arguments }).to_string();
        self.thought(position, json!({ "thought": chatter, "tool": tool, "tool_input": input })).await;
        let started = Instant::now();
        let called = call_tool(&self.shared.http, Caller { server, traceparent: self.traceparent.as_deref() }, tool, &arguments).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Dify shows the model a failure's text as it shows a result's.
        let (text, ok) = match called {
            Ok(observation) => (observation.text, !observation.is_error),
            Err(why) => (format!("tool invoke error: {why}"), false),
        };
        let entry = ToolEntry {
            tool: tool.to_owned(),
            server: server.name.clone(),
            arguments: Value::Object(arguments),
            observation: text.clone(),
            ok,
            duration_ms,
        };
        self.shared.ledger.change(&self.task_id, |run| run.tools.push(entry));
        let observation = json!({ tool: text }).to_string();
        self.thought(position, json!({ "thought": chatter, "tool": tool, "tool_input": input, "observation": observation })).await;
        text
    }

    /// An event of the agent's thoughts; other kinds of app have none.
    async fn thought(&self, position: usize, fields: Value) {
        if self.shared.kind != AgentKind::Agent {
            return;
        }
        let mut thought = json!({
            "id": new_uuid(), "position": position, "thought": "", "observation": "", "tool": "", "tool_labels": {}, "tool_input": "", "message_files": [],
        });
        if let (Some(thought), Value::Object(fields)) = (thought.as_object_mut(), fields) {
            thought.extend(fields);
        }
        self.out.event("agent_thought", thought).await;
    }

    async fn say(&self, text: &str) {
        match self.shared.kind {
            AgentKind::Agent => self.out.event("agent_message", json!({ "answer": text })).await,
            AgentKind::Chat => self.out.event("message", json!({ "answer": text })).await,
            AgentKind::Workflow => self.out.event("text_chunk", json!({ "data": { "text": text } })).await,
        }
    }

    async fn end(&self, text: &str) {
        self.shared.ledger.change(&self.task_id, |run| run.answer = Some(text.to_owned()));
        let tokens = 400 + text.chars().count();
        if self.shared.kind == AgentKind::Workflow {
            let data =
                json!({ "status": "succeeded", "outputs": { "text": text }, "error": null, "elapsed_time": 0.5, "total_tokens": tokens });
            return self.out.event("workflow_finished", json!({ "data": data })).await;
        }
        let usage = json!({
            "prompt_tokens": 400, "completion_tokens": tokens - 400, "total_tokens": tokens, "total_price": "0.0012", "currency": "USD", "latency": 0.5,
        });
        self.out.event("message_end", json!({ "metadata": { "usage": usage }, "files": null })).await;
    }

    /// The server that has a tool, by the lists stored at "Update", which happens when a tool is not known yet.
    async fn server_with(&self, tool: &str) -> Option<McpServer> {
        if let Some(server) = held(&self.shared.tools).get(tool) {
            return Some(server.clone());
        }
        let servers = held(&self.shared.mcp).clone();
        for server in servers {
            match list_tools(&self.shared.http, &server).await {
                Ok(names) => {
                    held(&self.shared.tools).extend(names.into_iter().map(|name| (name, server.clone())));
                }
                Err(why) => {
                    tracing::warn!(server.name = %server.name, %why, "the stand-in for Dify cannot list the tools of an MCP server");
                }
            }
        }
        held(&self.shared.tools).get(tool).cloned()
    }
}
