//! What words mean at a clinic: services, concerns, and facts about safety.
//!
//! Shared by the sets, so that a customer's word means the same to every tool. It reads text and the catalogue's rows,
//! and asks nothing of the records.

pub(crate) mod catalogue;
pub(crate) mod concerns;
pub(crate) mod tags;
#[rustfmt::skip]
pub(crate) mod vocabulary;
