//! The integration tests: the real binary, real SQLite files, real HTTP, a stand-in Dify that speaks Dify's stream.
//!
//! One binary, so that it links once. Each module says which invariant of ARCHITECTURE.md it holds.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on must say where")]

mod bad_input;
mod call_log;
mod claims;
mod cli;
mod dify_faults;
mod examples;
mod flow_live;
mod flow_operation;
mod flow_registration;
mod groups;
mod harness;
mod intake;
mod jobs;
mod keys;
mod layers;
mod modern;
mod protocol;
mod registration;
mod schema;
mod settings;
mod stale;
mod subjects;
mod tasks;
mod tools;
