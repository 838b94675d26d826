//! Writing down what happened, without waiting for a store.
//!
//! The request that something happens in is known at the edge alone. It travels beside the use cases, not
//! through their parameters: a use case that forgot to hand it on would lose it silently.

use std::future::Future;

use crate::{
    app::App,
    domain::{
        audit::{Actor, Entry, Event, Origin},
        id::{AuditEntryId, IdEntropy},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Runs `work` so that all it notes carries this origin.
pub async fn within<T>(origin: Origin, work: impl Future<Output = T>) -> T {
    ORIGIN.scope(origin, work).await
}

/// The request that is being answered; empty when none is. Work that goes on beside its request takes it
/// along.
pub fn origin() -> Origin {
    ORIGIN.try_with(Clone::clone).unwrap_or_default()
}

/// Notes what somebody did in a tenant.
pub fn note(app: &App, tenant: &TenantScope, actor: Actor, event: Event, now: Timestamp) {
    app.audit
        .record(tenant, entry(actor, event, app.id_entropy(), now));
}

/// Notes what somebody did who may do it as often as they like: see
/// [`AuditLog::record_often`](super::ports::AuditLog::record_often).
pub fn note_often(app: &App, tenant: &TenantScope, actor: Actor, event: Event, now: Timestamp) {
    app.audit
        .record_often(tenant, entry(actor, event, app.id_entropy(), now));
}

/// An entry of the request that is being answered.
pub fn entry(actor: Actor, event: Event, entropy: IdEntropy, now: Timestamp) -> Entry {
    Entry {
        id: AuditEntryId::new(now, entropy),
        at: now,
        actor,
        origin: origin(),
        event: event.bounded(),
    }
}
