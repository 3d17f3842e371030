//! Our own accept loop on hyper's connection builder.
//!
//! axum::serve has no header timeout, no connection cap and leaves Nagle on; here a silent socket, a half-sent head and
//! a crowd each meet a limit, and a soft stop lets running requests finish. HTTP/1.1 only: a proxy in front may speak
//! whatever it likes. A connection that is upgraded to a WebSocket leaves these limits; `live` has its own.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    crowd::{Connections, Crowd, Entered, Place},
    patience::Patient,
    peer::PeerAddress,
};
use crate::{network::Network, telemetry::figures};

/// Most bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;

/// What one connection, and all of them together, may take.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at once, on one listener.
    pub connections: usize,
    /// Connections at once from one address that is not a trusted proxy; 0 for no limit of its own.
    pub per_address: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Arc<[Network]>,
    /// Longest a new connection may stay silent.
    pub first_byte: Duration,
    /// Longest a request's head may take to arrive; also how long an idle connection is kept.
    pub head: Duration,
    /// Longest a write may be stuck because the peer does not read.
    pub write: Duration,
    /// How long running requests may take to finish after a stop.
    pub shutdown: Duration,
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (setting `{section}.listen`): {why}. Stop what uses the address, or choose another one")]
pub struct BindError {
    section: &'static str,
    address: SocketAddr,
    why: std::io::Error,
}

/// An open listener that does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where it listens; the port is the real one even if 0 was asked for.
    pub address: SocketAddr,
    /// How many connections it holds.
    pub connections: Connections,
}

/// Opens a listener for the configuration section `section`.
pub async fn bind(section: &'static str, address: SocketAddr) -> Result<Bound, BindError> {
    let fail = |why| BindError { section, address, why };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, section, "listening beyond this machine without TLS; put a TLS proxy in front");
    }
    Ok(Bound { listener, address, connections: Connections::default() })
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            per_address: 0,
            proxies: Arc::new([]),
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(5),
            write: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
        }
    }
}

impl Bound {
    /// Answers with `router` until `stop`; then finishes what runs, for at most the shutdown limit.
    pub async fn serve(self, router: Router, limits: ConnectionLimits, stop: CancellationToken) {
        let crowd = Crowd::new(limits.connections, limits.per_address);
        let connections = TaskTracker::new();
        let (limits, service) = (Arc::new(limits), TowerToHyperService::new(router));
        loop {
            let (stream, address, slot) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &crowd) => accepted,
            };
            let peer = PeerAddress::new(address, Arc::clone(&limits.proxies));
            match crowd.admit(slot, address.ip().to_canonical(), !peer.is_proxy()) {
                Some(place) => {
                    let place = (place, self.connections.enter());
                    let connection = Connection { peer, place, limits: Arc::clone(&limits), stop: stop.clone() };
                    connections.spawn(connection.run(stream, service.clone()));
                }
                None => turn_away(&stream),
            }
        }
        drop(self.listener);
        connections.close();
        if tokio::time::timeout(limits.shutdown, connections.wait()).await.is_err() {
            tracing::warn!(address = %self.address, "requests were still running at the end of the shutdown limit and were cut");
        }
    }
}

/// What the peer hears whose address has all the connections that it may have.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain\r\nContent-Length: 93\r\n\r\nToo many connections from this address (http.max_connections_per_address): close some first.\n";

/// Says why, if the socket takes it at once, and closes.
fn turn_away(stream: &TcpStream) {
    tracing::debug!("a connection was turned away: its address has as many as it may have");
    if let Err(error) = stream.try_write(TOO_MANY) {
        tracing::debug!(%error, "and could not be told why");
    }
}

/// One connection and what it needs.
struct Connection {
    peer: PeerAddress,
    place: (Place, Entered),
    limits: Arc<ConnectionLimits>,
    stop: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, service: TowerToHyperService<Router>) {
        let Self { peer, place, limits, stop } = self;
        let _counted = figures::Connection::open();
        // hyper's header timer starts with the first byte: a peer that sends none must be cut here.
        let mut first = [0];
        let spoke = tokio::select! {
            () = stop.cancelled() => return,
            peeked = tokio::time::timeout(limits.first_byte, stream.peek(&mut first)) => matches!(peeked, Ok(Ok(1..))),
        };
        if !spoke {
            return;
        }
        let named = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            hyper::service::Service::call(&service, request)
        });
        let mut http = http1::Builder::new();
        // The buffer alone is no sharp limit: hyper grows it in steps, and a head that fits into the last one is read.
        http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(MAX_HEAD).max_header_size(MAX_HEAD);
        let io = TokioIo::new(Patient::new(stream, limits.write));
        let mut connection = pin!(http.serve_connection(io, named).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // A peer that broke off is its own business; what matters was logged where it happened.
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    }
}

/// The next connection, once there is room for it. The kernel's backlog holds the rest.
async fn accept(listener: &TcpListener, crowd: &Crowd) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let slot = crowd.room().await;
        match listener.accept().await {
            Ok((stream, address)) => {
                // Without it a small answer can wait 40 ms for the peer's acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps Nagle's delay");
                }
                return (stream, address, slot);
            }
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                // Out of file descriptors: spinning would make it worse.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
