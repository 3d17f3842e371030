//! The policy in memory: a snapshot that is replaced as a whole when the database's change counter moves.
//!
//! Every request asks for the counter (one point read) instead of trusting a timer, so a change made by another
//! process is in force for the next request.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::lifetime::Lifetime;
use crate::store::{
    Store, StoreError,
    keys::Key,
    policy::{Group, PolicyRows, ToolPolicy},
    stale::ToolAlias,
};

/// A group with its tools.
#[derive(Debug)]
pub struct GroupPolicy {
    /// The group.
    pub group: Group,
    /// Its tools, enabled or not, in the order they were added.
    pub tools: Vec<ToolPolicy>,
    /// Names that old clients call.
    pub aliases: Vec<ToolAlias>,
}

/// What a presented key stands for.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) id: Arc<str>,
    pub(super) name: String,
    pub(super) hash: [u8; 32],
    pub(super) group: Arc<GroupPolicy>,
    pub(super) life: Lifetime,
}

/// Groups, keys and tools at one revision.
#[derive(Debug, Default)]
pub struct Policy {
    /// Counts changes; equal revisions hold equal policies.
    pub revision: i64,
    by_code: HashMap<String, Arc<GroupPolicy>>,
    by_hash: HashMap<[u8; 32], KnownKey>,
    hash_of: HashMap<Arc<str>, [u8; 32]>,
    groups: Vec<Arc<GroupPolicy>>,
    offered: HashSet<String>,
}

impl Policy {
    fn build(rows: PolicyRows) -> Self {
        let mut tools: HashMap<String, Vec<ToolPolicy>> = HashMap::new();
        for tool in rows.tools {
            tools.entry(tool.group_id.clone()).or_default().push(tool);
        }
        let mut aliases: HashMap<String, Vec<ToolAlias>> = HashMap::new();
        for alias in rows.aliases {
            aliases.entry(alias.group_id.clone()).or_default().push(alias);
        }
        let groups: Vec<_> = rows
            .groups
            .into_iter()
            .map(|group| {
                let (tools, aliases) = (tools.remove(&group.id).unwrap_or_default(), aliases.remove(&group.id).unwrap_or_default());
                Arc::new(GroupPolicy { group, tools, aliases })
            })
            .collect();
        let by_id: HashMap<&str, &Arc<GroupPolicy>> = groups.iter().map(|g| (g.group.id.as_str(), g)).collect();
        let by_hash: HashMap<_, _> = rows.keys.into_iter().filter_map(|key| known(key, &by_id)).collect();
        let hash_of = by_hash.iter().map(|(hash, known)| (Arc::clone(&known.id), *hash)).collect();
        let by_code = groups.iter().map(|g| (g.group.server_code.clone(), Arc::clone(g))).collect();
        let enabled = groups.iter().filter(|policy| policy.group.enabled).flat_map(|policy| &policy.tools);
        let offered = enabled.filter(|tool| tool.enabled).map(|tool| tool.tool_name.clone()).collect();
        Self { revision: rows.revision, by_code, by_hash, hash_of, groups, offered }
    }

    /// Whether at least one group that is switched on offers the tool.
    pub fn offers(&self, tool_name: &str) -> bool {
        self.offered.contains(tool_name)
    }

    /// The group with this server code.
    pub fn group(&self, server_code: &str) -> Option<&Arc<GroupPolicy>> {
        self.by_code.get(server_code)
    }

    /// The group with this id.
    pub fn group_by_id(&self, id: &str) -> Option<&Arc<GroupPolicy>> {
        self.groups.iter().find(|policy| policy.group.id == id)
    }

    /// All groups, by creation.
    pub fn groups(&self) -> &[Arc<GroupPolicy>] {
        &self.groups
    }

    pub(super) fn key(&self, hash: &[u8; 32]) -> Option<&KnownKey> {
        self.by_hash.get(hash)
    }

    pub(super) fn key_by_id(&self, id: &str) -> Option<&KnownKey> {
        self.by_hash.get(self.hash_of.get(id)?)
    }
}

fn known(key: Key, groups: &HashMap<&str, &Arc<GroupPolicy>>) -> Option<([u8; 32], KnownKey)> {
    let group = Arc::clone(groups.get(key.group_id.as_str())?);
    let life = Lifetime::from(&key);
    let known = KnownKey { id: key.id.into(), name: key.name, hash: key.hash, group, life };
    Some((key.hash, known))
}

/// Keeps the snapshot in step with the database.
#[derive(Debug)]
pub struct PolicyWatch {
    store: Store,
    current: ArcSwap<Policy>,
}

impl PolicyWatch {
    /// Watches the policy of `store`.
    pub fn new(store: Store) -> Self {
        // Revision 0 is before the first one: the first request loads.
        Self { store, current: ArcSwap::default() }
    }

    /// The policy as it was when it was last asked for.
    pub(super) fn held(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// The policy in force at this moment.
    pub fn current(&self) -> Result<Arc<Policy>, StoreError> {
        let revision = self.store.policy_revision()?;
        let held = self.current.load_full();
        if held.revision == revision {
            return Ok(held);
        }
        let fresh = Arc::new(Policy::build(self.store.policy()?));
        // Two requests may load at once; the older result must not replace the newer.
        self.current.rcu(|held| if held.revision < fresh.revision { Arc::clone(&fresh) } else { Arc::clone(held) });
        Ok(fresh)
    }
}
