//! The settings in force, read again when their revision moved.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::values::Settings;
use crate::store::{Store, StoreError};

/// Hands out snapshots of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Book {
    store: Store,
    kept: Arc<ArcSwap<Kept>>,
}

struct Kept {
    revision: i64,
    settings: Arc<Settings>,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

impl Book {
    /// The settings of `store`.
    pub fn new(store: Store) -> Self {
        let kept = Kept { revision: -1, settings: Arc::new(Settings::default()) };
        Self { store, kept: Arc::new(ArcSwap::from_pointee(kept)) }
    }

    /// The settings in force at this moment, whichever process changed them last.
    pub fn current(&self) -> Result<Arc<Settings>, StoreError> {
        let revision = self.store.policy_revision()?;
        let kept = self.kept.load();
        if kept.revision == revision {
            return Ok(Arc::clone(&kept.settings));
        }
        let settings = Arc::new(from_rows(self.store.settings()?));
        self.kept.store(Arc::new(Kept { revision, settings: Arc::clone(&settings) }));
        Ok(settings)
    }
}

/// A value that no longer fits is left at its default, and said: a downgrade must not stop the daemon.
fn from_rows(rows: Vec<(String, Value)>) -> Settings {
    let mut whole = Map::new();
    for (name, value) in rows {
        let Some((section, key)) = name.split_once('.') else { continue };
        let mut alone = Map::new();
        alone.insert(section.to_owned(), Value::Object(Map::from_iter([(key.to_owned(), value.clone())])));
        if let Err(error) = serde_json::from_value::<Settings>(Value::Object(alone)) {
            tracing::warn!(setting = name, %error, "a stored setting cannot be read; its default is used");
            continue;
        }
        if let Value::Object(section) = whole.entry(section.to_owned()).or_insert_with(|| Value::Object(Map::new())) {
            section.insert(key.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(whole)).unwrap_or_default()
}
