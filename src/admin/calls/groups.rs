//! Groups: who there is, what each offers, and changing that.
//!
//! A change names the version it was made on (`seen`), unless whoever makes it wants it whatever there is.

pub(super) mod check;
mod make;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{check::is_server_code, make::NewGroup};
use super::{
    CallError, Calls, Listed,
    keys::{KeyView, ShownKey},
    pages::{self, First},
    stale,
    tools::ToolPolicyView,
};
use crate::{
    clock::rfc3339,
    gate::GroupPolicy,
    store::{
        audit::By,
        policy::{Group, GroupChange, Written},
    },
};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupView {
    /// Its id.
    pub id: String,
    /// Segment of its URL.
    pub server_code: String,
    /// Name for people.
    pub name: String,
    /// What it is for; agents read it.
    pub description: String,
    /// Whether its keys are accepted.
    pub enabled: bool,
    /// Whether its tools see only the customers of registrations in progress, by subject id.
    pub subject_scoped: bool,
    /// The tools it offers, in the order clients see them.
    pub tools: Vec<String>,
    /// Roles of accounts that may open it.
    pub allowed_roles: Vec<String>,
    /// Tiers of accounts that may open it; one of the roles and one of the tiers are needed.
    pub user_tier_access: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// Its version, which a change names.
    pub version: i64,
}

/// A group with everything in it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GroupDetail {
    /// The group.
    #[serde(flatten)]
    pub group: GroupView,
    /// Its tools, offered or not.
    pub tool_policies: Vec<ToolPolicyView>,
    /// Its keys, not the keys themselves.
    pub keys: Vec<KeyView>,
}

/// A group that was just made, and its key, which can be shown now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MadeGroup {
    /// The group.
    #[serde(flatten)]
    pub group: GroupView,
    /// Its key.
    pub key: ShownKey,
}

/// A change of a group; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GroupEdit {
    /// Another name, 1 to 100 characters.
    pub name: Option<String>,
    /// Another description, up to 4000 characters.
    pub description: Option<String>,
    /// Whether its keys are accepted.
    pub enabled: Option<bool>,
    /// Other roles that may open it by account.
    pub allowed_roles: Option<Vec<String>>,
    /// Other tiers that may open it by account.
    pub user_tier_access: Option<Vec<String>>,
    /// Whether its tools see only the customers of registrations in progress.
    pub subject_scoped: Option<bool>,
}

/// What a change of a group came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedGroup {
    /// The group as it is now.
    #[serde(flatten)]
    pub group: GroupView,
    /// Tools that it offered before and does not offer any more.
    pub hidden: Vec<String>,
    /// It is in force for the next request, in every process.
    pub effective_immediately: bool,
}

impl Calls {
    /// All groups, by creation.
    pub fn groups(&self) -> Result<Vec<GroupView>, CallError> {
        let policy = self.gate.policy().current()?;
        Ok(policy.groups().iter().map(|group| self.group_view(group)).collect())
    }

    /// One page of them.
    pub fn group_page(&self, limit: u32, cursor: Option<&str>) -> Result<Listed<GroupView>, CallError> {
        let groups = self.gate.policy().current()?.groups().to_vec();
        let page = pages::behind(groups, (limit, cursor), First::Oldest, |group| (group.group.created_at, group.group.id.as_str()))?;
        Ok(Listed { items: page.items.iter().map(|group| self.group_view(group)).collect(), next_cursor: page.next_cursor })
    }

    /// One group with its tools and keys.
    pub fn group(&self, code: &str) -> Result<GroupDetail, CallError> {
        let group = self.group_policy(code)?;
        let tool_policies = group.tools.iter().map(|tool| self.tool_policy_view(&group, tool)).collect();
        Ok(GroupDetail { group: self.group_view(&group), tool_policies, keys: self.keys(code)? })
    }

    /// Makes a group with its first key and its tools. The key is in the answer, and nowhere else unless it is kept sealed.
    pub async fn create_group(&self, new: &NewGroup, by: &By) -> Result<MadeGroup, CallError> {
        check::new_group(new)?;
        let (row, text) = self.prepared_group(new, &by.actor)?;
        let key = row.key.clone();
        self.store.create_groups(vec![row], by.clone()).await?;
        tracing::info!(group.code = new.server_code, actor = by.actor, "a group was made");
        Ok(MadeGroup { group: self.group_view(&*self.group_policy(&new.server_code)?), key: self.shown(&new.server_code, &key, text) })
    }

