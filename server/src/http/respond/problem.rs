//! Problem documents (RFC 9457): the dialect of the session and admin APIs, and of everything that
//! no other dialect claims.
//!
//! A [`Problem`] travels in the response's extensions; the outermost endpoint writes the body, for
//! it alone knows the request id and every refusal that the framework gives on its own.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    Object,
    types::{Example, ToJSON},
};

pub use super::problem_kind::Kind;
use crate::{
    application::error::{Error, NotSignedIn, StoreError, chain},
    domain::{
        key_rotation::KeyRefusal,
        violation::{Violation, Violations},
    },
};

/// A refusal, before it is written down.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<Violation>,
    retry_after: Option<Duration>,
    challenge: Option<&'static str>,
}

impl Problem {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            challenge: None,
        }
    }

    /// Says more than the title. Never repeats what the caller sent.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The kind in words.
    pub fn title(&self) -> &'static str {
        self.kind.title()
    }

    /// After how long to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// For a response that the framework made.
    pub fn of_status(status: StatusCode) -> Self {
        Self::new(Kind::of_status(status))
    }

    /// A store is away: the same request may work later.
    pub fn unavailable() -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Unavailable)
        }
    }

    /// The answer, with its body.
    pub fn render(&self, public_url: &str, request_id: &str) -> Response {
        let view = ProblemView {
            type_: format!("{public_url}/problems/{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
            status: i32::from(self.status().as_u16()),
            detail: self
                .detail
                .clone()
                .unwrap_or_else(|| self.kind.remedy().to_owned()),
            instance: format!("urn:uuid:{request_id}"),
            errors: (!self.errors.is_empty())
                .then(|| self.errors.iter().map(ViolationView::from).collect()),
        };
        let body = view.to_json().unwrap_or_default().to_string();
        let mut response = Response::builder()
            .status(self.status())
            .header(header::CONTENT_TYPE, "application/problem+json")
            .body(body);
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(
                header::RETRY_AFTER,
                HeaderValue::from(after.as_secs().max(1)),
            );
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names a way in. No error code when nothing was sent (RFC 6750 §3.1).
            let challenge = self.challenge.unwrap_or("Bearer");
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        response
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::from_status(problem.status());
        error.set_data(problem);
        error
    }
}

impl From<Violations> for Problem {
    fn from(violations: Violations) -> Self {
        let only_password = violations
            .list()
            .iter()
            .all(|violation| violation.pointer == "/password");
        let kind = if only_password {
            Kind::WeakPassword
        } else {
            Kind::InvalidBody
        };
        Self {
            errors: violations.list().to_vec(),
            ..Self::new(kind)
        }
    }
}

impl From<KeyRefusal> for Problem {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::Absent => Self::new(Kind::NotFound),
            KeyRefusal::NotReady { ready_at } => Self::new(Kind::KeyNotReady)
                .detail(format!("It is ready at {}.", ready_at.to_rfc3339())),
            KeyRefusal::NotNext => Self::new(Kind::KeyNotNext),
            KeyRefusal::InUse => Self::new(Kind::KeyInUse),
            KeyRefusal::TooMany => Self::new(Kind::TooManyKeys),
        }
    }
}

