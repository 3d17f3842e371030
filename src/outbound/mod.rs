//! The only door out: whatever this daemon asks of another machine is asked from here.
//!
//! reqwest is used in this folder alone (`tests/it/layers.rs` holds that), behind [`http_client::HttpClient`]: one
//! pool of connections, no redirects (a key never follows one to another origin), no cookies, no proxy unless the
//! operator asks for it. On top of it stand the agents ([`dify`]), the signed events for other systems
//! ([`webhook`], signed by [`standard_webhooks`], which also verifies what others send us), the ways to reach people
//! who are not connected ([`channels`], of which e-mail and Redis speak protocols of their own), a client of MCP
//! ([`mcp_client`]) for commands that prove a server works, and a [`bridge`] for hosts that speak no HTTP. What strangers
//! ask us to fetch goes through [`guarded`], which reaches nothing but the public internet.
//!
//! Each boundary has one error enum that says what to do next: try again, go on to the next rung, or stop asking and
//! tell an administrator. Deciding when to try again is the caller's: nothing here retries by itself, sleeps, or
//! remembers a failure; the bridge alone, which has nobody above it but a host on a pipe, makes a lost session anew.
//! Nothing secret is in an error's text.

pub mod bridge;
pub mod channels;
pub mod client_metadata;
pub mod dify;
mod event_stream;
pub mod guarded;
pub mod http_client;
pub mod jwks;
pub mod jwt;
pub mod mcp_client;
pub mod standard_webhooks;
pub mod webhook;
