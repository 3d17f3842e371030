//! Who is asking, and what may they see.
//!
//! The gate knows keys, accounts, groups and origins; it knows nothing of tools' code or of the protocol. Deny by default: a
//! caller is admitted by a key or a token that is in force now, into exactly the group it opens.
//!
//! ```text
//! admit      what a request shows in, a caller or a refusal out; asked again while something stays open
//! caller     somebody who was let in, and by what
//! keys       how keys are written, made and shown
//! lifetime   how a key stands at a moment
//! token      what is asked about a bearer that is no key
//! refusal    what is said to whom
//! attempts   failed attempts, counted per address
//! uses       who used which key, on its way to the database
//! policy     groups, keys and tools as one snapshot
//! origins    hosts and origins
//! accounts   people with a password, and which groups that opens for them
//! oauth      the rules of the authorization server: clients, grants, tokens
//! ```
//!
//! Architecture invariant: the only way to get a [`Caller`] is through [`Gate`], so no handler can reach a tool
//! unauthenticated.

pub mod accounts;
mod admit;
mod attempts;
mod caller;
pub mod keys;
pub mod lifetime;
pub mod oauth;
pub mod origins;
mod policy;
mod refusal;
mod token;
mod uses;

pub use admit::{Gate, Presented};
pub use caller::{Caller, Credential};
pub use policy::{GroupPolicy, Policy, PolicyWatch};
pub use refusal::{Ended, Refusal};
pub use token::{Grant, TokenCheck, TokenRefusal};
