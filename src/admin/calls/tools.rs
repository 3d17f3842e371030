//! Tools: what each is, which group offers it and how, and trying one out.

mod aliases;
mod attempt;
mod change;
mod docs;
mod figures;
mod refresh;
mod size;
mod stale;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(in crate::admin) use self::aliases::until;
pub use self::{
    aliases::{AliasView, is_tool_name},
    attempt::{Attempt, AttemptError},
    change::{ChangedTool, ToolEdit},
    docs::{Annotations, Argument, FormerNameView, Switch, ToolDocs},
    figures::ToolFigures,
    refresh::{DefinitionDifference, Refreshed, RowDifference},
    size::{ListSize, estimated_tokens},
    stale::StaleCallerView,
};
use super::{CallError, Calls, Field, Listed, pages, said};
pub use crate::store::stale::Seen;
use crate::{
    clock::rfc3339,
    dispatch::Known,
    gate::GroupPolicy,
    store::policy::{Group, ToolPolicy},
};

/// A tool as one group has it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolPolicyView {
    /// Id of the entry.
    pub id: String,
    /// The group's server code.
    pub server_code: String,
    /// The tool.
    pub tool_name: String,
    /// Its title, Chinese then English; empty for a tool that this version does not have.
    pub title: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether the group offers it: switched on, known to this version, and fit for the group.
    pub offered: bool,
    /// Whether this version has the tool.
    pub known: bool,
    /// Limit of one call, in seconds.
    pub timeout_seconds: u32,
    /// What clients read instead of the tool's own description; none for that.
    pub description: Option<String>,
    /// Its switches.
    #[schema(value_type = Object)]
    pub config_data: Map<String, Value>,
    /// Version of the definition when it was added to the group.
    pub definition_version: String,
    /// When it last changed.
    pub updated_at: String,
    /// The version of the entry, which a change names.
    pub version: i64,
}

/// A tool with the groups that have it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolSummary {
    /// Its name.
    pub name: String,
    /// Its title, Chinese then English.
    pub title: String,
    /// The set it belongs to.
    pub category: String,
    /// Version of its definition.
    pub version: String,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// The groups that have it, by their creation.
    pub groups: Vec<ToolPolicyView>,
}

impl Calls {
    /// Every tool of this version, with the groups that have it.
    pub fn tools(&self) -> Result<Vec<ToolSummary>, CallError> {
        let known: Vec<_> = self.dispatch.catalogue().known().to_vec();
        known.iter().map(|known| self.tool_summary(known)).collect()
    }

    /// One page of them.
    pub fn tool_page(&self, limit: u32, cursor: Option<&str>) -> Result<Listed<ToolSummary>, CallError> {
        pages::counted(self.tools()?, limit, cursor)
    }

    /// What a tool is, and who has it.
    pub fn tool(&self, name: &str) -> Result<ToolDocs, CallError> {
        let known = self.definition(name)?;
        Ok(docs::of(known, self.tool_in_groups(name)?))
    }

    /// The entries of every group, or of one.
    pub fn tool_policies(&self, code: Option<&str>) -> Result<Vec<ToolPolicyView>, CallError> {
        let groups = match code {
            Some(code) => vec![self.group_policy(code)?],
            None => self.gate.policy().current()?.groups().to_vec(),
        };
        Ok(groups.iter().flat_map(|group| group.tools.iter().map(|tool| self.tool_policy_view(group, tool))).collect())
    }

    /// A tool as a group has it.
    pub fn tool_in_group(&self, code: &str, name: &str) -> Result<ToolPolicyView, CallError> {
        let group = self.group_policy(code)?;
        let row = policy_of(&group, name)?;
        Ok(self.tool_policy_view(&group, row))
    }

    /// The entry of this id.
    pub(crate) fn tool_by_id(&self, id: &str) -> Result<ToolPolicyView, CallError> {
        let found = self.tool_policies(None)?.into_iter().find(|tool| tool.id == id);
        found.ok_or_else(|| CallError::not_found(format!("没有 ID 为 {id} 的工具"), format!("there is no tool with the id {id}")))
    }

    /// The tool of this version called `name`, or what there is.
    pub(crate) fn definition(&self, name: &str) -> Result<&Arc<Known>, CallError> {
        let catalogue = self.dispatch.catalogue();
        catalogue.definition(name).ok_or_else(|| {
            let names: Vec<_> = catalogue.known().iter().map(|known| known.tool.name()).collect();
            let names = names.join(", ");
            CallError::not_found(format!("没有工具 {name}；现有工具：{names}"), format!("there is no tool {name}; there are: {names}"))
        })
    }

