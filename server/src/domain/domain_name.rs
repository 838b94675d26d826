//! Names of hosts that tenants bring along.

use std::{borrow::Borrow, fmt};

use url::{Host, Url};

/// The label that a proof in DNS stands at, before the domain.
pub const CHALLENGE_LABEL: &str = "_tokenhouse-challenge";

/// What DNS leaves of 253 characters when the label of the proof and its dot stand before the name.
const MAX_LENGTH: usize = 253 - CHALLENGE_LABEL.len() - 1;

/// The name of a host on the internet in its one spelling: ASCII in lower case, international labels in
/// Punycode (RFC 5890), at least two labels, no dot at the end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// Why a text can't be the custom domain of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADomain {
    #[error("must be the name of a host alone, such as login.example.com: no scheme, port or path")]
    NotAName,
    #[error("must not end with a dot")]
    TrailingDot,
    #[error("must be a name, not an IP address")]
    Address,
    #[error("must have at least two labels, such as login.example.com")]
    SingleLabel,
    #[error("must have at most {MAX_LENGTH} characters, 63 between two dots")]
    TooLong,
    #[error("must be a name of the internet: those below localhost lead to one's own machine")]
    Localhost,
    #[error("must not be this server's own host")]
    OwnHost,
}

impl DomainName {
    /// Reads what somebody wrote: letters of any case and script. It may be written differently afterwards.
    pub fn parse(text: &str) -> Result<Self, NotADomain> {
        // What a URL has besides a host, and escapes, which the parser below would undo.
        let foreign =
            |c: char| c.is_whitespace() || c.is_control() || "/\\:@?#%[]<>^|*,\"'`".contains(c);
        if text.is_empty() || text.contains(foreign) {
            return Err(match text.parse::<std::net::Ipv6Addr>() {
                Ok(_) => NotADomain::Address,
                Err(_) => NotADomain::NotAName,
            });
        }
        if text.ends_with(['.', '。', '．', '｡']) {
            return Err(NotADomain::TrailingDot);
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) => Self::check(name),
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => Err(NotADomain::Address),
            // A last label of digits makes it an address to every parser of URLs, if a malformed one.
            Err(url::ParseError::InvalidIpv4Address) => Err(NotADomain::Address),
            Err(_) => Err(NotADomain::NotAName),
        }
    }

    /// Reads the host of a request. Only the one spelling that [`parse`](Self::parse) gives counts, in letters
    /// of any case: whatever else a client sends is no custom domain.
    pub fn of_request(host: &str) -> Option<Self> {
        if host.len() > MAX_LENGTH || !host.contains('.') || host.ends_with('.') {
            return None;
        }
        if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        Self::check(host.to_ascii_lowercase()).ok()
    }

    /// The same, of a text that only we wrote.
    pub fn stored(text: &str) -> Result<Self, NotADomain> {
        Self::check(text.to_owned()).and_then(|name| match name.0 == text {
            true => Ok(name),
            false => Err(NotADomain::NotAName),
        })
    }

    fn check(name: String) -> Result<Self, NotADomain> {
        if name.len() > MAX_LENGTH || name.split('.').any(|label| label.len() > 63) {
            return Err(NotADomain::TooLong);
        }
        let label = |label: &str| {
            let of_a_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty()
                && label.bytes().all(of_a_host)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !name.split('.').all(label) {
            return Err(NotADomain::NotAName);
        }
        if !name.contains('.') {
            return Err(NotADomain::SingleLabel);
        }
        Ok(Self(name))
    }

    /// Whether a tenant of an installation at `public_url` may bring it along.
    pub fn check_claim(&self, public_url: &Url) -> Result<(), NotADomain> {
        if public_url.host_str() == Some(self.as_str()) {
            return Err(NotADomain::OwnHost);
        }
        if self.is_local() && !is_local_host(public_url.host_str().unwrap_or_default()) {
            return Err(NotADomain::Localhost);
        }
        Ok(())
    }

    /// Whether it leads to one's own machine, whatever a name server says (RFC 6761 §6.3).
    pub fn is_local(&self) -> bool {
        is_local_host(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_host(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// The names of an installation's custom domains can be looked for by text.
impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str, public_url: &str) -> Result<String, NotADomain> {
        let url = Url::parse(public_url).expect("a URL");
        let name = DomainName::parse(text)?;
        name.check_claim(&url)?;
        Ok(name.to_string())
    }

    #[test]
    fn a_domain_has_one_spelling() {
        for (text, expected) in [
            ("login.acme.example", "login.acme.example"),
            ("LOGIN.Acme.Example", "login.acme.example"),
            ("acme.example", "acme.example"),
            ("a-b.c--d.example", "a-b.c--d.example"),
            ("1.2.3.example", "1.2.3.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("ｌｏｇｉｎ.example", "login.example"),
        ] {
            assert_eq!(
                claim(text, "https://id.example.com").as_deref(),
                Ok(expected),
                "{text}"
            );
            assert_eq!(
                DomainName::of_request(expected)
                    .as_ref()
                    .map(DomainName::as_str),
                Some(expected)
            );
        }
    }

    #[test]
    fn everything_else_is_refused_and_says_why() {
        use NotADomain::{
            Address, Localhost, NotAName, OwnHost, SingleLabel, TooLong, TrailingDot,
        };
        let long_label = format!("{}.example", "a".repeat(64));
        let long = format!("{}example", "a.".repeat(120));
        for (text, expected) in [
            ("", NotAName),
            (" login.acme.example", NotAName),
            ("login.acme.example:443", NotAName),
            ("https://login.acme.example", NotAName),
            ("login.acme.example/x", NotAName),
            ("user@login.acme.example", NotAName),
            ("login..example", NotAName),
            (".example", NotAName),
            ("*.acme.example", NotAName),
            ("a_b.example", NotAName),
            ("-a.example", NotAName),
            ("a-.example", NotAName),
            ("%61cme.example", NotAName),
            ("xn--a.example", NotAName),
            ("a\u{0}b.example", NotAName),
            ("login.acme.example.", TrailingDot),
            ("login.acme.example。", TrailingDot),
            ("127.0.0.1", Address),
            ("127.1", Address),
            ("0x7f.1", Address),
            ("2130706433", Address),
            ("1.2.3.4.5", Address),
            ("::1", Address),
            ("[::1]", NotAName),
            ("acme", SingleLabel),
            ("localhost", SingleLabel),
            ("com", SingleLabel),
            ("login.localhost", Localhost),
            ("id.example.com", OwnHost),
            ("ID.example.COM", OwnHost),
            (long_label.as_str(), TooLong),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(
                claim(text, "https://id.example.com"),
                Err(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn names_of_ones_own_machine_are_for_installations_on_it() {
        assert!(claim("login.localhost", "http://localhost:8080").is_ok());
        assert!(claim("login.localhost", "http://id.localhost:8080").is_ok());
        assert!(claim("login.localhost", "http://127.0.0.1:8080").is_err());
        assert!(claim("login.localhost.example", "https://id.example.com").is_ok());
    }

    #[test]
    fn a_request_names_a_domain_in_its_one_spelling_or_none() {
        for (host, expected) in [
            ("login.acme.example", Some("login.acme.example")),
            ("LOGIN.acme.example", Some("login.acme.example")),
            ("login.acme.example.", None),
            ("bücher.example", None),
            ("127.0.0.1", None),
            ("1.2.3", None),
            ("[::1]", None),
            ("localhost", None),
            ("a..b", None),
            ("a_b.example", None),
            ("a b.example", None),
            ("", None),
        ] {
            let read = DomainName::of_request(host);
            assert_eq!(read.as_ref().map(DomainName::as_str), expected, "{host:?}");
        }
    }
}
