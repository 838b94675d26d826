//! The vocabulary of refusals that the OAuth endpoints share.

use super::error::{CryptoError, Error, NotSignedIn, StoreError};

/// Why an OAuth endpoint refuses (RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2). What a caller learns
/// is the code and a fixed sentence; the reason is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("invalid_request: {0}")]
    InvalidRequest(String),
    /// The client is unknown or did not prove who it is.
    #[error("invalid_client: {reason}")]
    InvalidClient { reason: &'static str },
    #[error("invalid_grant: {0}")]
    InvalidGrant(&'static str),
    #[error("unauthorized_client: {0}")]
    UnauthorizedClient(&'static str),
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    #[error("invalid_scope: {0}")]
    InvalidScope(&'static str),
    #[error("invalid_target: {0}")]
    InvalidTarget(&'static str),
    /// RFC 6750: a bearer token that doesn't count.
    #[error("invalid_token: {0}")]
    InvalidToken(&'static str),
    /// RFC 6750: no bearer token at all.
    #[error("no token was sent")]
    NoToken,
    /// RFC 7591 §3.2.2.
    #[error("invalid_redirect_uri: {0}")]
    InvalidRedirectUri(String),
    /// RFC 7591 §3.2.2.
    #[error("invalid_client_metadata: {0}")]
    InvalidClientMetadata(String),
    #[error("access_denied: {0}")]
    AccessDenied(&'static str),
    #[error("insufficient_scope: {0} is needed")]
    InsufficientScope(&'static str),
}

impl Refusal {
    pub fn missing(parameter: &str) -> Self {
        Self::InvalidRequest(format!("{parameter} is missing."))
    }
}

/// What an OAuth use case could not do: a refusal is the caller's business, a failure is ours.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the request failed")]
    Failed(#[source] Error),
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CryptoError> for OAuthError {
    fn from(error: CryptoError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Error> for OAuthError {
    /// A refresh token that doesn't count is `invalid_grant`; everything else is ours.
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated(reason) => Refusal::InvalidGrant(match reason {
                NotSignedIn::NoCredential => "no token",
                NotSignedIn::Malformed => "malformed",
                NotSignedIn::Foreign => "issued to another client",
                NotSignedIn::Expired => "expired",
                NotSignedIn::Ended => "ended",
                NotSignedIn::Reused => "used before",
            })
            .into(),
            other => Self::Failed(other),
        }
    }
}
