//! Where the next page of a list begins: the last entry of the page before, as an opaque text.

use super::CallError;

/// A cursor for lists that are sorted by time and id.
pub(super) fn of(at: i64, id: &str) -> String {
    format!("{at}.{id}")
}

/// What such a cursor says.
pub(super) fn read(cursor: Option<&str>) -> Result<Option<(i64, String)>, CallError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.map(Some).ok_or_else(bad)
}

/// A cursor that no page gave.
pub(super) fn bad() -> CallError {
    CallError::invalid("/cursor", "游标无效：请使用上一页返回的 next_cursor", "no such cursor: give next_cursor of the page before")
}

/// A page of what was found when one more was asked for than is shown; that one says that there is a next page.
pub(super) fn page<T>(mut found: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String) -> (Vec<T>, Option<String>) {
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    if found.len() <= shown {
        return (found, None);
    }
    found.truncate(shown);
    let next = found.last().map(cursor);
    (found, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_any_other_text_is_refused() {
        assert_eq!(read(Some(&of(5, "msg_1.2"))).unwrap(), Some((5, "msg_1.2".to_owned())));
        assert_eq!(read(None).unwrap(), None);
        for text in ["", "x", "5", "x.1", ".1"] {
            assert!(matches!(read(Some(text)), Err(CallError::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn only_a_page_with_more_behind_it_has_a_next_one() {
        assert_eq!(page(vec![1, 2], 2, ToString::to_string), (vec![1, 2], None));
        assert_eq!(page(vec![1, 2, 3], 2, ToString::to_string), (vec![1, 2], Some("2".into())));
    }
}
