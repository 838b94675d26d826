//! AES-256-GCM (NIST SP 800-38D).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{
    application::{error::CryptoError, ports::Aead},
    domain::secret::Key256,
};

const NONCE_LENGTH: usize = 12;

/// AES-256-GCM. What it seals is nonce ‖ ciphertext ‖ tag.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aes256Gcm;

impl Aead for Aes256Gcm {
    fn seal(
        &self,
        key: &Key256,
        nonce: [u8; 12],
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let key = parsed(key)?;
        let mut sealed = Vec::with_capacity(NONCE_LENGTH + plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed[NONCE_LENGTH..],
            )
            .map_err(|_| CryptoError::Failed("sealing"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open(&self, key: &Key256, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let unsealable = CryptoError::Unsealable("value");
        let Some((nonce, ciphertext)) = sealed.split_first_chunk::<NONCE_LENGTH>() else {
            return Err(unsealable);
        };
        let mut opened = ciphertext.to_vec();
        let length = parsed(key)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context),
                &mut opened,
            )
            .map_err(|_| unsealable)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

fn parsed(key: &Key256) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| CryptoError::Failed("reading an AES key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key256 {
        Key256::from_bytes([byte; 32])
    }

    #[test]
    fn only_the_same_key_and_context_open_it() {
        let sealed = Aes256Gcm
            .seal(&key(1), [7; 12], b"here", b"secret")
            .expect("sealing works");
        assert_eq!(sealed.len(), 12 + 6 + 16);
        assert_eq!(
            Aes256Gcm.open(&key(1), b"here", &sealed).expect("opens"),
            b"secret"
        );
        assert!(Aes256Gcm.open(&key(2), b"here", &sealed).is_err());
        assert!(Aes256Gcm.open(&key(1), b"there", &sealed).is_err());
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let sealed = Aes256Gcm
            .seal(&key(1), [7; 12], b"here", b"secret")
            .expect("sealing works");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(Aes256Gcm.open(&key(1), b"here", &changed).is_err());
            assert!(
                Aes256Gcm
                    .open(&key(1), b"here", &sealed[..position])
                    .is_err()
            );
        }
    }

    #[test]
    fn known_answer() {
        // Test case 13 of the GCM specification (McGrew and Viega).
        let sealed = Aes256Gcm
            .seal(&key(0), [0; 12], b"", b"")
            .expect("sealing works");
        assert_eq!(
            sealed[12..],
            [
                0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9, 0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb,
                0x73, 0x8b
            ]
        );
    }
}
