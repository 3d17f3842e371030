//! Lists that look at a bounded number of rows for one page, however few of them fit a filter.
//!
//! A list walks along one index, downwards. Without a filter each row fits, and the walk ends with the page. With one, it
//! ends after [`REACH`] rows at the latest: the page is then short, and the next one goes on from there.

use rusqlite::{Connection, Params, types::FromSql};

use super::{
    rows,
    run_list::{Page, cut},
};

/// Most rows that are looked at for one page.
const REACH: i64 = 5_000;
/// Comes after every id that is made here.
pub(super) const TOP: &str = "~";

/// Where a walk has to stop, if its reach ends before its rows do. `walk` is the walk without any filter:
/// `SELECT key FROM … WHERE … ORDER BY key DESC`.
pub(super) fn end<K: FromSql>(db: &Connection, walk: &str, params: impl Params) -> rusqlite::Result<Option<K>> {
    rows::one(db, &format!("{walk} LIMIT 1 OFFSET {}", REACH - 1), params, |row| row.get(0))
}

/// The page: `found` has one more than is shown when there is one more.
pub(super) fn page<T, K>(mut found: Vec<T>, limit: u32, end: Option<K>, key: impl FnOnce(&T) -> K) -> Page<T, K> {
    let next = if cut(&mut found, limit.into()) { found.last().map(key) } else { end };
    Page { items: found, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_with_its_page_with_its_reach_or_with_its_rows() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (id TEXT PRIMARY KEY)").unwrap();
        let walk = "SELECT id FROM t WHERE id < ?1 ORDER BY id DESC";
        for n in 0..REACH {
            db.execute("INSERT INTO t VALUES (?1)", [format!("{n:06}")]).unwrap();
        }
        assert_eq!(end::<String>(&db, walk, [TOP]).unwrap().as_deref(), Some("000000"));
        assert_eq!(end::<String>(&db, walk, ["004999"]).unwrap(), None);
        let of = |found, end| page(found, 2, end, |last: &i32| *last);
        assert_eq!(of(vec![9, 8, 7], Some(3)), Page { items: vec![9, 8], next: Some(8) });
        assert_eq!(of(vec![9], Some(3)), Page { items: vec![9], next: Some(3) });
        assert_eq!(of(vec![9], None), Page { items: vec![9], next: None });
    }
}
