//! The names of keys.

use redis::{RedisWrite, ToRedisArgs};

use crate::domain::{id::GrantId, tenant::TenantScope};

/// The name of a key in Redis. Every maker takes the tenant, so no key can lack one.
///
/// Braces make a family one slot of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TenantKey(String);

impl TenantKey {
    /// The hot record of a refresh family.
    pub(super) fn family(tenant: &TenantScope, family: GrantId) -> Self {
        Self(format!("rt:{{{}/{family}}}", tenant.id()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl ToRedisArgs for TenantKey {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg(self.0.as_bytes());
    }
}