    /// Changes a group; in force for the next request.
    pub async fn change_group(&self, code: &str, edit: GroupEdit, seen: Option<i64>, by: &By) -> Result<ChangedGroup, CallError> {
        check::group_edit(&edit)?;
        let before = self.group_policy(code)?;
        if edit == GroupEdit::default() {
            return self.unchanged(&before, seen);
        }
        match self.store.change_group(code, edit.into(), seen, by.clone()).await? {
            Written::Stale(_) => self.stale_group(code),
            Written::Done(_) => {
                let after = self.group_policy(code)?;
                let (group, offered) = (self.group_view(&after), self.offered(&before));
                let hidden = offered.into_iter().filter(|name| !group.tools.contains(name)).collect();
                tracing::info!(group.code = code, actor = by.actor, "a group was changed");
                Ok(ChangedGroup { group, hidden, effective_immediately: true })
            }
        }
    }

    /// Deletes a group with its keys and the settings of its tools. The call log keeps its rows.
    pub async fn delete_group(&self, code: &str, seen: Option<i64>, by: &By) -> Result<(), CallError> {
        self.group_policy(code)?;
        match self.store.delete_group(code, seen, by.clone()).await? {
            Written::Stale(_) => self.stale_group(code),
            Written::Done(_) => {
                tracing::warn!(group.code = code, actor = by.actor, "a group was deleted");
                Ok(())
            }
        }
    }

    /// The group of this code with its policy, or which groups there are.
    pub(crate) fn group_policy(&self, code: &str) -> Result<Arc<GroupPolicy>, CallError> {
        let policy = self.gate.policy().current()?;
        policy.group(code).cloned().ok_or_else(|| {
            let codes: Vec<_> = policy.groups().iter().map(|group| group.group.server_code.as_str()).collect();
            let codes = codes.join(", ");
            CallError::not_found(format!("没有分组 {code}；现有分组：{codes}"), format!("there is no group {code}; there are: {codes}"))
        })
    }

    /// The group of this id with its policy.
    pub(crate) fn group_policy_by_id(&self, id: &str) -> Result<Arc<GroupPolicy>, CallError> {
        let policy = self.gate.policy().current()?;
        let group = policy.group_by_id(id).cloned();
        group.ok_or_else(|| CallError::not_found(format!("没有 ID 为 {id} 的分组"), format!("there is no group with the id {id}")))
    }

    /// The tools the group offers: enabled, and fit for it. Those this version does not have are shown, as they are kept.
    pub(super) fn offered(&self, group: &GroupPolicy) -> Vec<String> {
        let fits = |name: &str| self.dispatch.catalogue().definition(name).is_none_or(|known| known.fits(&group.group));
        group.tools.iter().filter(|tool| tool.enabled && fits(&tool.tool_name)).map(|tool| tool.tool_name.clone()).collect()
    }

    pub(super) fn group_view(&self, policy: &GroupPolicy) -> GroupView {
        let Group { id, server_code, name, description, enabled, subject_scoped, .. } = policy.group.clone();
        GroupView {
            id,
            server_code,
            name,
            description,
            enabled,
            subject_scoped,
            tools: self.offered(policy),
            allowed_roles: policy.group.allowed_roles.clone(),
            user_tier_access: policy.group.user_tier_access.clone(),
            created_by: policy.group.created_by.clone(),
            created_at: rfc3339(policy.group.created_at),
            updated_at: rfc3339(policy.group.updated_at),
            version: policy.group.updated_at,
        }
    }

    /// Nothing was asked for, and so nothing is written down.
    fn unchanged(&self, group: &GroupPolicy, seen: Option<i64>) -> Result<ChangedGroup, CallError> {
        let group = self.group_view(group);
        if seen.is_some_and(|seen| seen != group.version) {
            return Err(stale(&group, group.version));
        }
        Ok(ChangedGroup { group, hidden: Vec::new(), effective_immediately: true })
    }

    fn stale_group<T>(&self, code: &str) -> Result<T, CallError> {
        let group = self.group_view(&*self.group_policy(code)?);
        Err(stale(&group, group.version))
    }
}

impl From<GroupEdit> for GroupChange {
    fn from(edit: GroupEdit) -> Self {
        Self {
            name: edit.name.map(|name| name.trim().to_owned()),
            description: edit.description.map(|text| text.trim().to_owned()),
            enabled: edit.enabled,
            allowed_roles: edit.allowed_roles.map(check::once),
            user_tier_access: edit.user_tier_access.map(check::once),
            subject_scoped: edit.subject_scoped,
        }
    }
}
