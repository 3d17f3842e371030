//! The places of sessions: so many in all, and of those a quarter for one holder of a credential, who cannot keep out the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;

use super::principal::Principal;
use crate::problem::Problem;

/// Which part of all sessions one holder of a credential may have.
const SHARE: usize = 4;

/// How many sessions there may be, and who has how many.
#[derive(Debug)]
pub(super) struct Seats {
    max: usize,
    held: Mutex<HashMap<Principal, usize>>,
}

/// The place of one session.
#[derive(Debug)]
pub(super) struct Seat {
    principal: Principal,
    seats: Arc<Seats>,
}

impl Seats {
    pub(super) fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Principal, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more session of `principal`.
    pub(super) fn take(self: &Arc<Self>, principal: Principal) -> Result<Seat, Problem> {
        let share = (self.max / SHARE).max(1);
        let mut held = self.held();
        if held.values().sum::<usize>() >= self.max {
            return Err(full());
        }
        let mine = held.get(&principal).copied().unwrap_or_default();
        if mine >= share {
            return Err(too_many(share));
        }
        held.insert(principal.clone(), mine + 1);
        Ok(Seat { principal, seats: Arc::clone(self) })
    }
}

impl Seat {
    /// Whether it is this one's.
    pub(super) fn is_of(&self, principal: &Principal) -> bool {
        self.principal == *principal
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.seats.held();
        match held.get_mut(&self.principal) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => {
                held.remove(&self.principal);
            }
        }
    }
}

fn full() -> Problem {
    let detail = "All sessions are taken (`mcp.max_sessions`). Try again later, or use the endpoint without a session.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "sessions-full", detail).with_retry_after(30)
}

fn too_many(share: usize) -> Problem {
    let detail = format!(
        "This key holds {share} sessions, which is all it may: a quarter of `mcp.max_sessions`. End one with DELETE, or use the endpoint without a session."
    );
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", detail).with_retry_after(30)
}
