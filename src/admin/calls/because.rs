//! Why somebody does or looks at something: in their own words, kept in the audit log.

use super::CallError;
use crate::store::audit::By;

/// Shortest reason that says something, in characters.
const SHORTEST: usize = 2;
/// Longest reason, in characters.
const LONGEST: usize = 500;

/// Somebody with the reason they gave, where it may be left out.
pub(in crate::admin) fn because(by: By, reason: Option<&str>) -> Result<By, CallError> {
    // What is documented is the length of what is sent, blanks and all.
    if reason.is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(CallError::invalid("/reason", format!("最多 {LONGEST} 个字"), format!("{LONGEST} characters at most")));
    }
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    Ok(By { reason: reason.map(str::to_owned), ..by })
}

/// Somebody with the reason they gave, where one must be given.
pub(in crate::admin) fn with_reason(by: By, reason: Option<&str>) -> Result<By, CallError> {
    let length = reason.unwrap_or_default().trim().chars().count();
    if (SHORTEST..=LONGEST).contains(&length) {
        return because(by, reason);
    }
    Err(CallError::invalid(
        "/reason",
        format!("请写明原因：{SHORTEST} 到 {LONGEST} 个字；它会记入审计日志"),
        format!("say why, in {SHORTEST} to {LONGEST} characters; it is kept in the audit log"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> By {
        By::new("account:xu", 1)
    }

    #[test]
    fn a_reason_may_be_left_out_and_is_not_endless() {
        let of = |reason: Option<&str>| because(by(), reason);
        assert_eq!(of(Some(" 客户要求 ")).unwrap().reason.as_deref(), Some("客户要求"));
        assert_eq!((of(None).unwrap().reason, of(Some("  ")).unwrap().reason), (None, None));
        for long in ["x", " "] {
            assert!(of(Some(&long.repeat(501))).is_err(), "{long:?}");
        }
    }

    #[test]
    fn a_reason_that_is_asked_for_says_something() {
        let of = |reason: Option<&str>| with_reason(by(), reason);
        assert_eq!(of(Some(" 排查 ")).unwrap().reason.as_deref(), Some("排查"));
        for refused in [None, Some(""), Some(" a "), Some(&*"x".repeat(501))] {
            assert!(matches!(of(refused), Err(CallError::Invalid(fields)) if fields[0].pointer == "/reason"), "{refused:?}");
        }
    }
}
