//! Which agent writes a welcome, whether it may be asked at this moment, and what is said when none can be.
//!
//! ```text
//! pick       the roll-out and the A/B test: the same user always gets the same agent
//! breaker    whether an agent may be asked, and when one that failed is tried again
//! guard      whether a candidate is worse than the stable agent, beyond chance
//! segment    which kind of customer this is, and the template said to that kind
//! ```
//!
//! Architecture invariant: nothing here reads a clock, a database or the network. Times are milliseconds handed in,
//! randomness is a hash of an id or a seed; so a schedule of hours is tested in milliseconds.

pub mod breaker;
pub mod guard;
pub mod pick;
#[cfg(test)]
mod random_for_tests;
pub mod segment;
mod statistics;
