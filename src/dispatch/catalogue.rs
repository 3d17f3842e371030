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

use anmei_mcp_tools::{Definition, Effect, Subject, Tool};
use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::stale::Before;
use crate::{
    gate::{
        Caller, GroupPolicy,
        limits::{Exceeded, ToolAllowance, ToolRunning},
    },
    store::policy::{Group, ToolPolicy},
    telemetry::figures::ToolFigures,
};

/// A tool of this binary, with its schema compiled.
#[derive(Debug)]
pub struct Known {
    /// The tool.
    pub tool: Tool,
    /// Its compiled input schema.
    pub validator: jsonschema::Validator,
    /// Whether clients of 2026-07-28 repeat arguments in headers (`x-mcp-header`), which then are to be compared.
    pub param_headers: bool,
    /// How long its calls take.
    pub(super) figures: ToolFigures,
    /// The definitions before this one, once somebody needed them.
    pub(super) before: OnceLock<Option<Before>>,
}

impl Known {
    /// Whether a group may offer it: one that is bound to subjects offers nothing that can reach anybody else's data.
    pub fn fits(&self, group: &Group) -> bool {
        !group.subject_scoped || self.tool.definition.subject != Subject::Anybody
    }
}

/// What a tool does to the world, as MCP's annotations tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification")]
pub struct Hints {
    /// It changes nothing.
    pub read_only: bool,
    /// It removes or overwrites what somebody wrote.
    pub destructive: bool,
    /// The same call again changes nothing more.
    pub idempotent: bool,
    /// It reaches beyond the clinic's own records.
    pub open_world: bool,
}

impl Hints {
    /// Those of a definition. Nothing a tool does removes or overwrites what somebody wrote, and all of it stays in the
    /// clinic's own records.
    pub fn of(definition: &Definition) -> Self {
        let effect = definition.about.effect;
        Self { read_only: effect == Effect::Reads, destructive: false, idempotent: effect != Effect::Adds, open_world: false }
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
    /// What may be asked of it by everybody together.
    pub limits: Option<Arc<ToolAllowance>>,
}

impl Offer {
    /// Takes a place for one call; it is given back when the guard is dropped.
    pub(super) fn place(&self, now: i64) -> Result<Option<ToolRunning<'_>>, Exceeded> {
        self.limits.as_ref().map(|limits| limits.call(now)).transpose()
    }
}

/// A name that old clients call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The tool's name today.
    pub to: String,
    /// When it was renamed.
    pub since: i64,
    /// From when on the old name is refused.
    pub until: i64,
}

