//! The first start: the default groups with their tools, and a key for each, shown once.

use anmei_mcp_tools::Tool;

use super::core::{Core, StartError};
use crate::{
    config,
    dispatch::defaults::{DefaultGroup, GROUPS},
    gate::keys::{self, MintError, Order, Reveal},
    ids::new_id,
    secret::SecretText,
    store::{
        audit::By,
        keys::Key,
        policy::{Group, NewGroup, ToolPolicy},
    },
};

impl From<MintError> for StartError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::NoRandomness(error) => Self::NoRandomness(error),
            MintError::Seal(error) => Self::OtherMasterKey(error),
        }
    }
}

/// A key that was just made: the only moment it can be shown without the master key.
#[derive(Debug)]
pub struct NewKey {
    /// The group it opens.
    pub server_code: String,
    /// The key.
    pub key: SecretText,
}

/// What the first start made; empty at every later one.
#[derive(Debug, Default)]
pub struct Setup {
    /// Keys to be shown.
    pub keys: Vec<NewKey>,
}

impl Core {
    /// Makes the default groups, once in the life of a database.
    pub async fn set_up(&self) -> Result<Setup, StartError> {
        if self.store.meta("groups_seeded")?.is_some() {
            return Ok(Setup::default());
        }
        let mut groups = Vec::new();
        let mut keys = Vec::new();
        for default in GROUPS {
            let (group, key) = self.new_group(default, "setup")?;
            keys.push(NewKey { server_code: group.group.server_code.clone(), key });
            groups.push(group);
        }
        let made = self.store.seed_groups(groups, By::new("setup", self.clock.now_ms())).await?;
        Ok(if made { Setup { keys } } else { Setup::default() })
    }

    /// A group with a fresh key, ready to be stored.
    pub fn new_group(&self, from: &DefaultGroup, created_by: &str) -> Result<(NewGroup, SecretText), StartError> {
        let now = self.clock.now_ms();
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let group = Group {
            id: new_id(self.clock.as_ref()),
            server_code: from.server_code.into(),
            name: from.name.into(),
            description: from.description.into(),
            user_tier_access: texts(from.tiers),
            allowed_roles: texts(from.roles),
            enabled: true,
            subject_scoped: from.subject_scoped,
            created_by: created_by.into(),
            created_at: now,
            updated_at: now,
        };
        let (key, text) = self.mint(Order { group_id: &group.id, name: "default", created_by, expires_at: None })?;
        let tools = from
            .tools
            .iter()
            .filter_map(|name| self.dispatch.catalogue().definition(name))
            .map(|known| self.new_tool(&group.id, &known.tool))
            .collect();
        Ok((NewGroup { group, key, tools }, text))
    }

    /// A key that is not stored yet, and its text.
    pub fn mint(&self, order: Order<'_>) -> Result<(Key, SecretText), MintError> {
        keys::mint(order, &self.master, self.reveal(), self.clock.as_ref())
    }

    /// A tool of a group, with the definition's defaults.
    pub fn new_tool(&self, group_id: &str, tool: &Tool) -> ToolPolicy {
        let now = self.clock.now_ms();
        let about = &tool.definition.about;
        ToolPolicy {
            id: new_id(self.clock.as_ref()),
            tool_name: about.name.into(),
            group_id: group_id.into(),
            version: about.version.into(),
            description: None,
            enabled: true,
            timeout_seconds: u32::try_from(about.timeout.as_secs()).unwrap_or(30).clamp(1, 300),
            config_data: serde_json::Map::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether keys are kept for a later look.
    pub fn reveal(&self) -> Reveal {
        match self.config.keys.reveal {
            config::Reveal::Sealed => Reveal::Sealed,
            config::Reveal::Never => Reveal::Never,
        }
    }
}
