//! Which URLs may be used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::addresses::{Standing, judge};
use crate::domain::networks::Networks;

/// Ports above 1023 where something else than the web listens, and would take a request for a
/// command or a message of its own: those that browsers refuse (WHATWG Fetch, "port blocking") and
/// those of common stores and control planes.
const FOREIGN_PORTS: &[u16] = &[
    1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190,
    5060, 5061, 5432, 5672, 5984, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042,
    9092, 9200, 9300, 10080, 10250, 11211, 27017,
];

/// What holds for every URL that a client registered.
#[derive(Debug)]
pub(super) struct Rules {
    networks: Networks,
}

/// Why a URL may not be used: for the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the scheme is neither https nor http")]
    Scheme,
    #[error("http and ports of other services are for allowed networks")]
    Unsafe,
    #[error("the URL has a user name or password")]
    UserInfo,
    #[error("the URL has no host")]
    NoHost,
    #[error("the host ends with a dot")]
    TrailingDot,
    #[error("the name leads nowhere")]
    NoAddress,
    #[error("{0} is neither public nor in an allowed network")]
    Address(IpAddr),
}

/// A URL as far as it can be judged without a lookup.
#[derive(Debug)]
pub(super) struct Target {
    /// HTTPS at a port of the web: good for public addresses.
    safe: bool,
    port: u16,
    host: Whereabouts,
}

#[derive(Debug)]
enum Whereabouts {
    Known(Vec<IpAddr>),
    Named(String),
}

impl Target {
    /// The name to look up; `None` when the addresses are known.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Whereabouts::Known(_) => None,
            Whereabouts::Named(name) => Some(name),
        }
    }

    /// The addresses that the URL itself says.
    pub(super) fn known(&self) -> &[IpAddr] {
        match &self.host {
            Whereabouts::Known(addresses) => addresses,
            Whereabouts::Named(_) => &[],
        }
    }
}

impl Rules {
    pub(super) fn new(networks: Networks) -> Self {
        Self { networks }
    }

    /// Judges all but the addresses behind a name.
    pub(super) fn read(&self, url: &Url) -> Result<Target, Refusal> {
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Refusal::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        let port = url.port_or_known_default().ok_or(Refusal::Scheme)?;
        // The decimal, octal and hexadecimal spellings are addresses here already (WHATWG URL,
        // "IPv4 parser").
        let host = match url.host().ok_or(Refusal::NoHost)? {
            Host::Ipv4(address) => Whereabouts::Known(vec![address.into()]),
            Host::Ipv6(address) => Whereabouts::Known(vec![address.into()]),
            Host::Domain(name) => self.locate(name)?,
        };
        let target = Target {
            safe: encrypted && is_of_the_web(port),
            port,
            host,
        };
        match &target.host {
            Whereabouts::Known(addresses) => self.admit(&target, addresses).map(|_| target),
            // It may lead into an allowed network.
            Whereabouts::Named(_) if target.safe || !self.networks.is_empty() => Ok(target),
            Whereabouts::Named(_) => Err(Refusal::Unsafe),
        }
    }

    fn locate(&self, name: &str) -> Result<Whereabouts, Refusal> {
        // Another spelling of a name that certificates and this list know without the dot.
        if name.ends_with('.') {
            return Err(Refusal::TrailingDot);
        }
        if name != "localhost" && !name.ends_with(".localhost") {
            return Ok(Whereabouts::Named(name.to_owned()));
        }
        // Always this machine, whatever a name server says (RFC 6761 §6.3).
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let allowed: Vec<_> = loopback
            .into_iter()
            .filter(|address| judge(&self.networks, *address) == Standing::Allowed)
            .collect();
        if allowed.is_empty() {
            return Err(Refusal::Address(loopback[0]));
        }
        Ok(Whereabouts::Known(allowed))
    }

    /// Where to connect: nowhere unless every one of the addresses is good, since whoever owns a
    /// name chooses which of them we would try first.
    pub(super) fn admit(
        &self,
        target: &Target,
        addresses: &[IpAddr],
    ) -> Result<Vec<SocketAddr>, Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::NoAddress);
        }
        addresses
            .iter()
            .map(|address| match judge(&self.networks, *address) {
                Standing::Allowed => Ok(SocketAddr::new(*address, target.port)),
                Standing::Public if target.safe => Ok(SocketAddr::new(*address, target.port)),
                Standing::Public => Err(Refusal::Unsafe),
                Standing::Forbidden => Err(Refusal::Address(*address)),
            })
            .collect()
    }
}

