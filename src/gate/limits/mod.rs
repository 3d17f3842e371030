//! How much a caller may ask: rates, calls at a time, calls a day.
//!
//! ```text
//! rate        pure: one moment kept in one atomic says whether another request may pass (GCRA)
//! meter       what was used: lives as long as the process, whatever happens to the policy
//! rules       which values are in force: the settings, then the group's rows, then the key's
//! allowance   a meter with its rules: built once per revision of the policy, asked by every request
//! group       what holds in one group, and what builds all of it
//! exceeded    the refusal: which limit, when it is free again, and what changes it
//! ```
//!
//! A check is a few atomics on memory of the caller's own: it takes no lock, looks nothing up and reads no clock, so
//! that a flood of one key costs the others nothing but the refusals themselves. Who came by stdio or the command line
//! is at the machine itself and has no rate; caps of a tool hold for everybody.
//!
//! Meters are this process's own. Rates and running calls begin anew with it; calls of the day are written behind, once
//! a second, and read again at the start.

mod allowance;
mod exceeded;
mod group;
mod meter;
mod rate;
mod rules;

pub use self::{
    allowance::{Allowance, Running, ToolAllowance, ToolRunning},
    exceeded::{CODE, Exceeded, Whose},
    group::{GroupLimits, Limiter},
    meter::Meters,
    rules::{Origin, Rule, Rules, Standard, Standards, ToolRules},
};
