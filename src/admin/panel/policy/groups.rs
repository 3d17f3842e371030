//! The list of groups, and the form that makes one.

use askama::Template;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{keys::ShownPage, mistakes, side};
use crate::{
    admin::{
        calls::{
            CallError, Calls,
            groups::{GroupView, NewGroup},
            keys::StragglerView,
            tools::{ListSize, ToolSummary},
        },
        entry::{Administrator, Reader},
        panel::{
            form::{Fields, FormState, Posted},
            frame::{Frame, Page, PageError},
            shown::{label, labels},
        },
        state::AdminState,
    },
    gate::accounts::{ROLES, TIERS},
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/panel/groups", get(list)).route("/panel/groups/new", get(form).post(create))
}

/// A line of the list.
struct Line {
    group: GroupView,
    keys: usize,
    size: ListSize,
}

#[derive(Template)]
#[template(path = "groups.html")]
struct GroupsPage {
    frame: Frame,
    lines: Vec<Line>,
    stragglers: Vec<StragglerView>,
}

#[derive(Template)]
#[template(path = "group_new.html")]
struct NewPage {
    frame: Frame,
    form: FormState,
    tools: Vec<ToolSummary>,
}

impl NewPage {
    fn of(frame: Frame, calls: &Calls, form: FormState) -> Result<Self, CallError> {
        Ok(Self { frame, form, tools: calls.tools()? })
    }

    fn title(&self, tool: &ToolSummary) -> String {
        side(&tool.title, self.frame.language()).to_owned()
    }
}

/// Fields of the form that show what is wrong with them.
const FIELDS: &[&str] = &["server_code", "name", "description", "tools", "allowed_roles", "user_tier_access"];

async fn list(reader: Reader, frame: Frame) -> Result<Page<GroupsPage>, PageError> {
    let calls = &reader.calls;
    let lines = calls.groups()?.into_iter().map(|group| {
        let keys = calls.keys(&group.server_code)?.iter().filter(|key| key.in_force()).count();
        let size = calls.list_size(&group.server_code)?;
        Ok(Line { group, keys, size })
    });
    let lines = lines.collect::<Result<_, CallError>>()?;
    Ok(Page::ok(GroupsPage { frame, lines, stragglers: calls.stragglers()? }))
}

async fn form(admin: Administrator, frame: Frame) -> Result<Page<NewPage>, PageError> {
    Ok(Page::ok(NewPage::of(frame, &admin.calls, FormState::default())?))
}

async fn create(admin: Administrator, frame: Frame, Posted(typed): Posted) -> Result<Response, PageError> {
    let new = read(&typed);
    match admin.calls.create_group(&new, &admin.who.by(admin.calls.clock.as_ref())).await {
        Ok(made) => {
            let back = format!("/panel/groups/{}", made.group.server_code);
            Ok(ShownPage::of(frame, made.key, back).into_response())
        }
        Err(error) => {
            let form = FormState::refused(typed, &mistakes(error)?, frame.language());
            Ok(Page::refused(NewPage::of(frame, &admin.calls, form)?).into_response())
        }
    }
}

fn read(typed: &Fields) -> NewGroup {
    let all = |name: &str| typed.all(name).into_iter().map(str::to_owned).collect();
    NewGroup {
        server_code: typed.text("server_code").to_owned(),
        name: typed.given("name").map(str::to_owned),
        description: typed.text("description").to_owned(),
        tools: all("tools"),
        subject_scoped: typed.on("subject_scoped"),
        allowed_roles: all("allowed_roles"),
        user_tier_access: all("user_tier_access"),
    }
}
