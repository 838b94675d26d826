//! What goes on without a request.

use async_trait::async_trait;

use crate::{
    application::error::{Error, StoreError},
    domain::{tenant::Tenant, timestamp::Timestamp},
};

/// Work that comes up again and again.
#[async_trait]
pub trait BackgroundWork: Send + Sync {
    /// Does a bounded part; whether there may be more to do now.
    async fn run(&self) -> Result<bool, Error>;
}

/// What a tenant is due for at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A step of a signing key's life.
    Keys,
    /// Old entries of the audit log go.
    AuditSweep,
    /// Sessions and grants that ended long ago go.
    SignInSweep,
}

/// Knows which tenants are due, without looking at those that aren't.
#[async_trait]
pub trait Agenda: Send + Sync {
    /// Up to `limit` tenants that are due, the most overdue first. They are the caller's until `until`:
    /// another instance gets others, and they are due again then unless somebody says otherwise.
    async fn claim(
        &self,
        due: Due,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Tenant>, StoreError>;
}
