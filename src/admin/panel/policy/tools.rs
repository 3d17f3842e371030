//! Every tool and every group, and what a tool is.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};

use super::side;
use crate::admin::{
    calls::{
        groups::GroupView,
        tools::{Argument, Refreshed, StaleCallerView, ToolDocs, ToolPolicyView, ToolSummary},
    },
    entry::{Operator, Reader},
    panel::frame::{Frame, Page, PageError},
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/tools", get(matrix)).route("/panel/tools/refresh", post(refresh)).route("/panel/tools/{name}", get(show))
}

#[derive(Template)]
#[template(path = "tools.html")]
struct ToolsPage {
    frame: Frame,
    tools: Vec<ToolSummary>,
    groups: Vec<GroupView>,
    stale: Vec<StaleCallerView>,
    refreshed: Option<Refreshed>,
}

impl ToolsPage {
    fn title(&self, tool: &ToolSummary) -> String {
        side(&tool.title, self.frame.language()).to_owned()
    }

    #[expect(clippy::unused_self, reason = "a template asks its page")]
    fn cell<'a>(&self, tool: &'a ToolSummary, group: &GroupView) -> Option<&'a ToolPolicyView> {
        tool.groups.iter().find(|cell| cell.server_code == group.server_code)
    }

    fn reason(&self, reason: &str) -> String {
        self.frame.t.say(&format!("label-stale-{reason}"))
    }

    fn difference(&self, difference: &str) -> String {
        self.frame.t.say(&format!("label-difference-{difference}"))
    }
}

#[derive(Template)]
#[template(path = "tool.html")]
struct ToolPage {
    frame: Frame,
    docs: ToolDocs,
}

impl ToolPage {
    fn title(&self) -> String {
        side(&self.docs.title, self.frame.language()).to_owned()
    }

    fn meaning(&self, argument: &Argument) -> String {
        side(&argument.description, self.frame.language()).to_owned()
    }

    /// What a switch does, in the reader's language where that is written.
    fn switch(&self, name: &str, meaning: &str) -> String {
        self.frame.t.find(&format!("label-switch-{}-{name}", self.docs.name)).unwrap_or_else(|| meaning.to_owned())
    }

    fn pretty(value: &serde_json::Value) -> String {
        serde_json::to_string_pretty(value).unwrap_or_default()
    }
}

async fn matrix(reader: Reader, frame: Frame) -> Result<Page<ToolsPage>, PageError> {
    let calls = &reader.calls;
    let (tools, groups, stale) = (calls.tools()?, calls.groups()?, calls.stale_callers(None)?);
    Ok(Page::ok(ToolsPage { frame, tools, groups, stale, refreshed: None }))
}

async fn refresh(operator: Operator, frame: Frame) -> Result<Page<ToolsPage>, PageError> {
    let calls = &operator.calls;
    let refreshed = Some(calls.refresh_tools(&operator.who.by(calls.clock.as_ref())).await?);
    let (tools, groups, stale) = (calls.tools()?, calls.groups()?, calls.stale_callers(None)?);
    Ok(Page::ok(ToolsPage { frame, tools, groups, stale, refreshed }))
}

async fn show(reader: Reader, frame: Frame, Path(name): Path<String>) -> Result<Page<ToolPage>, PageError> {
    Ok(Page::ok(ToolPage { frame, docs: reader.calls.tool(&name)? }))
}
