//! The limits of one group at one revision of the policy, and what builds them.

use std::{collections::HashMap, sync::Arc};

use super::{
    allowance::{Allowance, ToolAllowance},
    meter::{Meters, day_of},
    rules::{Rules, Standard, Standards, ToolRules},
};
use crate::store::{
    Store, StoreError,
    limits::LimitRow,
    policy::{Group, ToolPolicy},
};

/// The meters of this process, and who says what is standard.
#[derive(Debug, Default)]
pub struct Limiter {
    meters: Meters,
    standards: Option<Arc<dyn Standards>>,
}

impl Limiter {
    /// Limits by what `standards` says, where no row says otherwise. Without it there are no limits but those of rows.
    pub fn new(standards: Arc<dyn Standards>) -> Self {
        Self { meters: Meters::default(), standards: Some(standards) }
    }

    /// What is standard at this moment.
    pub(in crate::gate) fn standard(&self) -> Standard {
        self.standards.as_ref().map(|standards| standards.standard()).unwrap_or_default()
    }

    /// Begins with the calls that an earlier process wrote down.
    pub(in crate::gate) fn remember(&self, store: &Store) -> Result<(), StoreError> {
        self.meters.remember(store.day_counts()?);
        Ok(())
    }

    /// What a key or token of a group may do.
    pub(in crate::gate) fn allowance(&self, principal: &Arc<str>, limits: &GroupLimits, key_id: Option<&str>) -> Arc<Allowance> {
        Arc::new(Allowance::new(&self.meters, principal, &limits.group, limits.rules(key_id)))
    }

    /// Writes down how many calls were made, if some were. What cannot be written is tried again the next time.
    pub(in crate::gate) async fn write_down(&self, store: &Store, now: i64) -> Result<(), StoreError> {
        let counts = self.meters.unwritten();
        if counts.is_empty() {
            return Ok(());
        }
        let written = store.note_days(counts.clone()).await;
        match &written {
            Ok(()) => self.meters.tidy(day_of(now, 0).0),
            Err(_) => self.meters.again(&counts),
        }
        written
    }
}

/// What holds in one group.
#[derive(Debug)]
pub struct GroupLimits {
    standard: Standard,
    subject_scoped: bool,
    rows: Vec<LimitRow>,
    group: Arc<str>,
    tools: HashMap<String, Arc<ToolAllowance>>,
}

impl GroupLimits {
    /// Of a group with its tools, by the rows that are its own.
    pub(in crate::gate) fn build(
        limiter: &Limiter,
        standard: Standard,
        (group, tools): (&Group, &[ToolPolicy]),
        rows: Vec<LimitRow>,
    ) -> Self {
        let code: Arc<str> = group.server_code.as_str().into();
        let allowance = |tool: &ToolPolicy| {
            let rules = ToolRules::resolve(&rows, &tool.tool_name);
            // Without a limit there is nothing to ask.
            let allowance = || ToolAllowance::new(&limiter.meters, &group.id, &code, (&tool.tool_name, rules));
            rules.is_limited().then(|| (tool.tool_name.clone(), Arc::new(allowance())))
        };
        let tools = tools.iter().filter_map(allowance).collect();
        Self { standard, subject_scoped: group.subject_scoped, rows, group: code, tools }
    }

    /// The rules of one key, or of every key that has none of its own.
    pub fn rules(&self, key_id: Option<&str>) -> Rules {
        Rules::resolve(self.standard, self.subject_scoped, &self.rows, key_id)
    }

    /// The rules of one tool.
    pub fn tool_rules(&self, tool_name: &str) -> ToolRules {
        ToolRules::resolve(&self.rows, tool_name)
    }

    /// What may be asked of one tool, if that is limited.
    pub fn tool(&self, tool_name: &str) -> Option<&Arc<ToolAllowance>> {
        self.tools.get(tool_name)
    }
}
