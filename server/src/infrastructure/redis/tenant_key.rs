//! Keys of Redis. No other place makes one, and none is made without a tenant.

use crate::domain::{id::GrantId, tenant::TenantScope};

/// A key that names its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TenantKey(String);

impl TenantKey {
    /// The hot record of a refresh family. The braces make family by family one cluster slot.
    pub(super) fn family(tenant: &TenantScope, family: GrantId) -> Self {
        Self(format!("rt:{{{}/{family}}}", tenant.id()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
