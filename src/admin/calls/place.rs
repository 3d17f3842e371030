//! Cursors of lists that are sorted by a time and a row: opaque texts to whoever turns pages.

use super::{CallError, Listed, cursor};
use crate::store::page::{Page, Place};

/// The place a cursor stands for.
pub(super) fn read(cursor: Option<&str>) -> Result<Option<Place>, CallError> {
    let Some(text) = cursor.filter(|text| !text.is_empty()) else { return Ok(None) };
    let place = text.split_once('.').and_then(|(at, row)| Some(Place { at: at.parse().ok()?, row: row.parse().ok()? }));
    place.map(Some).ok_or_else(cursor::bad)
}

/// A page with its cursor.
pub(super) fn listed<T, V>(page: Page<T>, view: impl FnMut(T) -> V) -> Listed<V> {
    let next_cursor = page.next.map(|Place { at, row }| format!("{at}.{row}"));
    Listed { items: page.items.into_iter().map(view).collect(), next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_any_other_text_is_refused() {
        let page = Page { items: vec![1], next: Some(Place { at: -5, row: 7 }) };
        let cursor = listed(page, |one| one).next_cursor.unwrap();
        assert_eq!(read(Some(&cursor)).unwrap(), Some(Place { at: -5, row: 7 }));
        assert_eq!((read(None).unwrap(), read(Some("")).unwrap()), (None, None));
        for text in ["x", "5", "5.", ".5", "5.x", "99999999999999999999.1", "5.6.7"] {
            assert!(matches!(read(Some(text)), Err(CallError::Invalid(_))), "{text}");
        }
    }
}
