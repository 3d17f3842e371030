//! Dify's service API: asking an agent for a welcome, and reading its stream.
//!
//! No well-kept Rust client exists, so this is ours, cut into what can be tested alone: `client` asks, `stream` turns
//! bytes into events, `events` types them, `run` follows them, `answer` decides which text is the answer, [`clean`]
//! whether a customer may see it, `error` what a failure means for the caller; `lost` finds the answer of a stream that
//! broke off.
//!
//! Always streaming: agent apps refuse to block, and Dify Cloud cuts a blocking request. Dify has no idempotency key:
//! after a cut stream ask [`DifyClient::find_answer`] first, [`DifyClient::stop`] the old run, and only then ask anew.
//! How many runs an agent gets at once, when its breaker opens and when to retry are the caller's decisions; many runs
//! at once hurt every app of a Dify installation.

mod answer;
mod ask;
pub mod clean;
mod client;
mod error;
mod events;
mod lost;
mod run;
mod stream;

pub use self::{
    answer::{Answer, ToolCall},
    ask::{AgentKind, AgentThought, AppInfo, Ask, InputField, Lost, Parameters, Progress},
    client::{DifyClient, check_base_url, check_key},
    error::{Class, DifyError},
};
