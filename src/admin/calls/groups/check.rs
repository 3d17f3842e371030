//! What a group may be called and whom it may name. Every mistake is named by its pointer, all at once.

use super::{GroupEdit, make::NewGroup};
use crate::{
    admin::calls::{CallError, Field, said},
    gate::accounts::{ROLES, TIERS},
};

/// Longest name of a group, in characters.
const LONGEST_NAME: usize = 100;
/// Longest description, in characters.
const LONGEST_TEXT: usize = 4000;

/// Checks a group that is to be made.
pub(super) fn new_group(new: &NewGroup) -> Result<(), CallError> {
    let mut wrong = Vec::new();
    server_code(&new.server_code, &mut wrong);
    if let Some(given) = &new.name {
        name(given, &mut wrong);
    }
    description("/description", &new.description, &mut wrong);
    names("/allowed_roles", &new.allowed_roles, &ROLES, &mut wrong);
    names("/user_tier_access", &new.user_tier_access, &TIERS, &mut wrong);
    done(wrong)
}

/// Checks a change of a group.
pub(super) fn group_edit(edit: &GroupEdit) -> Result<(), CallError> {
    let mut wrong = Vec::new();
    if let Some(given) = &edit.name {
        name(given, &mut wrong);
    }
    if let Some(text) = &edit.description {
        description("/description", text, &mut wrong);
    }
    names("/allowed_roles", edit.allowed_roles.as_deref().unwrap_or_default(), &ROLES, &mut wrong);
    names("/user_tier_access", edit.user_tier_access.as_deref().unwrap_or_default(), &TIERS, &mut wrong);
    done(wrong)
}

/// Nothing when nothing is wrong.
pub(in crate::admin::calls) fn done(wrong: Vec<Field>) -> Result<(), CallError> {
    if wrong.is_empty() { Ok(()) } else { Err(CallError::Invalid(wrong)) }
}

/// A list with each name once, in the order in which they first came.
pub(super) fn once(names: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// Whether a text may be a group's server code.
pub fn is_server_code(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    first && rest && text.len() <= 24
}

fn server_code(code: &str, wrong: &mut Vec<Field>) {
    if !is_server_code(code) {
        let text = said(
            "分组代码由 1 到 24 个 a-z、0-9、_、- 组成，第一个必须是字母或数字，例如 front_desk",
            "a server code is 1 to 24 of a-z 0-9 _ -, the first a letter or digit",
        );
        wrong.push(Field { pointer: "/server_code".into(), text });
    }
}

fn name(name: &str, wrong: &mut Vec<Field>) {
    let length = name.trim().chars().count();
    if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
        let text = said(
            format!("名称须为 1 到 {LONGEST_NAME} 个字符，且不含换行等控制字符"),
            format!("a name is 1 to {LONGEST_NAME} characters on one line"),
        );
        wrong.push(Field { pointer: "/name".into(), text });
    }
}

/// A text of several lines.
pub(in crate::admin::calls) fn description(pointer: &str, text: &str, wrong: &mut Vec<Field>) {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > LONGEST_TEXT || text.chars().any(odd) {
        let text = said(
            format!("最多 {LONGEST_TEXT} 个字符，且不含控制字符"),
            format!("at most {LONGEST_TEXT} characters, and no control characters but line breaks"),
        );
        wrong.push(Field { pointer: pointer.into(), text });
    }
}

fn names(pointer: &str, names: &[String], known: &[&str], wrong: &mut Vec<Field>) {
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
        let all = known.join(", ");
        let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        let text = said(format!("没有 {name}；可选：{all}"), format!("there is no {name}; there are: {all}"));
        wrong.push(Field { pointer: format!("{pointer}/{at}"), text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(result: Result<(), CallError>) -> Vec<String> {
        match result {
            Err(CallError::Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_code_fits_a_url_and_difys_identifier() {
        for good in ["a", "9", "system_tools", "front-desk", &"a".repeat(24)] {
            assert!(is_server_code(good), "{good}");
        }
        for bad in ["", "_a", "-a", "A", "a b", "前台", "a/b", &"a".repeat(25)] {
            assert!(!is_server_code(bad), "{bad}");
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let new = NewGroup {
            server_code: "A".into(),
            name: Some(" ".into()),
            description: "x".repeat(4001),
            allowed_roles: vec!["admin".into(), "boss".into()],
            user_tier_access: vec!["vip".into()],
            ..NewGroup::default()
        };
        assert_eq!(pointers(new_group(&new)), ["/server_code", "/name", "/description", "/allowed_roles/1", "/user_tier_access/0"]);
        let edit = GroupEdit { name: Some("两\n行".into()), description: Some("行\n行".into()), ..GroupEdit::default() };
        assert_eq!(pointers(group_edit(&edit)), ["/name"]);
        assert!(group_edit(&GroupEdit::default()).is_ok());
    }

    #[test]
    fn a_name_that_comes_twice_is_kept_once() {
        assert_eq!(once(vec!["b".into(), "a".into(), "b".into()]), ["b", "a"]);
    }
}
