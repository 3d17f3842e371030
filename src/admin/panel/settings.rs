//! Automation settings: a page for each section, its form made of the definitions; and one with every switch.
//!
//! A form says of each of its settings which version it was made of. What somebody typed over is changed, all of it or
//! nothing; where somebody else was faster, the page comes back with both values, and whoever reads it decides.

mod draft;
mod item;
mod preview;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::Value;

use self::{
    draft::Draft,
    item::{Item, Making, Theirs, Widget},
    preview::{Preview, previews},
};
use super::{
    form::{Fields, Posted},
    frame::{Frame, Page, PageError, back},
};
use crate::{
    admin::{
        AdminState, Who,
        calls::{
            CallError, Calls, Field, because,
            settings::{DefinedSetting, SettingView, SettingsSection, right_to_change},
        },
        entry::{Operator, Reader},
    },
    config::{KeyInfo, Kind},
    settings::{Edit, Given, as_typed, definition},
};

/// The page with every switch.
const SWITCHES: &str = "switches";
/// The section whose only setting is the first of the switches.
const ONE_SWITCH: &str = "registration_automation";

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/panel/settings", get(async || Redirect::to("/panel/settings/switches")))
        .route("/panel/settings/{page}", get(show).post(save))
        .route("/panel/settings/{page}/reset", post(reset))
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    page: String,
    title: String,
    tabs: Vec<Tab>,
    items: Vec<Item>,
    /// Whether the reader may change anything here.
    may_change: bool,
    /// What is wrong and belongs to no setting of the page.
    troubles: Vec<String>,
    stale: bool,
    reason: String,
    previews: Vec<Preview>,
}

/// A link to a page of settings.
struct Tab {
    path: String,
    name: String,
    here: bool,
    /// How many of its settings are not at their defaults.
    changed: usize,
}

impl SettingsPage {
    fn has_channels(&self) -> bool {
        matches!(self.page.as_str(), "notice" | "alerts")
    }
}

/// What a page is made of.
struct Sheet {
    page: String,
    sections: Vec<SettingsSection>,
    /// The settings of the page.
    settings: Vec<(&'static KeyInfo, DefinedSetting)>,
}

impl Sheet {
    fn read(calls: &Calls, page: String) -> Result<Self, CallError> {
        let sections = calls.list_settings()?;
        let here = |info: &KeyInfo| if page == SWITCHES { info.kind == Kind::Bool } else { info.section == page };
        let all = sections.iter().flat_map(|section| &section.settings);
        let known = all.filter_map(|setting| Some((definition(&setting.setting.name)?, setting.clone())));
        let settings: Vec<_> = known.filter(|(info, _)| here(info)).collect();
        if settings.is_empty() {
            return Err(CallError::not_found(format!("没有设置页 {page}"), format!("there is no page of settings {page}")));
        }
        Ok(Self { page, sections, settings })
    }

    fn tabs(&self, frame: &Frame) -> Vec<Tab> {
        let tab =
            |page: &str, name: String, changed| Tab { path: format!("/panel/settings/{page}"), name, here: page == self.page, changed };
        let all = self.sections.iter().flat_map(|section| &section.settings);
        let switched = all.filter(|setting| setting.definition.kind == "bool" && !setting.setting.is_default).count();
        let first = tab(SWITCHES, frame.t.say("settings-switches"), switched);
        let section = |section: &SettingsSection| {
            let changed = section.settings.iter().filter(|setting| !setting.setting.is_default).count();
            tab(&section.name, heading(section, frame), changed)
        };
        std::iter::once(first).chain(self.sections.iter().filter(|section| section.name != ONE_SWITCH).map(section)).collect()
    }

