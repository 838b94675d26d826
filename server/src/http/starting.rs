//! The listeners before there is anything to serve: while the stores are asked, callers hear to come
//! back, and probes what is missing.

use std::{
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
    troubles::Troubles,
};
use crate::application::ports::{Clock, Entropy, Finding, Health, Meter};

/// What is missing before an instance can serve.
pub struct Start {
    public_url: String,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    meter: Arc<dyn Meter>,
    /// How the stores are that were asked so far, in order.
    stores: Mutex<Vec<Finding>>,
    troubles: Troubles,
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
            stores: Mutex::default(),
            troubles: Troubles::default(),
        })
    }

    /// Says that this store is asked now.
    pub fn asks(&self, store: &'static str) {
        self.found_that(store, Health::Down("not connected".into()));
    }

    /// Says how a store is that was asked.
    pub fn found_that(&self, store: &'static str, health: Health) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|known| known.name != store);
        stores.push(Finding::required(store, health));
    }

    fn found(&self) -> Vec<Finding> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.clone()
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
                let found = self.found();
                // Whoever waits for a store tells the log.
                let (_, wrong) = self.troubles.note(&found, self.clock.now());
                let (_, mut report) = health::report(&found, &wrong, false);
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
