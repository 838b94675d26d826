//! Units of work inside one tenant.

use async_trait::async_trait;

use super::{
    AuditTrail, Clients, Consents, Domains, Grants, Invitations, KeptAnswers, Keys, Sessions, Users,
};
use crate::{application::error::StoreError, domain::tenant::TenantScope};

/// Opens units of work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Starts reading. The unit sees only `tenant`.
    async fn view(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;
    /// Starts writing. The unit sees only `tenant`; dropping it undoes it.
    async fn begin(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// Work inside one tenant, done wholly or not at all.
#[async_trait]
pub trait UnitOfWork:
    Users
    + Invitations
    + Clients
    + Sessions
    + Grants
    + Consents
    + Keys
    + AuditTrail
    + KeptAnswers
    + Domains
    + Send
{
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
