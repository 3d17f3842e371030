//! Changing how a group offers a tool.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ToolPolicyView, check_config, must_fit, policy_of};
use crate::{
    admin::{
        Right,
        calls::{
            CallError, Calls, Field,
            groups::check::{description, done},
            said, stale,
        },
    },
    dispatch::defaults::tool_policy,
    store::{
        audit::By,
        policy::{ToolChange, Written},
    },
};

/// A change of a tool in one group; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolEdit {
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// Limit of one call: 1 to 300 seconds.
    #[schema(minimum = 1, maximum = 300)]
    pub timeout_seconds: Option<u32>,
    /// What clients read instead of the tool's own description; an empty text goes back to that.
    pub description: Option<String>,
    /// All of its switches (true or false); those not named are off.
    #[schema(value_type = Option<Object>)]
    pub config_data: Option<Map<String, Value>>,
}

impl ToolEdit {
    /// What whoever makes it must be allowed: a switch may show what was hidden before, and is for those who decide who
    /// sees what.
    pub fn right(&self) -> Right {
        if self.config_data.is_some() { Right::Administer } else { Right::Operate }
    }
}

/// A tool as a change left it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangedTool {
    /// The tool in its group.
    #[serde(flatten)]
    pub tool: ToolPolicyView,
    /// It is in force for the next request, in every process.
    pub effective_immediately: bool,
}

impl Calls {
    /// Changes a tool of a group; in force for the next request.
    pub async fn change_tool(
        &self,
        (code, name): (&str, &str),
        edit: ToolEdit,
        seen: Option<i64>,
        by: &By,
    ) -> Result<ChangedTool, CallError> {
        let group = self.group_policy(code)?;
        policy_of(&group, name)?;
        self.check_edit(name, &edit)?;
        if edit == ToolEdit::default() {
            let tool = self.tool_in_group(code, name)?;
            let is_old = seen.is_some_and(|seen| seen != tool.version);
            return if is_old { Err(stale(&tool, tool.version)) } else { Ok(ChangedTool { tool, effective_immediately: true }) };
        }
        let change = ToolChange {
            enabled: edit.enabled,
            timeout_seconds: edit.timeout_seconds,
            description: edit.description.map(|text| Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            config_data: edit.config_data,
        };
        match self.store.change_tool((&group.group.id, name), change, seen, by.clone()).await? {
            Written::Stale(_) => self.stale_tool(code, name),
            Written::Done(_) => {
                tracing::info!(group.code = code, tool.name = name, actor = by.actor, "a tool was changed");
                Ok(ChangedTool { tool: self.tool_in_group(code, name)?, effective_immediately: true })
            }
        }
    }

    /// Offers a tool in a group: adds it, or switches it on. Says whether it was added.
    pub async fn offer_tool(&self, code: &str, name: &str, by: &By) -> Result<(bool, ChangedTool), CallError> {
        let known = self.definition(name)?;
        let group = self.group_policy(code)?;
        if group.tools.iter().any(|tool| tool.tool_name == name) {
            must_fit(known, &group.group, "/tool_name")?;
            let on = ToolEdit { enabled: Some(true), ..ToolEdit::default() };
            return Ok((false, self.change_tool((code, name), on, None, by).await?));
        }
        Ok((true, self.add_tool(code, name, by).await?))
    }

    /// Adds a tool to a group, with the definition's own limit. One that the group has already is left as it is.
    pub async fn add_tool(&self, code: &str, name: &str, by: &By) -> Result<ChangedTool, CallError> {
        let known = self.definition(name)?;
        let group = self.group_policy(code)?;
        must_fit(known, &group.group, "/tool_name")?;
        if group.tools.iter().any(|tool| tool.tool_name == name) {
            return Err(CallError::conflict(
                format!("分组 {code} 已有工具 {name}；要启用或修改它，请 PATCH /api/v1/groups/{code}/tools/{name}"),
                format!("{code} has {name} already; PATCH /api/v1/groups/{code}/tools/{name} switches it on or changes it"),
            ));
        }
        self.store.add_tool(tool_policy(&group.group.id, &known.tool, self.clock.as_ref()), by.clone()).await?;
        tracing::info!(group.code = code, tool.name = name, actor = by.actor, "a tool was added to a group");
        Ok(ChangedTool { tool: self.tool_in_group(code, name)?, effective_immediately: true })
    }

    /// Takes a tool out of a group, with what was set about it.
    pub async fn remove_tool(&self, (code, name): (&str, &str), seen: Option<i64>, by: &By) -> Result<(), CallError> {
        let group = self.group_policy(code)?;
        policy_of(&group, name)?;
        match self.store.remove_tool((&group.group.id, name), seen, by.clone()).await? {
            Written::Stale(_) => self.stale_tool(code, name),
            Written::Done(_) => {
                tracing::info!(group.code = code, tool.name = name, actor = by.actor, "a tool was taken out of a group");
                Ok(())
            }
        }
    }

    /// Moves a tool, as it is set up, to the group of this id. Returns its new place.
    pub(in crate::admin) async fn move_tool(&self, tool: &ToolPolicyView, to_group: &str, by: &By) -> Result<String, CallError> {
        let (from, to) = (self.group_policy(&tool.server_code)?, self.group_policy_by_id(to_group)?);
        must_fit(self.definition(&tool.tool_name)?, &to.group, "/group_id")?;
        self.store.move_tool((&from.group.id, &tool.tool_name), &to.group.id, by.clone()).await?;
        Ok(to.group.server_code.clone())
    }

    fn check_edit(&self, name: &str, edit: &ToolEdit) -> Result<(), CallError> {
        let mut wrong = Vec::new();
        if edit.timeout_seconds.is_some_and(|seconds| !(1..=300).contains(&seconds)) {
            let text = said("超时须为 1 到 300 秒", "a timeout is 1 to 300 seconds");
            wrong.push(Field { pointer: "/timeout_seconds".into(), text });
        }
        if let Some(text) = &edit.description {
            description("/description", text, &mut wrong);
        }
        if let Some(config) = &edit.config_data {
            // Of a tool that this version does not have nobody knows the switches.
            check_config(self.definition(name)?, config, &mut wrong);
        }
        done(wrong)
    }

    fn stale_tool<T>(&self, code: &str, name: &str) -> Result<T, CallError> {
        let tool = self.tool_in_group(code, name)?;
        Err(stale(&tool, tool.version))
    }
}
