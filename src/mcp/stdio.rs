//! The stdio transport: the same catalogue for a host that starts this program itself.
//!
//! stdout carries protocol messages and nothing else; logs go to stderr.

use std::sync::Arc;

use rmcp::ServiceExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    handler::{Handler, Scope, ServerSettings},
    watch::ListWatch,
};
use crate::{dispatch::Dispatch, gate::Gate};

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
    let handler = Handler { dispatch, gate, settings: Arc::new(settings), scope: Scope::Local(code), watch, stop: stop.clone() };
    let (stdin, stdout) = rmcp::transport::stdio_pipes();
    let service = match handler.serve_with_ct((stdin, stdout), stop).await {
        Ok(service) => service,
        // stdin that ends before the first message is a host that changed its mind.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_) | rmcp::service::ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => return Err(StdioError(error.to_string())),
    };
    service.waiting().await.map(|_| ()).map_err(|error| StdioError(error.to_string()))
}
