//! The keys of a new tenant.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{keyring::derivation_key, master_keys::MasterKeys, sealed};
use crate::{
    application::{
        error::CryptoError,
        ports::{
            Aead, Entropy, KeyMaker, NewTenantKeys, SealedDataKey, StoredSigningKey, StoredTagKey,
        },
    },
    domain::{
        id::TenantId,
        key_rotation::{KeyRecord, KeyState},
        refresh::TagKeyId,
        secret::Key256,
        signing_key::{PublicKey, PublicKeyMaterial, SigningAlgorithm},
        timestamp::Timestamp,
    },
};

const FIRST_TAG_KEY: TagKeyId = TagKeyId(1);

/// Makes keys and seals them: the data key under the first master key, the others under the data
/// key.
pub struct SealedKeyMaker {
    master: Arc<MasterKeys>,
    aead: Arc<dyn Aead>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for SealedKeyMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedKeyMaker").finish_non_exhaustive()
    }
}

impl SealedKeyMaker {
    pub fn new(master: Arc<MasterKeys>, aead: Arc<dyn Aead>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            master,
            aead,
            entropy,
        }
    }

    fn random_key(&self) -> Key256 {
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy.fill(bytes.as_mut_slice());
        Key256::from_bytes(*bytes)
    }

    fn data_key(&self, tenant: TenantId) -> Result<(Key256, SealedDataKey), CryptoError> {
        let key = self.random_key();
        let sealed = self.seal_data_key(tenant, &key)?;
        Ok((key, sealed))
    }

    fn seal_data_key(&self, tenant: TenantId, key: &Key256) -> Result<SealedDataKey, CryptoError> {
        let (master_key_id, master_key) = self.master.sealing();
        let sealed = sealed::data_key(tenant, &tenant.to_string()).seal(
            &*self.aead,
            &*self.entropy,
            master_key,
            key.expose(),
        )?;
        Ok(SealedDataKey {
            master_key_id: master_key_id.to_owned(),
            sealed,
        })
    }

    /// A fresh key of this algorithm. RSA takes a while: call it where blocking is allowed.
    pub(super) fn signing_key(
        &self,
        tenant: TenantId,
        data_key: &Key256,
        algorithm: SigningAlgorithm,
        state: KeyState,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<StoredSigningKey, CryptoError> {
        let (public, private_key) = generate(algorithm)?;
        let sealed_private_key = sealed::private_key(tenant, public.id.as_str()).seal(
            &*self.aead,
            &*self.entropy,
            data_key,
            &private_key,
        )?;
        Ok(StoredSigningKey {
            record: KeyRecord {
                public,
                state,
                created_at: now,
                since: now,
                until,
            },
            sealed_private_key,
        })
    }

    fn tag_key(&self, tenant: TenantId, data_key: &Key256) -> Result<StoredTagKey, CryptoError> {
        let sealed = sealed::tag_key(tenant, &FIRST_TAG_KEY.0.to_string()).seal(
            &*self.aead,
            &*self.entropy,
            data_key,
            self.random_key().expose(),
        )?;
        Ok(StoredTagKey {
            id: FIRST_TAG_KEY,
            sealed,
        })
    }
}

impl KeyMaker for SealedKeyMaker {
    fn make(&self, tenant: TenantId, now: Timestamp) -> Result<NewTenantKeys, CryptoError> {
        let (key, data_key) = self.data_key(tenant)?;
        let (algorithm, state) = (SigningAlgorithm::Es256, KeyState::Active);
        Ok(NewTenantKeys {
            signing_key: self.signing_key(tenant, &key, algorithm, state, None, now)?,
            tag_key: self.tag_key(tenant, &key)?,
            derivation: derivation_key(&key),
            data_key,
        })
    }

    fn master_key_ids(&self) -> Vec<&str> {
        self.master.ids()
    }

    fn reseal(&self, tenant: TenantId, key: &SealedDataKey) -> Result<SealedDataKey, CryptoError> {
        let (row, master) = (tenant.to_string(), self.master.opening(&key.master_key_id)?);
        let opened = sealed::data_key(tenant, &row).open(&*self.aead, master, &key.sealed)?;
        let key = Key256::from_slice(&opened).ok_or(CryptoError::Failed("reading a data key"))?;
        self.seal_data_key(tenant, &key)
    }
}

/// A fresh pair of keys: the public one, and the private one in PKCS#8.
fn generate(algorithm: SigningAlgorithm) -> Result<(PublicKey, Zeroizing<Vec<u8>>), CryptoError> {
    let failed = |_| CryptoError::Failed("making a signing key");
    // What the library writes overwrites itself when dropped.
    let (material, private_key) = match algorithm {
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let material = p256(pair.public_key().as_ref());
            (
                material,
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            )
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
            let written = pair.to_pkcs8().map_err(failed)?;
            (
                Some(PublicKeyMaterial::ed25519(x)),
                written.as_ref().to_vec(),
            )
        }
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let public = pair.public_key();
            let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let material = PublicKeyMaterial::Rsa {
                e: number(public.exponent().big_endian_without_leading_zero()),
                n: number(public.modulus().big_endian_without_leading_zero()),
            };
            let written: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            (Some(material), written.as_ref().to_vec())
        }
    };
    let private_key = Zeroizing::new(private_key);
    let material = material.ok_or(CryptoError::Failed("reading a public key"))?;
    Ok((PublicKey::new(algorithm, material), private_key))
}

/// The public half from an uncompressed point: 4 ‖ x ‖ y (SEC 1 §2.3.3).
pub(super) fn p256(point: &[u8]) -> Option<PublicKeyMaterial> {
    let coordinates = point.strip_prefix(&[4])?;
    if coordinates.len() != 64 {
        return None;
    }
    let (x, y) = coordinates.split_at(32);
    Some(PublicKeyMaterial::p256(
        URL_SAFE_NO_PAD.encode(x),
        URL_SAFE_NO_PAD.encode(y),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_uncompressed_point_is_a_public_key() {
        assert!(p256(&[4; 65]).is_some());
        assert!(p256(&[4; 64]).is_none());
        assert!(p256(&[2; 65]).is_none());
        assert!(p256(&[]).is_none());
    }
}
