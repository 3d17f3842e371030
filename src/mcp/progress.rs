//! `notifications/progress` for a call whose client asked for it with a `progressToken`.
//!
//! Never on the HTTP+SSE transport of 2024-11-05, where a message without an id ends known readers, and never to a
//! client that takes JSON only.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};

use crate::dispatch::Progress;

/// How long a notification waits for a slow reader; progress that does not get through is not missed.
const PATIENCE: Duration = Duration::from_millis(200);

/// Put into a request whose answer must come alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerOnly;

/// Tells a client how far its call is.
#[derive(Debug)]
pub(super) struct Notifier {
    peer: Peer<RoleServer>,
    token: ProgressToken,
    last: AtomicU8,
}

impl Notifier {
    /// One for this request, if its client asked for it and may be told.
    pub(super) fn of(ctx: &RequestContext<RoleServer>) -> Option<Self> {
        let alone = ctx.extensions.get::<http::request::Parts>().is_some_and(|parts| parts.extensions.get::<AnswerOnly>().is_some());
        let token = ctx.meta.get_progress_token().filter(|_| !alone)?;
        Some(Self { peer: ctx.peer.clone(), token, last: AtomicU8::new(0) })
    }
}

#[async_trait]
impl Progress for Notifier {
    async fn report(&self, percent: u8, what: &str) {
        // Progress must increase from one notification to the next.
        if self.last.fetch_max(percent, Ordering::Relaxed) >= percent {
            return;
        }
        let mut told = ProgressNotificationParam::new(self.token.clone(), f64::from(percent));
        told.total = Some(100.0);
        told.message = Some(what.to_owned());
        // A client that went away ends the call by other means.
        let _told = tokio::time::timeout(PATIENCE, self.peer.notify_progress(told)).await;
    }
}
