//! One group: what it is, the form that changes it, and who would break.

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;

use super::{mistakes, seen, side};
use crate::{
    admin::{
        calls::{
            CallError, Calls,
            connect::ServerUrl,
            groups::{GroupDetail, GroupEdit, GroupView},
            impact::{Impact, Narrowing},
            oauth::GrantsWanted,
            tools::{ListSize, ToolPolicyView, ToolSummary},
        },
        entry::{Administrator, Reader},
        panel::{
            form::{Fields, FormState, Posted, Queried},
            frame::{Frame, Page, PageError, back},
            shown::{label, labels},
        },
        state::AdminState,
    },
    gate::accounts::{ROLES, TIERS},
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/groups/{code}", get(show))
        .route("/panel/groups/{code}/edit", get(form).post(change))
        .route("/panel/groups/{code}/impact", get(impact))
        .route("/panel/groups/{code}/switch", post(switch))
        .route("/panel/groups/{code}/delete", post(delete))
        .route("/panel/groups/{code}/tools", post(add_tool))
}

#[derive(Template)]
#[template(path = "group.html")]
struct GroupPage {
    frame: Frame,
    detail: GroupDetail,
    url: ServerUrl,
    size: ListSize,
    /// Tools that are not in the group and could be.
    others: Vec<ToolSummary>,
    grants: usize,
}

impl GroupPage {
    fn of(frame: Frame, calls: &Calls, code: &str) -> Result<Self, CallError> {
        let detail = calls.group(code)?;
        let has = |name: &str| detail.tool_policies.iter().any(|tool| tool.tool_name == name);
        let others = calls.tools()?.into_iter().filter(|tool| !has(&tool.name)).collect();
        let grants = calls.oauth_grants(&GrantsWanted { server_code: Some(code.to_owned()), ..GrantsWanted::default() })?.len();
        Ok(Self { url: calls.server_url(code)?, size: calls.list_size(code)?, others, grants, detail, frame })
    }

    fn title(&self, tool: &ToolPolicyView) -> String {
        side(&tool.title, self.frame.language()).to_owned()
    }
}

#[derive(Template)]
#[template(path = "group_edit.html")]
struct EditPage {
    frame: Frame,
    group: GroupView,
    form: FormState,
    version: i64,
    /// Who would break, when that was asked for.
    impact: Option<Impact>,
    /// Somebody changed it since the form was made.
    is_stale: bool,
}

/// Fields of the form that show what is wrong with them.
const FIELDS: &[&str] = &["name", "description", "allowed_roles", "user_tier_access"];

/// A change that is asked about before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Disable,
    Delete,
}

#[derive(Template)]
#[template(path = "group_impact.html")]
struct ImpactPage {
    frame: Frame,
    group: GroupView,
    what: What,
    impact: Impact,
}

async fn show(reader: Reader, frame: Frame, Path(code): Path<String>) -> Result<Page<GroupPage>, PageError> {
    Ok(Page::ok(GroupPage::of(frame, &reader.calls, &code)?))
}

async fn form(admin: Administrator, frame: Frame, Path(code): Path<String>) -> Result<Page<EditPage>, PageError> {
    let group = admin.calls.group(&code)?.group;
    let form = FormState::new(fields(&group));
    Ok(Page::ok(EditPage { frame, version: group.version, group, form, impact: None, is_stale: false }))
}

async fn change(admin: Administrator, frame: Frame, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    let (edit, version) = (read(&typed), seen(typed.text("seen")));
    if typed.on("preview") {
        let impact = admin.calls.group_impact(&code, Narrowing::Edit(edit)).await?;
        let (group, form) = (admin.calls.group(&code)?.group, FormState::new(typed));
        let page = EditPage { frame, group, form, version: version.unwrap_or_default(), impact: Some(impact), is_stale: false };
        return Ok(Page::ok(page).into_response());
    }
    let changed = admin.calls.change_group(&code, edit, version, &admin.who.by(admin.calls.clock.as_ref())).await;
    let Err(error) = changed else { return Ok(back(&format!("/panel/groups/{code}"), "group-changed")) };
    let group = admin.calls.group(&code)?.group;
    if let CallError::Stale { version, .. } = error {
        let page = EditPage { frame, group, form: FormState::new(typed), version, impact: None, is_stale: true };
        return Ok(Page(StatusCode::PRECONDITION_FAILED, page).into_response());
    }
    let form = FormState::refused(typed, &mistakes(error)?, frame.language());
    let version = version.unwrap_or_default();
    Ok(Page::refused(EditPage { frame, group, form, version, impact: None, is_stale: false }).into_response())
}

async fn impact(reader: Reader, frame: Frame, Path(code): Path<String>, Queried(asked): Queried) -> Result<Page<ImpactPage>, PageError> {
    let what = if asked.text("of") == "delete" { What::Delete } else { What::Disable };
    let change = match what {
        What::Delete => Narrowing::Delete,
        What::Disable => Narrowing::Edit(GroupEdit { enabled: Some(false), ..GroupEdit::default() }),
    };
    let impact = reader.calls.group_impact(&code, change).await?;
    Ok(Page::ok(ImpactPage { frame, group: reader.calls.group(&code)?.group, what, impact }))
}

async fn switch(admin: Administrator, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    let edit = GroupEdit { enabled: Some(typed.on("enabled")), ..GroupEdit::default() };
    let by = admin.who.by(admin.calls.clock.as_ref());
    let changed = admin.calls.change_group(&code, edit, seen(typed.text("seen")), &by).await?;
    let said = if changed.group.enabled { "group-enabled" } else { "group-disabled" };
    Ok(back(&format!("/panel/groups/{code}"), said))
}

async fn delete(admin: Administrator, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    admin.calls.delete_group(&code, seen(typed.text("seen")), &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back("/panel/groups", "group-deleted"))
}

async fn add_tool(admin: Administrator, Path(code): Path<String>, Posted(typed): Posted) -> Result<Response, PageError> {
    let name = typed.text("tool_name");
    admin.calls.offer_tool(&code, name, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(back(&format!("/panel/groups/{code}/tools/{name}"), "tool-added"))
}

/// The form as the group is.
fn fields(group: &GroupView) -> Fields {
    let mut fields = vec![("name", group.name.clone()), ("description", group.description.clone())];
    fields.extend(group.allowed_roles.iter().map(|role| ("allowed_roles", role.clone())));
    fields.extend(group.user_tier_access.iter().map(|tier| ("user_tier_access", tier.clone())));
    if group.subject_scoped {
        fields.push(("subject_scoped", "true".into()));
    }
    Fields::of(fields)
}

/// The change that a form says: everything in it, for what is not ticked is not wanted.
fn read(typed: &Fields) -> GroupEdit {
    let all = |name: &str| typed.all(name).into_iter().map(str::to_owned).collect();
    GroupEdit {
        name: Some(typed.text("name").to_owned()),
        description: Some(typed.text("description").to_owned()),
        enabled: None,
        allowed_roles: Some(all("allowed_roles")),
        user_tier_access: Some(all("user_tier_access")),
        subject_scoped: Some(typed.on("subject_scoped")),
    }
}
