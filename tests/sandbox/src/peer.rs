//! Who is calling.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// The caller's address: the first hop of `X-Forwarded-For`, else the peer's (contract, 9.3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    pub(crate) fn of(headers: &HeaderMap, peer: SocketAddr) -> Self {
        let forwarded = headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let first = forwarded
            .and_then(|hops| hops.split(',').next())
            .and_then(|hop| hop.trim().parse().ok());
        Self(first.unwrap_or_else(|| peer.ip()))
    }
}
