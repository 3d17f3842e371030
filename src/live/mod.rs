//! Who is connected now: consultants and customers on WebSockets, presence, delivery with acknowledgement.
//!
//! `GET /live/ws` is upgraded to a WebSocket that speaks JSON frames ([`frames`]); beside it stand three REST calls for
//! those who cannot keep a socket. [`token`] says who somebody is, [`hub`] who is there, [`connection`] carries one
//! client from its token to its close code, and [`Inbound`] is the port to what people may ask for.
//!
//! Delivery is at least once: a notice is a row of `notifications`, sent after it was committed, again after a reconnect,
//! and again on the same connection when it is not acknowledged in time. Receivers drop repetitions by its id.
//!
//! It refuses tokens in addresses (they end up in logs), pages of foreign origins, and clients that flood, stall or
//! vanish: each costs only its own connection.

mod close;
mod commands;
mod connection;
mod follow;
mod frames;
mod hub;
mod inbound;
mod outbox;
mod rest;
mod routes;
mod token;
mod who;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    follow::follow,
    hub::{Hub, Presence},
    inbound::{Door, Feedback, Inbound, Refusal, RefusalCode, Target},
    routes::router,
    token::{JwtSettings, Minted, NewToken, PREFIX as TOKEN_PREFIX, TokenError, Tokens, mint},
    who::{Role, Who},
};
use crate::{clock::SharedClock, gate::origins::Origins, settings::Book, store::Store};

/// The protocol that clients name, and that the answer selects.
pub const PROTOCOL: &str = "anmei.live.v1";

/// Limits of this surface that an operator sets before the start.
#[derive(Debug)]
pub struct LiveSettings {
    /// Which hosts and origins may reach it.
    pub origins: Origins,
    /// Connections at once.
    pub max_connections: usize,
    /// Time for the first message to bring a token.
    pub auth_timeout: Duration,
    /// Time for one frame to be taken by the client's side.
    pub write_timeout: Duration,
}

impl LiveSettings {
    /// The usual times.
    pub fn new(origins: Origins, max_connections: usize) -> Self {
        Self { origins, max_connections, auth_timeout: Duration::from_secs(5), write_timeout: Duration::from_secs(10) }
    }
}

/// What live connections work with.
pub struct LiveParts {
    /// The notices.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Heartbeat, cap per user, time for an acknowledgement.
    pub book: Book,
    /// Who somebody is.
    pub tokens: Tokens,
    /// Who is there. Keep a clone, to say that rows were committed.
    pub hub: Hub,
    /// Does what people ask for.
    pub inbound: Arc<dyn Inbound>,
    /// Ends every connection with 1001.
    pub stop: CancellationToken,
    /// Holds every connection; wait for it after `stop`.
    pub tasks: TaskTracker,
    /// Limits.
    pub settings: LiveSettings,
}

/// The state behind the routes. Cheap to clone.
#[derive(Clone)]
pub struct LiveState(Arc<Shared>);

struct Shared {
    parts: LiveParts,
    room: Arc<Semaphore>,
}

impl LiveState {
    /// Puts it together.
    pub fn new(parts: LiveParts) -> Self {
        let room = Arc::new(Semaphore::new(parts.settings.max_connections.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared { parts, room }))
    }
}

impl std::ops::Deref for Shared {
    type Target = LiveParts;

    fn deref(&self) -> &LiveParts {
        &self.parts
    }
}

impl std::fmt::Debug for LiveState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveState").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
