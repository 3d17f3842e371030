//! Callers who work from an old list: a name that changed, a tool that is gone, arguments that were good before.
//!
//! Hosts keep a list for as long as they like, and many ignore the news of a change. So the answer itself says what
//! changed, since when, and what to call instead; and each such call is counted beside its row in the call log, so that
//! an operator sees who has to refresh before an old name is given up.
//!
//! Nothing here says anything of a tool that the caller's group never offered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    call::Dispatch,
    catalogue::{Known, Offer, Offers, bare},
};
use crate::{
    clock::rfc3339,
    gate::Caller,
    store::{StoreError, stale::StaleCall},
};

/// Schema text of a tool that the running version does not have.
const NO_SCHEMA: &str = "null";

/// What is old about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The tool has another name; the old one is still understood.
    Renamed,
    /// The tool has another name, and the old one has ended.
    Sunset,
    /// The group switched the tool off.
    Disabled,
    /// The group or this version does not have the tool any more.
    Removed,
    /// The group was bound to subjects, and the tool reaches anybody.
    OutOfScope,
    /// The arguments fit an earlier definition.
    Arguments,
}

impl Reason {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renamed => "renamed",
            Self::Sunset => "sunset",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
            Self::OutOfScope => "out_of_scope",
            Self::Arguments => "arguments",
        }
    }
}

/// What the caller should know about its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What is old.
    pub reason: Reason,
    /// The name that was called.
    pub called: String,
    /// What to call instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_instead: Option<String>,
    /// When the list changed, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
    /// From when on the old name is refused, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// All of it in words.
    pub text: String,
}

impl Note {
    pub(super) fn counted(&self, caller: &Caller) -> StaleCall {
        StaleCall { principal: caller.principal().to_owned(), called: self.called.clone(), reason: self.reason.as_str() }
    }
}

/// What a name stands for that is not offered as it is.
pub(super) enum Old {
    /// A tool under its old name, and what to say beside its answer.
    Works(Arc<Offer>, Note),
    /// Nothing any more.
    Gone(Note),
    /// Nothing, ever.
    Never,
}

impl Offers {
    /// What a call of this name does now: the tool of that name, or the one that old clients still know by it.
    pub(super) fn meant(&self, called: &str, now: i64) -> Option<&Arc<Offer>> {
        let formerly = |name: &str| {
            let renamed = self.renamed(name).filter(|renamed| now < renamed.until)?;
            self.find(&renamed.to)
        };
        self.find(called).or_else(|| formerly(called)).or_else(|| formerly(bare(called)?))
    }
}

impl Dispatch {
    /// Looks into what was offered before.
    pub(super) fn look_back(&self, caller: &Caller, offers: &Offers, called: &str) -> Old {
        let names = [Some(called), bare(called)];
        for name in names.into_iter().flatten() {
            if let Some(renamed) = offers.renamed(name) {
                let now = self.clock.now_ms();
                let note = renamed_note(name, &renamed.to, (renamed.since, renamed.until), now);
                return match offers.find(&renamed.to) {
                    Some(offer) if now < renamed.until => Old::Works(Arc::clone(offer), note),
                    Some(_) => Old::Gone(note),
                    None => self.gone(caller, offers, &renamed.to),
                };
            }
        }
        let became = names.into_iter().flatten().map(|name| self.gone(caller, offers, name));
        became.into_iter().find(|old| !matches!(old, Old::Never)).unwrap_or(Old::Never)
    }

    /// Whether the group offered `name` once, and what became of it.
    fn gone(&self, caller: &Caller, offers: &Offers, name: &str) -> Old {
        match self.what_became(caller, name) {
            Ok(Some((reason, at))) => Old::Gone(gone_note(name, reason, at, &caller.group.group.server_code, &offers.names())),
            Ok(None) => Old::Never,
            Err(error) => {
                tracing::warn!(%error, "what became of a tool cannot be read; the caller is told that it is unknown");
                Old::Never
            }
        }
    }

    fn what_became(&self, caller: &Caller, name: &str) -> Result<Option<(Reason, Option<i64>)>, StoreError> {
        let group = &caller.group.group;
        let last = self.store.offer_change(&group.id, name)?;
        let when = |change: &str| last.as_ref().filter(|last| last.change == change).map(|last| last.changed_at);
        let Some(row) = caller.group.tools.iter().find(|tool| tool.tool_name == name) else {
            return Ok(when("removed").map(|at| (Reason::Removed, Some(at))));
        };
        if !row.enabled {
            return Ok(Some((Reason::Disabled, when("disabled").or(Some(row.updated_at)))));
        }
        if self.catalogue.definition(name).is_some() {
            return Ok(Some((Reason::OutOfScope, Some(group.updated_at))));
        }
        let gone = self.store.schemas(name)?.first().filter(|last| last.input_schema == NO_SCHEMA).map(|last| last.seen_at);
        Ok(Some((Reason::Removed, gone)))
    }

    /// Whether arguments that are refused were good under a definition before this one; the latest such counts.
    pub(super) fn were_good(&self, known: &Known, called: &str, given: &Value) -> Option<Note> {
        let before = known.before.get_or_init(|| self.before(known)).as_ref()?;
        let fitting = before.0.iter().find(|earlier| earlier.validator.is_valid(given))?;
        Some(arguments_note(called, fitting.changed_at))
    }

