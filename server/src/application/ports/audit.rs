//! The audit log.

use crate::domain::{audit::Entry, tenant::TenantScope};

/// Keeps what happened in each tenant.
pub trait AuditLog: Send + Sync {
    /// Takes an entry; it is written soon, and at the latest before a clean stop ends.
    fn record(&self, tenant: &TenantScope, entry: Entry);
}
