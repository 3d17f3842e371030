//! The places of sessions: so many in all, and of those a quarter for one holder of a credential, who cannot keep out the others.

use http::StatusCode;

use super::{
    places::{Full, Place, Places},
    principal::Principal,
};
use crate::problem::Problem;

/// Which part of all sessions one holder of a credential may have.
const SHARE: usize = 4;

/// How many sessions there may be, and who has how many.
#[derive(Debug)]
pub(super) struct Seats {
    places: Places,
    share: usize,
}

impl Seats {
    pub(super) fn new(max: usize) -> Self {
        let share = (max / SHARE).max(1);
        Self { places: Places::new(share, max), share }
    }

    /// A place for one more session of `principal`.
    pub(super) fn take(&self, principal: Principal) -> Result<Place, Problem> {
        self.places.take(principal).map_err(|why| match why {
            Full::All => full(),
            Full::Own => too_many(self.share),
        })
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
