//! Reading everything anew: the policy, and what this version's tools are; and saying what differs.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls},
    dispatch::DefinitionChange,
    store::audit::{By, Change},
};

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refreshed {
    /// Count of changes of the policy that is in force.
    pub revision: i64,
    /// Tools of this version.
    pub tools: usize,
    /// Tools whose definition is not what was written down of them; it is now.
    pub definitions: Vec<DefinitionDifference>,
    /// Entries of groups that do not fit this version.
    pub entries: Vec<RowDifference>,
    /// It is in force for the next request, in every process.
    pub effective_immediately: bool,
}

/// A definition that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefinitionDifference {
    /// The tool.
    pub tool_name: String,
    /// added, changed or gone.
    pub change: String,
}

/// An entry that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowDifference {
    /// The group.
    pub server_code: String,
    /// The tool.
    pub tool_name: String,
    /// missing: this version does not have the tool; version: it was added at another version of the definition; out_of_scope: the group is bound to subjects and the tool reaches anybody.
    pub difference: String,
}

impl Calls {
    /// Reads the policy anew, writes the definitions of this version down, and says what differs.
    pub async fn refresh_tools(&self, by: &By) -> Result<Refreshed, CallError> {
        let definitions: Vec<_> = self
            .dispatch
            .changed_definitions()?
            .into_iter()
            .map(|(tool_name, change)| DefinitionDifference { tool_name, change: word(change).to_owned() })
            .collect();
        self.dispatch.remember_definitions().await?;
        let policy = self.gate.policy().current()?;
        let entries: Vec<_> =
            policy.groups().iter().flat_map(|group| group.tools.iter().filter_map(|tool| self.difference(group, tool))).collect();
        let after = serde_json::json!({"revision": policy.revision, "definitions": definitions, "entries": entries});
        self.store.audit(by.clone(), Change::new("tool.refresh", "tools").after(after)).await?;
        let tools = self.dispatch.catalogue().known().len();
        Ok(Refreshed { revision: policy.revision, tools, definitions, entries, effective_immediately: true })
    }

    fn difference(&self, group: &crate::gate::GroupPolicy, tool: &crate::store::policy::ToolPolicy) -> Option<RowDifference> {
        let difference = match self.dispatch.catalogue().definition(&tool.tool_name) {
            None => "missing",
            Some(known) if !known.fits(&group.group) => "out_of_scope",
            Some(known) if known.tool.definition.about.version != tool.version => "version",
            Some(_) => return None,
        };
        let (server_code, tool_name) = (group.group.server_code.clone(), tool.tool_name.clone());
        Some(RowDifference { server_code, tool_name, difference: difference.to_owned() })
    }
}

fn word(change: DefinitionChange) -> &'static str {
    match change {
        DefinitionChange::Added => "added",
        DefinitionChange::Changed => "changed",
        DefinitionChange::Gone => "gone",
    }
}
