//! Email addresses, canonicalised once: the only way to an [`EmailAddress`] is [`EmailAddress::parse`].

use std::fmt;

use url::Host;

/// A mailbox in canonical form: lower case, an ASCII (punycode) domain, a plain dot-atom local
/// part (RFC 5321 §4.1.2 without quoted strings).
///
/// Two addresses that a mail system may deliver to one mailbox must not be two users here, and no
/// spelling of an address may reach a second mailbox; so anything unusual (quotes, comments,
/// commas, look-alike characters, address literals) is refused instead of being interpreted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// Why a text is no address that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an email address such as ada@example.com")]
pub struct NotAnEmailAddress;

/// RFC 5321 §4.5.3.1.3: a path has 256 octets, two of them are the angle brackets.
const MAX_LENGTH: usize = 254;
/// RFC 5321 §4.5.3.1.1.
const MAX_LOCAL_LENGTH: usize = 64;

impl EmailAddress {
    /// Reads an address and brings it into canonical form.
    pub fn parse(text: &str) -> Result<Self, NotAnEmailAddress> {
        if text.len() > MAX_LENGTH {
            return Err(NotAnEmailAddress);
        }
        let (local, domain) = text.split_once('@').ok_or(NotAnEmailAddress)?;
        if !is_dot_atom(local) || local.len() > MAX_LOCAL_LENGTH {
            return Err(NotAnEmailAddress);
        }
        let domain = canonical_domain(domain)?;
        let canonical = format!("{}@{domain}", local.to_ascii_lowercase());
        if canonical.len() > MAX_LENGTH {
            return Err(NotAnEmailAddress);
        }
        Ok(Self(canonical))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    })
}

fn canonical_domain(domain: &str) -> Result<String, NotAnEmailAddress> {
    // The URL host parser would silently drop or decode some of these.
    let plain = domain
        .chars()
        .all(|c| c.is_alphanumeric() || c == '.' || c == '-');
    if !plain || domain.ends_with('.') || domain.starts_with('.') {
        return Err(NotAnEmailAddress);
    }
    match Host::parse(domain) {
        Ok(Host::Domain(host)) if !host.is_empty() && host.split('.').all(is_label) => Ok(host),
        _ => Err(NotAnEmailAddress),
    }
}

/// A DNS label in its ASCII form (RFC 1035 §2.3.1, digits first allowed by RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_canonical_form() {
        for text in ["ada@example.com", "ADA@example.com", "Ada@EXAMPLE.COM"] {
            assert_eq!(
                EmailAddress::parse(text).expect(text).as_str(),
                "ada@example.com"
            );
        }
        assert_eq!(
            EmailAddress::parse("ada@Bücher.example")
                .expect("international domains work")
                .as_str(),
            "ada@xn--bcher-kva.example"
        );
    }

    #[test]
    fn whatever_could_mean_another_mailbox_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a@x.com,b@y.com",
            "\"b@y.com\"@x.com",
            "b@y.com\n",
            "ada\u{ff20}example.com",
            "ada@example.com.",
            "a..b@example.com",
            ".a@example.com",
            "a b@example.com",
            " ada@example.com",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "ada@exa mple.com",
            "ada@-x.com",
            "ad\u{430}@example.com",
            "ada@example.com\0",
            "ada@ex%61mple.com",
            "ada@.example.com",
        ] {
            assert_eq!(
                EmailAddress::parse(text),
                Err(NotAnEmailAddress),
                "{text:?}"
            );
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert_eq!(EmailAddress::parse(&long), Err(NotAnEmailAddress));
    }
}
