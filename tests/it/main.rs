//! The integration tests: the real binary, real SQLite files, real HTTP, a stand-in Dify that speaks Dify's stream.
//!
//! One binary, so that it links once. Each module says which invariant of ARCHITECTURE.md it holds.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on must say where")]

mod abuse;
mod accounts;
mod admin_agents;
mod admin_calls;
mod admin_compat;
mod admin_consultants;
mod admin_entry;
mod admin_events;
mod admin_figures;
mod admin_groups;
mod admin_kit;
mod admin_oauth;
mod admin_registrations;
mod admin_rest;
mod admin_routes;
mod admin_server;
mod admin_settings;
mod admin_tools;
mod bad_input;
mod call_log;
mod claims;
mod cli;
mod clients_sentences;
mod connect;
mod dify_faults;
mod doctor;
mod events;
mod examples;
mod external_idp;
mod flow_live;
mod flow_operation;
mod flow_registration;
mod groups;
mod harness;
mod intake;
mod jobs;
mod keys;
mod layers;
mod legacy_sse;
mod limits;
mod metrics;
mod modern;
mod oauth_authorize;
mod oauth_consent;
mod oauth_documents;
mod oauth_kit;
mod oauth_metadata;
mod oauth_register;
mod oauth_token;
mod protocol;
mod registration;
mod revision_2026;
mod schema;
mod sessions;
mod settings;
mod stale;
mod subjects;
mod tasks;
mod tools;
mod traces;