/// What one group offers at one revision of the policy.
#[derive(Debug)]
pub struct Offers {
    list: Vec<Arc<Offer>>,
    by_name: HashMap<&'static str, usize>,
    renamed: HashMap<String, Renamed>,
    /// Room for what a protocol derives from the offers, such as serialised lists: it lives exactly as long as they do.
    pub derived: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Offers {
    fn build(known: &HashMap<&'static str, Arc<Known>>, policy: &GroupPolicy) -> Self {
        let enabled = policy.tools.iter().filter(|tool| tool.enabled);
        let list: Vec<_> = enabled.filter_map(|tool| offer(known, policy, tool)).filter(|offer| offer.known.fits(&policy.group)).collect();
        let by_name = list.iter().enumerate().map(|(at, offer)| (offer.known.tool.name(), at)).collect();
        let renamed = renamed(&list, policy);
        Self { list, by_name, renamed, derived: OnceLock::new() }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Offer>> {
        self.list.iter()
    }

    /// The one called `name`. `prefix__name` is understood too: clients that hold several servers write it so.
    pub fn find(&self, name: &str) -> Option<&Arc<Offer>> {
        let exact = |name: &str| self.by_name.get(name).and_then(|at| self.list.get(*at));
        exact(name).or_else(|| bare(name).and_then(exact))
    }

    /// What the name stands for, when it is one that old clients call.
    pub fn renamed(&self, name: &str) -> Option<&Renamed> {
        self.renamed.get(name)
    }

    /// Their names, for an error text.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.list.iter().map(|offer| offer.known.tool.name()).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }
}

/// The name behind a server's prefix.
pub(super) fn bare(name: &str) -> Option<&str> {
    name.split_once("__").map(|(_, bare)| bare)
}

/// Renames of the product for the tools on offer, and over them the group's own.
fn renamed(list: &[Arc<Offer>], policy: &GroupPolicy) -> HashMap<String, Renamed> {
    let of_product = list.iter().flat_map(|offer| {
        let definition = &offer.known.tool.definition;
        definition.former_names.iter().map(|former| {
            let renamed = Renamed { to: definition.about.name.to_owned(), since: former.since_ms, until: former.until_ms };
            (former.name.to_owned(), renamed)
        })
    });
    let of_group = policy
        .aliases
        .iter()
        .map(|alias| (alias.alias.clone(), Renamed { to: alias.tool_name.clone(), since: alias.created_at, until: alias.until }));
    of_product.chain(of_group).collect()
}

fn offer(known: &HashMap<&'static str, Arc<Known>>, group: &GroupPolicy, policy: &ToolPolicy) -> Option<Arc<Offer>> {
    // A row whose tool this binary does not have is kept for the binary that has it, and not offered.
    let known = known.get(policy.tool_name.as_str())?;
    Some(Arc::new(Offer {
        description: policy.description.clone().unwrap_or_else(|| known.tool.definition.about.description.to_owned()),
        timeout: Duration::from_secs(policy.timeout_seconds.into()),
        config: policy.config_data.clone(),
        limits: group.limits.tool(&policy.tool_name).cloned(),
        known: Arc::clone(known),
    }))
}

/// The offers of all groups, kept per policy revision.
#[derive(Debug)]
pub struct Catalogue {
    known: HashMap<&'static str, Arc<Known>>,
    order: Vec<Arc<Known>>,
    any_param_headers: bool,
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
        let any_param_headers = order.iter().any(|known| known.param_headers);
        Ok(Self { known, order, any_param_headers, built: ArcSwap::default() })
    }

    /// Every tool of this binary.
    pub fn known(&self) -> &[Arc<Known>] {
        &self.order
    }

    /// The tool called `name`, offered or not.
    pub fn definition(&self, name: &str) -> Option<&Arc<Known>> {
        self.known.get(name)
    }

    /// Whether any tool has arguments that clients repeat in headers.
    pub fn repeats_arguments(&self) -> bool {
        self.any_param_headers
    }

    /// The tool that clients mean by `name`: its own, one behind a server's prefix, or one it had before.
    pub fn definition_called(&self, name: &str) -> Option<&Arc<Known>> {
        let formerly =
            |name: &str| self.order.iter().find(|known| known.tool.definition.former_names.iter().any(|former| former.name == name));
        [Some(name), bare(name)].into_iter().flatten().find_map(|name| self.known.get(name).or_else(|| formerly(name)))
    }

    /// The tools that a group offers.
    pub fn definitions_of(&self, policy: &GroupPolicy) -> Vec<Arc<Known>> {
        self.offers_of(policy).iter().map(|offer| Arc::clone(&offer.known)).collect()
    }

    /// What a group offers, or would offer as `policy` describes it. Made anew each time; callers have [`Self::offers`].
    pub fn offers_of(&self, policy: &GroupPolicy) -> Offers {
        Offers::build(&self.known, policy)
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
    let param_headers = repeats_arguments(&schema);
    let figures = ToolFigures::new(name);
    Ok(Arc::new(Known { tool, validator, param_headers, figures, before: OnceLock::new() }))
}

/// Whether a property of the schema, at any depth, is annotated with `x-mcp-header`.
fn repeats_arguments(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().any(|(_, inner)| inner.get("x-mcp-header").is_some() || repeats_arguments(inner))
}
