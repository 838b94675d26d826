//! What the tokens of a tenant say where they are from.

use std::fmt;

use url::Url;

use super::{domain_name::DomainName, tenant::Slug};

/// The `iss` of a tenant's tokens and the base of its URLs, without a trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// `{PUBLIC_URL}/t/{slug}`. Only configuration goes in, never a request header.
    pub fn of(public_url: &Url, slug: &Slug) -> Self {
        Self(format!(
            "{}/t/{slug}",
            public_url.as_str().trim_end_matches('/')
        ))
    }

    /// `https://{domain}`. Where the installation itself is without TLS, on a developer's machine, so are its
    /// custom domains, at the same port.
    pub fn on_domain(public_url: &Url, domain: &DomainName) -> Self {
        let (before, after) = around_domains(public_url);
        Self(format!("{before}{domain}{after}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The custom domain that an issuer of this form would be of.
pub(super) fn domain_in<'a>(public_url: &Url, issuer: &'a str) -> Option<&'a str> {
    let (before, after) = around_domains(public_url);
    issuer.strip_prefix(before)?.strip_suffix(after.as_str())
}

fn around_domains(public_url: &Url) -> (&'static str, String) {
    match (public_url.scheme(), public_url.port()) {
        ("http", Some(port)) => ("http://", format!(":{port}")),
        ("http", None) => ("http://", String::new()),
        _ => ("https://", String::new()),
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_has_no_trailing_slash() {
        let slug = Slug::parse("acme").expect("a slug");
        let domain = DomainName::parse("login.acme.example").expect("a domain");
        for (base, path, host) in [
            (
                "https://id.example.com",
                "https://id.example.com/t/acme",
                "https://login.acme.example",
            ),
            (
                "https://id.example.com/",
                "https://id.example.com/t/acme",
                "https://login.acme.example",
            ),
            (
                "https://id.example.com:8443",
                "https://id.example.com:8443/t/acme",
                "https://login.acme.example",
            ),
            (
                "http://localhost:8080",
                "http://localhost:8080/t/acme",
                "http://login.acme.example:8080",
            ),
        ] {
            let url = Url::parse(base).expect("a URL");
            assert_eq!(Issuer::of(&url, &slug).as_str(), path);
            let issuer = Issuer::on_domain(&url, &domain);
            assert_eq!(issuer.as_str(), host);
            assert_eq!(domain_in(&url, issuer.as_str()), Some("login.acme.example"));
        }
    }
}
