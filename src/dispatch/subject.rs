//! Subjects: an agent is told an opaque id instead of a customer's, and sees only that.
//!
//! The argument that names a person ([`Named`]) is put in terms of the real id before the tool runs, and every answer
//! is put back in terms of the subject after it. In a group that is bound to subjects nothing else is accepted there:
//! an injected name or id cannot make the agent read another customer. Elsewhere an ordinary id passes untouched, at
//! the cost of one comparison.
//!
//! [`Named`]: anmei_mcp_tools::Subject::Named

use anmei_mcp_tools::Subject as Reach;
use serde_json::{Map, Value};

use crate::{
    ids::SUBJECT_PREFIX,
    store::{Store, StoreError},
};

/// Shortest id that is looked for inside longer texts: what is shorter may be any word or number there.
const DISTINCTIVE: usize = 6;

/// A subject with the person and the run behind it.
#[derive(Debug)]
pub(super) struct Subject {
    /// What the caller used, and what the answer must show.
    id: String,
    /// Who it stands for.
    pub(super) user_id: String,
    /// The run it lives in.
    pub(super) registration_id: String,
    /// Whether it is a rehearsal's: then nothing may be stored.
    pub(super) rehearsal: bool,
}

/// Why a call is not put in terms of a person.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The group is bound to subjects, and this is not the subject of a live run.
    OutOfScope,
    /// The subjects cannot be read.
    Store(StoreError),
}

impl From<StoreError> for Unresolved {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Replaces a subject's id among the arguments by the user's. Nothing is returned when the call names no subject and
/// needs none.
pub(super) fn resolve(
    store: &Store,
    reach: Reach,
    scoped: bool,
    arguments: &mut Map<String, Value>,
    now: i64,
) -> Result<Option<Subject>, Unresolved> {
    let named = match reach {
        Reach::Named(path) => at(arguments, path),
        Reach::Nobody => return Ok(None),
        Reach::Anybody => None,
    };
    match named.filter(|id| id.starts_with(SUBJECT_PREFIX)) {
        Some(id) => match store.subject(id, now)? {
            Some(found) => {
                let told = std::mem::replace(id, found.user_id.clone());
                Ok(Some(Subject { id: told, user_id: found.user_id, registration_id: found.registration_id, rehearsal: found.rehearsal }))
            }
            // An app may well have ids that begin like ours.
            None if !scoped => Ok(None),
            None => Err(Unresolved::OutOfScope),
        },
        None if scoped => Err(Unresolved::OutOfScope),
        None => Ok(None),
    }
}

/// The text at `path`, if there is one.
fn at<'a>(arguments: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut String> {
    let (last, objects) = path.split_last()?;
    let mut inner = arguments;
    for name in objects {
        inner = inner.get_mut(*name)?.as_object_mut()?;
    }
    match inner.get_mut(*last)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

impl Subject {
    /// The answer, in terms of the subject.
    pub(super) fn hide_in_json(&self, json: String) -> String {
        if !json.contains(&self.user_id) {
            return json;
        }
        let mut shown = String::with_capacity(json.len() + 32);
        let mut rest = json.as_str();
        while let Some((before, inside)) = rest.split_once('"') {
            let (text, after) = inside.split_at(end_of_text(inside));
            shown.push_str(before);
            shown.push('"');
            shown.push_str(&self.hide_in_value(text));
            // What follows begins with the closing quote.
            shown.push_str(after.get(..1).unwrap_or_default());
            rest = after.get(1..).unwrap_or_default();
        }
        shown.push_str(rest);
        shown
    }

    /// One text of an answer. Ids are plain ASCII, so that they are never escaped in it.
    fn hide_in_value<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if text == self.user_id || (self.user_id.len() >= DISTINCTIVE && text.contains(&self.user_id)) {
            text.replace(&self.user_id, &self.id).into()
        } else {
            text.into()
        }
    }

    /// An error text, in terms of the subject: there even a short id is the person's.
    pub(super) fn hide_in_text(&self, text: &str) -> String {
        text.replace(&self.user_id, &self.id)
    }
}

