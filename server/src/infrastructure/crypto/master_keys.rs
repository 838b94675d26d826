//! Master keys: what all sealed keys of all tenants rest on. They come from a file of the
//! operator's and are never stored.

use std::{collections::HashSet, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    application::{error::CryptoError, ports::Entropy},
    domain::secret::Key256,
};

/// The configured master keys. The first seals, all of them open, so that a new key is put in
/// front and the old one stays until nothing is sealed under it.
pub struct MasterKeys {
    sealing: MasterKey,
    older: Vec<MasterKey>,
}

struct MasterKey {
    id: String,
    key: Key256,
}

/// Why a text holds no master keys. It names lines, never what stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeysError {
    #[error("there is no master key; `tokenhouse keygen` prints one")]
    Empty,
    #[error("line {line}: must be `id:key`")]
    NoColon { line: usize },
    #[error("line {line}: the id must have 1 to 64 letters, digits, dots, hyphens and underscores")]
    Id { line: usize },
    #[error("line {line}: the key must be 32 bytes in base64url without padding (43 characters)")]
    Key { line: usize },
    #[error("line {line}: the id was used before")]
    Twice { line: usize },
}

impl MasterKeys {
    /// Reads lines of `id:base64url(32 bytes)`. Empty lines and lines that begin with `#` are
    /// skipped.
    pub fn parse(text: &str) -> Result<Self, MasterKeysError> {
        let mut ids = HashSet::new();
        let mut keys = Vec::new();
        for (index, content) in text.lines().enumerate() {
            let line = index + 1;
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let (id, encoded) = content
                .split_once(':')
                .ok_or(MasterKeysError::NoColon { line })?;
            if !is_id(id) {
                return Err(MasterKeysError::Id { line });
            }
            let key = read_key(encoded).ok_or(MasterKeysError::Key { line })?;
            if !ids.insert(id) {
                return Err(MasterKeysError::Twice { line });
            }
            keys.push(MasterKey {
                id: id.to_owned(),
                key,
            });
        }
        let mut keys = keys.into_iter();
        Ok(Self {
            sealing: keys.next().ok_or(MasterKeysError::Empty)?,
            older: keys.collect(),
        })
    }

    /// The key that seals, with its id.
    pub(super) fn sealing(&self) -> (&str, &Key256) {
        (&self.sealing.id, &self.sealing.key)
    }

    /// All ids, that of the sealing key first.
    pub fn ids(&self) -> Vec<&str> {
        let keys = std::iter::once(&self.sealing).chain(&self.older);
        keys.map(|key| key.id.as_str()).collect()
    }

    /// The key that a stored value names.
    pub(super) fn opening(&self, id: &str) -> Result<&Key256, CryptoError> {
        std::iter::once(&self.sealing)
            .chain(&self.older)
            .find(|key| key.id == id)
            .map(|key| &key.key)
            .ok_or_else(|| CryptoError::UnknownMasterKey(id.to_owned()))
    }
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn read_key(encoded: &str) -> Option<Key256> {
    // One byte more than a key has: a longer text must not be cut to a key.
    let mut bytes = Zeroizing::new([0; 33]);
    let length = URL_SAFE_NO_PAD
        .decode_slice(encoded, bytes.as_mut_slice())
        .ok()?;
    Key256::from_slice(bytes.get(..length)?)
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entry(&self.sealing.id)
            .entries(self.older.iter().map(|key| &key.id))
            .finish()
    }
}

/// A fresh line for [`MasterKeys::parse`], such as `mk-1f0c2d9a:…`.
pub fn generate_line(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut id = [0; 4];
    entropy.fill(&mut id);
    let mut key = [0; 32];
    entropy.fill(&mut key);
    let mut line = Zeroizing::new(String::with_capacity(64));
    line.push_str(&format!("mk-{:08x}:", u32::from_be_bytes(id)));
    URL_SAFE_NO_PAD.encode_string(key, &mut line);
    key.zeroize();
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infrastructure::entropy::SystemEntropy;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn the_first_seals_and_all_open() {
        let other = generate_line(&SystemEntropy);
        let keys =
            MasterKeys::parse(&format!("# keys\n\nnew:{KEY}\r\n{}\n", *other)).expect("two keys");
        assert_eq!(keys.sealing().0, "new");
        assert_eq!(keys.sealing().1.expose()[31], 31);
        let other_id = other.split(':').next().expect("an id");
        assert!(keys.opening("new").is_ok() && keys.opening(other_id).is_ok());
        assert!(matches!(
            keys.opening("gone"),
            Err(CryptoError::UnknownMasterKey(id)) if id == "gone"
        ));
    }

    #[test]
    fn errors_name_the_line_and_never_the_key() {
        for (text, expected) in [
            (String::new(), MasterKeysError::Empty),
            ("# only\n".to_owned(), MasterKeysError::Empty),
            (KEY.to_owned(), MasterKeysError::NoColon { line: 1 }),
            (format!(":{KEY}"), MasterKeysError::Id { line: 1 }),
            (format!("a b:{KEY}"), MasterKeysError::Id { line: 1 }),
            (
                format!("a:{KEY}\nb:{}", &KEY[1..]),
                MasterKeysError::Key { line: 2 },
            ),
            (format!("a:{KEY}A"), MasterKeysError::Key { line: 1 }),
            (format!("a:{KEY}="), MasterKeysError::Key { line: 1 }),
            (format!("a:{KEY}AA"), MasterKeysError::Key { line: 1 }),
            (
                format!("a:{KEY}\na:{KEY}"),
                MasterKeysError::Twice { line: 2 },
            ),
        ] {
            let error = MasterKeys::parse(&text).expect_err(&text);
            assert_eq!(error, expected);
            assert!(!error.to_string().contains(&KEY[1..]));
        }
        let keys = MasterKeys::parse(&format!("a:{KEY}")).expect("one key");
        assert_eq!(format!("{keys:?}"), r#"["a"]"#);
    }

    #[test]
    fn a_generated_line_is_a_key() {
        let line = generate_line(&SystemEntropy);
        assert!(line.starts_with("mk-") && line.find(':') == Some(11));
        assert!(MasterKeys::parse(&line).is_ok());
        assert_ne!(line, generate_line(&SystemEntropy));
    }
}
