//! The outermost endpoint: what every request gets and every answer carries.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use poem_openapi::error::ParseParamError;
use tracing::Instrument;

use super::respond::{
    oauth::{self, OAuthProblem},
    problem::{Kind, Problem},
};
use super::{
    client_address::{client_address, peer},
    cors::Cors,
    host,
    operation::{InFlight, Operation},
    trace_context,
    whose::Whose,
};
use crate::{
    app::App,
    application::{audit, ports::Answered},
    domain::audit::Origin,
};

/// The longest a request may take. Password queues give up long before; this bounds the rest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which methods each path of the document has: RFC 9110 §15.5.6 wants them in a 405.
#[derive(Clone, Debug, Default)]
pub struct AllowedMethods(Vec<(Vec<String>, String)>);

impl AllowedMethods {
    /// From path templates such as `/t/{tenant}/oauth2/jwks` and their methods.
    pub fn new(paths: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let split = |path: String| path.split('/').map(str::to_owned).collect();
        Self(
            paths
                .into_iter()
                .map(|(path, methods)| (split(path), methods.join(", ")))
                .collect(),
        )
    }

    fn of(&self, path: &str) -> &str {
        let segments: Vec<_> = path.split('/').collect();
        let fits = |template: &[String]| {
            template.len() == segments.len()
                && template
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        self.0
            .iter()
            .find(|(template, _)| fits(template))
            .map_or("GET", |(_, methods)| methods)
    }
}

/// Wraps all routes of a listener.
pub struct Edge<E> {
    inner: E,
    app: Arc<App>,
    public_url: String,
    https: bool,
    allowed: AllowedMethods,
    /// Whether requests go into the metrics: probes don't.
    counted: bool,
    custom_domains: bool,
}

impl<E> Edge<E> {
    pub fn new(inner: E, app: Arc<App>, allowed: AllowedMethods) -> Self {
        let public_url = app.public_url.as_str().trim_end_matches('/').to_owned();
        Self {
            inner,
            https: public_url.starts_with("https://"),
            public_url,
            app,
            allowed,
            counted: true,
            custom_domains: false,
        }
    }

    /// Serves tenants at their own hosts too.
    pub fn with_custom_domains(self) -> Self {
        Self {
            custom_domains: true,
            ..self
        }
    }

    /// For the management listener, whose requests are the watchers' own.
    pub fn uncounted(inner: E, app: Arc<App>) -> Self {
        Self {
            counted: false,
            ..Self::new(inner, app, AllowedMethods::default())
        }
    }
}

impl<E: Endpoint> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let request_id = uuid::Builder::from_random_bytes(self.app.random())
            .into_uuid()
            .to_string();
        let span = tracing::info_span!(
            "request",
            request.id = %request_id,
            method = %request.method(),
            path = request.uri().path(),
            tenant = tracing::field::Empty,
            trace.id = tracing::field::Empty,
            otel.kind = "server",
            http.response.status_code = tracing::field::Empty,
        );
        trace_context::join(
            &span,
            request.headers(),
            peer(&request),
            &self.app.trusted_proxies,
        );
        request.extensions_mut().insert(Arc::clone(&self.app));
        let whose = Whose::follow(&mut request);
        let _in_flight = self.counted.then(|| InFlight::begin(&*self.app.meter));
        let head = request.method() == Method::HEAD;
        let door = match self.custom_domains {
            true => {
                host::enter(&self.app, &mut request)
                    .instrument(span.clone())
                    .await
            }
            false => Ok(None),
        };
        let path = request.uri().path().to_owned();
        let on_domain = !matches!(door, Ok(None));
        let cors = Cors::of(&request);
        let answer = async {
            let started = Instant::now();
            if let Err(problem) = door {
                return self.refuse(&problem.into(), &request_id, &path);
            }
            let mut response = match &cors {
                Some(cors) if cors.is_preflight() => Cors::preflight(),
                _ => {
                    let origin = Origin {
                        ip: client_address(&request, &self.app.trusted_proxies),
                        request_id: Some(request_id.clone()),
                    };
                    audit::within(origin, self.answer(request, &request_id, &path)).await
                }
            };
            if let Some(cors) = &cors {
                cors.admit(&self.app, &path, &mut response).await;
            }
            let took = started.elapsed();
            tracing::debug!(
                status = response.status().as_u16(),
                micros = took.as_micros(),
                "answered"
            );
            let span = tracing::Span::current();
            trace_context::name(&span, Operation::marked(&response));
            span.record("http.response.status_code", response.status().as_u16());
            self.count(whose.tenant(), &response, took);
            response
        };
        let mut response = answer.instrument(span).await;
        self.finish(&mut response, &request_id, on_domain);
        if head {
            response.set_body(poem::Body::empty());
        }
        Ok(response)
    }
}

