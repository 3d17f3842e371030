//! Watches the rows for what administrators must know, and says each condition once.
//!
//! ```text
//! watch         looks every two seconds; opens, refreshes and resolves rows of `alerts`
//! conditions/   one file per condition: when it holds, and what is said of it
//! ```
//!
//! Architecture invariant: the alarm does not live in the code that failed. Conditions are read from rows (and the
//! disk), so that they hold whichever process failed, and before and after a restart; the one thing that is not a row,
//! the state of breakers, comes in through [`Breakers`]. A notice is a push in the transaction of its alert.

mod conditions;
mod watch;

#[cfg(test)]
mod tests;

pub use watch::{Watcher, WatcherParts};

/// Name and severity of every condition.
pub fn kinds() -> Vec<(&'static str, &'static str)> {
    conditions::all().iter().map(|condition| (condition.kind().name, condition.kind().severity)).collect()
}

/// Which agents are not asked at this moment.
pub trait Breakers: Send + Sync {
    /// Name of each agent whose breaker is open, and why it is.
    fn open_breakers(&self) -> Vec<(String, String)>;
}
