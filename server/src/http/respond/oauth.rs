//! The dialect of the OAuth endpoints: RFC 6749 §5.2 JSON, and RFC 6750 §3 for bearer tokens.
//!
//! Like a problem, an [`OAuthProblem`] travels as data of the framework's error and is written down
//! by the outermost endpoint.

use std::{marker::PhantomData, time::Duration};

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{Example, Type},
};
use serde::Serialize;

use super::{
    answer::{Refusals, headers_of},
    problem::{Kind, Problem},
};
use crate::application::{
    error::Error,
    oauth::{OAuthError, Refusal},
};

const INVALID_TOKEN: &str = "invalid_token";

/// A refusal of an OAuth endpoint, before it is written down.
#[derive(Clone, Debug)]
pub struct OAuthProblem {
    status: StatusCode,
    /// None: for who sent nothing. The challenge then has no code; the body has that of a bad token.
    error: Option<&'static str>,
    description: String,
    challenge: Option<Challenge>,
    retry_after: Option<Duration>,
}

/// How a 401 or 403 asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    /// A client must authenticate (RFC 6749 §5.2).
    Basic,
    /// A bearer token is needed (RFC 6750 §3).
    Bearer { scope: Option<&'static str> },
}

impl OAuthProblem {
    pub fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error: Some(error),
            description: description.into(),
            challenge: None,
            retry_after: None,
        }
    }

    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn challenged(self, challenge: Challenge) -> Self {
        Self {
            challenge: Some(challenge),
            ..self
        }
    }

    /// The same refusal in this dialect, for what the framework or a shared extractor refused.
    pub fn from_problem(problem: &Problem) -> Self {
        let status = problem.status();
        let (error, description) = match status.as_u16() {
            503 => ("temporarily_unavailable", "Try again later."),
            500.. => ("server_error", "This is a fault of the server."),
            413 => ("invalid_request", "The request is too large."),
            404 => ("invalid_request", "There is no such tenant."),
            _ => ("invalid_request", "The request is malformed."),
        };
        Self {
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE)
                .then(|| problem.retry_after().unwrap_or(Duration::from_secs(1))),
            ..Self::new(status, error, description)
        }
    }

    /// The answer, with its body.
    pub fn render(&self) -> Response {
        // Programs that read the document expect a body with every refusal.
        let view = OAuthErrorView {
            error: self.error.unwrap_or(INVALID_TOKEN).to_owned(),
            error_description: described(&self.description),
        };
        let body = serde_json::to_vec(&view).unwrap_or_default();
        let mut response = Response::builder().status(self.status).finish();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(challenge) = self.challenge
            && let Ok(value) = HeaderValue::from_str(&self.challenge_text(challenge))
        {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            headers.insert(header::RETRY_AFTER, seconds);
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response.set_body(body);
        response
    }

    fn challenge_text(&self, challenge: Challenge) -> String {
        match (challenge, self.error) {
            (Challenge::Basic, _) => "Basic realm=\"client\"".to_owned(),
            // No error code for who sent nothing (RFC 6750 §3.1).
            (Challenge::Bearer { .. }, None) => "Bearer".to_owned(),
            (Challenge::Bearer { scope }, Some(error)) => {
                let scope = scope.map_or_else(String::new, |scope| format!(", scope=\"{scope}\""));
                let description = described(&self.description);
                format!("Bearer error=\"{error}\", error_description=\"{description}\"{scope}")
            }
        }
    }
}

/// The characters that a description may have (RFC 6749 §5.2); others become question marks.
fn described(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' ' | '!' | '#'..='[' | ']'..='~' => c,
            _ => '?',
        })
        .collect()
}

impl From<Refusal> for OAuthProblem {
    /// Several reasons share a code and a sentence on purpose: a caller must not learn whether a
    /// token was unknown, expired or someone else's.
    fn from(refusal: Refusal) -> Self {
        let bad = |error, description: &str| Self::new(StatusCode::BAD_REQUEST, error, description);
        tracing::info!(refusal = %refusal, "refused");
        match refusal {
            Refusal::InvalidRequest(description) => Self::invalid_request(description),
            Refusal::InvalidClient { .. } => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "The client is unknown or did not authenticate as registered.",
            )
            .challenged(Challenge::Basic),
            Refusal::InvalidGrant(_) => bad(
                "invalid_grant",
                "The grant is unknown, expired, ended, used or for another client.",
            ),
            Refusal::UnauthorizedClient(_) => bad(
                "unauthorized_client",
                "The client did not register for this.",
            ),
            Refusal::UnsupportedGrantType => bad(
                "unsupported_grant_type",
                "grant_type must be authorization_code, refresh_token or client_credentials.",
            ),
            Refusal::InvalidScope(_) => bad(
                "invalid_scope",
                "The scope is malformed or more than what may be granted.",
            ),
            Refusal::InvalidTarget(_) => bad(
                "invalid_target",
                "The resource is unknown or was not granted.",
            ),
            Refusal::InvalidRedirectUri(description) => bad("invalid_redirect_uri", &description),
            Refusal::InvalidClientMetadata(description) => {
                bad("invalid_client_metadata", &description)
            }
            Refusal::AccessDenied(description) => {
                Self::new(StatusCode::FORBIDDEN, "access_denied", description)
            }
            Refusal::InvalidToken(_) => Self::new(
                StatusCode::UNAUTHORIZED,
                INVALID_TOKEN,
                "The token is unknown, expired or ended.",
            )
            .challenged(Challenge::Bearer { scope: None }),
            Refusal::NoToken => Self {
                error: None,
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    INVALID_TOKEN,
                    "An access token is needed.",
                )
            }
            .challenged(Challenge::Bearer { scope: None }),
            Refusal::InsufficientScope(scope) => Self::new(
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "The token was not granted the scope that is needed.",
            )
            .challenged(Challenge::Bearer { scope: Some(scope) }),
        }
    }
}

