//! The policy's revision, read at most once in half a millisecond.
//!
//! Every request asks for it. Requests that arrive together share one read: it is a transaction of its own, and with
//! its two file locks it costs as much as the read of a row. A commit of this process is seen at once. One of another
//! process is seen after [`FRESH`], which is less than that process needs to say that it is done.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;

/// How long a read is good for.
const FRESH: Duration = Duration::from_micros(500);

/// The last read.
#[derive(Debug, Default)]
pub(super) struct Revision {
    commits: AtomicU64,
    read: ArcSwapOption<Read>,
}

#[derive(Debug)]
struct Read {
    revision: i64,
    /// How many commits of this process came before it.
    commits: u64,
    at: Instant,
}

impl Revision {
    /// The revision, by `read` unless the last read is still good.
    pub(super) fn get<E>(&self, read: impl FnOnce() -> Result<i64, E>) -> Result<i64, E> {
        let (commits, at) = (self.commits.load(Ordering::Acquire), Instant::now());
        if let Some(last) = self.read.load().as_ref()
            && last.commits == commits
            && at.saturating_duration_since(last.at) < FRESH
        {
            return Ok(last.revision);
        }
        // Counted and timed before it is read: a commit in between makes the result old, never too young.
        let revision = read()?;
        self.read.store(Some(Read { revision, commits, at }.into()));
        Ok(revision)
    }

    /// This process committed something.
    pub(super) fn forget(&self) {
        self.commits.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_read_is_shared_until_a_commit_or_until_it_is_old() {
        let (revision, reads) = (Revision::default(), Cell::new(0));
        let get = || {
            revision.get(|| {
                reads.set(reads.get() + 1);
                Ok::<_, ()>(reads.get())
            })
        };
        // A machine that is busy may be late; of many pairs, one is quick enough.
        assert!((0..1000).any(|_| get() == get()), "nothing was shared in a thousand pairs");
        let before = get().unwrap();
        revision.forget();
        assert_eq!(get(), Ok(before + 1));
        std::thread::sleep(FRESH);
        assert_eq!(get(), Ok(before + 2));
    }

    #[test]
    fn a_commit_while_it_is_read_makes_the_read_old() {
        let revision = Revision::default();
        let read = revision.get(|| {
            revision.forget();
            Ok::<_, ()>(1)
        });
        assert_eq!((read, revision.get(|| Ok::<_, ()>(2))), (Ok(1), Ok(2)));
    }

    #[test]
    fn an_error_is_not_kept() {
        let revision = Revision::default();
        assert_eq!(revision.get(|| Err("locked")), Err("locked"));
        assert_eq!(revision.get(|| Ok::<_, &str>(7)), Ok(7));
    }
}
