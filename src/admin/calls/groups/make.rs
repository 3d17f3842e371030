//! A group with its first key, ready to be stored.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls, said, tools},
    dispatch::defaults::{DefaultGroup, tool_policy},
    gate::keys::{MintError, Order},
    ids::new_id,
    secret::SecretText,
    store::policy::{self, Group},
};

/// A group to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Segment of its URL: 1 to 24 of a-z 0-9 _ -, the first a letter or digit.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,23}$")]
    pub server_code: String,
    /// Name for people; the server code when there is none.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for; agents read it.
    #[serde(default)]
    pub description: String,
    /// The tools it offers, in the order clients see them.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Whether its tools see only the customers of registrations in progress, by subject id.
    #[serde(default)]
    pub subject_scoped: bool,
    /// Roles of accounts that may open it.
    #[serde(default)]
    pub allowed_roles: Vec<String>,
    /// Tiers of accounts that may open it.
    #[serde(default)]
    pub user_tier_access: Vec<String>,
}

impl From<&DefaultGroup> for NewGroup {
    fn from(group: &DefaultGroup) -> Self {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Self {
            server_code: group.server_code.into(),
            name: Some(group.name.into()),
            description: group.description.into(),
            tools: texts(group.tools),
            subject_scoped: group.subject_scoped,
            allowed_roles: texts(group.roles),
            user_tier_access: texts(group.tiers),
        }
    }
}

impl From<MintError> for CallError {
    fn from(error: MintError) -> Self {
        Self::Unavailable(said(format!("无法生成密钥：{error}"), error.to_string()))
    }
}

impl Calls {
    /// A group with a fresh key, ready to be stored, and the key.
    pub(crate) fn prepared_group(&self, new: &NewGroup, created_by: &str) -> Result<(policy::NewGroup, SecretText), CallError> {
        let now = self.clock.now_ms();
        let group = Group {
            id: new_id(self.clock.as_ref()),
            server_code: new.server_code.clone(),
            name: new.name.as_deref().unwrap_or(&new.server_code).trim().to_owned(),
            description: new.description.trim().to_owned(),
            user_tier_access: super::check::once(new.user_tier_access.clone()),
            allowed_roles: super::check::once(new.allowed_roles.clone()),
            enabled: true,
            subject_scoped: new.subject_scoped,
            created_by: created_by.to_owned(),
            created_at: now,
            updated_at: now,
        };
        let mut policies = Vec::new();
        for (at, name) in super::check::once(new.tools.clone()).iter().enumerate() {
            let known = self.definition(name).map_err(|error| tools::at(error, &format!("/tools/{at}")))?;
            tools::must_fit(known, &group, &format!("/tools/{at}"))?;
            policies.push(tool_policy(&group.id, &known.tool, self.clock.as_ref()));
        }
        let (key, text) = self.mint(Order { group_id: &group.id, name: "default", created_by, expires_at: None })?;
        Ok((policy::NewGroup { group, key, tools: policies }, text))
    }
}
