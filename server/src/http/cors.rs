//! Which pages of other origins may call which endpoints (Fetch, CORS protocol).
//!
//! Metadata and keys are public, for everyone. What clients call is open to the origins of the
//! tenant's clients, never together with cookies. The session API is open to the origins that the tenant
//! allowed by name (`allowed_origins`), with cookies: they are its own front ends. Pages that people see send nothing of this: no
//! other page has anything to read there (RFC 9700 §2.6).

use poem::{
    Request, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};

use crate::{
    app::App,
    domain::tenant::{Slug, TenantScope},
};

/// Who may read an endpoint's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    Everyone,
    Clients,
    /// The tenant's own front ends, with the cookies of their users.
    FrontEnds,
    Nobody,
}

/// The methods that other origins' pages use.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, DPoP, If-Match";
/// What a page may read besides the body.
const EXPOSED: &str = "WWW-Authenticate, Retry-After, X-Request-Id, DPoP-Nonce";

/// What a request of another origin's page asks.
pub struct Cors {
    origin: HeaderValue,
    readers: Readers,
    preflight: bool,
}

impl Cors {
    /// Reads a request; `None` when no page of another origin asks for anything that is open.
    pub fn of(request: &Request) -> Option<Self> {
        let origin = request.headers().get(header::ORIGIN)?.clone();
        let readers = readers(request.uri().path());
        let preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        (readers != Readers::Nobody).then_some(Self {
            origin,
            readers,
            preflight,
        })
    }

    pub fn is_preflight(&self) -> bool {
        self.preflight
    }

    /// The answer to "may I?". What is missing in it is the no.
    pub fn preflight() -> Response {
        Response::builder().status(StatusCode::NO_CONTENT).finish()
    }

    /// Adds what lets the page read the answer, if it may.
    pub async fn admit(&self, app: &App, path: &str, response: &mut Response) {
        let allowed = match self.readers {
            Readers::Everyone => Some(HeaderValue::from_static("*")),
            Readers::Clients => {
                let known = self.is_client(app, path).await;
                known.then(|| self.origin.clone())
            }
            Readers::FrontEnds => {
                let known = self.is_front_end(app, path).await;
                known.then(|| self.origin.clone())
            }
            Readers::Nobody => None,
        };
        let headers = response.headers_mut();
        if matches!(self.readers, Readers::Clients | Readers::FrontEnds) {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = allowed else { return };
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        set(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
        if self.readers == Readers::FrontEnds {
            set(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        if self.preflight {
            let fixed = HeaderValue::from_static;
            set(header::ACCESS_CONTROL_ALLOW_METHODS, fixed(METHODS));
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, fixed(HEADERS));
            set(header::ACCESS_CONTROL_MAX_AGE, fixed("600"));
        }
    }

    /// Whether the tenant allowed the origin by name.
    async fn is_front_end(&self, app: &App, path: &str) -> bool {
        let Ok(origin) = self.origin.to_str() else {
            return false;
        };
        let tenant = tenant(app, path).await;
        tenant.is_some_and(|tenant| is_allowed(&tenant, origin))
    }

    /// Whether the origin is one of the tenant's clients. When the store can't say, it isn't.
    async fn is_client(&self, app: &App, path: &str) -> bool {
        let Ok(origin) = self.origin.to_str() else {
            return false;
        };
        let Some(tenant) = tenant(app, path).await else {
            return false;
        };
        if is_allowed(&tenant, origin) {
            return true;
        }
        let known = async {
            app.store
                .view(&tenant)
                .await?
                .is_client_origin(origin)
                .await
        };
        known.await.unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the origins of clients can't be read");
            false
        })
    }
}

fn is_allowed(tenant: &TenantScope, origin: &str) -> bool {
    let allowed = &tenant.policy().allowed_origins;
    allowed.iter().any(|known| known == origin)
}

fn readers(path: &str) -> Readers {
    if is_of_sessions(path) {
        return Readers::FrontEnds;
    }
    let last = path.trim_end_matches('/');
    if path.contains("/.well-known/") || last.ends_with("/oauth2/jwks") {
        return Readers::Everyone;
    }
    let for_clients = ["token", "userinfo", "revoke", "introspect", "register"]
        .iter()
        .any(|name| path.contains(&format!("/oauth2/{name}")));
    if for_clients {
        Readers::Clients
    } else {
        Readers::Nobody
    }
}

/// `/t/{tenant}/auth/…`
fn is_of_sessions(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    segments.next() == Some("t") && segments.nth(1) == Some("auth") && segments.next().is_some()
}

async fn tenant(app: &App, path: &str) -> Option<TenantScope> {
    let slug = path.strip_prefix("/t/")?.split('/').next()?;
    let slug = Slug::parse(slug).ok()?;
    let tenant = app.tenants.by_slug(&slug).await.ok()??;
    tenant.enter(&app.public_url).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T103.
    #[test]
    fn pages_for_people_are_open_to_no_script() {
        for (path, expected) in [
            ("/t/a/.well-known/openid-configuration", Readers::Everyone),
            (
                "/.well-known/oauth-authorization-server/t/a",
                Readers::Everyone,
            ),
            ("/t/a/oauth2/jwks", Readers::Everyone),
            ("/t/a/oauth2/token", Readers::Clients),
            ("/t/a/oauth2/register/c", Readers::Clients),
            ("/t/a/oauth2/authorize", Readers::Nobody),
            ("/t/a/oauth2/logout", Readers::Nobody),
            ("/t/a/login", Readers::Nobody),
            ("/t/a/consent", Readers::Nobody),
            ("/t/a/auth/login", Readers::FrontEnds),
            ("/t/a/auth/", Readers::FrontEnds),
            ("/t/auth/login", Readers::Nobody),
            ("/t/a/authority/login", Readers::Nobody),
            ("/admin/v1/t/a/auth/login", Readers::Nobody),
            ("/admin/v1/tenants", Readers::Nobody),
        ] {
            assert_eq!(readers(path), expected, "{path}");
        }
    }
}
