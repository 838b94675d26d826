//! The audit log.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        audit::{Entry, EventKind},
        id::AuditEntryId,
        tenant::TenantScope,
    },
};

/// Takes entries. They are written behind the answer: whoever reads the trail right after may miss the last.
pub trait AuditLog: Send + Sync {
    fn record(&self, tenant: &TenantScope, entry: Entry);
    /// Like [`record`](Self::record), for what anybody can make happen. The first is written like any other;
    /// its like within the next minute become one entry, the last of them, with `times` in its details.
    fn record_often(&self, tenant: &TenantScope, entry: Entry);
}

/// Which entries of the trail are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub kind: Option<EventKind>,
    /// The id of a user or a client.
    pub actor: Option<String>,
    pub target: Option<String>,
    /// From this one on.
    pub from: Option<AuditEntryId>,
    /// Before this one.
    pub before: Option<AuditEntryId>,
}

/// What is kept of the audit log.
#[async_trait]
pub trait AuditTrail {
    /// One that is there already stays as it is.
    async fn add_audit_entries(&mut self, entries: &[Entry]) -> Result<(), StoreError>;
    async fn audit_entry(&mut self, id: AuditEntryId) -> Result<Option<Entry>, StoreError>;
    /// Up to `limit` entries, the latest first.
    async fn audit_entries(
        &mut self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;
    /// Deletes up to `limit` entries from before this one; how many.
    async fn delete_audit_entries(
        &mut self,
        before: AuditEntryId,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
