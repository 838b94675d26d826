//! Whose requests are counted by tenant: those of tenants that are there, and of no others.

use std::sync::{Arc, Mutex};

use poem::{Endpoint, EndpointExt, Request, Response, endpoint::BoxEndpoint, http::StatusCode};
use tokenhouse_server::{
    app::App,
    application::ports::{Answered, Finding, Meter},
    http::public_endpoint,
};

use crate::{
    domains::held,
    harness::{Backend, Installation, OPERATOR_TOKEN, Tenant},
};

/// Remembers whose the requests were, with the status of their answers.
#[derive(Default)]
struct Recorder(Mutex<Vec<(Option<String>, u16)>>);

impl Meter for Recorder {
    fn asked(&self) {}
    fn done(&self) {}
    fn answered(&self, answered: &Answered<'_>) {
        let tenant = answered.tenant.map(str::to_owned);
        self.0.lock().unwrap().push((tenant, answered.status));
    }
    fn exposition(&self, _: &[Finding]) -> String {
        String::new()
    }
}

/// The server's endpoint with a recorder in the place of its meter.
struct Watched {
    endpoint: BoxEndpoint<'static, Response>,
    seen: Arc<Recorder>,
}

impl Watched {
    fn new(installation: &Installation) -> Self {
        let seen = Arc::new(Recorder::default());
        let app = App {
            meter: Arc::clone(&seen) as _,
            ..App::clone(&installation.instances[0].app)
        };
        Self {
            endpoint: public_endpoint(Arc::new(app)).map_to_response().boxed(),
            seen,
        }
    }

    /// Whose the metrics take the request for, and the status of its answer.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Option<String>, u16) {
        let mut request = Request::builder()
            .method(method.parse().unwrap())
            .uri(path.parse().unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.endpoint.call(request.finish()).await.unwrap();
        let seen = self.seen.0.lock().unwrap().pop().expect("it was counted");
        assert_eq!(answer.status().as_u16(), seen.1);
        seen
    }
}

const PREFLIGHT: [(&str, &str); 2] = [
    ("origin", "https://app.example"),
    ("access-control-request-method", "POST"),
];

#[tokio::test]
async fn invented_tenants_are_nobodys_whatever_the_answer() {
    let installation = Installation::start(Backend::Sqlite).await;
    let watched = Watched::new(&installation);
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    let as_operator = [("authorization", bearer.as_str())];
    for slug in ["invented", "n%C3%B6", &"long".repeat(7_000)] {
        let t = |rest: &str| format!("/t/{slug}{rest}");
        let admin = format!("/admin/v1/tenants/{slug}/users");
        let mut statuses = Vec::new();
        for (method, path, headers) in [
            ("GET", t("/oauth2/jwks"), &[][..]),
            ("PATCH", t("/oauth2/jwks"), &[]),
            ("PUT", t("/auth/login"), &[]),
            ("GET", t("/login"), &[]),
            ("GET", t("/nothing"), &[]),
            ("OPTIONS", t("/auth/login"), &PREFLIGHT),
            ("OPTIONS", t("/oauth2/token"), &PREFLIGHT),
            ("GET", admin.clone(), &[]),
            ("GET", admin.clone(), &[("authorization", "Bearer x")]),
            ("GET", admin.clone(), &as_operator),
            ("DELETE", admin, &[]),
        ] {
            let (tenant, status) = watched.ask(method, &path, headers).await;
            assert_eq!(tenant, None, "{method}, {status}");
            statuses.push(status);
        }
        for status in [204, 401, 404, 405] {
            assert!(statuses.contains(&status), "{status}: {statuses:?}");
        }
    }
}

#[tokio::test]
async fn requests_of_a_tenant_are_counted_by_its_slug_at_every_door() {
    let installation = Installation::start(Backend::Sqlite).await;
    let tenant = installation.tenant().await;
    let here: Tenant = held(&installation, &tenant, false).await;
    let watched = Watched::new(&installation);
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    let host = here.public_url.trim_start_matches("http://").to_owned();
    let at_domain = [("host", host.as_str())];
    let t = |rest: &str| format!("/t/{}{rest}", tenant.slug);
    for (method, path, headers, status) in [
        ("GET", t("/oauth2/jwks"), &[][..], StatusCode::OK),
        ("GET", t("/login"), &[], StatusCode::OK),
        (
            "GET",
            t("/auth/current-user"),
            &[],
            StatusCode::UNAUTHORIZED,
        ),
        (
            "GET",
            format!("/admin/v1/tenants/{}/users", tenant.slug),
            &[("authorization", bearer.as_str())],
            StatusCode::OK,
        ),
        ("GET", "/oauth2/jwks".to_owned(), &at_domain, StatusCode::OK),
        (
            "GET",
            "/nothing".to_owned(),
            &at_domain,
            StatusCode::NOT_FOUND,
        ),
    ] {
        let (whose, answered) = watched.ask(method, &path, headers).await;
        assert_eq!(answered, status.as_u16(), "{path}");
        assert_eq!(
            whose.as_deref(),
            Some(tenant.slug.as_str()),
            "{method} {path}"
        );
    }
}
