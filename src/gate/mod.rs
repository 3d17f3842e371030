//! Who is asking, and what may they see.
//!
//! The gate knows keys, accounts, groups and origins; it knows nothing of tools' code or of the protocol. Deny by default: a
//! caller is admitted by a key that is in force now, into exactly the group it opens.
//!
//! Architecture invariant: the only way to get a [`Caller`] is through [`Gate`], so no handler can reach a tool
//! unauthenticated.

pub mod accounts;
mod admit;
pub mod keys;
pub mod origins;
mod policy;

pub use admit::{Caller, Gate, Refusal};
pub use policy::{GroupPolicy, Policy, PolicyWatch};
