//! Keys for other verbs: found, and opened for a purpose that the audit log keeps.

use super::{Fault, Key, Lifetime, exit, keys_of, pick};
use crate::{app::Core, gate::keys, secret::SecretText};

/// Whether a key opens its group at `now`.
pub(in crate::cli) fn is_in_force(key: &Key, now: i64) -> bool {
    Lifetime::from(key).at(now).in_force()
}

/// The group's keys that open it, by creation.
pub(in crate::cli) fn all_in_force(core: &Core, group_id: &str) -> anyhow::Result<Vec<Key>> {
    let now = core.clock.now_ms();
    let mut keys = core.store.keys_of(group_id)?;
    keys.retain(|key| is_in_force(key, now));
    Ok(keys)
}

/// A key in force, by its name or its last four characters.
pub(in crate::cli) fn find(core: &Core, code: &str, wanted: &str) -> anyhow::Result<Key> {
    let (_, keys) = keys_of(core, code)?;
    pick::in_force(&keys, code, wanted, core.clock.now_ms()).cloned()
}

/// The text of the group's key that is meant when none is named.
pub(in crate::cli) async fn current(core: &Core, code: &str, reason: &str) -> anyhow::Result<SecretText> {
    let (_, keys) = keys_of(core, code)?;
    open(core, pick::current(&keys, code)?, reason).await
}

/// The text of a key. The look is written to the audit log first.
pub(in crate::cli) async fn open(core: &Core, key: &Key, reason: &str) -> anyhow::Result<SecretText> {
    let text = keys::reveal(key, &core.master).map_err(|hidden| Fault::new(exit::FAILURE, hidden.to_string()))?;
    core.store.note_key_shown(key, crate::cli::by(core, Some(reason))).await?;
    Ok(text)
}
