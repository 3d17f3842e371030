//! Lists that come a page at a time: where the next page begins is an opaque text to whoever turns them.
//!
//! A cursor says behind which entry it goes on: `time.row` or `time.id` where a list is sorted by time, else the number or
//! the name of that entry. What no page gave is refused under `/cursor`; a blank one is none.

use std::{fmt::Display, str::FromStr};

use super::{CallError, Listed};
use crate::store::page::{self, Page, Place};

/// A cursor of a list that is sorted by a time, and by `what` among those of the same time.
pub(super) fn cursor(at: i64, what: impl Display) -> String {
    format!("{at}.{what}")
}

/// What such a cursor says.
pub(super) fn read<T: FromStr>(cursor: Option<&str>) -> Result<Option<(i64, T)>, CallError> {
    parsed(cursor, |text| text.split_once('.').and_then(|(at, what)| Some((at.parse().ok()?, what.parse().ok()?))))
}

/// The place a cursor stands for.
pub(super) fn place(cursor: Option<&str>) -> Result<Option<Place>, CallError> {
    Ok(read(cursor)?.map(|(at, row)| Place { at, row }))
}

/// The number that is the cursor of a list whose entries are numbered.
pub(super) fn number(cursor: Option<&str>) -> Result<Option<i64>, CallError> {
    parsed(cursor, |text| text.parse().ok())
}

fn parsed<T>(cursor: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, CallError> {
    let Some(text) = cursor.filter(|text| !text.is_empty()) else { return Ok(None) };
    read(text).map(Some).ok_or_else(unknown)
}

/// A cursor that no page gave.
fn unknown() -> CallError {
    CallError::invalid("/cursor", "游标无效：请使用上一页返回的 next_cursor", "no such cursor: give next_cursor of the page before")
}

/// A page of what was found when one more was asked for than is shown; that one says that there is a next page.
pub(super) fn cut<T, V>(mut found: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> String, view: impl FnMut(T) -> V) -> Listed<V> {
    let more = page::cut(&mut found, limit.into());
    let next_cursor = found.last().filter(|_| more).map(cursor);
    Listed { items: found.into_iter().map(view).collect(), next_cursor }
}

/// A page of the store's with its cursor.
pub(super) fn listed<T, V>(page: Page<T>, view: impl FnMut(T) -> V) -> Listed<V> {
    let next_cursor = page.next.map(|Place { at, row }| cursor(at, row));
    Listed { items: page.items.into_iter().map(view).collect(), next_cursor }
}

/// A page of a list that is held in memory whole: behind the entry whose name is the cursor.
pub(super) fn behind<T>(items: Vec<T>, limit: u32, cursor: Option<&str>, name: impl Fn(&T) -> &str) -> Result<Listed<T>, CallError> {
    let last = parsed(cursor, |last| items.iter().position(|item| name(item) == last))?;
    let rest: Vec<_> = items.into_iter().skip(last.map_or(0, |last| last + 1)).collect();
    Ok(cut(rest, limit, |item| name(item).to_owned(), |item| item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_any_other_text_is_refused() {
        assert_eq!(read(Some(&cursor(5, "msg_1.2"))).unwrap(), Some((5, "msg_1.2".to_owned())));
        let next = listed(Page { items: vec![1], next: Some(Place { at: -5, row: 7 }) }, |one| one).next_cursor.unwrap();
        assert_eq!(place(Some(&next)).unwrap(), Some(Place { at: -5, row: 7 }));
        assert_eq!((place(None).unwrap(), place(Some("")).unwrap(), number(Some("7")).unwrap()), (None, None, Some(7)));
        for text in ["x", "5", "x.1", ".1", "5.", "5.x", "99999999999999999999.1", "5.6.7"] {
            assert!(matches!(place(Some(text)), Err(CallError::Invalid(fields)) if fields[0].pointer == "/cursor"), "{text}");
        }
        assert!(read::<String>(Some(".1")).is_err() && number(Some("5.1")).is_err());
    }

    #[test]
    fn only_a_page_with_more_behind_it_has_a_next_one() {
        let of = |found: Vec<i32>| cut(found, 2, ToString::to_string, |one| one * 10);
        assert_eq!(of(vec![1, 2]), Listed { items: vec![10, 20], next_cursor: None });
        assert_eq!(of(vec![1, 2, 3]), Listed { items: vec![10, 20], next_cursor: Some("2".into()) });
    }

    #[test]
    fn pages_of_names_follow_each_other_to_the_end() {
        let of = |limit, cursor| behind(vec!["a", "b", "c"], limit, cursor, |item| item).map(|page| (page.items, page.next_cursor));
        assert_eq!(of(2, None).unwrap(), (vec!["a", "b"], Some("b".into())));
        assert_eq!(of(2, Some("b")).unwrap(), (vec!["c"], None));
        assert_eq!((of(2, Some("c")).unwrap(), of(3, None).unwrap().1), ((vec![], None), None));
        assert!(of(2, Some("x")).is_err());
    }
}
