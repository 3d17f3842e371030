//! The stdio transport: the same catalogue for a host that starts this program itself.
//!
//! stdout carries protocol messages and nothing else; logs go to stderr.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use rmcp::{Peer, RoleServer, ServiceExt};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backend::ListChanges,
    handler::{Handler, Scope, ServerSettings},
    watch::ListWatch,
};
use crate::{dispatch::Dispatch, gate::Gate};

/// How long a host may take to read that its list changed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why the session could not be held.
#[derive(Debug, thiserror::Error)]
#[error("the stdio session ended with an error: {0}")]
pub struct StdioError(String);

/// Serves the group `code` on stdin and stdout until stdin ends.
pub async fn serve_stdio(
    dispatch: Arc<Dispatch>,
    gate: Arc<Gate>,
    settings: ServerSettings,
    code: String,
    stop: CancellationToken,
) -> Result<(), StdioError> {
    let watch = ListWatch::start(Arc::clone(&dispatch), Arc::clone(&gate), stop.clone(), &TaskTracker::new());
    let changes = gate.admit_local(&code).ok().map(|caller| watch.changes(caller));
    let greeted = Arc::new(AtomicBool::new(false));
    let scope = Scope::Local { code, greeted: Arc::clone(&greeted) };
    let handler = Handler { dispatch, gate, settings: Arc::new(settings), scope, watch, stop: stop.clone() };
    let (stdin, stdout) = rmcp::transport::stdio_pipes();
    let service = match handler.serve_with_ct((stdin, stdout), stop).await {
        Ok(service) => service,
        // stdin that ends before the first message is a host that changed its mind.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_) | rmcp::service::ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => return Err(StdioError(error.to_string())),
    };
    let peer = service.peer().clone();
    tokio::select! {
        ended = service.waiting() => ended.map(|_| ()).map_err(|error| StdioError(error.to_string())),
        never = tell(peer, changes, &greeted) => match never {},
    }
}

/// Tells a host of an older revision when its list changes. One of 2026-07-28 subscribes, and is told by its
/// subscription.
async fn tell(peer: Peer<RoleServer>, changes: Option<ListChanges>, greeted: &AtomicBool) -> Infallible {
    if let Some(mut changes) = changes {
        while let Some(()) = changes.next().await {
            if greeted.load(Ordering::Relaxed) {
                // A host that went away ends the session by itself; one that does not read is not waited for.
                let _told = tokio::time::timeout(PATIENCE, peer.notify_tool_list_changed()).await;
            }
        }
    }
    std::future::pending().await
}
