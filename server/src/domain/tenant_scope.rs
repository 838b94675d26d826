//! The proof that work happens inside a tenant, and by which of its addresses.

use std::{fmt, sync::Arc};

use url::Url;

use super::{
    claims::Audience,
    domain_name::DomainName,
    id::TenantId,
    issuer::{Issuer, domain_in},
    tenant::{Policy, Slug, Tenant, TenantState},
    timestamp::Timestamp,
};

/// A suspended tenant was asked to serve, or one at a domain that isn't its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant does not serve")]
pub struct TenantSuspended;

/// Proof that a tenant exists and serves: whoever holds one may work inside that tenant and no
/// other. The only makers are [`Tenant::enter`], [`Tenant::enter_at`] and, for administrators,
/// [`Tenant::administer`]. Cheap to clone.
#[derive(Clone)]
pub struct TenantScope(Arc<Inner>);

struct Inner {
    tenant: Tenant,
    public_url: Url,
    /// `{PUBLIC_URL}/t/{slug}`.
    path_issuer: Issuer,
    /// The custom domain that the request came to, and its address.
    door: Option<(DomainName, Issuer)>,
    /// The custom domain that tokens are from, and what they say.
    issuer: Option<(DomainName, Issuer)>,
}

impl Tenant {
    /// Enters the tenant by its path, if it serves.
    pub fn enter(self, public_url: &Url) -> Result<TenantScope, TenantSuspended> {
        match self.state {
            TenantState::Active => Ok(self.administer(public_url)),
            TenantState::Suspended => Err(TenantSuspended),
        }
    }

    /// Enters the tenant by a custom domain, if it serves and the domain is its own.
    pub fn enter_at(
        self,
        public_url: &Url,
        domain: &DomainName,
    ) -> Result<TenantScope, TenantSuspended> {
        if self.state == TenantState::Suspended || !self.domains.contains(domain.as_str()) {
            return Err(TenantSuspended);
        }
        let address = Issuer::on_domain(public_url, domain);
        let door = (domain.clone(), address);
        let issuer = self.domains.is_issuer(domain).then(|| door.clone());
        Ok(self.scope(public_url, Some(door), issuer))
    }

    /// Enters the tenant to administer it, whether it serves or not.
    pub fn administer(self, public_url: &Url) -> TenantScope {
        self.scope(public_url, None, None)
    }

    fn scope(
        self,
        public_url: &Url,
        door: Option<(DomainName, Issuer)>,
        issuer: Option<(DomainName, Issuer)>,
    ) -> TenantScope {
        TenantScope(Arc::new(Inner {
            path_issuer: Issuer::of(public_url, &self.slug),
            public_url: public_url.clone(),
            tenant: self,
            door,
            issuer,
        }))
    }
}

impl TenantScope {
    pub fn id(&self) -> TenantId {
        self.0.tenant.id
    }

    pub fn slug(&self) -> &Slug {
        &self.0.tenant.slug
    }

    /// Where tokens say that they are from. It depends on the door that the request came by; what grants
    /// make later is [`from_issuer`](Self::from_issuer) of theirs.
    pub fn issuer(&self) -> &Issuer {
        self.0
            .issuer
            .as_ref()
            .map_or(&self.0.path_issuer, |(_, issuer)| issuer)
    }

    /// The custom domain whose issuer this is; `None` for the one with the tenant's path.
    pub fn issuer_domain(&self) -> Option<&DomainName> {
        self.0.issuer.as_ref().map(|(domain, _)| domain)
    }

    /// The base of the addresses that the caller is sent to: those of the door it came by, where its cookies
    /// are. On a custom domain that is no issuer, tokens are from elsewhere.
    pub fn base(&self) -> &str {
        let door = self.0.door.as_ref();
        door.map_or(&self.0.path_issuer, |(_, address)| address)
            .as_str()
    }

    /// Whether the caller came by a custom domain.
    pub fn is_at_domain(&self) -> bool {
        self.0.door.is_some()
    }

    /// The tenant as the issuer that a grant was made under: what a client was told first must not change
    /// with the address it comes to later (OIDC Core §12.2). `None` when the domain is no longer the
    /// tenant's.
    pub fn from_issuer(&self, domain: Option<&DomainName>) -> Option<Self> {
        if domain == self.issuer_domain() {
            return Some(self.clone());
        }
        let issuer = match domain {
            None => None,
            Some(domain) if self.0.tenant.domains.contains(domain.as_str()) => Some((
                domain.clone(),
                Issuer::on_domain(&self.0.public_url, domain),
            )),
            Some(_) => return None,
        };
        let tenant = self.0.tenant.clone();
        Some(tenant.scope(&self.0.public_url, self.0.door.clone(), issuer))
    }

