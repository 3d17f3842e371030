//! The policy in memory: a snapshot that is replaced as a whole when the database's change counter moves.
//!
//! Every request asks for the counter (one point read) instead of trusting a timer, so a change made by another
//! process is in force for the next request.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{
    lifetime::Lifetime,
    limits::{Allowance, GroupLimits, Limiter},
};
use crate::store::{
    Store, StoreError,
    keys::Key,
    policy::{Group, PolicyRows, ToolPolicy},
    stale::ToolAlias,
};

/// A group with its tools.
#[derive(Debug)]
pub struct GroupPolicy {
    /// Its id, shared by everything that is written down of it.
    pub id: Arc<str>,
    /// The group.
    pub group: Group,
    /// Its tools, enabled or not, in the order they were added.
    pub tools: Vec<ToolPolicy>,
    /// Names that old clients call.
    pub aliases: Vec<ToolAlias>,
    /// How much may be asked of it.
    pub limits: GroupLimits,
}

/// What a presented key stands for.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) id: Arc<str>,
    pub(super) name: String,
    pub(super) hash: [u8; 32],
    pub(super) group: Arc<GroupPolicy>,
    pub(super) life: Lifetime,
    pub(super) allowance: Arc<Allowance>,
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
    fn build(rows: PolicyRows, limiter: &Limiter) -> Self {
        let (mut tools, mut aliases) = (by_group(rows.tools, |tool| &tool.group_id), by_group(rows.aliases, |alias| &alias.group_id));
        let mut limits = by_group(rows.limits, |limit| &limit.group_id);
        let standard = limiter.standard();
        let group_policy = |group: Group| {
            let (tools, aliases) = (tools.remove(&group.id).unwrap_or_default(), aliases.remove(&group.id).unwrap_or_default());
            let limits = GroupLimits::build(limiter, standard, (&group, &tools), limits.remove(&group.id).unwrap_or_default());
            Arc::new(GroupPolicy { id: Arc::from(&*group.id), group, tools, aliases, limits })
        };
        let groups: Vec<_> = rows.groups.into_iter().map(group_policy).collect();
        let by_id: HashMap<&str, &Arc<GroupPolicy>> = groups.iter().map(|g| (g.group.id.as_str(), g)).collect();
        let by_hash: HashMap<_, _> = rows.keys.into_iter().filter_map(|key| known(key, &by_id, limiter)).collect();
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

/// Rows by the id of their group.
fn by_group<T>(rows: Vec<T>, group_id: impl Fn(&T) -> &String) -> HashMap<String, Vec<T>> {
    let mut groups: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(group_id(&row).clone()).or_default().push(row);
    }
    groups
}

fn known(key: Key, groups: &HashMap<&str, &Arc<GroupPolicy>>, limiter: &Limiter) -> Option<([u8; 32], KnownKey)> {
    let group = Arc::clone(groups.get(key.group_id.as_str())?);
    let life = Lifetime::from(&key);
    let id: Arc<str> = key.id.into();
    let allowance = limiter.allowance(&id, &group.limits, Some(&id));
    let known = KnownKey { id, name: key.name, hash: key.hash, group, life, allowance };
    Some((key.hash, known))
}

/// Keeps the snapshot in step with the database.
#[derive(Debug)]
pub struct PolicyWatch {
    store: Store,
    current: ArcSwap<Policy>,
    limiter: Limiter,
}

impl PolicyWatch {
    /// Watches the policy of `store`.
    pub fn new(store: Store) -> Self {
        // Revision 0 is before the first one: the first request loads.
        Self { store, current: ArcSwap::default(), limiter: Limiter::default() }
    }

    /// The same, with limits.
    pub(super) fn with_limiter(mut self, limiter: Limiter) -> Self {
        self.limiter = limiter;
        self
    }

    /// What was used, and by what it is measured.
    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
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
        let rows = self.store.policy()?;
        // After the keys were read: a new one may go on from the calls of the one before it.
        self.limiter.remember(&self.store)?;
        let fresh = Arc::new(Policy::build(rows, &self.limiter));
        // Two requests may load at once; the older result must not replace the newer.
        self.current.rcu(|held| if held.revision < fresh.revision { Arc::clone(&fresh) } else { Arc::clone(held) });
        Ok(fresh)
    }
}
