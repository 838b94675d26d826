//! Which addresses are public, and which the operator allowed although they are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::domain::networks::{Networks, mask_v4, mask_v6};

/// How an address may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Anyone reaches it: with HTTPS, at ports that the web uses.
    Public,
    /// The operator named it: with HTTP too, at any port.
    Allowed,
    Forbidden,
}

/// How an address may be used.
pub(super) fn judge(networks: &Networks, address: IpAddr) -> Standing {
    let public = match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    };
    match (networks.contains(address), public) {
        (true, _) => Standing::Allowed,
        (false, true) => Standing::Public,
        (false, false) => Standing::Forbidden,
    }
}

/// What of IPv4 is not the public internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890).
const SPECIAL_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8), // this network; 0.0.0.0 is this machine
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private (RFC 1918)
    (Ipv4Addr::new(100, 64, 0, 0), 10), // shared by carriers (RFC 6598)
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // the host of a virtual machine at Azure
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local; metadata of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private (RFC 1918)
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays (RFC 7526)
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private (RFC 1918)
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, and broadcast
];

/// What of 2000::/3 is not the public internet (IANA IPv6 Special-Purpose Address Registry).
const SPECIAL_V6: &[(Ipv6Addr, u8)] = &[
    // Protocol assignments: Teredo, benchmarking, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation (RFC 3849, RFC 9637).
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4: a relay would take it to the IPv4 address inside.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special =
        |(first, bits): &(Ipv4Addr, u8)| address.to_bits() & mask_v4(*bits) == first.to_bits();
    !SPECIAL_V4.iter().any(special)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = behind_nat64(address) {
        return is_public_v4(inside);
    }
    let special =
        |(first, bits): &(Ipv6Addr, u8)| address.to_bits() & mask_v6(*bits) == first.to_bits();
    // Only 2000::/3 is given out: compatible, translated, unique local, link-local and multicast
    // addresses, and NAT64 of a site's own, lie outside.
    let given_out = address.segments()[0] & 0xe000 == 0x2000;
    given_out && !names_v4_in_interface(address) && !SPECIAL_V6.iter().any(special)
}

/// The IPv4 address in 64:ff9b::/96 (RFC 6052 §2.1): where only IPv6 is spoken, DNS gives these for
/// the whole of the IPv4 internet (RFC 6147).
fn behind_nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

/// ISATAP (RFC 5214 §6.1): the interface is an IPv4 address, often a private one.
fn names_v4_in_interface(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(networks: &str, address: &str) -> Standing {
        let networks: Networks = networks.parse().expect("networks");
        super::judge(&networks, address.parse().expect(address))
    }

    #[test]
    fn addresses_of_the_public_internet_are_public() {
        for text in [
            "93.184.216.34",
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2606:2800:220:1::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(judge("", text), Standing::Public, "{text}");
        }
    }

    /// T85.
    #[test]
    fn everything_else_is_forbidden() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert_eq!(judge("", text), Standing::Forbidden, "{text}");
        }
    }

    /// T85.
    #[test]
    fn a_forbidden_address_inside_another_is_forbidden() {
        for text in [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2606:2800:220:1:0:5efe:10.0.0.1",
            "2606:2800:220:1:200:5efe:10.0.0.1",
        ] {
            assert_eq!(judge("", text), Standing::Forbidden, "{text}");
        }
    }

    #[test]
    fn what_the_operator_named_is_allowed() {
        let networks = "10.0.0.0/8, fd00::/8,192.168.1.7/32";
        for (text, expected) in [
            ("10.255.0.1", Standing::Allowed),
            ("::ffff:10.0.0.1", Standing::Allowed),
            ("fd12::1", Standing::Allowed),
            ("192.168.1.7", Standing::Allowed),
            ("192.168.1.8", Standing::Forbidden),
            ("11.0.0.1", Standing::Public),
            ("::10.0.0.1", Standing::Forbidden),
        ] {
            assert_eq!(judge(networks, text), expected, "{text}");
        }
        assert_eq!(judge("0.0.0.0/0", "127.0.0.1"), Standing::Allowed);
        assert_eq!(judge("0.0.0.0/0", "::1"), Standing::Forbidden);
        assert_eq!(judge("::/0", "::1"), Standing::Allowed);
    }
}
