//! `/api/v1/tools`: what tools there are; `/api/v1/groups/{server_code}/tools`: how a group offers them, and trying one out.

use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    answers::{Absent, Clash, Denied, Guarded, Unfit, UnfitBody},
    frame::{ApiError, Asked, Body, Created, IfMatch, IfMatchOrNew, PageQuery, Path, Versioned},
};
use crate::admin::{
    calls::{
        CallError, Listed,
        impact::Impact,
        said,
        tools::{
            AliasView, Attempt, ChangedTool, Refreshed, StaleCallerView, ToolDocs, ToolEdit, ToolFigures, ToolPolicyView, ToolSummary,
            until,
        },
    },
    entry::{Administrator, Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(refresh))
        .routes(routes!(show))
        .routes(routes!(of_group, add))
        .routes(routes!(in_group, change, remove))
        .routes(routes!(call))
        .routes(routes!(impact))
        .routes(routes!(figures))
        .routes(routes!(aliases))
        .routes(routes!(alias, set_alias, remove_alias))
        .routes(routes!(stale_callers))
}

/// Every tool, with the groups that have it.
#[utoipa::path(get, path = "/api/v1/tools", tag = "tools", params(PageQuery),
    responses((status = 200, body = Listed<ToolSummary>, description = "The tools"), Denied, Unfit))]
async fn list(reader: Reader, Asked(page): Asked<PageQuery>) -> Result<Json<Listed<ToolSummary>>, ApiError> {
    Ok(Json(reader.calls.tool_page(page.limit()?, page.cursor.as_deref())?))
}

/// What a tool is: documentation made of its definition.
#[utoipa::path(get, path = "/api/v1/tools/{name}", tag = "tools", params(("name" = String, Path, description = "Name of the tool")),
    responses((status = 200, body = ToolDocs, description = "The tool"), Denied, Absent))]
async fn show(reader: Reader, Path(name): Path<String>) -> Result<Json<ToolDocs>, ApiError> {
    Ok(Json(reader.calls.tool(&name)?))
}

/// Reads the policy anew, writes the definitions of this version down, and says what differs.
#[utoipa::path(post, path = "/api/v1/tools/refresh", tag = "tools",
    responses((status = 200, body = Refreshed, description = "What differs"), Denied))]
async fn refresh(operator: Operator) -> Result<Json<Refreshed>, ApiError> {
    Ok(Json(operator.calls.refresh_tools(&operator.who.by(operator.calls.clock.as_ref())).await?))
}

/// The tools of a group, offered or not.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/tools", tag = "tools", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = Vec<ToolPolicyView>, description = "The tools, in the order clients see them"), Denied, Absent))]
async fn of_group(reader: Reader, Path(code): Path<String>) -> Result<Json<Vec<ToolPolicyView>>, ApiError> {
    Ok(Json(reader.calls.tool_policies(Some(&code))?))
}

/// A tool that a group is to offer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddedTool {
    /// Its name.
    tool_name: String,
}

/// Adds a tool to a group, with the definition's own limit. One that the group has already is left as it is.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/tools", tag = "tools", request_body = AddedTool,
    params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 201, body = ChangedTool, description = "The tool in the group"), Denied, Absent, Clash, UnfitBody))]
async fn add(admin: Administrator, Path(code): Path<String>, Body(asked): Body<AddedTool>) -> Result<Created<ChangedTool>, ApiError> {
    let by = admin.who.by(admin.calls.clock.as_ref());
    let view = admin.calls.add_tool(&code, &asked.tool_name, &by).await?;
    let (location, version) = (format!("/api/v1/groups/{code}/tools/{}", view.tool.tool_name), Some(view.tool.version));
    Ok(Created { location, view, version })
}

/// A tool as a group has it.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/tools/{name}", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool")),
    responses((status = 200, body = ToolPolicyView, description = "The tool; its version is the ETag"), Denied, Absent))]
async fn in_group(reader: Reader, Path((code, name)): Path<(String, String)>) -> Result<Versioned<ToolPolicyView>, ApiError> {
    let tool = reader.calls.tool_in_group(&code, &name)?;
    let version = tool.version;
    Ok(Versioned(tool, version))
}

/// Changes how a group offers a tool; in force for the next request. Its switches (`config_data`) are the administrators'.
#[utoipa::path(patch, path = "/api/v1/groups/{server_code}/tools/{name}", tag = "tools", request_body = ToolEdit,
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool"),
        ("If-Match" = String, Header, description = "The ETag that was read")),
    responses((status = 200, body = ChangedTool, description = "The tool as it is now"), Denied, Absent, Guarded, UnfitBody))]
async fn change(
    operator: Operator,
    Path((code, name)): Path<(String, String)>,
    IfMatch(seen): IfMatch,
    Body(edit): Body<ToolEdit>,
) -> Result<Versioned<ChangedTool>, ApiError> {
    if !operator.who.role.may(edit.right()) {
        return Err(CallError::Forbidden(only_administrators()).into());
    }
    let changed = operator.calls.change_tool((&code, &name), edit, seen, &operator.who.by(operator.calls.clock.as_ref())).await?;
    let version = changed.tool.version;
    Ok(Versioned(changed, version))
}

pub(in crate::admin) fn only_administrators() -> crate::config::Bilingual {
    said(
        "工具开关（config_data）可能显示原本隐藏的内容，只有管理员可以修改。",
        "Switches (config_data) may show what was hidden: only administrators change them.",
    )
}

/// Takes a tool out of a group, with what was set about it.
#[utoipa::path(delete, path = "/api/v1/groups/{server_code}/tools/{name}", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool"),
        ("If-Match" = String, Header, description = "The ETag that was read")),
    responses((status = 204, description = "It is gone"), Denied, Absent, Guarded))]
