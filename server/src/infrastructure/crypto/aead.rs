//! AES-256-GCM: `nonce 12 ‖ ciphertext ‖ tag 16`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{
    application::{error::CryptoError, ports::Aead},
    domain::secret::Key256,
};

const NONCE_LENGTH: usize = 12;

/// AES-256-GCM with a nonce that the caller draws.
#[derive(Clone, Copy, Debug)]
pub struct Aes256Gcm;

fn cipher(key: &Key256) -> Result<LessSafeKey, CryptoError> {
    let key = UnboundKey::new(&AES_256_GCM, key.expose())
        .map_err(|_| CryptoError::Failed("preparing a key"))?;
    Ok(LessSafeKey::new(key))
}

impl Aead for Aes256Gcm {
    fn seal(
        &self,
        key: &Key256,
        nonce: [u8; 12],
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = Vec::with_capacity(NONCE_LENGTH + plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = cipher(key)?
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
        let unsealable = || CryptoError::Unsealable("value");
        let (nonce, ciphertext) = sealed
            .split_at_checked(NONCE_LENGTH)
            .ok_or_else(unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unsealable())?;
        let mut opened = ciphertext.to_vec();
        let length = cipher(key)?
            .open_in_place(nonce, Aad::from(context), &mut opened)
            .map_err(|_| unsealable())?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_its_key_and_context_and_unchanged() {
        let (key, other) = (Key256::from_bytes([1; 32]), Key256::from_bytes([2; 32]));
        let sealed = Aes256Gcm
            .seal(&key, [3; 12], b"here", b"secret")
            .expect("seals");
        assert_eq!(
            Aes256Gcm.open(&key, b"here", &sealed).expect("opens"),
            b"secret"
        );
        assert!(Aes256Gcm.open(&other, b"here", &sealed).is_err());
        assert!(Aes256Gcm.open(&key, b"there", &sealed).is_err());
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert!(Aes256Gcm.open(&key, b"here", &changed).is_err(), "byte {n}");
            assert!(
                Aes256Gcm.open(&key, b"here", &sealed[..n]).is_err(),
                "cut to {n}"
            );
        }
    }
}