    fn before(&self, known: &Known) -> Option<Before> {
        let seen =
            self.store.schemas(known.tool.name()).inspect_err(|error| tracing::warn!(%error, "earlier schemas cannot be read")).ok()?;
        let (first, rest) = seen.split_first()?;
        if first.input_schema != schema_text(known) {
            return None;
        }
        let mut changed_at = first.seen_at;
        let kept = rest.iter().filter(|seen| seen.input_schema != NO_SCHEMA);
        let earlier = kept.filter_map(|seen| {
            let ended_at = std::mem::replace(&mut changed_at, seen.seen_at);
            let schema = serde_json::from_str(&seen.input_schema).ok()?;
            Some(Earlier { validator: jsonschema::draft202012::new(&schema).ok()?, changed_at: ended_at })
        });
        Some(Before(earlier.collect()))
    }

    /// What is not as it was when a daemon last wrote down its definitions: the tools, and how they differ.
    pub fn changed_definitions(&self) -> Result<Vec<(String, DefinitionChange)>, StoreError> {
        let last = self.store.latest_schemas()?;
        let known = self.catalogue.known().iter().filter_map(|known| {
            let before = last.iter().find(|(tool, _)| tool == known.tool.name()).map(|(_, schema)| schema.as_str());
            let change = match before {
                None | Some(NO_SCHEMA) => DefinitionChange::Added,
                Some(before) if before != schema_text(known) => DefinitionChange::Changed,
                Some(_) => return None,
            };
            Some((known.tool.name().to_owned(), change))
        });
        let gone = last.iter().filter(|(tool, schema)| schema != NO_SCHEMA && self.catalogue.definition(tool).is_none());
        let gone = gone.map(|(tool, _)| (tool.clone(), DefinitionChange::Gone));
        Ok(known.chain(gone).collect())
    }

    /// Writes down the definitions this daemon starts with, so that a later one knows what they were.
    pub async fn remember_definitions(&self) -> Result<(), StoreError> {
        let schemas = self.catalogue.known().iter().map(|known| (known.tool.name().to_owned(), schema_text(known))).collect();
        self.store.remember_schemas(schemas, self.clock.now_ms()).await
    }
}

/// How a tool of this program differs from what was written down of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionChange {
    /// Nothing was written down: the tool is new, or is back.
    Added,
    /// Its arguments are defined anew.
    Changed,
    /// This program does not have it.
    Gone,
}

/// The definitions before the present one, newest first.
#[derive(Debug)]
pub(super) struct Before(Vec<Earlier>);

/// One of them, and when the next one took its place.
#[derive(Debug)]
struct Earlier {
    validator: jsonschema::Validator,
    changed_at: i64,
}

fn schema_text(known: &Known) -> String {
    serde_json::to_string(&known.tool.definition.input_schema).unwrap_or_default()
}

fn renamed_note(called: &str, to: &str, (since, until): (i64, i64), now: i64) -> Note {
    let (at, end) = (rfc3339(since), rfc3339(until));
    let (reason, text) = if now < until {
        (
            Reason::Renamed,
            format!(
                "提示：工具 {called} 已于 {at} 改名为 {to}，旧名可用到 {end}；请改用新名并刷新工具列表（tools/list）。 / Note: the tool list changed at {at}: `{called}` is now called `{to}`. The old name works until {end}; refresh the list (tools/list)."
            ),
        )
    } else {
        (
            Reason::Sunset,
            format!(
                "错误：工具 {called} 已改名为 {to}，旧名自 {end} 起停用；请调用 {to} 并刷新工具列表（tools/list）。 / The tool list changed at {at}: `{called}` is now called `{to}`, and the old name ended at {end}. Call `{to}`, and refresh the list (tools/list)."
            ),
        )
    };
    Note { reason, called: called.into(), call_instead: Some(to.into()), changed_at: Some(at), until: Some(end), text }
}

fn gone_note(called: &str, reason: Reason, at: Option<i64>, code: &str, names: &str) -> Note {
    let at = at.map(rfc3339);
    let (zh, en) = match reason {
        Reason::Disabled => ("已停用", "was disabled"),
        Reason::OutOfScope => ("不再提供：本分组只限当前客户", "is not offered any more: the group sees the customer of a live run only"),
        Reason::Renamed | Reason::Sunset | Reason::Removed | Reason::Arguments => ("已移除", "was removed"),
    };
    let (since_zh, since) = at.as_ref().map_or_else(Default::default, |at| (format!("（{at}）"), format!(" at {at}")));
    let text = format!(
        "错误：分组 {code} 的工具 {called} {zh}{since_zh}；请刷新工具列表（tools/list）。 / `{called}` {en} in the group {code}. The tool list changed{since}: refresh the list (tools/list). It has now: {names}"
    );
    Note { reason, called: called.into(), call_instead: None, changed_at: at, until: None, text }
}

fn arguments_note(called: &str, at: i64) -> Note {
    let at = rfc3339(at);
    let text = format!(
        "提示：{called} 的参数已于 {at} 变更，本次参数符合旧定义；请刷新工具列表（tools/list）后按新定义调用。 / The tool list changed at {at}: the arguments of `{called}` are defined anew, and these fit an earlier definition. Refresh the list (tools/list), then call it as it is defined there."
    );
    Note { reason: Reason::Arguments, called: called.into(), call_instead: Some(called.into()), changed_at: Some(at), until: None, text }
}
