//! What the operator and tenant administrators do.

pub mod administration;
pub mod audit_events;
pub mod client_secrets;
pub mod clients;
pub mod domains;
pub mod invitations;
pub mod keys;
pub mod registration_tokens;
pub mod settings;
pub mod sign_ins;
pub mod tenants;
pub mod user_import;
pub mod users;

use super::error::{Error, NotSignedIn};
use crate::{app::App, domain::secret::TokenDigest};

/// Proof that the caller is the operator. The only maker is [`authenticate_operator`].
#[derive(Clone, Copy, Debug)]
pub struct OperatorCaller(());

/// Whether this bearer token is one of the operator's. Every configured token is compared, in
/// constant time.
pub fn authenticate_operator(app: &App, bearer: Option<&str>) -> Result<OperatorCaller, Error> {
    let bearer = bearer.ok_or(Error::Unauthenticated(NotSignedIn::NoCredential))?;
    let digest = TokenDigest::of(bearer);
    let known = app
        .operator_tokens
        .iter()
        .fold(false, |known, token| known | (*token == digest));
    if known {
        Ok(OperatorCaller(()))
    } else {
        Err(Error::Unauthenticated(NotSignedIn::Malformed))
    }
}