async fn remove(admin: Administrator, Path((code, name)): Path<(String, String)>, IfMatch(seen): IfMatch) -> Result<StatusCode, ApiError> {
    admin.calls.remove_tool((&code, &name), seen, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Arguments of a try.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct TryBody {
    /// The arguments, as a client would send them.
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
}

/// Calls a tool as the group offers it.
///
/// The call goes through the same dispatch as every other, and into the call log with the channel `admin`. What the tool
/// answered is in `result`; arguments that were not accepted are in `errors`, one by one.
#[utoipa::path(post, path = "/api/v1/groups/{server_code}/tools/{name}/call", tag = "tools", request_body = TryBody,
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool")),
    responses((status = 200, body = Attempt, description = "What came of it"), Denied, Absent, Clash, UnfitBody))]
async fn call(
    operator: Operator,
    Path((code, name)): Path<(String, String)>,
    Body(asked): Body<TryBody>,
) -> Result<Json<Attempt>, ApiError> {
    Ok(Json(operator.calls.try_tool((&code, &name), asked.arguments, &operator.who.login).await?))
}

/// Who will break when the group stops offering the tool: keys, clients, grants, and calls of the last thirty days.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/tools/{name}/impact", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool")),
    responses((status = 200, body = Impact, description = "Who is affected"), Denied, Absent))]
async fn impact(reader: Reader, Path((code, name)): Path<(String, String)>) -> Result<Json<Impact>, ApiError> {
    Ok(Json(reader.calls.tool_impact(&code, &name).await?))
}

/// How the tool has been doing in the group in the last week.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/tools/{name}/figures", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("name" = String, Path, description = "Name of the tool")),
    responses((status = 200, body = ToolFigures, description = "The figures"), Denied, Absent))]
async fn figures(reader: Reader, Path((code, name)): Path<(String, String)>) -> Result<Json<ToolFigures>, ApiError> {
    Ok(Json(reader.calls.tool_figures(&code, &name).await?))
}

/// Old names of tools that a group understands.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/aliases", tag = "tools", params(("server_code" = String, Path, description = "Server code of the group")),
    responses((status = 200, body = Vec<AliasView>, description = "The old names"), Denied, Absent))]
async fn aliases(reader: Reader, Path(code): Path<String>) -> Result<Json<Vec<AliasView>>, ApiError> {
    Ok(Json(reader.calls.aliases(&code)?))
}

/// An old name that a group has. Those of the product are in the list, and are not changed.
#[utoipa::path(get, path = "/api/v1/groups/{server_code}/aliases/{alias}", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("alias" = String, Path, description = "The old name")),
    responses((status = 200, body = AliasView, description = "The old name; its version is the ETag"), Denied, Absent))]
async fn alias(reader: Reader, Path((code, alias)): Path<(String, String)>) -> Result<Versioned<AliasView>, ApiError> {
    let (view, version) = reader.calls.alias(&code, &alias)?;
    Ok(Versioned(view, version))
}

/// What an old name stands for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AliasBody {
    /// The tool of the group that answers.
    tool_name: String,
    /// From when on the old name is refused: a date (2027-06-30), a moment, or from now on (90d).
    until: String,
}

/// Lets a group answer calls of an old name. One that it has already is changed on the version that was read only.
#[utoipa::path(put, path = "/api/v1/groups/{server_code}/aliases/{alias}", tag = "tools", request_body = AliasBody,
    params(("server_code" = String, Path, description = "Server code of the group"), ("alias" = String, Path, description = "The old name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`; without it the old name is a new one")),
    responses((status = 200, body = Vec<AliasView>, description = "The old names of the group; `ETag` is the version of this one"),
        Denied, Absent, Guarded, UnfitBody))]
async fn set_alias(
    operator: Operator,
    Path((code, alias)): Path<(String, String)>,
    known: IfMatchOrNew,
    Body(asked): Body<AliasBody>,
) -> Result<Versioned<Vec<AliasView>>, ApiError> {
    let by = operator.who.by(operator.calls.clock.as_ref());
    let until = until(&asked.until, operator.calls.clock.now_ms())?;
    let set = operator.calls.set_alias(&code, (&alias, &asked.tool_name, until), known.seen, &by).await;
    let version = set.map_err(|error| known.refused(error))?;
    Ok(Versioned(operator.calls.aliases(&code)?, version))
}

/// Forgets an old name at once.
#[utoipa::path(delete, path = "/api/v1/groups/{server_code}/aliases/{alias}", tag = "tools",
    params(("server_code" = String, Path, description = "Server code of the group"), ("alias" = String, Path, description = "The old name"),
        ("If-Match" = String, Header, description = "The ETag that was read, or `*`")),
    responses((status = 204, description = "It is forgotten"), Denied, Absent, Guarded))]
async fn remove_alias(
    operator: Operator,
    Path((code, alias)): Path<(String, String)>,
    IfMatch(seen): IfMatch,
) -> Result<StatusCode, ApiError> {
    operator.calls.remove_alias(&code, &alias, seen, &operator.who.by(operator.calls.clock.as_ref())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Of which group.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct OfGroup {
    /// Only this group.
    server_code: Option<String>,
}

/// Who still works from an old list: the latest first.
#[utoipa::path(get, path = "/api/v1/stale-callers", tag = "tools", params(OfGroup),
    responses((status = 200, body = Vec<StaleCallerView>, description = "The callers"), Denied, Absent, Unfit))]
async fn stale_callers(reader: Reader, Asked(query): Asked<OfGroup>) -> Result<Json<Vec<StaleCallerView>>, ApiError> {
    Ok(Json(reader.calls.stale_callers(query.server_code.as_deref())?))
}