    pub(super) fn tool_policy_view(&self, group: &GroupPolicy, tool: &ToolPolicy) -> ToolPolicyView {
        let known = self.dispatch.catalogue().definition(&tool.tool_name);
        ToolPolicyView {
            id: tool.id.clone(),
            server_code: group.group.server_code.clone(),
            tool_name: tool.tool_name.clone(),
            title: known.map(|known| known.tool.definition.about.title.to_owned()).unwrap_or_default(),
            enabled: tool.enabled,
            offered: tool.enabled && known.is_some_and(|known| known.fits(&group.group)),
            known: known.is_some(),
            timeout_seconds: tool.timeout_seconds,
            description: tool.description.clone(),
            config_data: tool.config_data.clone(),
            definition_version: tool.version.clone(),
            updated_at: rfc3339(tool.updated_at),
            version: tool.updated_at,
        }
    }

    fn tool_summary(&self, known: &Arc<Known>) -> Result<ToolSummary, CallError> {
        let definition = &known.tool.definition;
        let about = &definition.about;
        Ok(ToolSummary {
            name: about.name.to_owned(),
            title: about.title.to_owned(),
            category: about.category.to_owned(),
            version: about.version.to_owned(),
            read_only: crate::dispatch::Hints::of(definition).read_only,
            groups: self.tool_in_groups(about.name)?,
        })
    }

    fn tool_in_groups(&self, name: &str) -> Result<Vec<ToolPolicyView>, CallError> {
        Ok(self.tool_policies(None)?.into_iter().filter(|tool| tool.tool_name == name).collect())
    }
}

/// The group's entry of a tool, or which ones it has.
pub(super) fn policy_of<'a>(group: &'a GroupPolicy, name: &str) -> Result<&'a ToolPolicy, CallError> {
    group.tools.iter().find(|tool| tool.tool_name == name).ok_or_else(|| {
        let names: Vec<_> = group.tools.iter().map(|tool| tool.tool_name.as_str()).collect();
        let (code, names) = (&group.group.server_code, names.join(", "));
        CallError::not_found(format!("分组 {code} 没有工具 {name}；它有：{names}"), format!("{code} has no tool {name}; it has: {names}"))
    })
}

/// A tool that a group would never offer is not added to it.
pub(super) fn must_fit(known: &Known, group: &Group, pointer: &str) -> Result<(), CallError> {
    if known.fits(group) {
        return Ok(());
    }
    let (name, code) = (known.tool.name(), &group.server_code);
    Err(CallError::invalid(
        pointer,
        format!(
            "{name} 可以读取任何人的数据，而分组 {code} 只限当前客户，不会提供它；请换一个分组，或先取消该分组的客户限定（`anmei-mcp group set {code} --subject-scoped false`）"
        ),
        format!(
            "{name} can reach anybody's data, and {code} is subject-scoped: it would not be offered there. Use another group, or free this one with `anmei-mcp group set {code} --subject-scoped false`"
        ),
    ))
}

/// What is not there, as a mistake in the field that names it.
pub(super) fn at(error: CallError, pointer: &str) -> CallError {
    match error {
        CallError::NotFound(text) => CallError::Invalid(vec![Field { pointer: pointer.to_owned(), text }]),
        other => other,
    }
}

/// What a tool's switches may be set to. A misspelt switch would silently stay off.
fn check_config(known: &Known, config: &Map<String, Value>, wrong: &mut Vec<Field>) {
    let about = &known.tool.definition.about;
    for (name, value) in config {
        let switch = about.config.iter().any(|(known, _)| known == name);
        if !switch || !value.is_boolean() {
            let names: Vec<_> = about.config.iter().map(|(name, _)| *name).collect();
            let (zh_names, en_names) = if names.is_empty() { ("无".into(), "none".into()) } else { (names.join(", "), names.join(", ")) };
            let plain: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            let text = said(
                format!("{} 没有取这个值的开关 `{plain}`；它的开关（true 或 false）：{zh_names}", about.name),
                format!("{} has no switch `{plain}` with this value; its switches (true or false) are: {en_names}", about.name),
            );
            let pointer = format!("/config_data/{}", name.replace('~', "~0").replace('/', "~1"));
            wrong.push(Field { pointer, text });
        }
    }
}
