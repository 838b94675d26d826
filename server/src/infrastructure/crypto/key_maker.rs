//! The keys of a new tenant: made, and sealed before they leave.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{master_keys::MasterKeys, sealed};
use crate::{
    application::{
        error::CryptoError,
        ports::{Entropy, KeyMaker, NewTenantKeys, SealedDataKey, StoredTagKey},
    },
    domain::{
        id::TenantId,
        refresh::TagKeyId,
        secret::Key256,
        signing_key::{KeyId, PublicKey, SigningAlgorithm, StoredSigningKey},
    },
};

/// Makes keys and seals them: the data key under the first master key, the rest under it.
#[derive(Debug)]
pub struct SealedKeyMaker<E> {
    master_keys: Arc<MasterKeys>,
    entropy: Arc<E>,
}

impl<E: Entropy> SealedKeyMaker<E> {
    pub fn new(master_keys: Arc<MasterKeys>, entropy: Arc<E>) -> Self {
        Self {
            master_keys,
            entropy,
        }
    }

    fn key(&self) -> Key256 {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        Key256::from_bytes(bytes)
    }

    fn signing_key(
        &self,
        tenant: TenantId,
        data_key: &Key256,
    ) -> Result<StoredSigningKey, CryptoError> {
        let failed = |_| CryptoError::Failed("making a signing key");
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(failed)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref())
            .map_err(|_| CryptoError::Failed("reading a new signing key"))?;
        let public = public_key(pair.public_key().as_ref())?;
        let sealed_private_key = sealed::private_key(tenant, public.id.as_str()).seal(
            data_key,
            &*self.entropy,
            document.as_ref(),
        )?;
        Ok(StoredSigningKey {
            public,
            sealed_private_key,
        })
    }
}

impl<E: Entropy> KeyMaker for SealedKeyMaker<E> {
    fn make(&self, tenant: TenantId) -> Result<NewTenantKeys, CryptoError> {
        let data_key = self.key();
        let (master_key_id, master_key) = self.master_keys.first();
        let tag_key =
            sealed::tag_key(tenant, "1").seal(&data_key, &*self.entropy, self.key().expose())?;
        Ok(NewTenantKeys {
            data_key: SealedDataKey {
                master_key_id: master_key_id.to_owned(),
                sealed: sealed::data_key(tenant).seal(
                    master_key,
                    &*self.entropy,
                    data_key.expose(),
                )?,
            },
            signing_key: self.signing_key(tenant, &data_key)?,
            tag_key: StoredTagKey {
                id: TagKeyId(1),
                sealed: tag_key,
            },
        })
    }
}

/// The JWK members of an uncompressed point (SEC 1 §2.3.3), named by its thumbprint (RFC 7638 §3.2:
/// the required members in this order, and nothing else).
fn public_key(point: &[u8]) -> Result<PublicKey, CryptoError> {
    let (Some(x), Some(y), 65) = (point.get(1..33), point.get(33..65), point.len()) else {
        return Err(CryptoError::Failed("reading a public key"));
    };
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let thumbprint = Sha256::digest(format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
    ));
    Ok(PublicKey {
        id: KeyId::from_thumbprint(URL_SAFE_NO_PAD.encode(thumbprint)),
        algorithm: SigningAlgorithm::Es256,
        x,
        y,
    })
}
