//! Redirect URIs: registered once by rule, then compared byte for byte.
//!
//! Nothing is parsed, decoded or folded when a request names one: every parser that disagrees with
//! the browser's is an open redirect. The port of a loopback address is the only thing that may
//! differ (RFC 8252 §7.3).

use std::{fmt, net::Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::metadata::ApplicationType;

/// A redirect URI as it was registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

/// Why a text can't be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an absolute https URI without fragment and user name (http for a loopback address, or a private-use \
     scheme with a dot such as com.example.app:/callback), at most 2048 characters"
)]
pub struct NotARedirectUri;

impl RedirectUri {
    /// Reads a URI that a client registers (RFC 9700 §2.1 and §2.6, RFC 8252 §7). Schemes are an
    /// allow list: whatever a browser would run as a script isn't on it.
    pub fn parse(text: &str) -> Result<Self, NotARedirectUri> {
        let plain = (1..=2048).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
            && !text.contains('#');
        let url = Url::parse(text).map_err(|_| NotARedirectUri)?;
        let allowed = match url.scheme() {
            "https" => names_its_host(text, "https://") && url.has_host(),
            "http" => names_its_host(text, "http://") && is_loopback(&url),
            scheme => is_private_use(scheme) && text.starts_with(&format!("{scheme}:")),
        };
        let anonymous = url.username().is_empty() && url.password().is_none();
        if plain && allowed && anonymous {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotARedirectUri)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request may name `presented` for this one.
    pub fn admits(&self, presented: &str, application_type: ApplicationType) -> bool {
        if self.0 == presented {
            return true;
        }
        // The name `localhost` may lead elsewhere (RFC 8252 §8.3): only apps on a device get it.
        let native = application_type == ApplicationType::Native;
        let hosts: &[&str] = if native {
            &["http://127.0.0.1", "http://[::1]", "http://localhost"]
        } else {
            &["http://127.0.0.1", "http://[::1]"]
        };
        hosts.iter().any(|host| {
            let registered = self.0.strip_prefix(host).and_then(without_port);
            registered.is_some()
                && registered == presented.strip_prefix(host).and_then(without_port)
        })
    }
}

/// The scheme and the authority are written out; the parser also reads `https:x` as `https://x`.
fn names_its_host(text: &str, start: &str) -> bool {
    text.strip_prefix(start)
        .is_some_and(|rest| !rest.starts_with('/'))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// RFC 8252 §7.1: a domain name in reverse order.
fn is_private_use(scheme: &str) -> bool {
    scheme.contains('.') && !scheme.starts_with('.') && !scheme.ends_with('.')
}

/// What follows the authority, when that is nothing but an optional port.
fn without_port(rest: &str) -> Option<&str> {
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=5).contains(&digits) {
                return None;
            }
            &port[digits..]
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = NotARedirectUri;

    fn try_from(text: String) -> Result<Self, NotARedirectUri> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(text: &str) -> RedirectUri {
        RedirectUri::parse(text).expect(text)
    }

    #[test]
    fn only_what_cannot_run_can_be_registered() {
        for text in [
            "https://rp.example/cb",
            "https://rp.example:8443/cb?keep=1",
            "http://127.0.0.1/cb",
            "http://[::1]:9000/cb",
            "http://localhost:3000/cb",
            "com.example.app:/callback",
            "com.example.app://callback",
        ] {
            assert!(RedirectUri::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/cb",
            "rp.example/cb",
            "http://rp.example/cb",
            "https://rp.example/cb#f",
            "https://rp.example/cb#",
            "https://a@rp.example/cb",
            "https://a:b@rp.example/cb",
            "https:rp.example/cb",
            "https:///rp.example/cb",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\nscript:alert(1)",
            " https://rp.example/cb",
            "https://rp.example/c b",
            "https://rp.example\\cb",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://rp.example/x",
            "file:///etc/passwd",
            "myapp:/cb",
            "COM.EXAMPLE.APP:/cb",
            "https://r\u{f6}p.example/cb",
        ] {
            assert_eq!(RedirectUri::parse(text), Err(NotARedirectUri), "{text:?}");
        }
    }

    /// T13: none of these is the registered one.
    #[test]
    fn matching_is_byte_for_byte() {
        let uri = registered("https://rp.example/cb");
        assert!(uri.admits("https://rp.example/cb", ApplicationType::Web));
        for text in [
            "https://rp.example/cb/",
            "https://rp.example/CB",
            "https://RP.example/cb",
            "https://rp.example/cb?x=1",
            "https://rp.example/cb?",
            "https://rp.example/cb#f",
            "https://rp.example/cb/../evil",
            "https://rp.example/%63b",
            "https://rp.example/cb%2e",
            "https://rp.example/..;/cb",
            "https://rp.example@evil.example/cb",
            "https://rp.example:443/cb",
            "https://rp.example.evil.example/cb",
            "https://rpaexample/cb",
            "http://rp.example/cb",
            "//rp.example/cb",
            "https:rp.example/cb",
            "https://rp.example\\cb",
            "https://rp.example/cb\t",
            "https://rp.example/cb\0",
            "https://rp.example./cb",
            "https://a@b@rp.example/cb",
            "",
        ] {
            for kind in [ApplicationType::Web, ApplicationType::Native] {
                assert!(!uri.admits(text, kind), "{text:?}");
            }
        }
    }

    /// T14: the port of a loopback address is free, and nothing else.
    #[test]
    fn the_port_of_a_loopback_address_is_free() {
        let uri = registered("http://127.0.0.1/cb");
        for text in [
            "http://127.0.0.1:1/cb",
            "http://127.0.0.1:65535/cb",
            "http://127.0.0.1/cb",
        ] {
            assert!(uri.admits(text, ApplicationType::Native), "{text}");
        }
        for text in [
            "http://localhost:80/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:123456/cb",
            "http://127.0.0.1:80evil.example/cb",
            "http://127.0.0.1:80/other",
            "http://127.0.0.1:80/cb?x",
            "http://127.0.0.2:80/cb",
            "https://127.0.0.1:80/cb",
            "http://[::1]:80/cb",
        ] {
            assert!(!uri.admits(text, ApplicationType::Native), "{text}");
        }
        let bare = registered("http://[::1]:7000");
        assert!(bare.admits("http://[::1]:7001", ApplicationType::Web));
        assert!(!bare.admits("http://[::1]:7001.evil.example", ApplicationType::Web));
    }

    #[test]
    fn localhost_has_a_free_port_for_native_apps_alone() {
        let uri = registered("http://localhost/cb");
        assert!(uri.admits("http://localhost:4711/cb", ApplicationType::Native));
        assert!(!uri.admits("http://localhost:4711/cb", ApplicationType::Web));
        assert!(!uri.admits("http://localhost.evil.example/cb", ApplicationType::Native));
    }
}
