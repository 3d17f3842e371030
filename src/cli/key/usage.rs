//! `key usage`: who uses which key, so that nobody is cut off when an old one ends.

use super::{KeyView, Wanted, fault, output, state};
use crate::{
    admin::calls::keys::{KeyUser, KeyUsers},
    app::Core,
};

/// Shows the users of every key that anybody has used, or of one.
pub(super) async fn show(core: &Core, code: &str, wanted: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let keys = core.calls(None).key_users(code, wanted.map(Wanted::Named)).await.map_err(fault)?;
    if as_json {
        return output::json(&keys);
    }
    let rows = keys.iter().flat_map(|key| key.users.iter().map(|user| line(&key.key, user)));
    output::table(&["KEY", "NAME", "STATE", "ADDRESS", "CLIENT", "LAST", "CALLS", "SINCE ROTATION", "REFUSED"], rows)?;
    keys.iter().filter(|key| key.key.rotated_at.is_some()).try_for_each(|key| output::say(verdict(key)))
}

fn line(key: &KeyView, user: &KeyUser) -> Vec<String> {
    let text = |text: &str| if text.is_empty() { "-".into() } else { text.to_owned() };
    vec![
        format!("…{}", key.hint),
        key.name.clone(),
        state(key),
        text(&user.address),
        text(&user.client),
        user.last_at.clone(),
        user.calls.to_string(),
        user.calls_since_rotation.map_or_else(|| "-".into(), |calls| calls.to_string()),
        user.refused.to_string(),
    ]
}

/// What a replaced key's users mean for its end.
fn verdict(key: &KeyUsers) -> String {
    let (still, late) = (key.still(), key.late());
    let (hint, name, state) = (&key.key.hint, &key.key.name, state(&key.key));
    match (still, late) {
        (0, 0) => format!("the old key …{hint} ({name}, {state}) has not been used since it was replaced"),
        (_, 0) => format!("the old key …{hint} ({name}, {state}) was still used by {still} client(s) after it was replaced"),
        _ => format!("the old key …{hint} ({name}, {state}) was tried by {late} client(s) after its end: they need the new one"),
    }
}
