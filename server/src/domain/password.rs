//! Passwords: checked for length, never truncated, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password in the clear, as bytes of UTF-8 exactly as typed (OWASP ASVS 5.0, 6.2.8: no change
/// of case, no normalisation, no truncation).
pub struct Password(Zeroizing<String>);

/// The shortest password a user may choose, in bytes.
pub const MIN_LENGTH: usize = 8;
/// The longest one, in bytes: an unbounded password is a way to keep our processor busy.
pub const MAX_LENGTH: usize = 1024;

/// Why a text can't be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Under [`MIN_LENGTH`].
    #[error("must have at least {MIN_LENGTH} bytes")]
    TooShort,
    /// Over [`MAX_LENGTH`].
    #[error("must have at most {MAX_LENGTH} bytes")]
    TooLong,
}

impl Password {
    /// A password that a user chooses.
    pub fn choose(text: Zeroizing<String>) -> Result<Self, WeakPassword> {
        match text.len() {
            0..MIN_LENGTH => Err(WeakPassword::TooShort),
            MIN_LENGTH..=MAX_LENGTH => Ok(Self(text)),
            _ => Err(WeakPassword::TooLong),
        }
    }

    /// A password that someone presents. It may be shorter than today's rules allow, for an older
    /// password may be, but never so long that hashing it would be work.
    pub fn present(text: Zeroizing<String>) -> Result<Self, WeakPassword> {
        if text.len() > MAX_LENGTH {
            Err(WeakPassword::TooLong)
        } else {
            Ok(Self(text))
        }
    }

    /// The bytes, for the hasher.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A password hash as a PHC string, such as `$argon2id$v=19$m=19456,t=2,p=1$…`.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash a hasher made or a store kept.
    pub fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the hasher and the store.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<Password, WeakPassword> {
        Password::choose(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn length_counts_in_bytes_and_nothing_is_cut() {
        assert_eq!(
            choose("1234567").expect_err("7 bytes"),
            WeakPassword::TooShort
        );
        assert_eq!(choose("pässwrt").expect("8 bytes").expose().len(), 8);
        assert_eq!(
            choose(&"x".repeat(1024))
                .expect("1024 bytes")
                .expose()
                .len(),
            1024
        );
        assert_eq!(
            choose(&"x".repeat(1025)).expect_err("1025 bytes"),
            WeakPassword::TooLong
        );
        assert_eq!(
            choose("  spaces stay  ").expect("kept as typed").expose(),
            b"  spaces stay  "
        );
    }

    #[test]
    fn a_password_does_not_print() {
        assert_eq!(
            format!("{:?}", choose("correct horse").expect("long enough")),
            "[redacted]"
        );
        assert_eq!(
            format!("{:?}", PasswordHash::from_phc("$argon2id$…".into())),
            "[hash]"
        );
    }
}
