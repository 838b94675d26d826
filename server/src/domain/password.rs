//! Passwords: checked for length, never truncated, never printed.

use std::fmt;

use zeroize::Zeroizing;

use super::tenant::TenantScope;

/// A password in the clear, as bytes of UTF-8 exactly as typed (OWASP ASVS 5.0, 6.2.8: no change
/// of case, no normalisation, no truncation).
pub struct Password(Zeroizing<String>);

/// The longest one, in bytes: an unbounded password is a way to keep our processor busy.
pub const MAX_LENGTH: usize = 1024;

/// How much of a password is looked at for being easy to guess: what is behind that can only make it harder.
const GUESSED_LENGTH: usize = 64;
/// A password that falls within so many guesses falls to somebody who tries a few a day for years, or all at
/// once against many accounts.
const FEW_GUESSES: u64 = 1_000_000;

/// Why a text can't be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Under the tenant's minimum.
    #[error("must have at least {least} characters")]
    TooShort { least: u32 },
    /// Over [`MAX_LENGTH`].
    #[error("must have at most {MAX_LENGTH} bytes")]
    TooLong,
    /// One of those that everybody tries first, or made of what is known of the user.
    #[error(
        "is too easy to guess: choose one that is not a common password, a pattern, or your own name or address"
    )]
    Guessable,
}

/// What a tenant wants of new passwords (OWASP ASVS 5.0, 6.2.1, 6.2.4, 6.2.11).
#[derive(Clone, Debug)]
pub struct PasswordRules<'a> {
    least: u32,
    refuse_guessable: bool,
    /// Words that somebody who knows the user tries first.
    context: Vec<&'a str>,
}

impl<'a> PasswordRules<'a> {
    /// The tenant's rules for a user of whom this is known; addresses count with their parts.
    pub fn of(tenant: &'a TenantScope, known: &[&'a str]) -> Self {
        let policy = tenant.policy();
        let own = [tenant.slug().as_str(), tenant.name()];
        let words = own.into_iter().chain(known.iter().copied());
        let parts = |text: &'a str| {
            let split = text.split(|c: char| !c.is_alphanumeric());
            std::iter::once(text).chain(split.filter(|part| part.chars().count() > 2))
        };
        Self {
            least: policy.password_min_length,
            refuse_guessable: policy.password_refuse_common,
            context: words.flat_map(parts).collect(),
        }
    }

    fn is_guessable(&self, text: &str) -> bool {
        let beginning: String = text.chars().take(GUESSED_LENGTH).collect();
        self.refuse_guessable && zxcvbn::zxcvbn(&beginning, &self.context).guesses() < FEW_GUESSES
    }
}

impl Password {
    /// A password that a user chooses.
    pub fn choose(
        text: Zeroizing<String>,
        rules: &PasswordRules<'_>,
    ) -> Result<Self, WeakPassword> {
        if text.len() > MAX_LENGTH {
            return Err(WeakPassword::TooLong);
        }
        let least = rules.least;
        if text.chars().count() < usize::try_from(least).unwrap_or(usize::MAX) {
            return Err(WeakPassword::TooShort { least });
        }
        if rules.is_guessable(&text) {
            return Err(WeakPassword::Guessable);
        }
        Ok(Self(text))
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
        let tenant = crate::testing::tenant();
        let rules = PasswordRules::of(&tenant, &["Ada Lovelace", "ada.king@engines.example"]);
        Password::choose(Zeroizing::new(text.to_owned()), &rules)
    }

    #[test]
    fn length_counts_in_characters_and_nothing_is_cut() {
        let short = WeakPassword::TooShort { least: 8 };
        assert_eq!(choose("pässwrt").expect_err("7 characters"), short);
        assert_eq!(choose("zäöüß€µx").expect("8 characters").expose().len(), 15);
        let long = "ein Satz, der lang ist. ".repeat(43);
        assert_eq!(
            choose(&long[..1024]).expect("1024 bytes").expose().len(),
            1024
        );
        assert_eq!(
            choose(&long[..1025]).expect_err("1025 bytes"),
            WeakPassword::TooLong
        );
        assert_eq!(
            choose("  spaces stay  ").expect("kept as typed").expose(),
            b"  spaces stay  "
        );
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for text in [
            "password",
            "Password1",
            "P@ssw0rd",
            "12345678",
            "qwertyuiop",
            "iloveyou1",
            "aaaaaaaa",
            "abcdefgh",
            "lovelace",
            "Lovelace1",
            "adalovelace",
            "engines1",
            "19841984",
        ] {
            assert_eq!(
                choose(text).expect_err(text),
                WeakPassword::Guessable,
                "{text}"
            );
        }
        for text in [
            "correct horse battery staple",
            "kx7-Quelle-am-Berg",
            "vier Pferde trinken Tee",
        ] {
            assert!(choose(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_long_password_is_not_work() {
        let hostile = "aA1!qwertyuiopasdfghjklzxcvbnm".repeat(34);
        assert!(choose(&hostile).is_ok());
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