    /// Whether `iss` is this tenant: by its path, or by any domain that it holds now. Byte for byte
    /// (RFC 9207 §2.4).
    pub fn is_issuer(&self, iss: &str) -> bool {
        iss == self.0.path_issuer.as_str()
            || domain_in(&self.0.public_url, iss)
                .is_some_and(|domain| self.0.tenant.domains.contains(domain))
    }

    /// Whether a token is for this tenant itself.
    pub fn is_audience(&self, audience: &Audience) -> bool {
        audience.iter().any(|one| self.is_issuer(one))
    }

    pub fn policy(&self) -> &Policy {
        &self.0.tenant.policy
    }

    pub fn name(&self) -> &str {
        &self.0.tenant.name
    }

    /// Whether the tenant serves its users; administrators may see one that doesn't.
    pub fn serves(&self) -> bool {
        self.0.tenant.state == TenantState::Active
    }

    /// Counts changes to the keys and to what rules them.
    pub fn keys_version(&self) -> i64 {
        self.0.tenant.keys_version
    }

    /// The tenant as the directory knows it.
    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    pub fn not_before(&self) -> Option<Timestamp> {
        self.0.tenant.not_before
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantScope").field(self.slug()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::custom_domain::HeldDomains;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a domain")
    }

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::new(Timestamp::from_micros(0), [0; 10]),
            slug: Slug::parse("acme").expect("a slug"),
            name: "Acme".to_owned(),
            state: TenantState::Active,
            policy: Policy::default(),
            not_before: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            keys_version: 0,
            jwks_cached_until: None,
            domains: HeldDomains::from_iter([
                (name("login.acme.example"), true),
                (name("pages.acme.example"), false),
            ]),
        }
    }

    fn url() -> Url {
        Url::parse("https://id.example.com").expect("a URL")
    }

    #[test]
    fn the_door_decides_issuer_and_addresses() {
        let path = "https://id.example.com/t/acme";
        let entered = tenant().enter(&url()).expect("it serves");
        assert_eq!((entered.issuer().as_str(), entered.base()), (path, path));

        let at = |domain: &str| tenant().enter_at(&url(), &name(domain));
        let entered = at("login.acme.example").expect("it serves");
        let own = "https://login.acme.example";
        assert_eq!((entered.issuer().as_str(), entered.base()), (own, own));

        let entered = at("pages.acme.example").expect("it serves");
        let pages = "https://pages.acme.example";
        assert_eq!((entered.issuer().as_str(), entered.base()), (path, pages));

        assert!(at("login.other.example").is_err());
        let suspended = Tenant {
            state: TenantState::Suspended,
            ..tenant()
        };
        assert!(
            suspended
                .enter_at(&url(), &name("login.acme.example"))
                .is_err()
        );
    }

    #[test]
    fn every_form_of_the_issuer_is_the_tenant_and_nothing_else_is() {
        let entered = tenant().enter(&url()).expect("it serves");
        for iss in [
            "https://id.example.com/t/acme",
            "https://login.acme.example",
            "https://pages.acme.example",
        ] {
            assert!(entered.is_issuer(iss), "{iss}");
        }
        for iss in [
            "",
            "https://",
            "https://id.example.com",
            "https://id.example.com/t/acme/",
            "https://id.example.com/t/other",
            "https://login.acme.example/",
            "https://LOGIN.acme.example",
            "http://login.acme.example",
            "https://login.acme.example:443",
            "https://login.acme.example/t/acme",
            "https://login.other.example",
            "login.acme.example",
        ] {
            assert!(!entered.is_issuer(iss), "{iss}");
        }
    }

    #[test]
    fn a_grant_keeps_its_issuer_at_every_door_as_long_as_the_domain_is_held() {
        let entered = tenant().enter(&url()).expect("it serves");
        let login = name("login.acme.example");
        let of_grant = entered.from_issuer(Some(&login)).expect("held");
        assert_eq!(of_grant.issuer().as_str(), "https://login.acme.example");
        assert_eq!(of_grant.base(), "https://id.example.com/t/acme");
        let back = of_grant.from_issuer(None).expect("always");
        assert_eq!(back.issuer().as_str(), "https://id.example.com/t/acme");
        assert!(
            entered
                .from_issuer(Some(&name("gone.acme.example")))
                .is_none()
        );
    }
}