impl From<Error> for Problem {
    /// The only place that decides what a caller learns of an application error; also the place
    /// where its cause is logged, once.
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => violations.into(),
            Error::NotFound => Self::new(Kind::NotFound),
            Error::EmailTaken => Self::new(Kind::EmailTaken),
            Error::ExternalIdTaken => Self::new(Kind::ExternalIdTaken),
            Error::SlugTaken => Self::new(Kind::SlugTaken),
            Error::ClientIdTaken => Self::new(Kind::ClientIdTaken),
            Error::DomainAlreadyAdded => Self::new(Kind::DomainAlreadyAdded),
            Error::DomainTaken => Self::new(Kind::DomainTaken),
            Error::DomainNotVerified(detail) => Self::new(Kind::DomainNotVerified).detail(detail),
            Error::Key(refusal) => refusal.into(),
            Error::TooManySecrets => Self::new(Kind::TooManySecrets),
            Error::IdempotencyKeyReused => Self::new(Kind::IdempotencyKeyReused),
            Error::Stale => Self::new(Kind::StaleUpdate),
            Error::SignupClosed => Self::new(Kind::SignupClosed),
            Error::InvitationRequired => Self::new(Kind::InvitationRequired),
            Error::InvitationInvalid => Self::new(Kind::InvitationInvalid),
            Error::InvitationAccepted => Self::new(Kind::InvitationAccepted),
            Error::TooManyDomains => Self::new(Kind::TooManyDomains),
            Error::TooManyInvitations => Self::new(Kind::TooManyInvitations),
            Error::InsufficientScope(scope) => {
                Self::new(Kind::InsufficientScope).detail(format!("The scope {scope} is needed."))
            }
            Error::WrongCredentials => Self::new(Kind::WrongCredentials),
            Error::Unauthenticated(reason) => {
                tracing::debug!(reason = %reason, "not signed in");
                let challenge = match reason {
                    NotSignedIn::NoCredential => "Bearer",
                    _ => "Bearer error=\"invalid_token\"",
                };
                Self {
                    challenge: Some(challenge),
                    ..Self::new(Kind::NotSignedIn)
                }
            }
            Error::ForeignOrigin => Self::new(Kind::ForeignOrigin),
            Error::Overloaded { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(Kind::Overloaded)
            },
            Error::Store(StoreError::Unavailable(_) | StoreError::Contended(_)) => {
                // One of many, of a store whose trouble is told once and shown by readiness.
                tracing::warn!(error = chain(&error), "a request failed");
                Self::unavailable()
            }
            // The same request is being carried out, and its answer could not be read yet.
            Error::Store(StoreError::Conflict(
                "idempotency_keys_pkey" | "tenants_creation_digest_key",
            )) => Self::unavailable(),
            // What it would have belonged to was deleted in the meantime.
            Error::Store(StoreError::Conflict("foreign_key")) => Self::new(Kind::NotFound),
            Error::Store(StoreError::Conflict(_) | StoreError::Corrupt { .. })
            | Error::Crypto(_) => {
                tracing::error!(error = chain(&error), "a request failed");
                Self::new(Kind::Internal)
            }
        }
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Object)]
#[oai(rename = "Problem", example, skip_serializing_if_is_none)]
pub struct ProblemView {
    /// Which kind of problem: an address with a page that explains it.
    #[oai(rename = "type", validator(max_length = 2048))]
    type_: String,
    /// The kind in words. The same for every problem of the kind.
    title: String,
    /// The HTTP status.
    #[oai(validator(minimum(value = "400"), maximum(value = "599")))]
    status: i32,
    /// What happened this time, or what to do.
    detail: String,
    /// The id of the request, as in `X-Request-Id` and in the server's log.
    instance: String,
    /// What is wrong with which member, when a body was not valid.
    errors: Option<Vec<ViolationView>>,
}

/// An example of a problem with this status.
pub fn example(status: u16) -> Option<serde_json::Value> {
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|kind| kind.row().0 == status)?;
    ProblemView {
        errors: None,
        ..ProblemView::of(kind)
    }
    .to_json()
}

impl ProblemView {
    fn of(kind: Kind) -> Self {
        Self {
            type_: format!("https://id.example.com/problems/{}", kind.slug()),
            title: kind.title().to_owned(),
            status: i32::from(kind.row().0),
            detail: kind.remedy().to_owned(),
            instance: "urn:uuid:0dcbc1b3-0e42-48e6-8db1-f523acf64bed".to_owned(),
            errors: Some(vec![ViolationView {
                pointer: "/email".to_owned(),
                detail: "is missing".to_owned(),
            }]),
        }
    }
}

impl Example for ProblemView {
    fn example() -> Self {
        Self::of(Kind::InvalidBody)
    }
}

/// One broken rule of a request body.
#[derive(Debug, Object, serde::Serialize)]
#[oai(rename = "Violation")]
pub struct ViolationView {
    /// A JSON pointer (RFC 6901) to the member; empty for the whole body.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

impl From<&Violation> for ViolationView {
    fn from(violation: &Violation) -> Self {
        Self {
            pointer: violation.pointer.clone(),
            detail: violation.detail.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_slug_and_an_error_status() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
    }

    #[test]
    fn trouble_of_ours_is_503_and_never_a_client_error() {
        let down = Error::Store(StoreError::Unavailable("connection refused".into()));
        let response = Problem::from(down).render("https://id.example", "0");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
