//! What each group offers: the crate's definitions seen through the database's policy.
//!
//! Built once per policy revision, in the order the tools were added, so that `tools/list` is the same bytes until
//! the group changes (invariant I6).

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anmei_mcp_tools::{Subject, Tool};
use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use crate::{
    gate::{Caller, GroupPolicy},
    store::policy::{Group, ToolPolicy},
};

/// A tool of this binary, with its schema compiled.
#[derive(Debug)]
pub struct Known {
    /// The tool.
    pub tool: Tool,
    /// Its compiled input schema.
    pub validator: jsonschema::Validator,
}

impl Known {
    /// Whether a group may offer it: one that is bound to subjects offers nothing that can reach anybody else's data.
    pub fn fits(&self, group: &Group) -> bool {
        !group.subject_scoped || self.tool.definition.subject != Subject::Anybody
    }
}

/// A tool as one group offers it.
#[derive(Debug)]
pub struct Offer {
    /// The tool.
    pub known: Arc<Known>,
    /// What clients read: the group's description, or the definition's.
    pub description: String,
    /// Limit of one call.
    pub timeout: Duration,
    /// The group's configuration of the tool.
    pub config: Map<String, Value>,
}

/// What one group offers at one revision of the policy.
#[derive(Debug)]
pub struct Offers {
    list: Vec<Arc<Offer>>,
    by_name: HashMap<&'static str, usize>,
    /// Room for what a protocol derives from the offers, such as serialised lists: it lives exactly as long as they do.
    pub derived: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Offers {
    fn build(known: &HashMap<&'static str, Arc<Known>>, policy: &GroupPolicy) -> Self {
        let enabled = policy.tools.iter().filter(|tool| tool.enabled);
        let list: Vec<_> = enabled.filter_map(|tool| offer(known, tool)).filter(|offer| offer.known.fits(&policy.group)).collect();
        let by_name = list.iter().enumerate().map(|(at, offer)| (offer.known.tool.name(), at)).collect();
        Self { list, by_name, derived: OnceLock::new() }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Offer>> {
        self.list.iter()
    }

    /// The one called `name`. `prefix__name` is understood too: clients that hold several servers write it so.
    pub fn find(&self, name: &str) -> Option<&Arc<Offer>> {
        let exact = |name: &str| self.by_name.get(name).and_then(|at| self.list.get(*at));
        exact(name).or_else(|| name.split_once("__").and_then(|(_, bare)| exact(bare)))
    }

    /// Their names, for an error text.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.list.iter().map(|offer| offer.known.tool.name()).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

fn offer(known: &HashMap<&'static str, Arc<Known>>, policy: &ToolPolicy) -> Option<Arc<Offer>> {
    // A row whose tool this binary does not have is kept for the binary that has it, and not offered.
    let known = known.get(policy.tool_name.as_str())?;
    Some(Arc::new(Offer {
        description: policy.description.clone().unwrap_or_else(|| known.tool.definition.about.description.to_owned()),
        timeout: Duration::from_secs(policy.timeout_seconds.into()),
        config: policy.config_data.clone(),
        known: Arc::clone(known),
    }))
}

/// The offers of all groups, kept per policy revision.
#[derive(Debug)]
pub struct Catalogue {
    known: HashMap<&'static str, Arc<Known>>,
    order: Vec<Arc<Known>>,
    built: ArcSwap<Built>,
}

#[derive(Debug, Default)]
struct Built {
    revision: i64,
    groups: HashMap<String, Arc<Offers>>,
}

/// A definition whose schema is not one. Found by a test, never by a user.
#[derive(Debug, thiserror::Error)]
#[error("the tool {tool} has an input schema that cannot be used: {why}")]
pub struct BadDefinition {
    tool: &'static str,
    why: String,
}

impl Catalogue {
    /// Compiles the schemas of `tools`.
    pub fn new(tools: Vec<Tool>) -> Result<Self, BadDefinition> {
        let order = tools.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let known = order.iter().map(|known| (known.tool.name(), Arc::clone(known))).collect();
        Ok(Self { known, order, built: ArcSwap::default() })
    }

    /// Every tool of this binary.
    pub fn known(&self) -> &[Arc<Known>] {
        &self.order
    }

    /// The tool called `name`, offered or not.
    pub fn definition(&self, name: &str) -> Option<&Arc<Known>> {
        self.known.get(name)
    }

    /// What the caller's group offers.
    pub fn offers(&self, caller: &Caller) -> Arc<Offers> {
        let group = &caller.group.group.id;
        let built = self.built.load();
        if built.revision == caller.revision
            && let Some(offers) = built.groups.get(group)
        {
            return Arc::clone(offers);
        }
        let offers = Arc::new(Offers::build(&self.known, &caller.group));
        self.built.rcu(|built| keep(built, caller.revision, group, &offers));
        offers
    }
}

/// Groups are built when they are first asked for, so that ten thousand idle groups cost nothing.
fn keep(built: &Arc<Built>, revision: i64, group: &str, offers: &Arc<Offers>) -> Arc<Built> {
    if built.revision > revision {
        return Arc::clone(built);
    }
    let mut groups = if built.revision == revision { built.groups.clone() } else { HashMap::new() };
    groups.entry(group.to_owned()).or_insert_with(|| Arc::clone(offers));
    Arc::new(Built { revision, groups })
}

fn compile(tool: Tool) -> Result<Arc<Known>, BadDefinition> {
    let name = tool.name();
    let schema = Value::Object(tool.definition.input_schema.clone());
    let validator = jsonschema::draft202012::new(&schema).map_err(|error| BadDefinition { tool: name, why: error.to_string() })?;
    Ok(Arc::new(Known { tool, validator }))
}
