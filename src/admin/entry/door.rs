//! For the pages in front of the door (sign-in, setup): the calls, for the few that somebody nobody knows may make.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};

use crate::{
    admin::{
        calls::{Calls, Place},
        state::AdminState,
    },
    http::PeerAddress,
};

/// Somebody in front of the door.
#[derive(Debug)]
pub(in crate::admin) struct Door {
    /// The calls.
    pub(in crate::admin) calls: Calls,
    /// Where they are.
    pub(in crate::admin) place: Place,
    /// Whether they came under the public, encrypted address.
    pub(in crate::admin) encrypted: bool,
}

impl FromRequestParts<AdminState> for Door {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AdminState) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            calls: state.calls().clone(),
            place: Place { address: address(parts.extensions.get(), &parts.headers), agent: agent.to_owned() },
            encrypted: state.settings().came_encrypted(&parts.headers),
        })
    }
}

/// Where a request came from; a request without a peer was made by a test.
pub(super) fn address(peer: Option<&PeerAddress>, headers: &HeaderMap) -> IpAddr {
    peer.map_or(IpAddr::from([127, 0, 0, 1]), |peer| peer.client(headers))
}