impl<E: Endpoint> Edge<E> {
    async fn answer(&self, request: Request, request_id: &str, path: &str) -> Response {
        // Nothing of ours is called like this, so it isn't there.
        if percent_decode_str(path).decode_utf8().is_err() {
            return self.refuse(&Problem::new(Kind::NotFound).into(), request_id, path);
        }
        // One request's panic is that request's 500, and nobody else's business.
        let call = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let outcome = match tokio::time::timeout(REQUEST_TIMEOUT, call).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => {
                tracing::error!("a request panicked");
                Err(Problem::new(Kind::Internal).into())
            }
            Err(_elapsed) => {
                tracing::error!("a request took too long");
                Err(Problem::new(Kind::Unavailable).into())
            }
        };
        let mut response = match outcome {
            Ok(output) => output.into_response(),
            Err(error) => {
                let mut refusal = self.refuse(&error, request_id, path);
                Operation::of_error(&error).mark(&mut refusal);
                return refusal;
            }
        };
        let operation = Operation::of_response(&response);
        // The framework answers some refusals itself, in plain text.
        let framework = response.status().is_client_error() || response.status().is_server_error();
        if framework
            && response
                .content_type()
                .is_none_or(|kind| kind.starts_with("text/plain"))
        {
            response = self.refuse(
                &poem::Error::from_status(response.status()),
                request_id,
                path,
            );
        }
        operation.mark(&mut response);
        response
    }

    fn count(&self, tenant: Option<&str>, response: &Response, took: Duration) {
        if self.counted {
            self.app.meter.answered(&Answered {
                operation: Operation::marked(response),
                status: response.status().as_u16(),
                took,
                tenant,
            });
        }
    }

    fn refuse(&self, error: &poem::Error, request_id: &str, path: &str) -> Response {
        if let Some(problem) = error.data::<OAuthProblem>() {
            return problem.render();
        }
        let problem = error
            .data::<Problem>()
            .cloned()
            .unwrap_or_else(|| of_framework(error));
        if problem.status() == StatusCode::INTERNAL_SERVER_ERROR
            && error.data::<Problem>().is_none()
        {
            tracing::error!(error = %error, "the framework failed");
        }
        // The endpoint decides the dialect; who asks for no path or with no method asks none.
        let of_an_endpoint = match problem.status().as_u16() {
            404 => error.data::<Problem>().is_some(),
            status => status != 405,
        };
        if of_an_endpoint && oauth::speaks_oauth(path) {
            return OAuthProblem::from_problem(&problem).render();
        }
        let mut response = problem.render(&self.public_url, request_id);
        if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Ok(methods) = HeaderValue::from_str(self.allowed.of(path))
        {
            response.headers_mut().insert(header::ALLOW, methods);
        }
        response
    }

    fn finish(&self, response: &mut Response, request_id: &str, on_domain: bool) {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        if self.https {
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                // What lies below a tenant's domain is not ours to say.
                HeaderValue::from_static(if on_domain {
                    "max-age=63072000"
                } else {
                    "max-age=63072000; includeSubDomains"
                }),
            );
        }
        // What does not say how long it may be kept may carry something of one user.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

/// What the framework refused by itself, with the parameter that it was about.
fn of_framework(error: &poem::Error) -> Problem {
    let problem = Problem::of_status(error.status());
    match error.downcast_ref::<ParseParamError>() {
        Some(ParseParamError { name, reason }) => {
            // `failed to parse "integer(int32)": verification failed. maximum(200, exclusive: false)`
            let why = reason.rsplit_once("verification failed. ");
            let why = why.map_or(reason.as_str(), |(_, rule)| rule);
            problem.detail(format!("The parameter `{name}` is not valid: {why}."))
        }
        None => problem,
    }
}