impl From<OAuthError> for OAuthProblem {
    fn from(error: OAuthError) -> Self {
        match error {
            OAuthError::Refused(refusal) => refusal.into(),
            OAuthError::Failed(error) => error.into(),
        }
    }
}

impl From<Error> for OAuthProblem {
    fn from(error: Error) -> Self {
        Self::from_problem(&Problem::from(error))
    }
}

impl From<OAuthProblem> for poem::Error {
    fn from(problem: OAuthProblem) -> Self {
        let mut error = Self::from_status(problem.status);
        error.set_data(problem);
        error
    }
}

/// Whether a path belongs to the endpoints that speak this dialect, whatever refused.
pub fn speaks_oauth(path: &str) -> bool {
    ["token", "revoke", "introspect", "userinfo", "register"]
        .iter()
        .any(|name| path.contains(&format!("/oauth2/{name}")))
}

/// An error of an OAuth endpoint (RFC 6749 §5.2).
#[derive(Debug, Object, Serialize)]
#[oai(rename = "OAuthError", example)]
pub struct OAuthErrorView {
    /// The code that programs act on, such as `invalid_grant`.
    error: String,
    /// What happened, for people.
    error_description: String,
}

impl Example for OAuthErrorView {
    fn example() -> Self {
        Self {
            error: "invalid_grant".to_owned(),
            error_description: "The grant is unknown, expired, ended, used or for another client."
                .to_owned(),
        }
    }
}

/// A refusal of an OAuth operation whose possible statuses are `R`. An unknown tenant is one of them,
/// so that a client has one kind of error to read.
#[derive(Debug)]
pub struct OAuthRefused<R>(OAuthProblem, PhantomData<fn() -> R>);

impl<R: Refusals, P: Into<OAuthProblem>> From<P> for OAuthRefused<R> {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        debug_assert!(
            R::LIST
                .iter()
                .any(|(status, _)| *status == problem.status.as_u16()),
            "{problem:?} is not in the document"
        );
        Self(problem, PhantomData)
    }
}

impl<R> From<OAuthRefused<R>> for poem::Error {
    fn from(refused: OAuthRefused<R>) -> Self {
        refused.0.into()
    }
}

impl<R: Refusals> ApiResponse for OAuthRefused<R> {
    fn meta() -> MetaResponses {
        let responses = R::LIST
            .iter()
            .map(|&(status, description)| MetaResponse {
                description,
                status: Some(status),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/json",
                    schema: OAuthErrorView::schema_ref(),
                }],
                headers: headers_of(status),
            })
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        OAuthErrorView::register(registry);
    }
}

impl From<Kind> for OAuthProblem {
    fn from(kind: Kind) -> Self {
        Self::from_problem(&Problem::new(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::error::StoreError;

    #[test]
    fn a_description_has_no_character_that_the_rfc_forbids() {
        assert_eq!(described("a\"b\\c\nd\u{e9}~"), "a?b?c?d?~");
    }

    #[test]
    fn trouble_of_ours_is_no_fault_of_the_grant() {
        let error = Error::Store(StoreError::Unavailable("down".into()));
        let problem = OAuthProblem::from(OAuthError::from(error));
        assert_eq!(problem.error, Some("temporarily_unavailable"));
        let response = problem.render();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn who_sent_nothing_gets_no_error_code() {
        let response = OAuthProblem::from(Refusal::NoToken).render();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let response = OAuthProblem::from(Refusal::InvalidToken("expired")).render();
        let challenge = response.headers()[header::WWW_AUTHENTICATE]
            .to_str()
            .unwrap_or_default();
        assert!(
            challenge.starts_with("Bearer error=\"invalid_token\""),
            "{challenge}"
        );
    }
}
