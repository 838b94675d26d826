//! The keys of a new tenant.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{master_keys::MasterKeys, sealed};
use crate::{
    application::{
        error::CryptoError,
        ports::{Aead, Entropy, KeyMaker, NewTenantKeys, SealedDataKey, StoredTagKey},
    },
    domain::{
        id::TenantId,
        refresh::TagKeyId,
        secret::Key256,
        signing_key::{KeyId, PublicKey, SigningAlgorithm, StoredSigningKey},
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
        let (master_key_id, master_key) = self.master.sealing();
        let sealed = sealed::data_key(tenant, &tenant.to_string()).seal(
            &*self.aead,
            &*self.entropy,
            master_key,
            key.expose(),
        )?;
        let stored = SealedDataKey {
            master_key_id: master_key_id.to_owned(),
            sealed,
        };
        Ok((key, stored))
    }

    fn signing_key(
        &self,
        tenant: TenantId,
        data_key: &Key256,
    ) -> Result<StoredSigningKey, CryptoError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| CryptoError::Failed("making an ES256 key"))?;
        // The document overwrites itself when dropped.
        let private_key = pair
            .to_pkcs8v1()
            .map_err(|_| CryptoError::Failed("writing an ES256 key"))?;
        let public = public_key(pair.public_key().as_ref())
            .ok_or(CryptoError::Failed("reading a public key"))?;
        let sealed_private_key = sealed::private_key(tenant, public.id.as_str()).seal(
            &*self.aead,
            &*self.entropy,
            data_key,
            private_key.as_ref(),
        )?;
        Ok(StoredSigningKey {
            public,
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
    fn make(&self, tenant: TenantId) -> Result<NewTenantKeys, CryptoError> {
        let (key, data_key) = self.data_key(tenant)?;
        Ok(NewTenantKeys {
            signing_key: self.signing_key(tenant, &key)?,
            tag_key: self.tag_key(tenant, &key)?,
            data_key,
        })
    }
}

/// The public half from an uncompressed point: 4 ‖ x ‖ y (SEC 1 §2.3.3).
pub(super) fn public_key(point: &[u8]) -> Option<PublicKey> {
    let coordinates = point.strip_prefix(&[4])?;
    if coordinates.len() != 64 {
        return None;
    }
    let (x, y) = coordinates.split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    Some(PublicKey {
        id: KeyId::from_thumbprint(thumbprint(&x, &y)),
        algorithm: SigningAlgorithm::Es256,
        x,
        y,
    })
}

/// RFC 7638 §3: the required members in lexical order, without spaces.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_uncompressed_point_is_a_public_key() {
        assert!(public_key(&[4; 65]).is_some());
        assert!(public_key(&[4; 64]).is_none());
        assert!(public_key(&[2; 65]).is_none());
        assert!(public_key(&[]).is_none());
    }
}
