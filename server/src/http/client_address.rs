//! Who a request comes from: the peer of the connection, unless a proxy that the operator trusts names
//! another. Nothing here looks a name up, and nothing that was sent can do more than name an address.

use std::net::{IpAddr, SocketAddr};

use poem::{Addr, Request, http::HeaderName};

use crate::domain::networks::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client. `X-Forwarded-For` is read from the right, as far as trusted proxies wrote it.
pub(super) fn client_address(request: &Request, trusted: &Networks) -> Option<IpAddr> {
    let peer = peer(request)?;
    let fields = request.headers().get_all(FORWARDED_FOR).iter();
    let values: Vec<_> = fields.filter_map(|value| value.to_str().ok()).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
    Some(rightmost_untrusted(peer, hops, trusted))
}

/// The other end of the connection.
pub(super) fn peer(request: &Request) -> Option<IpAddr> {
    match request.remote_addr().0 {
        Addr::SocketAddr(peer) => Some(peer.ip()),
        _ => None,
    }
}

/// Goes from the peer to the hop that it names, and on from there, while who says so is trusted.
fn rightmost_untrusted<'a>(
    peer: IpAddr,
    hops: impl Iterator<Item = &'a str>,
    trusted: &Networks,
) -> IpAddr {
    let mut address = peer.to_canonical();
    for hop in hops {
        if !trusted.contains(address) {
            break;
        }
        // What is no address ends the chain: what stands left of it was written by nobody we know.
        let Some(named) = read_hop(hop.trim()) else {
            break;
        };
        address = named.to_canonical();
    }
    address
}

/// An address, with a port or without; some proxies write IPv6 in brackets.
fn read_hop(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|named| named.ip()))
        .or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &str) -> String {
        let trusted = trusted.parse().expect("networks");
        let hops = forwarded.iter().rev().flat_map(|value| value.rsplit(','));
        rightmost_untrusted(peer.parse().expect("an address"), hops, &trusted).to_string()
    }

    /// T66.
    #[test]
    fn only_trusted_proxies_are_believed_and_each_for_its_own_hop() {
        let lb = "10.0.0.0/8, fd00::/8";
        for (peer, forwarded, expected) in [
            ("203.0.113.9", vec!["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                vec!["6.6.6.6, 198.51.100.1, 10.2.2.2"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec!["6.6.6.6", "198.51.100.1,10.2.2.2"],
                "198.51.100.1",
            ),
            (
                "::ffff:10.0.0.1",
                vec!["::ffff:198.51.100.1"],
                "198.51.100.1",
            ),
            ("fd00::1", vec!["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", vec!["198.51.100.1:5123"], "198.51.100.1"),
            ("10.0.0.1", vec!["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", vec![], "10.0.0.1"),
        ] {
            assert_eq!(
                client(peer, &forwarded, lb),
                expected,
                "{peer} {forwarded:?}"
            );
        }
        assert_eq!(client("10.0.0.1", &["6.6.6.6"], ""), "10.0.0.1");
    }

    /// T67.
    #[test]
    fn what_is_no_address_names_nobody() {
        let long = "a,".repeat(5_000);
        for text in [
            "",
            "a",
            "unknown",
            "proxy.example",
            "fe80::1%eth0",
            "1.2.3",
            ",,",
            &long,
        ] {
            let forwarded = format!("6.6.6.6,{text}");
            assert_eq!(
                client("10.0.0.1", &[&forwarded], "10.0.0.0/8"),
                "10.0.0.1",
                "{text}"
            );
        }
    }
}
