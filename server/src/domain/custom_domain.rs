//! Hosts of a tenant's own: claimed, proved, and then served.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use super::{
    domain_name::{CHALLENGE_LABEL, DomainName},
    issuer::Issuer,
    timestamp::Timestamp,
};

/// What a proof begins with, wherever it is published: whoever finds it sees what it is for.
const PROOF_PREFIX: &str = "tokenhouse-domain-verification=";
/// Where a proof is published over HTTP (RFC 8615).
const PROOF_PATH: &str = "/.well-known/tokenhouse-domain-verification";

/// What a tenant publishes to show that a domain is its own. Random for each claim, so that one tenant's
/// proof is nothing to another; no secret, for everybody can read it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainToken(String);

impl DomainToken {
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(entropy))
    }

    /// A token that was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tenant's claim to a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomDomain {
    pub name: DomainName,
    pub token: DomainToken,
    /// When the tenant proved that the domain is its own; before, nothing is served there.
    pub verified_at: Option<Timestamp>,
    /// Requests to the domain have the issuer `https://{domain}`, not the one with the tenant's path.
    pub is_issuer: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl CustomDomain {
    pub fn new(name: DomainName, token: DomainToken, now: Timestamp) -> Self {
        Self {
            name,
            token,
            verified_at: None,
            is_issuer: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// What is published: the value of the TXT record, and the body of the answer over HTTP.
    pub fn proof(&self) -> String {
        format!("{PROOF_PREFIX}{}", self.token.as_str())
    }

    /// The name of the TXT record.
    pub fn record_name(&self) -> String {
        format!("{CHALLENGE_LABEL}.{}", self.name)
    }

    /// The address that answers with the proof.
    pub fn proof_url(&self, public_url: &Url) -> String {
        let base = Issuer::on_domain(public_url, &self.name);
        format!("{}{PROOF_PATH}", base.as_str())
    }

    /// Whether what was found is the proof. White space around it is what editors leave.
    pub fn is_proved_by(&self, found: &str) -> bool {
        found.trim() == self.proof()
    }
}

/// The domains that a tenant proved to be its own, and whether each is an issuer. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldDomains(Arc<BTreeMap<DomainName, bool>>);

impl FromIterator<(DomainName, bool)> for HeldDomains {
    fn from_iter<T: IntoIterator<Item = (DomainName, bool)>>(domains: T) -> Self {
        Self(Arc::new(domains.into_iter().collect()))
    }
}

impl HeldDomains {
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn is_issuer(&self, name: &DomainName) -> bool {
        self.0.get(name).is_some_and(|is_issuer| *is_issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> CustomDomain {
        CustomDomain::new(
            DomainName::parse("login.acme.example").expect("a domain"),
            DomainToken::from_entropy([0; 32]),
            Timestamp::from_micros(1),
        )
    }

    #[test]
    fn a_proof_is_published_below_the_domain() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let domain = domain();
        assert_eq!(
            domain.record_name(),
            "_tokenhouse-challenge.login.acme.example"
        );
        assert_eq!(
            domain.proof_url(&url("https://id.example.com")),
            "https://login.acme.example/.well-known/tokenhouse-domain-verification"
        );
        assert_eq!(
            domain.proof_url(&url("http://localhost:8080")),
            "http://login.acme.example:8080/.well-known/tokenhouse-domain-verification"
        );
        assert_eq!(
            domain.proof(),
            "tokenhouse-domain-verification=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        );
    }

    #[test]
    fn nothing_but_the_proof_proves() {
        let domain = domain();
        let proof = domain.proof();
        assert!(domain.is_proved_by(&proof));
        assert!(domain.is_proved_by(&format!(" {proof}\r\n")));
        for found in [
            "",
            domain.token.as_str(),
            &proof[..proof.len() - 1],
            &format!("{proof}A"),
            &format!("{proof} {proof}"),
            &proof.to_uppercase(),
        ] {
            assert!(!domain.is_proved_by(found), "{found}");
        }
    }
}