/// Where the text ends whose opening quote has been read: at the first quote that is not escaped.
fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    json.len()
}

/// What an agent hears that asked about anybody but its subject.
pub(super) fn out_of_scope(tool: &str, reach: Reach) -> String {
    let argument = match reach {
        Reach::Named(path) => path.join("."),
        Reach::Anybody | Reach::Nobody => "user_id".into(),
    };
    format!(
        "错误：{tool} 在本分组只能查询当前注册任务的客户。请把任务给出的 user_id（以 {SUBJECT_PREFIX} 开头）原样填入 `{argument}`；其他ID、姓名或电话一律拒绝，任务结束后该ID也失效。未读取任何资料。 / \
         Error: in this group {tool} sees only the customer of the registration in progress. Pass the user_id you were given (it begins with {SUBJECT_PREFIX}), unchanged, as `{argument}`; anything else is refused, and so is that id once the registration is over. Nothing was read."
    )
}

/// What an agent hears that would store something while its answer goes into a sink.
pub(super) fn rehearsal(tool: &str) -> String {
    format!(
        "错误 / Error ({tool}): 这是一次预演，不会保存任何内容；请跳过此步骤继续。 / This is a rehearsal, and nothing is stored in it. Go on without this step."
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject(user_id: &str) -> Subject {
        Subject { id: "sub_S".into(), user_id: user_id.into(), registration_id: "run".into(), rehearsal: false }
    }

    #[test]
    fn the_text_at_a_path_is_found_and_nothing_else_is() {
        let Value::Object(mut arguments) = json!({"user_id": "a", "list": ["b"], "number": 1, "deep": {"user_id": "c"}, "flat": "d"})
        else {
            unreachable!()
        };
        let mut look = |path: &[&str]| at(&mut arguments, path).cloned();
        assert_eq!((look(&["user_id"]).as_deref(), look(&["deep", "user_id"]).as_deref()), (Some("a"), Some("c")));
        for path in [&["list"][..], &["number"], &["deep"], &["flat", "user_id"], &["nothing"], &["deep", "nothing"], &[]] {
            assert_eq!(look(path), None, "{path:?}");
        }
    }

    #[test]
    fn an_answer_shows_the_subject_and_stays_json() {
        let answer = json!({
            "user_id": "usr_0001", "by_user": {"usr_0001": 1}, "avatar": "/avatars/usr_0001_big.png", "quoted": "he said \"usr_0001\" \\",
            "names": ["usr_0001", "张伟"], "other": "usr_2", "count": 12,
        });
        let shown = subject("usr_0001").hide_in_json(answer.to_string());
        assert!(!shown.contains("usr_0001"), "{shown}");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            shown,
            json!({
                "user_id": "sub_S", "by_user": {"sub_S": 1}, "avatar": "/avatars/sub_S_big.png", "quoted": "he said \"sub_S\" \\",
                "names": ["sub_S", "张伟"], "other": "usr_2", "count": 12,
            })
        );
    }

    #[test]
    fn an_id_that_looks_like_a_number_or_a_word_breaks_nothing() {
        let answer = json!({"user_id": "7", "days": 7, "note": "恢复期7天", "price": 123_456_789});
        let shown: Value = serde_json::from_str(&subject("7").hide_in_json(answer.to_string())).unwrap();
        assert_eq!(shown, json!({"user_id": "sub_S", "days": 7, "note": "恢复期7天", "price": 123_456_789}));
        let shown: Value = serde_json::from_str(&subject("123456").hide_in_json(answer.to_string())).unwrap();
        assert_eq!(shown, answer);
        let told = json!({"user_id": "true", "is_new": true, "note": null});
        let shown: Value = serde_json::from_str(&subject("true").hide_in_json(told.to_string())).unwrap();
        assert_eq!(shown, json!({"user_id": "sub_S", "is_new": true, "note": null}));
        assert_eq!(subject("7").hide_in_text("no user with id 7."), "no user with id sub_S.");
    }
}
