//! The first start: the default groups with their tools, and a key for each, shown once.

use super::core::{Core, StartError};
use crate::{admin::CallError, dispatch::defaults::GROUPS, secret::SecretText, store::audit::By};

impl From<CallError> for StartError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(error) => Self::Store(error),
            other => Self::Setting(other.to_string()),
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
        let calls = self.calls(None);
        let mut groups = Vec::new();
        let mut keys = Vec::new();
        for default in GROUPS {
            let (group, key) = calls.prepared_group(&default.into(), "setup")?;
            keys.push(NewKey { server_code: group.group.server_code.clone(), key });
            groups.push(group);
        }
        let made = self.store.seed_groups(groups, By::new("setup", self.clock.now_ms())).await?;
        Ok(if made { Setup { keys } } else { Setup::default() })
    }
}
