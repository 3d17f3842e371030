//! Why somebody changes something: optional, in their own words, kept in the audit log.

use super::CallError;
use crate::store::audit::By;

/// Longest reason.
const LONGEST: usize = 500;

/// Somebody with the reason they gave, if they gave one.
pub(in crate::admin) fn because(by: By, reason: Option<&str>) -> Result<By, CallError> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match reason {
        Some(reason) if reason.chars().count() > LONGEST => {
            Err(CallError::invalid("/reason", format!("最多 {LONGEST} 个字"), format!("{LONGEST} characters at most")))
        }
        reason => Ok(By { reason: reason.map(str::to_owned), ..by }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_optional_and_not_endless() {
        let of = |reason: Option<&str>| because(By::new("x", 1), reason);
        assert_eq!(of(Some(" 客户要求 ")).unwrap().reason.as_deref(), Some("客户要求"));
        assert_eq!((of(None).unwrap().reason, of(Some("  ")).unwrap().reason), (None, None));
        assert!(of(Some(&"x".repeat(501))).is_err());
    }
}
