//! Sealed columns: what is sealed for one place opens nowhere else, so that whoever can write to
//! the database can't move a key from one tenant, table, row or column to another.

use super::aead::Aes256Gcm;
use crate::{
    application::{
        error::CryptoError,
        ports::{Aead, Entropy},
    },
    domain::{id::TenantId, secret::Key256},
};

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) tenant: TenantId,
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) column: &'static str,
}

impl Place<'_> {
    /// Each part with its length before it, so that no two places have one encoding.
    fn context(&self) -> Vec<u8> {
        let tenant = self.tenant.as_uuid();
        let parts: [&[u8]; 4] = [
            tenant.as_bytes(),
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
        ];
        let mut context = Vec::with_capacity(128);
        for part in parts {
            context.extend_from_slice(&(part.len() as u64).to_be_bytes());
            context.extend_from_slice(part);
        }
        context
    }

    pub(super) fn seal(
        &self,
        key: &Key256,
        entropy: &dyn Entropy,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce);
        Aes256Gcm.seal(key, nonce, &self.context(), plaintext)
    }

    pub(super) fn open(&self, key: &Key256, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Aes256Gcm
            .open(key, &self.context(), sealed)
            .map_err(|_| CryptoError::Unsealable(self.column))
    }
}

/// The data key in a tenant's own row.
pub(super) fn data_key(tenant: TenantId) -> Place<'static> {
    Place {
        tenant,
        table: "tenants",
        row: "",
        column: "data_key",
    }
}

/// The private half of a signing key.
pub(super) fn private_key(tenant: TenantId, kid: &str) -> Place<'_> {
    Place {
        tenant,
        table: "signing_keys",
        row: kid,
        column: "private_key",
    }
}

/// A tag key.
pub(super) fn tag_key(tenant: TenantId, id: &str) -> Place<'_> {
    Place {
        tenant,
        table: "tag_keys",
        row: id,
        column: "key",
    }
}
