//! Successful answers and, next to them in the document, every refusal an operation may give.

use std::marker::PhantomData;

use poem::{
    IntoResponse, Response,
    http::{HeaderName, HeaderValue, StatusCode},
};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{
        MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
    },
    types::Type,
};
use serde::Serialize;

use super::{
    json::Json,
    problem::{Problem, ProblemView},
};
use crate::application::idempotency::Answered;

/// A successful answer with a JSON body and the status `STATUS`.
#[derive(Debug)]
pub struct Answer<const STATUS: u16, T> {
    body: T,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl<const STATUS: u16, T> Answer<STATUS, T> {
    pub fn new(body: T) -> Self {
        Self {
            body,
            headers: Vec::new(),
        }
    }

    /// Adds a header; one that can't be sent is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds headers, such as cookies.
    pub fn headers(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

impl<const STATUS: u16, T: Serialize> Answer<STATUS, T> {
    /// As it goes out, to be remembered.
    pub fn written(&self) -> Answered {
        // No type of ours has a map with keys that are no strings, or an error of its own.
        let body = serde_json::to_string(&self.body).unwrap_or_default();
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Answered {
            status: STATUS,
            headers: headers.collect(),
            body,
        }
    }
}

const fn description(status: u16) -> &'static str {
    match status {
        201 => "Created.",
        _ => "OK.",
    }
}

impl<const STATUS: u16, T: Type> ApiResponse for Answer<STATUS, T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: description(STATUS),
                status: Some(STATUS),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Json::<T>::CONTENT_TYPE,
                    schema: T::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<const STATUS: u16, T: Serialize + Send> IntoResponse for Answer<STATUS, T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        response.set_status(StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK));
        response.headers_mut().extend(self.headers);
        response
    }
}

/// 200 with an empty body (RFC 7009 §2.2).
#[derive(Clone, Copy, Debug)]
pub struct Done;

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done.",
                status: Some(200),
                status_range: None,
                content: vec![],
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).finish()
    }
}

/// 204: done, and nothing to say.
#[derive(Debug, Default)]
pub struct NoContent {
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl NoContent {
    /// With these headers, such as cookies that are cleared.
    pub fn with_headers(headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers }
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done.",
                status: Some(204),
                status_range: None,
                content: vec![],
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// The refusals that an operation may give: status and when.
pub trait Refusals: Send + Sync + 'static {
    const LIST: &'static [(u16, &'static str)];
}

/// A problem answer of an operation whose possible refusals are `R`.
#[derive(Debug)]
pub struct Refused<R>(Problem, PhantomData<fn() -> R>);

impl<R: Refusals, P: Into<Problem>> From<P> for Refused<R> {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        debug_assert!(
            R::LIST
                .iter()
                .any(|(status, _)| *status == problem.status().as_u16()),
            "{problem:?} is not in the document"
        );
        Self(problem, PhantomData)
    }
}

impl<R> From<Refused<R>> for poem::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.0.into()
    }
}

impl<R: Refusals> ApiResponse for Refused<R> {
    fn meta() -> MetaResponses {
        let responses = R::LIST
            .iter()
            .map(|&(status, description)| MetaResponse {
                description,
                status: Some(status),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/problem+json",
                    schema: ProblemView::schema_ref(),
                }],
                headers: headers_of(status),
            })
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ProblemView::register(registry);
    }
}

/// The headers that a refusal with this status has.
pub(super) fn headers_of(status: u16) -> Vec<MetaHeader> {
    let header = |name: &str, description: &str, schema: MetaSchema| MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    };
    match status {
        401 => vec![header(
            "WWW-Authenticate",
            "How to authenticate (RFC 6750 §3).",
            MetaSchema::new("string"),
        )],
        429 | 503 => vec![header(
            "Retry-After",
            "After how many seconds to try again.",
            MetaSchema {
                minimum: Some(1.0),
                ..MetaSchema::new_with_format("integer", "int32")
            },
        )],
        _ => vec![],
    }
}

/// Names the refusals of an operation.
macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($status:literal => $description:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl $crate::http::respond::answer::Refusals for $name {
            const LIST: &'static [(u16, &'static str)] = &[$(($status, $description)),+];
        }
    };
}
pub(crate) use refusals;
