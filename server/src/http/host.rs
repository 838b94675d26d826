//! Which door a request came by: this server's own host, or a custom domain of a tenant.
//!
//! A custom domain shows one tenant's paths without `/t/{slug}` before them, and nothing else: inside, its
//! requests have the long path, so there is no admin API, no document of all and no other tenant to be found.
//! The header decides whose paths these are and nothing more; whatever address is written comes from settings
//! and from what the tenant stored.

use poem::{
    Request,
    http::{Uri, header, uri::PathAndQuery},
};

use super::{
    respond::problem::{Kind, Problem},
    whose::Whose,
};
use crate::{
    app::App,
    application::error::Error,
    domain::{domain_name::DomainName, tenant::Slug},
};

/// The custom domain that a request came to.
#[derive(Clone, Debug)]
pub struct Door(pub DomainName);

/// Finds the door and, behind a custom domain, gives the request its long path. When the store can't say whose
/// a host is, nobody serves it.
pub async fn enter(app: &App, request: &mut Request) -> Result<Option<Door>, Problem> {
    let Some(host) = host(request) else {
        return Ok(None);
    };
    if is_own(app, host) {
        return Ok(None);
    }
    let Some(domain) = DomainName::of_request(host) else {
        return Ok(None);
    };
    let Some(slug) = app.tenants.slug_at(&domain).await.map_err(Error::from)? else {
        return Ok(None);
    };
    let long = long_path(request.uri(), &slug).ok_or_else(|| Problem::new(Kind::NotFound))?;
    *request.uri_mut() = long;
    Whose::mark(request, &slug);
    let door = Door(domain);
    request.extensions_mut().insert(door.clone());
    Ok(Some(door))
}

/// The host that the client names, without its port: in the request line, or else in its one `Host` header
/// (RFC 9112 §3.2.2). Whoever sends several names none.
fn host(request: &Request) -> Option<&str> {
    if let Some(host) = request.uri().host() {
        return Some(host);
    }
    let mut values = request.headers().get_all(header::HOST).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let value = value.to_str().ok()?;
    Some(match value.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => value,
    })
}

fn is_own(app: &App, host: &str) -> bool {
    let own = app.public_url.host_str().unwrap_or_default();
    host.eq_ignore_ascii_case(own)
}

fn long_path(uri: &Uri, slug: &Slug) -> Option<Uri> {
    let rest = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // `OPTIONS *` asks of the server as a whole.
    if !rest.starts_with('/') {
        return None;
    }
    format!("/t/{slug}{rest}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_once_and_without_its_port() {
        let host_of = |request: Request| host(&request).map(str::to_owned);
        let with = |hosts: &[&str]| {
            let mut request = Request::builder().uri(Uri::from_static("/x")).finish();
            for host in hosts {
                let value = host.parse().expect("a header");
                request.headers_mut().append(header::HOST, value);
            }
            host_of(request)
        };
        assert_eq!(with(&["a.example"]).as_deref(), Some("a.example"));
        assert_eq!(with(&["a.example:8080"]).as_deref(), Some("a.example"));
        assert_eq!(with(&["[::1]:8080"]).as_deref(), Some("[::1]"));
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["a.example", "b.example"]), None);
        assert_eq!(with(&["a.example", "a.example"]), None);
        let absolute = Request::builder()
            .uri(Uri::from_static("http://a.example/x"))
            .header("host", "b.example")
            .finish();
        assert_eq!(host_of(absolute).as_deref(), Some("a.example"));
    }

    #[test]
    fn every_path_of_a_domain_lies_in_its_tenant() {
        let slug = Slug::parse("acme").expect("a slug");
        for (uri, expected) in [
            ("/", "/t/acme/"),
            ("/login?x=1", "/t/acme/login?x=1"),
            ("/admin/v1/tenants", "/t/acme/admin/v1/tenants"),
            ("/t/other/login", "/t/acme/t/other/login"),
            ("//t/other/login", "/t/acme//t/other/login"),
            ("http://login.acme.example/login", "/t/acme/login"),
        ] {
            let long = long_path(&Uri::from_static(uri), &slug);
            assert_eq!(
                long.map(|long| long.to_string()).as_deref(),
                Some(expected),
                "{uri}"
            );
        }
        assert_eq!(long_path(&Uri::from_static("*"), &slug), None);
    }
}
