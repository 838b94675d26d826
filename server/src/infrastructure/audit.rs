//! The audit log as lines of the server's own log.

use crate::{
    application::ports::AuditLog,
    domain::{audit::Entry, tenant::TenantScope},
};

/// Writes every entry to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoggedAudit;

impl AuditLog for LoggedAudit {
    fn record(&self, tenant: &TenantScope, entry: Entry) {
        tracing::info!(
            tenant = %tenant.slug(),
            event = entry.event.kind.name(),
            target = entry.event.target,
            actor = ?entry.actor,
            "audit"
        );
    }
}
