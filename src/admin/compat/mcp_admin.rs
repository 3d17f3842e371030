//! `/mcp/admin/…`, the existing app's paths for groups, keys and tools, with the names of its fields.
//!
//! What its panel leaves out of a change stays as it is; it knows no versions, so the last change counts.

use axum::{
    Router,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::envelope::Envelope;
use crate::admin::{
    Right,
    api::{
        frame::{ApiError, Asked, Body, Path},
        tools::only_administrators,
    },
    calls::{
        CallError, Calls,
        groups::{GroupEdit, NewGroup, is_server_code},
        keys::{Rotation, Wanted},
        tools::{ToolEdit, ToolPolicyView},
        with_reason,
    },
    entry::{Administrator, Operator, Reader},
    state::AdminState,
};

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/mcp/admin/groups", get(groups).post(create_group))
        .route("/mcp/admin/groups/{id}", get(group).put(change_group).delete(delete_group))
        .route("/mcp/admin/groups/{id}/api-key", get(api_key))
        .route("/mcp/admin/groups/{id}/regenerate-key", post(regenerate_key))
        .route("/mcp/admin/groups/{id}/server-url", get(server_url))
        .route("/mcp/admin/tools", get(tools))
        .route("/mcp/admin/tools/refresh", post(refresh))
        .route("/mcp/admin/tools/{id}", put(change_tool))
        .route("/mcp/admin/server/status", get(status))
}

type Answer = Result<Envelope, ApiError>;

async fn groups(reader: Reader) -> Answer {
    Ok(Envelope::new("获取MCP分组列表成功", &reader.calls.groups()?))
}

/// A group to be made, as the existing app says it; what is not said is chosen here.
#[derive(Debug, Deserialize)]
struct GroupCreate {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    server_code: Option<String>,
    #[serde(default)]
    user_tier_access: Option<Vec<String>>,
    #[serde(default)]
    allowed_roles: Option<Vec<String>>,
}

async fn create_group(admin: Administrator, Body(asked): Body<GroupCreate>) -> Answer {
    let taken: Vec<String> = admin.calls.groups()?.into_iter().map(|group| group.server_code).collect();
    let new = NewGroup {
        server_code: asked.server_code.unwrap_or_else(|| free_code(&asked.name, &taken)),
        name: Some(asked.name),
        description: asked.description.unwrap_or_default(),
        allowed_roles: asked.allowed_roles.unwrap_or_default(),
        user_tier_access: asked.user_tier_access.unwrap_or_default(),
        ..NewGroup::default()
    };
    let made = admin.calls.create_group(&new, &admin.who.by(admin.calls.clock.as_ref())).await?;
    let mut data = serde_json::to_value(&made.group).unwrap_or_default();
    if let Some(object) = data.as_object_mut() {
        object.insert("api_key".into(), made.key.key.expose().into());
    }
    Ok(Envelope::changed("MCP分组创建成功", &data))
}

/// A server code that nobody has: of the name where that can be, else a number.
fn free_code(name: &str, taken: &[String]) -> String {
    let plain: String = name
        .trim()
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect::<String>()
        .split('_')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    let stem: String = plain.trim_matches(['-', '_']).chars().take(20).collect();
    let stem = if is_server_code(&stem) { stem } else { "group".to_owned() };
    let numbered = (2..).map(|number| format!("{stem}_{number}"));
    std::iter::once(stem.clone()).chain(numbered).find(|code| !taken.contains(code)).unwrap_or(stem)
}

async fn group(reader: Reader, Path(id): Path<String>) -> Answer {
    let code = code_of(&reader.calls, &id)?;
    Ok(Envelope::new("获取MCP分组成功", &reader.calls.group(&code)?.group))
}

/// A change of a group, as the existing app says it.
#[derive(Debug, Deserialize)]
struct GroupUpdate {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    user_tier_access: Option<Vec<String>>,
    #[serde(default)]
    allowed_roles: Option<Vec<String>>,
}

async fn change_group(admin: Administrator, Path(id): Path<String>, Body(asked): Body<GroupUpdate>) -> Answer {
    let code = code_of(&admin.calls, &id)?;
    let edit = GroupEdit {
        name: asked.name,
        description: asked.description,
        enabled: asked.enabled,
        allowed_roles: asked.allowed_roles,
        user_tier_access: asked.user_tier_access,
        subject_scoped: None,
    };
    let changed = admin.calls.change_group(&code, edit, None, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Envelope::changed("MCP分组更新成功", &changed.group))
}

async fn delete_group(admin: Administrator, Path(id): Path<String>) -> Answer {
    let code = code_of(&admin.calls, &id)?;
    admin.calls.delete_group(&code, None, &admin.who.by(admin.calls.clock.as_ref())).await?;
    Ok(Envelope::changed("MCP分组删除成功", &Value::Null))
}

async fn api_key(admin: Administrator, Path(id): Path<String>) -> Answer {
    let code = code_of(&admin.calls, &id)?;
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = with_reason(admin.who.by(admin.calls.clock.as_ref()), Some("GET /mcp/admin/groups/{id}/api-key"))?;
    let shown = admin.calls.reveal_key(&code, Wanted::Any, &by).await?;
    Ok(Envelope::new("API Key获取成功", &json!({"api_key": shown.key.expose()})))
}

async fn regenerate_key(admin: Administrator, Path(id): Path<String>) -> Answer {
    let code = code_of(&admin.calls, &id)?;
    admin.who.confirmed(admin.calls.clock.as_ref())?;
    let by = with_reason(admin.who.by(admin.calls.clock.as_ref()), Some("POST /mcp/admin/groups/{id}/regenerate-key"))?;
    let rotated = admin.calls.rotate_key(&code, Wanted::Any, Rotation::default(), &by).await?;
    let data = json!({"api_key": rotated.key.key.expose(), "old_key_valid_until": rotated.old_key_valid_until});
    Ok(Envelope::changed("API Key重新生成成功", &data))
}

