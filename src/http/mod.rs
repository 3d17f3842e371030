//! Listeners and what every one of them answers, whoever else is behind it: health, readiness, version.

mod health;
mod listener;

pub use health::{Readiness, health_routes};
pub use listener::{BindError, Bound, ConnectionLimits, bind};
