//! Listeners and what every one of them answers, whoever else is behind it: health, readiness, version.

mod crowd;
mod health;
mod late;
mod listener;
mod measured;
mod patience;
mod peer;

pub use crowd::Connections;
pub use health::{Readiness, health_routes};
pub use late::Late;
pub use listener::{BindError, Bound, ConnectionLimits, bind};
pub use measured::Measured;
pub use peer::PeerAddress;
