//! anmei-mcp: grouped MCP tool sets and the registration automation of a medical-aesthetics clinic.
//!
//! The folders are the stages of two flows, and what watches over them:
//!
//! ```text
//! FLOW 1  a tool call       http → gate → mcp → dispatch → tools → dispatch/record
//! FLOW 2  a registration    registration/hook → queue → registration/steps → outbound, live
//! BESIDE  alerts            conditions read from rows        settings  what operators change while it runs
//! ```
//!
//! Arrows point down only: `cli → app → {http, mcp, registration, alerts} → {dispatch, live} → {gate, queue, outbound,
//! settings} → store → {ids, clock, secret, problem, names, network, drill, telemetry}`; `config` is read by `cli`, `app` and
//! `settings`, `demo` stands beside `cli`. `tests/it/layers.rs` reads the `use` lines and fails on a breach. `ARCHITECTURE.md` walks
//! through both flows.

pub mod admin;
pub mod alerts;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod demo;
pub mod dispatch;
pub mod drill;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod http;
pub mod identity;
pub mod ids;
pub mod lifecycle;
pub mod live;
pub mod mcp;
pub mod names;
pub mod network;
pub mod oauth;
pub mod outbound;
pub mod problem;
pub mod queue;
pub mod registration;
pub mod secret;
pub mod settings;
pub mod store;
pub mod telemetry;
