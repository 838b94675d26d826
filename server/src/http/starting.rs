//! The listeners before there is anything to serve: while the database is waited for, callers hear
//! to come back, and probes what is missing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Result,
    endpoint::BoxEndpoint,
    http::{HeaderValue, StatusCode, header},
};
use url::Url;

use super::{
    edge::REQUEST_ID,
    health,
    respond::{
        oauth::{self, OAuthProblem},
        problem::Problem,
    },
};
use crate::{
    application::ports::{Clock, Entropy, Health, Meter},
    domain::timestamp::Timestamp,
};

/// What is missing before an instance can serve.
pub struct Start {
    public_url: String,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    meter: Arc<dyn Meter>,
    missing: Mutex<Health>,
    since: Mutex<BTreeMap<&'static str, Timestamp>>,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").finish_non_exhaustive()
    }
}

impl Start {
    pub fn new(
        public_url: &Url,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        meter: Arc<dyn Meter>,
    ) -> Arc<Self> {
        Arc::new(Self {
            public_url: public_url.as_str().trim_end_matches('/').to_owned(),
            clock,
            entropy,
            meter,
            missing: Mutex::new(Health::Down("not connected".into())),
            since: Mutex::default(),
        })
    }

    /// Says how the database is that is waited for.
    pub fn waits(&self, database: Health) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = database;
    }

    fn found(&self) -> [(&'static str, Health); 1] {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        [("database", missing.clone())]
    }

    fn to_the_public(&self, request: &Request) -> Response {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
        let problem = Problem::unavailable();
        let mut response = match oauth::speaks_oauth(request.uri().path()) {
            true => OAuthProblem::from_problem(&problem).render(),
            false => problem.render(&self.public_url, &id),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn to_the_management(&self, request: &Request) -> Response {
        match request.uri().path() {
            "/livez" => health::live(),
            "/readyz" => {
                let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.clock.now();
                let (_, mut report) = health::report(&self.found(), false, &mut since, now);
                report["status"] = "starting".into();
                health::readiness_response(false, &report)
            }
            "/metrics" => health::metrics(&*self.meter, &self.found()),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// A listener's endpoint that comes later.
pub struct Later {
    start: Arc<Start>,
    before: fn(&Start, &Request) -> Response,
    endpoint: Arc<OnceLock<BoxEndpoint<'static, Response>>>,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

impl Later {
    pub fn public(start: &Arc<Start>) -> Self {
        Self::new(start, Start::to_the_public)
    }

    pub fn management(start: &Arc<Start>) -> Self {
        Self::new(start, Start::to_the_management)
    }

    fn new(start: &Arc<Start>, before: fn(&Start, &Request) -> Response) -> Self {
        Self {
            start: Arc::clone(start),
            before,
            endpoint: Arc::default(),
        }
    }

    /// Where to put the endpoint when it is there.
    pub fn place(&self) -> LaterPlace {
        LaterPlace(Arc::clone(&self.endpoint))
    }
}

/// Takes the endpoint of a listener.
pub struct LaterPlace(Arc<OnceLock<BoxEndpoint<'static, Response>>>);

impl fmt::Debug for LaterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaterPlace").finish_non_exhaustive()
    }
}

impl LaterPlace {
    /// From now on this answers. Once.
    pub fn fill(self, endpoint: impl Endpoint + 'static) {
        // There is one place a listener, and filling takes it.
        let _only_one = self.0.set(endpoint.map_to_response().boxed());
    }
}

impl Endpoint for Later {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        match self.endpoint.get() {
            Some(endpoint) => endpoint.call(request).await,
            None => Ok((self.before)(&self.start, &request)),
        }
    }
}
