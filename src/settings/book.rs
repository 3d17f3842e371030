//! The settings in force, read again when their revision moved; and their changes, all or none.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    channels, check,
    check::{Given, Refusal},
    definitions::{definition, definitions},
    rules,
    values::Settings,
};
use crate::{
    clock::SharedClock,
    config::{Bilingual, KeyInfo},
    secret::{MasterKey, SealError},
    store::{
        Store, StoreError,
        audit::{By, Change},
        settings::{SettingChange, StoredSetting},
    },
};

/// How often a change is checked anew because another one came between.
const TRIES: u32 = 10;
/// Name of the one member under which a sealed value is stored.
const SEALED: &str = "sealed";

/// Hands out snapshots of the settings, and changes them. Cheap to clone.
#[derive(Clone)]
pub struct Book {
    store: Store,
    master: Arc<MasterKey>,
    clock: SharedClock,
    kept: Arc<ArcSwap<Kept>>,
}

struct Kept {
    revision: i64,
    settings: Arc<Settings>,
}

/// Why settings could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What was given is not right; nothing was changed.
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    /// Somebody else changed these since they were read; nothing was changed.
    #[error("changed by somebody else in between: {}", .0.iter().map(|setting| &*setting.name).collect::<Vec<_>>().join(", "))]
    Stale(Vec<InForce>),
    /// The database.
    #[error("the settings could not be read or stored: {0}")]
    Store(#[from] StoreError),
    /// A secret could not be sealed.
    #[error("the settings could not be sealed: {0}")]
    Seal(#[from] SealError),
}

fn lines(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A change that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The setting.
    pub name: String,
    /// Its new value.
    pub given: Given,
    /// The version that was read; none for whatever is there.
    pub seen: Option<i64>,
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Whether nobody changed it.
    pub is_default: bool,
    /// Who changed it last.
    pub changed_by: Option<String>,
    /// When, in milliseconds.
    pub changed_at: Option<i64>,
    /// Why the stored value is not used, but the default.
    pub unusable: Option<Bilingual>,
}

impl InForce {
    /// Its version: another one after each change, 0 for what nobody changed.
    pub fn version(&self) -> i64 {
        self.changed_at.unwrap_or_default()
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

impl Book {
    /// The settings of `store`, their secrets sealed under `master`.
    pub fn new(store: Store, master: Arc<MasterKey>, clock: SharedClock) -> Self {
        let kept = Kept { revision: -1, settings: Arc::new(Settings::default()) };
        Self { store, master, clock, kept: Arc::new(ArcSwap::from_pointee(kept)) }
    }

    /// The wait after a failed try, by the setting for runs. While settings cannot be read, by its default.
    pub fn retry_delay(&self, attempt: u32) -> Option<Duration> {
        self.current().unwrap_or_default().retry.delay(attempt)
    }

    /// The settings in force at this moment, whichever process changed them last.
    pub fn current(&self) -> Result<Arc<Settings>, StoreError> {
        let revision = self.store.policy_revision()?;
        let kept = self.kept.load();
        if kept.revision == revision {
            return Ok(Arc::clone(&kept.settings));
        }
        let rows = self.rows()?;
        for row in &rows {
            if let Err(why) = &row.value {
                tracing::warn!(setting = row.stored.name, why = why.en, "a stored setting cannot be used; its default is in force");
            }
        }
        let settings = Arc::new(in_force(&rows).1);
        self.kept.store(Arc::new(Kept { revision, settings: Arc::clone(&settings) }));
        Ok(settings)
    }

    /// Every setting, secrets as `***`.
    pub fn list(&self) -> Result<Vec<InForce>, StoreError> {
        let rows = self.rows()?;
        let (whole, _) = in_force(&rows);
        Ok(definitions().keys().map(|info| shown(info, &whole, &rows, true)).collect())
    }

    /// One setting, secrets as `***`.
    pub fn get(&self, name: &str) -> Result<InForce, SettingsError> {
        self.one(name, true)
    }

    /// One setting with its secrets. That they were shown is a row of the audit log, written before they are.
    pub async fn reveal(&self, name: &str, by: &By) -> Result<InForce, SettingsError> {
        let setting = self.one(name, false)?;
        if definition(name).is_some_and(|info| info.secret) {
            self.store.audit(by.clone(), Change::new("setting.reveal", object(name))).await?;
            tracing::warn!(setting = setting.name, by = by.actor, "the secrets of a setting were shown");
        }
        Ok(setting)
    }

    fn one(&self, name: &str, mask: bool) -> Result<InForce, SettingsError> {
        let info = check::find(name).map_err(|unknown| SettingsError::Refused(vec![unknown]))?;
        let rows = self.rows()?;
        Ok(shown(info, &in_force(&rows).0, &rows, mask))
    }

    /// The settings as they would be with these changes. Nothing is changed.
    pub fn tried(&self, changes: &[(String, Given)]) -> Result<Settings, SettingsError> {
        let (mut whole, _) = in_force(&self.rows()?);
        let edit = |(name, given): &(String, Given)| Edit { name: name.clone(), given: given.clone(), seen: None };
        let edits: Vec<Edit> = changes.iter().map(edit).collect();
        for (info, value) in checked(&edits, &whole).map_err(SettingsError::Refused)? {
            put(&mut whole, info, value.unwrap_or_else(|| info.default.clone()));
        }
        // Every value fits by itself, so that the whole does.
        Ok(serde_json::from_value(whole).unwrap_or_default())
    }

    /// Changes settings, all or none, whatever they were before; `by` is who does. Returns what is in force then.
    pub async fn set(&self, changes: &[(String, Given)], by: &By) -> Result<Arc<Settings>, SettingsError> {
        let edit = |(name, given): &(String, Given)| Edit { name: name.clone(), given: given.clone(), seen: None };
        self.change(&changes.iter().map(edit).collect::<Vec<_>>(), by).await
    }

    /// Changes settings, all or none, and none when one of them is not the version that was read any more. Each change
    /// and its row of the audit log are one transaction.
    pub async fn change(&self, edits: &[Edit], by: &By) -> Result<Arc<Settings>, SettingsError> {
        for _ in 0..TRIES {
            // Read before the rows: what changes in between is noticed when it is stored.
            let seen = self.store.policy_revision()?;
            let rows = self.rows()?;
            let (now, _) = in_force(&rows);
            let changes = checked(edits, &now).map_err(SettingsError::Refused)?;
            fresh(edits, &now, &rows)?;
            let stored = changes.iter().map(|(info, value)| self.stored(info, value.as_ref(), &now)).collect::<Result<Vec<_>, _>>()?;
            let by = By { at: self.clock.now_ms(), ..by.clone() };
            let names: Vec<&str> = changes.iter().map(|(info, _)| info.key.as_str()).collect();
            let (names, actor) = (names.join(" "), by.actor.clone());
            if self.store.put_settings(stored, by, seen).await? {
                tracing::info!(settings = names, by = actor, "设置已更新，立即生效 / settings changed, in force at once");
                return Ok(self.current()?);
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Returns settings to their defaults, all or none.
    pub async fn reset(&self, names: &[String], by: &By) -> Result<Arc<Settings>, SettingsError> {
        let changes: Vec<_> = names.iter().map(|name| (name.clone(), Given::Value(Value::Null))).collect();
        self.set(&changes, by).await
    }

    /// A change as the database takes it: the value sealed where it has secrets, and what the audit log says of it.
    fn stored(&self, info: &KeyInfo, value: Option<&Value>, now: &Value) -> Result<SettingChange, SealError> {
        let shown = |value: &Value| if info.secret { channels::masked(value) } else { value.clone() };
        let action = if value.is_some() { "setting.set" } else { "setting.reset" };
        let row = Change::new(action, object(&info.key)).before(shown(&taken(now, info))).after(shown(value.unwrap_or(&info.default)));
        let value = value.map(|value| self.seal(info, value.clone())).transpose()?;
        Ok(SettingChange { name: info.key.clone(), value, row })
    }

    fn rows(&self) -> Result<Vec<Row>, StoreError> {
        let row = |stored: StoredSetting| Row { value: self.usable(&stored), stored };
        Ok(self.store.settings()?.into_iter().map(row).collect())
    }

    /// A stored value, opened and of the right form; or why not: a downgrade must not stop the daemon.
    fn usable(&self, stored: &StoredSetting) -> Result<Value, Bilingual> {
        let unknown = || Bilingual::new("此版本没有这个设置", "this version has no such setting");
        let info = definition(&stored.name).ok_or_else(unknown)?;
        let value = if info.secret { self.open(info, &stored.value)? } else { stored.value.clone() };
        check::fits(info, &value).map(|()| value)
    }

    fn seal(&self, info: &KeyInfo, value: Value) -> Result<Value, SealError> {
        if !info.secret {
            return Ok(value);
        }
        let sealed = self.master.seal(&purpose(info), value.to_string().as_bytes())?;
        Ok(json!({SEALED: STANDARD.encode(sealed)}))
    }

    fn open(&self, info: &KeyInfo, stored: &Value) -> Result<Value, Bilingual> {
        let bare = || Bilingual::new("它没有加密保存", "it is not sealed");
        let text = stored.get(SEALED).and_then(Value::as_str).ok_or_else(bare)?;
        let sealed = STANDARD.decode(text).map_err(|_| bare())?;
        let closed = |error: SealError| Bilingual::new(format!("无法解密：{error}"), error.to_string());
        let plain = self.master.open(&purpose(info), &sealed).map_err(closed)?;
        serde_json::from_slice(&plain).map_err(|_| Bilingual::new("解密后的内容不是 JSON", "what was sealed is not JSON"))
    }
}

/// A stored setting, and its value or why it cannot be used.
struct Row {
    stored: StoredSetting,
    value: Result<Value, Bilingual>,
}

/// What the audit log calls a setting.
fn object(name: &str) -> String {
    format!("setting/{name}")
}

/// What a sealed setting is bound to.
fn purpose(info: &KeyInfo) -> String {
    format!("system_settings/{}", info.key)
}

/// The defaults with the stored values in their place, as JSON and typed.
fn in_force(rows: &[Row]) -> (Value, Settings) {
    let mut whole = serde_json::to_value(Settings::default()).unwrap_or_default();
    for row in rows {
        if let (Some(info), Ok(value)) = (definition(&row.stored.name), &row.value) {
            put(&mut whole, info, value.clone());
        }
    }
    // Every value fits by itself, so that the whole does.
    let settings = serde_json::from_value(whole.clone()).unwrap_or_default();
    (whole, settings)
}

fn put(whole: &mut Value, info: &KeyInfo, value: Value) {
    if let Some(place) = whole.get_mut(&info.section).and_then(|section| section.get_mut(&info.name)) {
        *place = value;
    }
}

fn taken(whole: &Value, info: &KeyInfo) -> Value {
    whole.get(&info.section).and_then(|section| section.get(&info.name)).cloned().unwrap_or_default()
}

fn shown(info: &KeyInfo, whole: &Value, rows: &[Row], mask: bool) -> InForce {
    let row = rows.iter().find(|row| row.stored.name == info.key);
    let value = taken(whole, info);
    InForce {
        name: info.key.clone(),
        value: if info.secret && mask { channels::masked(&value) } else { value },
        is_default: row.is_none(),
        changed_by: row.map(|row| row.stored.updated_by.clone()),
        changed_at: row.map(|row| row.stored.updated_at),
        unusable: row.and_then(|row| row.value.as_ref().err().cloned()),
    }
}

type Checked = Vec<(&'static KeyInfo, Option<Value>)>;

/// The changes as they are stored, or everything that is wrong with them: one by one, and together with what is in force.
fn checked(edits: &[Edit], now: &Value) -> Result<Checked, Vec<Refusal>> {
    let (mut good, mut refused): (Checked, Vec<Refusal>) = (Vec::new(), Vec::new());
    for Edit { name, given, .. } in edits {
        let change = check::find(name).and_then(|info| {
            if good.iter().any(|(known, _)| known.key == info.key) {
                return Err(Refusal::new(info, Bilingual::new("给出了两次", "is given twice")));
            }
            Ok((info, check::read(info, given, &taken(now, info))?))
        });
        match change {
            Ok(change) => good.push(change),
            Err(refusal) => refused.push(refusal),
        }
    }
    let mut whole = now.clone();
    for (info, value) in &good {
        put(&mut whole, info, value.clone().unwrap_or_else(|| info.default.clone()));
    }
    let names: Vec<&str> = good.iter().map(|(info, _)| info.key.as_str()).collect();
    if let Ok(settings) = serde_json::from_value::<Settings>(whole) {
        refused.extend(rules::refusals(&settings, &names));
    }
    if refused.is_empty() { Ok(good) } else { Err(refused) }
}

/// Whether everything is still as it was read.
fn fresh(edits: &[Edit], now: &Value, rows: &[Row]) -> Result<(), SettingsError> {
    let stale = |edit: &Edit| {
        let current = shown(definition(&edit.name)?, now, rows, true);
        edit.seen.is_some_and(|seen| seen != current.version()).then_some(current)
    };
    let stale: Vec<InForce> = edits.iter().filter_map(stale).collect();
    if stale.is_empty() { Ok(()) } else { Err(SettingsError::Stale(stale)) }
}

#[cfg(test)]
mod tests;
