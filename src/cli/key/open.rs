//! Keys for other verbs: found, and opened for a purpose that the audit log keeps.

use super::super::{Fault, exit, fault};
use crate::{
    admin::calls::keys::Wanted,
    app::Core,
    gate::{keys::Hidden, lifetime::Lifetime},
    secret::SecretText,
    store::keys::Key,
};

/// Whether a key opens its group at `now`.
pub(in crate::cli) fn is_in_force(key: &Key, now: i64) -> bool {
    Lifetime::from(key).at(now).in_force()
}

/// The text of the group's key that is meant when none is named.
pub(in crate::cli) async fn current(core: &Core, code: &str, reason: &str) -> anyhow::Result<SecretText> {
    let by = crate::cli::by(core, Some(reason));
    core.calls(None).reveal_key(code, Wanted::Any, &by).await.map(|shown| shown.key).map_err(fault)
}

/// The text of a key of a group. The look is written to the audit log first.
pub(in crate::cli) async fn open(core: &Core, (code, key): (&str, &Key), reason: &str) -> anyhow::Result<SecretText> {
    let by = crate::cli::by(core, Some(reason));
    let text = core.calls(None).opened(code, key, &by).await.map_err(fault)?;
    text.map_err(|hidden| Fault::new(exit::FAILURE, hidden.to_string()).into())
}

/// The group's key as text, or why it cannot be shown. The look is on record.
pub(in crate::cli) async fn reveal(
    core: &Core,
    (code, wanted): (&str, Option<&str>),
    reason: &str,
) -> anyhow::Result<Result<SecretText, Hidden>> {
    let by = crate::cli::by(core, Some(reason));
    let (_, text) = core.calls(None).open_key(code, Wanted::named(wanted), &by).await.map_err(fault)?;
    Ok(text)
}
