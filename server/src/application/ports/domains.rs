//! Custom domains of a tenant, and what proves them.

use async_trait::async_trait;
use url::Url;

use crate::{
    application::error::StoreError,
    domain::{
        custom_domain::CustomDomain, domain_name::DomainName, id::TenantId, timestamp::Timestamp,
    },
};

#[async_trait]
pub trait Domains {
    /// Adds a claim. `Conflict("domains_pkey")` when the tenant has it already; what other tenants claim is in
    /// nobody's way.
    async fn add_domain(&mut self, domain: &CustomDomain) -> Result<(), StoreError>;
    async fn domain(&mut self, name: &DomainName) -> Result<Option<CustomDomain>, StoreError>;
    /// Up to `limit` domains in order of name, behind `after`.
    async fn domains_page(
        &mut self,
        after: Option<&DomainName>,
        limit: u32,
    ) -> Result<Vec<CustomDomain>, StoreError>;
    /// Makes the tenant the one that holds the domain. `Conflict("hosts_pkey")` when another tenant holds it:
    /// of two that try at once, one is told so.
    async fn hold_domain(
        &mut self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Replaces what may change of a domain that was last changed at `expected`; `false` when it isn't there or
    /// was changed since.
    async fn update_domain(
        &mut self,
        domain: &CustomDomain,
        expected: Timestamp,
    ) -> Result<bool, StoreError>;
    /// How many the tenant has, verified or not.
    async fn count_domains(&mut self) -> Result<u64, StoreError>;
    /// Gives a domain up: from now on anybody may hold it. `false` when there was none.
    async fn delete_domain(&mut self, name: &DomainName) -> Result<bool, StoreError>;
}

/// Looks at what is published below a domain. Bounded in time, size and number, and never reaches what only we
/// can reach.
#[async_trait]
pub trait DomainEvidence: Send + Sync {
    /// The TXT records at this very name.
    async fn txt_records(&self, name: &str) -> Result<Vec<String>, NoEvidence>;
    /// What an address answers, without following it elsewhere.
    async fn text_at(&self, tenant: TenantId, url: &Url) -> Result<String, NoEvidence>;
}

/// Nothing could be had. Why is in the log: whoever may ask us to look could learn what only we can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing could be had")]
pub struct NoEvidence;
