//! Runtime settings: what there is, what is in force, and changes of several at once, all or none.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CallError, Calls, said};
use crate::{
    admin::Right,
    clock::rfc3339,
    config::{Bilingual, KeyInfo, Section},
    settings::{Definition, Edit, Given, InForce, definition, definitions, describe},
    store::audit::By,
};

/// The section that says how much each key may ask: who may do what is an administrator's business.
const OF_ADMINISTRATORS: &str = "limits";

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingView {
    /// Its name, such as `welcome.deadline`.
    pub name: String,
    /// Its value in force; secrets are `***`.
    pub value: Value,
    /// Whether that is the default, because nobody changed it.
    pub is_default: bool,
    /// Its version, which a change must name; 0 while nobody has changed it.
    pub version: i64,
    /// Who changed it last.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<String>,
    /// Why what is stored is not used, but the default.
    pub unusable: Option<Bilingual>,
}

/// A setting with its definition.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinedSetting {
    /// What is in force.
    #[serde(flatten)]
    pub setting: SettingView,
    /// What it may be.
    pub definition: Definition,
}

/// One section of settings.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingsSection {
    /// Its name: the first part of its settings' names.
    pub name: String,
    /// What it is about.
    pub meaning: Bilingual,
    /// Its settings.
    pub settings: Vec<DefinedSetting>,
}

/// The definitions of one section.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinitionSection {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub meaning: Bilingual,
    /// What its settings may be.
    pub definitions: Vec<Definition>,
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingsChanged {
    /// Always true: it is in force for the next piece of work, in every process.
    pub effective_immediately: bool,
    /// The settings as they are in force now.
    pub settings: Vec<SettingView>,
}

impl From<InForce> for SettingView {
    fn from(setting: InForce) -> Self {
        Self {
            version: setting.version(),
            name: setting.name,
            value: setting.value,
            is_default: setting.is_default,
            changed_by: setting.changed_by,
            changed_at: setting.changed_at.map(rfc3339),
            unusable: setting.unusable,
        }
    }
}

/// What there is now of settings that somebody else changed: one, or a list.
pub(super) fn stale(settings: Vec<InForce>) -> CallError {
    let views: Vec<SettingView> = settings.into_iter().map(SettingView::from).collect();
    let version = views.first().map_or(0, |view| view.version);
    let current = match views.as_slice() {
        [one] => serde_json::to_value(one),
        several => serde_json::to_value(several),
    };
    CallError::Stale { current: Box::new(current.unwrap_or_default()), version }
}

/// What somebody needs to change a setting.
pub fn right_to_change(name: &str) -> Right {
    let section = name.split('.').next().unwrap_or_default();
    if section == OF_ADMINISTRATORS { Right::Administer } else { Right::Operate }
}

/// Every definition, by section.
pub fn setting_definitions() -> Vec<DefinitionSection> {
    let section = |section: &Section| DefinitionSection {
        name: section.name.clone(),
        meaning: section.doc.clone(),
        definitions: section.keys.iter().map(describe).collect(),
    };
    sections().map(section).collect()
}

fn sections() -> impl Iterator<Item = &'static Section> {
    definitions().sections.iter().filter(|section| !section.name.is_empty())
}

impl Calls {
    /// Every setting, by section.
    pub fn list_settings(&self) -> Result<Vec<SettingsSection>, CallError> {
        let mut in_force = self.settings.list()?;
        let mut section = |section: &Section| SettingsSection {
            name: section.name.clone(),
            meaning: section.doc.clone(),
            settings: section.keys.iter().filter_map(|info| defined(info, &mut in_force)).collect(),
        };
        Ok(sections().map(&mut section).collect())
    }

    /// One setting.
    pub fn get_setting(&self, name: &str) -> Result<DefinedSetting, CallError> {
        let info = known(name)?;
        Ok(DefinedSetting { setting: self.settings.get(name)?.into(), definition: describe(info) })
    }

    /// One setting with its secrets. That is a row of the audit log.
    pub async fn reveal_setting(&self, name: &str, by: &By) -> Result<SettingView, CallError> {
        known(name)?;
        Ok(self.settings.reveal(name, by).await?.into())
    }

    /// Changes settings, all or none, and none when one of them is another version than the edit names.
    pub async fn change_settings(&self, edits: &[Edit], by: &By) -> Result<SettingsChanged, CallError> {
        if edits.is_empty() {
            return Err(CallError::invalid("", "没有给出要修改的设置", "no setting to change was given"));
        }
        self.settings.change(edits, by).await?;
        let now = edits.iter().map(|edit| Ok(self.settings.get(&edit.name)?.into()));
        Ok(SettingsChanged { effective_immediately: true, settings: now.collect::<Result<_, CallError>>()? })
    }

    /// Returns settings to their defaults, all or none. `seen` is the version of each.
    pub async fn reset_settings(&self, names: &[(String, Option<i64>)], by: &By) -> Result<SettingsChanged, CallError> {
        let edit = |(name, seen): &(String, Option<i64>)| Edit { name: name.clone(), given: Given::Value(Value::Null), seen: *seen };
        self.change_settings(&names.iter().map(edit).collect::<Vec<_>>(), by).await
    }
}

fn defined(info: &KeyInfo, in_force: &mut Vec<InForce>) -> Option<DefinedSetting> {
    let at = in_force.iter().position(|setting| setting.name == info.key)?;
    Some(DefinedSetting { setting: in_force.swap_remove(at).into(), definition: describe(info) })
}

fn known(name: &str) -> Result<&'static KeyInfo, CallError> {
    definition(name).ok_or_else(|| {
        let (zh, en) = match definitions().meant(name) {
            Some(meant) => (format!("；是不是 {meant}？"), format!("; did you mean {meant}?")),
            None => Default::default(),
        };
        CallError::NotFound(said(format!("没有名为 {name} 的设置{zh}"), format!("{name}: there is no such setting{en}")))
    })
}
