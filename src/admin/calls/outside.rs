//! The way out for calls that ask somebody else: a client made when it is needed.

use super::{CallError, said};
use crate::outbound::http_client::{HttpClient, ProxyUse};

/// A client for one call. Reading the system's certificates takes some milliseconds, which block no other call.
pub(super) async fn http_client() -> Result<HttpClient, CallError> {
    let made = tokio::task::spawn_blocking(|| HttpClient::new(ProxyUse::System)).await;
    let made = made.map_err(|error| error.to_string()).and_then(|made| made.map_err(|error| error.to_string()));
    made.map_err(|error| CallError::Unavailable(said(format!("无法建立 HTTP 客户端：{error}"), error)))
}
