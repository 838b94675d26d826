//! What goes on without a request.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    application::error::{Error, StoreError},
    domain::{key_rotation::LOOKED_AT_EVERY, tenant::Tenant, timestamp::Timestamp},
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

impl Due {
    /// How far ahead the next time is at most.
    pub const fn every(self) -> Duration {
        match self {
            Self::Keys => LOOKED_AT_EVERY,
            Self::AuditSweep | Self::SignInSweep => Duration::from_secs(24 * 3600),
        }
    }
}

/// Knows which tenants are due, without looking at those that aren't.
#[async_trait]
pub trait Agenda: Send + Sync {
    /// Up to `limit` tenants that are due, the most overdue first; then those whose time is further ahead than
    /// [`Due::every`], which nobody writes whose clock is right. They are the caller's until `until`:
    /// another instance gets others, and they are due again then unless somebody says otherwise.
    async fn claim(
        &self,
        due: Due,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Tenant>, StoreError>;
}
