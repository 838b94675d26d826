//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the caller's word for one thing to be done.

use std::{fmt, time::Duration};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How long an answer is remembered. A retry after that does the thing anew.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// The longest key, in characters.
const LONGEST: usize = 255;

/// A key as the caller chose it. It opens the answer that may hold a secret, so it doesn't print.
pub struct IdempotencyKey(Zeroizing<String>);

/// The header's value is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 printable ASCII characters")]
pub struct NotAnIdempotencyKey;

impl IdempotencyKey {
    /// The draft puts the key in quotes, most callers don't: both are the same key.
    pub fn parse(value: &[u8]) -> Result<Self, NotAnIdempotencyKey> {
        let value = match value {
            [b'"', inner @ .., b'"'] => inner,
            value => value,
        };
        let printable = |byte: &u8| matches!(byte, b' '..=b'~');
        if !(1..=LONGEST).contains(&value.len()) || !value.iter().all(printable) {
            return Err(NotAnIdempotencyKey);
        }
        let text = std::str::from_utf8(value).map_err(|_| NotAnIdempotencyKey)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The key itself, to derive from.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What tells one request from another under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of everything that the request asks. Each part carries its length, so that no two requests are
    /// spelled alike.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A request with a key.
#[derive(Debug)]
pub struct KeyedRequest {
    pub key: IdempotencyKey,
    /// What kind of thing it asks for: a key means something else at every operation.
    pub operation: String,
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_printable_ascii_with_or_without_quotes() {
        for good in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "order 1"] {
            let plain = IdempotencyKey::parse(good.as_bytes()).expect("is a key");
            let quoted = IdempotencyKey::parse(format!("\"{good}\"").as_bytes());
            assert_eq!(plain.expose(), quoted.expect("is a key").expose());
        }
        let longest = "x".repeat(LONGEST);
        assert!(IdempotencyKey::parse(longest.as_bytes()).is_ok());
        let too_long = "x".repeat(LONGEST + 1);
        for bad in ["", "\"\"", "\u{e9}", "a\tb", &too_long] {
            let parsed = IdempotencyKey::parse(bad.as_bytes());
            assert_eq!(parsed.err(), Some(NotAnIdempotencyKey), "{bad:?}");
        }
        assert!(IdempotencyKey::parse(&[0xff]).is_err());
    }

    #[test]
    fn it_does_not_print() {
        let key = IdempotencyKey::parse(b"order-1").expect("is a key");
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    #[test]
    fn requests_differ_wherever_a_part_begins() {
        assert_ne!(
            Fingerprint::of(&[b"ab", b"c"]),
            Fingerprint::of(&[b"a", b"bc"])
        );
        assert_eq!(Fingerprint::of(&[b"a"]), Fingerprint::of(&[b"a"]));
    }
}
