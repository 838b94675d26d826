//! Sealing bound to a place: tenant, table, row and column.

use zeroize::Zeroizing;

use crate::{
    application::{
        error::CryptoError,
        ports::{Aead, Entropy},
    },
    domain::{id::TenantId, secret::Key256},
};

/// Keeps these contexts apart from whatever else one of the keys may seal one day.
const LABEL: &str = "tokenhouse/sealed/1";

/// Where a sealed value is kept. It opens there alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) tenant: TenantId,
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) column: &'static str,
}

impl Place<'_> {
    /// The authenticated context. Every part carries its length, so that no two places are spelled
    /// alike.
    pub(super) fn context(&self) -> Vec<u8> {
        let tenant = self.tenant.as_uuid();
        let parts: [&[u8]; 5] = [
            LABEL.as_bytes(),
            tenant.as_bytes(),
            self.table.as_bytes(),
            self.row.as_bytes(),
            self.column.as_bytes(),
        ];
        let mut context = Vec::with_capacity(128);
        for part in parts {
            context.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.extend_from_slice(part);
        }
        context
    }

    /// Seals with a random nonce: these keys seal a handful of values each (SP 800-38D §8.3 allows
    /// 2^32).
    pub(super) fn seal(
        &self,
        aead: &dyn Aead,
        entropy: &dyn Entropy,
        key: &Key256,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce);
        aead.seal(key, nonce, &self.context(), plaintext)
    }

    /// Opens what was sealed for this place; the error names it.
    pub(super) fn open(
        &self,
        aead: &dyn Aead,
        key: &Key256,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        aead.open(key, &self.context(), sealed)
            .map(Zeroizing::new)
            .map_err(|error| match error {
                CryptoError::Unsealable(_) => CryptoError::Unsealable(self.table),
                other => other,
            })
    }
}

/// Where a tenant's data key is kept.
pub(super) fn data_key(tenant: TenantId, row: &str) -> Place<'_> {
    Place {
        tenant,
        table: "tenants",
        row,
        column: "data_key",
    }
}

/// Where a private signing key is kept.
pub(super) fn private_key(tenant: TenantId, kid: &str) -> Place<'_> {
    Place {
        tenant,
        table: "signing_keys",
        row: kid,
        column: "private_key",
    }
}

/// Where a tag key is kept.
pub(super) fn tag_key(tenant: TenantId, id: &str) -> Place<'_> {
    Place {
        tenant,
        table: "tag_keys",
        row: id,
        column: "key",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn no_two_places_share_a_context() {
        let tenant = |n| TenantId::new(Timestamp::from_micros(1), [n; 10]);
        let place = |tenant, table, row, column| {
            Place {
                tenant,
                table,
                row,
                column,
            }
            .context()
        };
        let contexts = [
            place(tenant(1), "ab", "c", "d"),
            place(tenant(1), "a", "bc", "d"),
            place(tenant(1), "a", "b", "cd"),
            place(tenant(1), "a", "", "bcd"),
            place(tenant(1), "", "a", "bcd"),
            place(tenant(2), "ab", "c", "d"),
        ];
        assert_eq!(
            contexts.iter().collect::<HashSet<_>>().len(),
            contexts.len()
        );
    }
}
