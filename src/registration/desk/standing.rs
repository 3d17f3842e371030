//! How agents are doing at the desk, for people: their breakers and their places.

use super::Desk;
use crate::registration::choice::breaker::{State, View};

/// How an agent is doing that was asked since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its breaker; the times in it are the desk's own.
    pub view: View,
    /// How long it has not been closed.
    pub trouble_ms: Option<i64>,
    /// Time until it is tried again.
    pub probe_in_ms: Option<i64>,
    /// Questions it may still be asked at this moment.
    pub free_places: usize,
}

impl Desk {
    /// How an agent is doing; nothing before it is first asked.
    pub fn standing(&self, agent_id: &str) -> Option<Standing> {
        let now = self.now();
        let mut places = self.lock();
        let place = places.get_mut(agent_id)?;
        let view = place.breaker.view(now);
        let (trouble_ms, probe_in_ms) = match view.state {
            State::Closed => (None, None),
            State::Open { since, probe_at, .. } => (Some(now - since), Some((probe_at - now).max(0))),
            State::HalfOpen { since, .. } => (Some(now - since), Some(0)),
        };
        Some(Standing { view, trouble_ms, probe_in_ms, free_places: place.slots.available_permits() })
    }
}