async fn server_url(reader: Reader, Path(id): Path<String>) -> Answer {
    let code = code_of(&reader.calls, &id)?;
    let url = reader.calls.server_url(&code)?;
    Ok(Envelope::new("获取服务器地址成功", &json!({"server_url": url.url, "server_code": url.server_code, "sse_url": url.sse_url})))
}

/// Which tools.
#[derive(Debug, Default, Deserialize)]
struct ToolsQuery {
    #[serde(default)]
    group_id: Option<String>,
}

async fn tools(reader: Reader, Asked(query): Asked<ToolsQuery>) -> Answer {
    let code = match query.group_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(code_of(&reader.calls, id)?),
        None => None,
    };
    let tools = reader.calls.tool_policies(code.as_deref())?;
    let data = tools.into_iter().map(|tool| tool_data(&reader.calls, tool)).collect::<Result<Vec<_>, CallError>>()?;
    Ok(Envelope::new("获取MCP工具列表成功", &data))
}

/// A change of a tool, as the existing app says it.
#[derive(Debug, Deserialize)]
struct ToolUpdate {
    #[serde(default)]
    group_id: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    timeout_seconds: Option<u32>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    config_data: Option<Map<String, Value>>,
}

async fn change_tool(operator: Operator, Path(id): Path<String>, Body(asked): Body<ToolUpdate>) -> Answer {
    let (calls, by) = (&operator.calls, operator.who.by(operator.calls.clock.as_ref()));
    let tool = calls.tool_by_id(&id)?;
    let edit = ToolEdit {
        enabled: asked.enabled,
        timeout_seconds: asked.timeout_seconds,
        description: asked.description,
        // The app's panel sends everything back; what stays as it is is no change.
        config_data: asked.config_data.filter(|config| *config != tool.config_data),
    };
    let here = calls.group_policy(&tool.server_code)?.group.id.clone();
    let moves = asked.group_id.filter(|group| *group != here);
    let right = if moves.is_some() { Right::Administer } else { edit.right() };
    if !operator.who.role.may(right) {
        return Err(CallError::Forbidden(only_administrators()).into());
    }
    let changed = calls.change_tool((&tool.server_code, &tool.tool_name), edit, None, &by).await?.tool;
    let code = match moves {
        Some(group) => calls.move_tool(&changed, &group, &by).await?,
        None => changed.server_code,
    };
    let tool = calls.tool_in_group(&code, &changed.tool_name)?;
    Ok(Envelope::changed("MCP工具更新成功", &tool_data(calls, tool)?))
}

async fn refresh(operator: Operator) -> Answer {
    let found = operator.calls.refresh_tools(&operator.who.by(operator.calls.clock.as_ref())).await?;
    Ok(Envelope::changed("MCP工具刷新成功", &found))
}

async fn status(reader: Reader) -> Answer {
    Ok(Envelope::new("获取MCP服务器状态成功", &server_status(&reader.calls)?))
}

/// What the server is, since when, and with how much in it.
pub(super) fn server_status(calls: &Calls) -> Result<Value, CallError> {
    let (groups, tools) = (calls.groups()?, calls.tools()?);
    let started = calls.running.as_ref().map(|running| running.started_at);
    let mcp = &calls.config.mcp;
    Ok(json!({
        "status": "running",
        "server_name": mcp.server_name,
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started.map(crate::clock::rfc3339),
        "uptime_seconds": started.map(|at| (calls.clock.now_ms() - at) / 1000),
        "server_url": format!("{}/mcp", calls.base()),
        "groups": groups.len(),
        "enabled_groups": groups.iter().filter(|group| group.enabled).count(),
        "tools": tools.len(),
        "offered_tools": tools.iter().filter(|tool| tool.groups.iter().any(|group| group.offered)).count(),
    }))
}

/// The server code of a group by its id. The code itself is understood, too.
fn code_of(calls: &Calls, id: &str) -> Result<String, CallError> {
    match calls.group_policy_by_id(id) {
        Ok(group) => Ok(group.group.server_code.clone()),
        Err(absent) => calls.group_policy(id).map(|group| group.group.server_code.clone()).map_err(|_| absent),
    }
}

fn tool_data(calls: &Calls, tool: ToolPolicyView) -> Result<Value, CallError> {
    let group = calls.group_policy(&tool.server_code)?;
    Ok(json!({
        "id": tool.id, "tool_name": tool.tool_name, "group_id": group.group.id, "group_name": group.group.name, "server_code": tool.server_code,
        "version": tool.definition_version, "description": tool.description.unwrap_or_default(), "enabled": tool.enabled,
        "timeout_seconds": tool.timeout_seconds, "config_data": tool.config_data, "updated_at": tool.updated_at,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_made_of_the_name_where_that_can_be() {
        let taken = ["front_desk".to_owned(), "group".to_owned()];
        assert_eq!(free_code("Billing Tools", &taken), "billing_tools");
        assert_eq!(free_code("Front Desk", &taken), "front_desk_2");
        assert_eq!(free_code("前台工具", &taken), "group_2");
        assert_eq!(free_code("--VIP 客户--", &[]), "vip");
        for name in ["", "___", "一", &"x".repeat(80), "-a", "A/B?C"] {
            assert!(is_server_code(&free_code(name, &taken)), "{name}");
        }
    }
}
