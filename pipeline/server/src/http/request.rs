//! What handlers read of every request.

use crate::error::ApiError;
use axum::http::HeaderMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use veilray_protocol::ErrorCode;

/// The number of a request: made here, never the client's.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub Arc<str>);

/// A header that is a number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || ApiError::new(ErrorCode::Malformed, format!("the header {name} is no number"), "send a number of bytes");
    parsed.map(Some).ok_or_else(refused)
}

/// Who a connection comes from: an address of IPv4, or the first 64 bits of one of IPv6, whose rest its owner may choose freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// Of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address => Self(address),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_what_one_owner_has() {
        let of = |text: &str| Peer::of(text.parse().unwrap()).to_string();
        assert_eq!([of("10.1.2.3"), of("::ffff:10.1.2.3"), of("::1")], ["10.1.2.3", "10.1.2.3", "::1"]);
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::7"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
    }
}
