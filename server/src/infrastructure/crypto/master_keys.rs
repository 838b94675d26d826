//! Master keys: lines of `id:base64url(32 bytes)`. The first seals, all open, so that a key is
//! rotated by putting a new line above the old one.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    application::{error::CryptoError, ports::Entropy},
    domain::secret::Key256,
};

/// The configured master keys; never empty.
pub struct MasterKeys(Vec<(String, Key256)>);

/// What is wrong with the text, and in which line. Never repeats any of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMasterKeys {
    #[error("has no key")]
    Empty,
    #[error("line {0}: must be id:base64url(32 bytes)")]
    BadLine(usize),
    #[error("line {0}: its id stands in an earlier line")]
    DuplicateId(usize),
}

impl MasterKeys {
    /// Reads the lines; empty ones and `#` comments are passed over.
    pub fn parse(text: &str) -> Result<Self, BadMasterKeys> {
        let mut keys: Vec<(String, Key256)> = Vec::new();
        for (n, line) in text
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line.trim()))
        {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, encoded) = line.split_once(':').ok_or(BadMasterKeys::BadLine(n))?;
            let well_formed = (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            let bytes = Zeroizing::new(
                URL_SAFE_NO_PAD
                    .decode(encoded)
                    .map_err(|_| BadMasterKeys::BadLine(n))?,
            );
            let key = Key256::from_slice(&bytes)
                .filter(|_| well_formed)
                .ok_or(BadMasterKeys::BadLine(n))?;
            if keys.iter().any(|(known, _)| known == id) {
                return Err(BadMasterKeys::DuplicateId(n));
            }
            keys.push((id.to_owned(), key));
        }
        if keys.is_empty() {
            Err(BadMasterKeys::Empty)
        } else {
            Ok(Self(keys))
        }
    }

    /// The key that seals.
    pub(super) fn first(&self) -> (&str, &Key256) {
        let (id, key) = &self.0[0];
        (id, key)
    }

    /// The key that sealed something.
    pub(super) fn get(&self, id: &str) -> Result<&Key256, CryptoError> {
        let found = self.0.iter().find(|(known, _)| known == id);
        found
            .map(|(_, key)| key)
            .ok_or_else(|| CryptoError::UnknownMasterKey(id.to_owned()))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

/// A fresh line.
pub fn generate_line(entropy: &dyn Entropy) -> Zeroizing<String> {
    let (mut id, mut key) = ([0; 4], Zeroizing::new([0; 32]));
    entropy.fill(&mut id);
    entropy.fill(key.as_mut_slice());
    Zeroizing::new(format!(
        "mk-{:08x}:{}",
        u32::from_be_bytes(id),
        URL_SAFE_NO_PAD.encode(key.as_slice())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infrastructure::entropy::SystemEntropy;

    #[test]
    fn a_generated_line_parses_and_the_first_seals() {
        let (first, second) = (generate_line(&SystemEntropy), generate_line(&SystemEntropy));
        let keys = MasterKeys::parse(&format!("# rotated today\n{}\n\n{}\n", *first, *second))
            .expect("two keys");
        assert!(first.starts_with(keys.first().0));
        assert!(keys.get(second.split(':').next().expect("an id")).is_ok());
        assert!(keys.get("gone").is_err());
        assert!(!format!("{keys:?}").contains(first.split(':').nth(1).expect("a key")));
    }

    #[test]
    fn bad_lines_are_counted_and_not_repeated() {
        let good = generate_line(&SystemEntropy);
        for (text, expected) in [
            (String::new(), BadMasterKeys::Empty),
            ("secret".to_owned(), BadMasterKeys::BadLine(1)),
            (format!("{}\nk2:c2hvcnQ", *good), BadMasterKeys::BadLine(2)),
            (
                format!("{}\n{}", *good, *good),
                BadMasterKeys::DuplicateId(2),
            ),
            (
                format!("bad id:{}", good.split(':').nth(1).expect("a key")),
                BadMasterKeys::BadLine(1),
            ),
        ] {
            assert_eq!(MasterKeys::parse(&text).expect_err("bad"), expected);
        }
    }
}
