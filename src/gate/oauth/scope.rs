//! Scopes: what a token allows, and in which group (RFC 6749 §3.3).
//!
//! `tools:read` lists a group's tools and calls those that only read; `tools:write`, which includes it, calls those that
//! store something too. `group:CODE` says which group is meant where the resource does not. What is not known here
//! (`offline_access`, `openid`) is left out of what is granted, as the RFC allows.

/// Listing, and calling what only reads.
pub const READ: &str = "tools:read";
/// Calling what stores something. Includes [`READ`].
pub const WRITE: &str = "tools:write";
/// How the scope of a group begins.
const GROUP: &str = "group:";
const LONGEST: usize = 1000;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The group it names.
    pub group: Option<String>,
    /// Whether it asks for tools that store something. A request that names no tools' scope asks for everything.
    pub write: bool,
}

/// Reads the `scope` parameter. The error is for the client's developer.
pub fn parse(text: Option<&str>) -> Result<Asked, String> {
    let text = text.unwrap_or_default();
    let token = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    if text.len() > LONGEST || !text.bytes().all(token) {
        return Err("scope must be scope names separated by single spaces".into());
    }
    let mut asked = Asked::default();
    let mut named = false;
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        match scope.strip_prefix(GROUP) {
            Some(code) if !super::base::is_code(code) => return Err("a group's scope is group: and its server code".into()),
            Some(code) if asked.group.as_deref().is_some_and(|first| first != code) => {
                return Err("a grant opens one group; ask for one group at a time".into());
            }
            Some(code) => asked.group = Some(code.to_owned()),
            None => {
                named |= scope == READ || scope == WRITE;
                asked.write |= scope == WRITE;
            }
        }
    }
    asked.write |= !named;
    Ok(asked)
}

/// The scopes of a grant.
pub fn granted(code: &str, write: bool) -> Vec<String> {
    let mut scopes = vec![format!("{GROUP}{code}"), READ.to_owned()];
    if write {
        scopes.push(WRITE.to_owned());
    }
    scopes
}

/// What a client must ask for to do everything at a resource: the text of a challenge.
pub fn wanted(code: Option<&str>) -> String {
    match code {
        Some(code) => format!("{GROUP}{code} {READ} {WRITE}"),
        None => format!("{READ} {WRITE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> (Option<String>, bool) {
        let asked = parse(Some(text)).unwrap();
        (asked.group, asked.write)
    }

    #[test]
    fn rfc6749_3_3_scopes_are_read() {
        assert_eq!(parse(None).unwrap(), Asked { group: None, write: true });
        assert_eq!(asked(""), (None, true));
        assert_eq!(asked("tools:read"), (None, false));
        assert_eq!(asked("tools:read tools:write"), (None, true));
        assert_eq!(asked("tools:write"), (None, true));
        assert_eq!(asked("group:system_tools tools:read"), (Some("system_tools".into()), false));
        assert_eq!(asked("group:a"), (Some("a".into()), true));
        assert_eq!(asked("openid offline_access"), (None, true));
        assert_eq!(asked("openid tools:read"), (None, false));
    }

    #[test]
    fn rfc6749_3_3_what_is_no_scope_is_refused() {
        for bad in ["a\tb", "a\"b", "a\\b", "é", "group:", "group:A", "group:a group:b", &"x".repeat(1001)] {
            assert!(parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_granted_can_be_asked_for_again() {
        for write in [true, false] {
            let scopes = granted("a", write).join(" ");
            assert_eq!(parse(Some(&scopes)).unwrap(), Asked { group: Some("a".into()), write });
        }
        assert!(parse(Some(&wanted(Some("a")))).unwrap().write);
    }
}
