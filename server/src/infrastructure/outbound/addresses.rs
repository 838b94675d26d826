//! Which addresses may be reached.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Networks that may be reached although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Vec<Network>);

/// Addresses that share their first bits (CIDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be networks such as 10.0.0.0/8 or fd00::/8 with commas between them")]
pub struct NotANetwork;

impl FromStr for AllowedNetworks {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(Network::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = text.split_once('/').ok_or(NotANetwork)?;
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits: u8 = bits.parse().map_err(|_| NotANetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most {
            return Err(NotANetwork);
        }
        Ok(Self { address, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl AllowedNetworks {
    /// Whether an address was allowed by name.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether an address may be reached.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        self.contain(address) || is_public(address)
    }
}

/// Whether an address is one of the public internet (the IANA special-purpose registries, RFC
/// 6890). What carries an IPv4 address inside is judged by that one too.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is given out; mapped, compatible, NAT64, unique local, link-local and multicast
    // addresses all lie outside.
    let global = segments[0] & 0xe000 == 0x2000;
    let special = segments[0] == 0x2002 // 6to4
        || (segments[0] == 0x2001 && segments[1] < 0x0200) // Teredo, ORCHID, benchmarking
        || (segments[0] == 0x2001 && segments[1] == 0x0db8) // documentation
        || (segments[0] == 0x3fff && segments[1] < 0x1000); // documentation
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T85.
    #[test]
    fn only_public_addresses_are_reached() {
        let none = AllowedNetworks::default();
        for text in ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"] {
            assert!(none.admit(text.parse().expect(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!none.admit(text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_is_reached() {
        let networks: AllowedNetworks = "10.0.0.0/8, fd00::/8".parse().expect("networks");
        assert!(networks.admit("10.255.0.1".parse().expect("an address")));
        assert!(networks.admit("fd12::1".parse().expect("an address")));
        assert!(!networks.admit("192.168.0.1".parse().expect("an address")));
        let all: AllowedNetworks = "0.0.0.0/0".parse().expect("a network");
        assert!(all.admit("127.0.0.1".parse().expect("an address")));
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"] {
            assert_eq!(text.parse::<AllowedNetworks>(), Err(NotANetwork), "{text}");
        }
    }
}
