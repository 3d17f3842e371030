//! One page of a list that is sorted by a time and a row, and where the next one begins.

/// A place in a list: a time and a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time by which the list is sorted.
    pub at: i64,
    /// The row among those of the same time.
    pub row: i64,
}

impl Place {
    /// Before everything in a list that begins with the latest.
    pub(super) const LATEST: Self = Self { at: i64::MAX, row: i64::MAX };
    /// Before everything in a list that begins with the oldest.
    pub(super) const OLDEST: Self = Self { at: i64::MIN, row: 0 };
}

/// One page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K = Place> {
    /// The rows.
    pub items: Vec<T>,
    /// The last row that was looked at, unless there is nothing behind it.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// The first rows of a list, `limit` at most, from as many pages as it takes. `page` is told where its page begins,
    /// and how many rows are wanted still.
    pub async fn gather<E>(limit: u32, mut page: impl AsyncFnMut(Option<K>, u32) -> Result<Self, E>) -> Result<Vec<T>, E> {
        let (mut gathered, mut after) = (Vec::new(), None);
        loop {
            let left = limit.saturating_sub(u32::try_from(gathered.len()).unwrap_or(u32::MAX));
            let one = page(after, left).await?;
            gathered.extend(one.items);
            after = one.next.filter(|_| gathered.len() < limit as usize);
            if after.is_none() {
                return Ok(gathered);
            }
        }
    }
}

impl<T> Page<T> {
    /// The page of `limit` rows, made of one row more than that where there are more.
    pub(super) fn of(mut items: Vec<T>, limit: i64, place: impl Fn(&T) -> Place) -> Self {
        let more = cut(&mut items, limit);
        let next = items.last().filter(|_| more).map(place);
        Self { items, next }
    }
}

/// Takes the row off that only showed that there are more.
pub(crate) fn cut<T>(items: &mut Vec<T>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_more_than_asked_for_says_that_there_are_more() {
        let place = |row: &i64| Place { at: 7, row: *row };
        let page = |items: Vec<i64>| Page::of(items, 2, place);
        assert_eq!(page(vec![1, 2, 3]), Page { items: vec![1, 2], next: Some(Place { at: 7, row: 2 }) });
        assert_eq!(page(vec![1, 2]), Page { items: vec![1, 2], next: None });
        assert_eq!(page(Vec::new()), Page { items: Vec::new(), next: None });
    }
}
