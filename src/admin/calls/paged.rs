//! Pages of lists that are held in memory whole: groups, tools, grants. The cursor is the name of a page's last entry.

use super::{CallError, Listed, cursor};

/// The page after the entry called `cursor`.
pub(super) fn page<T>(items: Vec<T>, limit: u32, cursor: Option<&str>, name: impl Fn(&T) -> &str) -> Result<Listed<T>, CallError> {
    let begin = match cursor.filter(|cursor| !cursor.is_empty()) {
        None => 0,
        Some(last) => items.iter().position(|item| name(item) == last).map(|at| at + 1).ok_or_else(cursor::bad)?,
    };
    let limit = limit as usize;
    let mut items: Vec<_> = items.into_iter().skip(begin).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|item| name(item).to_owned());
    Ok(Listed { items, next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all = || vec!["a", "b", "c"];
        let of = |cursor: Option<&str>| page(all(), 2, cursor, |item| item).map(|page| (page.items, page.next_cursor));
        assert_eq!(of(None).unwrap(), (vec!["a", "b"], Some("b".into())));
        assert_eq!(of(Some("b")).unwrap(), (vec!["c"], None));
        assert_eq!(of(Some("c")).unwrap(), (vec![], None));
        assert_eq!(page(all(), 3, None, |item| item).unwrap().next_cursor, None);
        assert!(of(Some("x")).is_err());
    }
}