fn is_of_the_web(port: u16) -> bool {
    port == 443 || (port >= 1024 && !FOREIGN_PORTS.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(networks: &str, url: &str) -> Result<Target, Refusal> {
        let networks = networks.parse().expect("networks");
        Rules::new(networks).read(&Url::parse(url).expect(url))
    }

    /// T85.
    #[test]
    fn a_url_that_leads_inside_is_refused_as_it_is_registered() {
        for url in [
            "https://127.0.0.1/keys",
            "https://127.0.0.1:8443/keys",
            "https://[::1]/keys",
            "https://[::ffff:127.0.0.1]/keys",
            "https://[::ffff:7f00:1]/keys",
            "https://[fd00::1]/keys",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "https://0.0.0.0/",
            "https://0/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://１２７.0.0.1/",
            "https://localhost/",
            "https://LOCALHOST/",
            "https://x.localhost/",
            "https://x。localhost/",
        ] {
            let refused = read("", url).expect_err(url);
            assert!(matches!(refused, Refusal::Address(_)), "{url}: {refused}");
        }
    }

    /// T85.
    #[test]
    fn only_https_at_ports_of_the_web_is_for_everyone() {
        for (url, expected) in [
            ("http://rp.example/keys", Refusal::Unsafe),
            ("http://8.8.8.8/keys", Refusal::Unsafe),
            ("https://rp.example:22/", Refusal::Unsafe),
            ("https://rp.example:25/", Refusal::Unsafe),
            ("https://rp.example:80/", Refusal::Unsafe),
            ("https://rp.example:1023/", Refusal::Unsafe),
            ("https://rp.example:6379/", Refusal::Unsafe),
            ("https://8.8.8.8:5432/", Refusal::Unsafe),
            ("https://rp.example:0/", Refusal::Unsafe),
            ("https://user@rp.example/", Refusal::UserInfo),
            ("https://:secret@rp.example/", Refusal::UserInfo),
            ("https://rp.example./", Refusal::TrailingDot),
            ("https://localhost./", Refusal::TrailingDot),
            ("ftp://rp.example/", Refusal::Scheme),
            ("file:///etc/passwd", Refusal::Scheme),
            ("gopher://rp.example/", Refusal::Scheme),
            ("unix:/run/docker.sock", Refusal::Scheme),
            ("data:application/json,{}", Refusal::Scheme),
        ] {
            assert_eq!(read("", url).expect_err(url), expected, "{url}");
        }
        for url in [
            "https://rp.example/keys?x=1",
            "https://rp.example:8443/keys",
            "https://rp.example:1024/",
            "https://8.8.8.8/",
            "https://[2606:2800:220:1::1]/",
        ] {
            assert!(read("", url).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_allowed_network_takes_http_at_any_port_but_only_itself() {
        let networks = "127.0.0.0/8,10.0.0.0/8";
        for url in [
            "http://127.0.0.1:3000/",
            "http://127.0.0.1:22/",
            "http://localhost:3000/",
            "http://rp.localhost/",
            "http://10.1.1.1/",
            "http://app.internal.example/",
        ] {
            assert!(read(networks, url).is_ok(), "{url}");
        }
        for url in ["http://8.8.8.8/", "http://192.168.0.1/", "http://[::1]/"] {
            assert!(read(networks, url).is_err(), "{url}");
        }
        let localhost = read(networks, "http://localhost:3000/").expect("a target");
        assert_eq!(localhost.known(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    }

    #[test]
    fn one_bad_address_of_a_name_spoils_the_others() {
        let rules = Rules::new("10.0.0.0/8".parse().expect("a network"));
        let address = |text: &str| -> IpAddr { text.parse().expect(text) };
        let admit = |url: &str, addresses: &[&str]| {
            let target = rules.read(&Url::parse(url).expect(url)).expect(url);
            let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
            rules.admit(&target, &addresses)
        };
        assert_eq!(
            admit("https://rp.example/", &["8.8.8.8", "10.0.0.1"]),
            Ok(vec![
                "8.8.8.8:443".parse().expect("an address"),
                "10.0.0.1:443".parse().expect("an address"),
            ])
        );
        assert_eq!(
            admit("https://rp.example/", &["8.8.8.8", "192.168.0.1"]),
            Err(Refusal::Address(address("192.168.0.1")))
        );
        assert_eq!(
            admit("https://rp.example/", &["::ffff:127.0.0.1"]),
            Err(Refusal::Address(address("::ffff:127.0.0.1")))
        );
        assert_eq!(
            admit("http://rp.example/", &["10.0.0.1", "8.8.8.8"]),
            Err(Refusal::Unsafe)
        );
        assert_eq!(admit("https://rp.example/", &[]), Err(Refusal::NoAddress));
    }
}
