//! Who is at the other end: the socket's address, or what a proxy that is trusted says of it.
//!
//! `X-Forwarded-For` is a header like any other, which everybody can send. It is believed only as far as the hops that
//! wrote it are listed in `http.trusted_proxies`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::HeaderMap;

use crate::network::Network;

/// The other end of a connection; in the extensions of every request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeerAddress(Arc<Peer>);

#[derive(Debug)]
struct Peer {
    socket: SocketAddr,
    proxies: Arc<[Network]>,
}

impl PeerAddress {
    /// The peer at `socket`; `proxies` may speak for others.
    pub fn new(socket: SocketAddr, proxies: Arc<[Network]>) -> Self {
        Self(Arc::new(Peer { socket, proxies }))
    }

    /// The address of the socket, whoever stands behind it.
    pub fn socket(&self) -> SocketAddr {
        self.0.socket
    }

    /// Whether the socket is that of a proxy that may speak for others.
    pub fn is_proxy(&self) -> bool {
        self.trusts(self.0.socket.ip())
    }

    /// The address of the client: the last hop that no trusted proxy is.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        let mut client = self.0.socket.ip().to_canonical();
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while self.trusts(client) {
            // A hop that is no address is where the trustworthy part of the list ends.
            let Some(hop) = hops.next().and_then(address) else { break };
            client = hop;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.proxies.iter().any(|network| network.contains(address))
    }
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1` or `[::1]:5`.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let ip = hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(socket: &str, forwarded: &[&str]) -> String {
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        PeerAddress::new(socket.parse().unwrap(), proxies.into()).client(&headers).to_string()
    }

    #[test]
    fn a_stranger_cannot_speak_for_anybody() {
        assert_eq!(client("203.0.113.9:1000", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_names_its_client_and_nobody_further() {
        assert_eq!(client("127.0.0.1:1000", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1:1000", &["6.6.6.6, 198.51.100.1, 10.1.1.1"]), "198.51.100.1");
        assert_eq!(client("127.0.0.1:1000", &["6.6.6.6", "198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("[::ffff:10.0.0.1]:1000", &["[2001:db8::1]:80"]), "2001:db8::1");
    }

    #[test]
    fn without_a_usable_header_the_proxy_is_the_client() {
        assert_eq!(client("127.0.0.1:1000", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1:1000", &["unknown"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1:1000", &["10.0.0.7"]), "10.0.0.7");
    }
}
