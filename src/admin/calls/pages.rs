//! Lists that come a page at a time: where the next page begins is an opaque text to whoever turns them.
//!
//! A cursor says behind which place it goes on: `time.row` or `time.id` where a list is sorted by time, else a number. The
//! entry that stood there may be gone meanwhile: what is behind the place comes all the same. What no page gave is refused
//! under `/cursor`; a blank one is none.

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

/// What a list that is sorted by time and id begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// The entry that was made first.
    Oldest,
    /// The entry that was made last.
    Newest,
}

/// A page of a list that is held in memory whole, sorted by the time and the id that `place` says.
pub(super) fn behind<T>(
    items: Vec<T>,
    (limit, asked): (u32, Option<&str>),
    first: First,
    place: impl Fn(&T) -> (i64, &str),
) -> Result<Listed<T>, CallError> {
    let last: Option<(i64, String)> = read(asked)?;
    let is_behind = |item: &T| {
        let (here, last) = (place(item), last.as_ref().map(|(at, id)| (*at, id.as_str())));
        last.is_none_or(|last| if first == First::Oldest { here > last } else { here < last })
    };
    let rest: Vec<_> = items.into_iter().filter(is_behind).collect();
    let next = |item: &T| {
        let (at, id) = place(item);
        cursor(at, id)
    };
    Ok(cut(rest, limit, next, |item| item))
}

/// A page of a list that never changes while we run: the cursor is how many entries came before.
pub(super) fn counted<T>(items: Vec<T>, limit: u32, cursor: Option<&str>) -> Result<Listed<T>, CallError> {
    let before = parsed(cursor, |text| text.parse::<u32>().ok())?.unwrap_or_default();
    let rest: Vec<_> = items.into_iter().skip(before as usize).collect();
    Ok(cut(rest, limit, |_| before.saturating_add(limit).to_string(), |item| item))
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

    fn page(items: &[(i64, &'static str)], cursor: Option<&str>, first: First) -> (Vec<&'static str>, Option<String>) {
        let page = behind(items.to_vec(), (2, cursor), first, |(at, id)| (*at, *id)).unwrap();
        (page.items.into_iter().map(|(_, id)| id).collect(), page.next_cursor)
    }

    #[test]
    fn pages_follow_each_other_to_the_end_whatever_is_deleted_meanwhile() {
        let list = [(1, "a"), (1, "b"), (2, "a.x"), (3, "d")];
        let (first, next) = page(&list, None, First::Oldest);
        assert_eq!((first, next.as_deref()), (vec!["a", "b"], Some("1.b")));
        assert_eq!(page(&list, next.as_deref(), First::Oldest), (vec!["a.x", "d"], None));
        let without = [list[0], list[2], list[3]];
        assert_eq!(page(&without, next.as_deref(), First::Oldest), (vec!["a.x", "d"], None), "the entry of the cursor is gone");
        let down = [(3, "d"), (2, "a.x"), (1, "b"), (1, "a")];
        let (first, next) = page(&down, None, First::Newest);
        assert_eq!((first, next.as_deref()), (vec!["d", "a.x"], Some("2.a.x")));
        assert_eq!(page(&[down[0], down[2], down[3]], next.as_deref(), First::Newest), (vec!["b", "a"], None));
        assert_eq!(page(&list, Some("3.d"), First::Oldest), (vec![], None));
        assert!(behind(list.to_vec(), (2, Some("x")), First::Oldest, |(at, id)| (*at, *id)).is_err());
    }

    #[test]
    fn pages_of_a_list_that_never_changes_are_counted() {
        let of = |limit, cursor| counted(vec!["a", "b", "c"], limit, cursor).map(|page| (page.items, page.next_cursor));
        assert_eq!(of(2, None).unwrap(), (vec!["a", "b"], Some("2".into())));
        assert_eq!(of(2, Some("2")).unwrap(), (vec!["c"], None));
        assert_eq!((of(2, Some("3")).unwrap(), of(3, None).unwrap().1), ((vec![], None), None));
        assert!(of(2, Some("x")).is_err() && of(2, Some("-1")).is_err());
    }
}