    /// The page, its fields made of `drafts` where there are some.
    fn page(&self, frame: Frame, mut filled: Filled) -> SettingsPage {
        let may = |name: &str| frame.may(right_to_change(name));
        let items: Vec<Item> =
            self.settings.iter().map(|(info, defined)| filled.item(info, &defined.setting, may(&info.key), &frame)).collect();
        let tabs = self.tabs(&frame);
        let title = tabs.iter().find(|tab| tab.here).map(|tab| tab.name.clone()).unwrap_or_default();
        let elsewhere = |field: &&Field| !self.settings.iter().any(|(info, _)| is_about(field, &info.key));
        SettingsPage {
            previews: previews(&self.page, &items, frame.t),
            may_change: items.iter().any(|item| item.may_change),
            troubles: filled.wrong.iter().filter(elsewhere).map(|field| field.text.of(frame.language()).to_owned()).collect(),
            stale: items.iter().any(|item| item.theirs.is_some()),
            page: self.page.clone(),
            reason: filled.reason,
            title,
            tabs,
            items,
            frame,
        }
    }
}

fn is_about(field: &Field, name: &str) -> bool {
    field
        .pointer
        .strip_prefix('/')
        .and_then(|pointer| pointer.strip_prefix(name))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn heading(section: &SettingsSection, frame: &Frame) -> String {
    section.meaning.of(frame.language()).trim_end_matches(['.', '。']).to_owned()
}

/// What somebody typed, and what came of it.
#[derive(Default)]
struct Filled {
    /// What is in the fields; where there is nothing, what is in force.
    drafts: BTreeMap<String, Draft>,
    /// The version and the value that fields were made of; where there is nothing, what is in force.
    made_of: BTreeMap<String, (i64, String)>,
    wrong: Vec<Field>,
    /// Settings that somebody else changed meanwhile.
    stale: Vec<String>,
    reason: String,
}

impl Filled {
    /// What a form holds for the settings of a page.
    fn typed(sheet: &Sheet, form: &Fields) -> Self {
        let mut filled = Self { reason: form.text("reason").to_owned(), ..Self::default() };
        for (info, _) in &sheet.settings {
            let Some(version) = form.given(&format!("v~{}", info.key)).and_then(|text| text.parse().ok()) else { continue };
            let was = form.raw(&format!("was~{}", info.key)).unwrap_or_default().to_owned();
            filled.made_of.insert(info.key.clone(), (version, was));
            filled.drafts.insert(info.key.clone(), Draft::typed(info, form));
        }
        filled
    }

    /// The changes that somebody typed; or what cannot even be read.
    fn edits(&mut self, sheet: &Sheet, who: &Who) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (info, _) in &sheet.settings {
            let (Some(draft), Some((version, was))) = (self.drafts.get(&info.key), self.made_of.get(&info.key)) else { continue };
            if !who.role.may(right_to_change(&info.key)) {
                continue;
            }
            match draft.value(&info.key) {
                Ok(value) if serde_json::from_str::<Value>(was).is_ok_and(|was| was == value) => {}
                Ok(value) => edits.push(Edit { name: info.key.clone(), given: Given::Value(value), seen: Some(*version) }),
                Err(wrong) => self.wrong.push(wrong),
            }
        }
        edits
    }

    fn item(&mut self, info: &KeyInfo, setting: &SettingView, may_change: bool, frame: &Frame) -> Item {
        let draft = self.drafts.remove(&info.key).unwrap_or_else(|| Draft::of(info, &setting.value));
        let mut item = Item::new(info, &Making { setting, draft, wrong: &self.wrong, may_change, t: frame.t });
        if self.stale.contains(&info.key) {
            let by = setting.changed_by.clone().unwrap_or_else(|| frame.t.say("settings-default-again"));
            item.theirs = Some(Theirs { by, value: as_typed(&setting.value) });
        } else if let Some((version, was)) = self.made_of.remove(&info.key) {
            (item.version, item.was) = (version, was);
        }
        item
    }

    /// Does what a button of a row asks for; false when none was pressed.
    fn pressed(&mut self, form: &Fields) -> bool {
        let split = |text: &str| text.split_once(draft::JOINT).map(|(name, rest)| (name.to_owned(), rest.to_owned()));
        if let Some((name, word)) = form.given("add").and_then(split) {
            if let (Some(draft), Some(info)) = (self.drafts.get_mut(&name), definition(&name)) {
                draft.add(info, &word);
            }
        } else if let Some((name, at)) = form.given("remove").and_then(split) {
            if let (Some(draft), Ok(at)) = (self.drafts.get_mut(&name), at.parse()) {
                draft.remove(at);
            }
        } else if let Some(name) = form.given("theirs") {
            self.drafts.remove(name);
            self.made_of.remove(name);
        } else {
            // What the templates on the page would become is shown with the page.
            return form.on("preview");
        }
        true
    }
}

async fn show(frame: Frame, reader: Reader, Path(page): Path<String>) -> Result<Response, PageError> {
    let sheet = Sheet::read(&reader.calls, page)?;
    Ok(Page::ok(sheet.page(frame, Filled::default())).into_response())
}

async fn save(frame: Frame, operator: Operator, Path(page): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let Operator { calls, who } = operator;
    let sheet = Sheet::read(&calls, page)?;
    let mut filled = Filled::typed(&sheet, &form);
    if filled.pressed(&form) {
        return Ok(Page::ok(sheet.page(frame, filled)).into_response());
    }
    let edits = filled.edits(&sheet, &who);
    if !filled.wrong.is_empty() {
        return Ok(Page::refused(sheet.page(frame, filled)).into_response());
    }
    let path = format!("/panel/settings/{}", sheet.page);
    if edits.is_empty() {
        return Ok(back(&path, "settings-same"));
    }
    let saved = match because(who.by(calls.clock.as_ref()), Some(&filled.reason)) {
        Ok(by) => calls.change_settings(&edits, &by).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(back(&path, "settings-saved")),
        Err(CallError::Invalid(wrong)) => {
            filled.wrong = wrong;
            Ok(Page::refused(sheet.page(frame, filled)).into_response())
        }
        Err(CallError::Stale { .. }) => {
            let sheet = Sheet::read(&calls, sheet.page)?;
            filled.stale = stale(&sheet, &edits);
            Ok(Page(StatusCode::PRECONDITION_FAILED, sheet.page(frame, filled)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

/// Which of the edits were made of another version than there is.
fn stale(sheet: &Sheet, edits: &[Edit]) -> Vec<String> {
    let version = |name: &str| sheet.settings.iter().find(|(info, _)| info.key == name).map(|(_, defined)| defined.setting.version);
    edits.iter().filter(|edit| version(&edit.name) != edit.seen).map(|edit| edit.name.clone()).collect()
}

async fn reset(frame: Frame, operator: Operator, Path(page): Path<String>, Posted(form): Posted) -> Result<Response, PageError> {
    let Operator { calls, who } = operator;
    let sheet = Sheet::read(&calls, page)?;
    let asked = form.text("setting").split_once('@').map(|(name, version)| (name.to_owned(), version.parse::<i64>().ok()));
    let Some((name, Some(version))) = asked else { return Err(unknown().into()) };
    if !who.role.may(right_to_change(&name)) {
        return Err(CallError::forbidden(format!("{name} 只能由管理员修改。"), format!("Only an administrator may change {name}.")).into());
    }
    match calls.reset_settings(&[(name.clone(), Some(version))], &who.by(calls.clock.as_ref())).await {
        Ok(_) => Ok(back(&format!("/panel/settings/{}", sheet.page), "settings-reset")),
        Err(CallError::Invalid(wrong)) => {
            let filled = Filled { wrong, ..Filled::default() };
            Ok(Page::refused(sheet.page(frame, filled)).into_response())
        }
        Err(CallError::Stale { .. }) => {
            let sheet = Sheet::read(&calls, sheet.page)?;
            let filled = Filled { stale: vec![name], ..Filled::default() };
            Ok(Page(StatusCode::PRECONDITION_FAILED, sheet.page(frame, filled)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

fn unknown() -> CallError {
    CallError::invalid("/setting", "没有说明要恢复哪个设置", "it is not said which setting is to be reset")
}
