//! Errors of ports and use cases. The cause goes into `#[source]`, never into the text: whoever
//! reports an error prints the whole chain, once.

use std::time::Duration;

use crate::domain::{key_rotation::KeyRefusal, user, violation::Violations};

/// The error a library gave, kept for the log alone.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error and its causes in a line, for the log: a collector keeps texts, not what they came from.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}

/// What a store could not do, as far as a caller can act on it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint or a reference refused the change; the constraint's name.
    #[error("constraint {0} refused the change")]
    Conflict(&'static str),
    /// The store broke the work off in favour of another's. The same work once more may do.
    #[error("another change was in the way")]
    Contended(#[source] Cause),
    /// The store didn't answer, or not in time, or it refuses. Trying again later may work.
    #[error("the store doesn't answer, or refuses")]
    Unavailable(#[source] Cause),
    /// A row that no code of ours writes.
    #[error("{table}.{column} of {row} can't be read")]
    Corrupt {
        table: &'static str,
        column: &'static str,
        row: String,
    },
}

/// What the crypto adapter could not do.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// Wrong key, wrong place or changed bytes.
    #[error("sealed {0} does not open")]
    Unsealable(&'static str),
    /// The master key that sealed it is not configured.
    #[error("master key {0:?} is not configured")]
    UnknownMasterKey(String),
    /// The library refused; the operation's name.
    #[error("{0} failed")]
    Failed(&'static str),
}

/// What the password hasher could not do.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// The queue is full.
    #[error("too many passwords wait to be hashed")]
    Overloaded { retry_after: Duration },
    /// The stored hash is no PHC string that we know.
    #[error("the stored password hash can't be read")]
    UnreadableHash,
    /// The hasher has stopped.
    #[error("the password hasher has stopped")]
    Stopped,
}

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input breaks rules.
    #[error("the input is not valid")]
    Invalid(#[source] Violations),
    /// No such object in this tenant, or not for this caller.
    #[error("not found")]
    NotFound,
    /// The email address belongs to a user already.
    #[error("the email address is taken")]
    EmailTaken,
    /// Another user has this external id already.
    #[error("the external id is taken")]
    ExternalIdTaken,
    /// A tenant with this slug exists already.
    #[error("the slug is taken")]
    SlugTaken,
    /// A client with this id exists already.
    #[error("the client id is taken")]
    ClientIdTaken,
    /// The client has as many secrets as it may.
    #[error("the client has too many secrets")]
    TooManySecrets,
    /// The tenant has claimed the domain before.
    #[error("the tenant has the domain already")]
    DomainAlreadyAdded,
    /// Another tenant holds the domain; told only to who proved that it is theirs.
    #[error("the domain is taken")]
    DomainTaken,
    /// Nothing proves that the domain is the tenant's; what was found, and what to do.
    #[error("the domain is not verified")]
    DomainNotVerified(String),
    /// Another request had this `Idempotency-Key`.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The signing key can't do what was asked.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// Somebody else changed it in the meantime.
    #[error("it was changed in the meantime")]
    Stale,
    /// The tenant's policy doesn't let anyone sign up.
    #[error("sign-up is closed")]
    SignupClosed,
    /// The tenant's policy lets nobody sign up who wasn't invited.
    #[error("sign-up needs an invitation")]
    InvitationRequired,
    /// Unknown, expired, used, revoked, another tenant's or for another address; nobody learns which.
    #[error("the invitation does not count")]
    InvitationInvalid,
    /// The invitation can't be taken back any more.
    #[error("the invitation was accepted")]
    InvitationAccepted,
    /// As many invitations wait as the policy lets.
    #[error("too many invitations wait")]
    TooManyInvitations,
    /// The tenant has as many domains as it may.
    #[error("the tenant has too many domains")]
    TooManyDomains,
    /// The token was not granted enough.
    #[error("the token was not granted {0}")]
    InsufficientScope(&'static str),
    /// Unknown user or wrong password; nobody learns which.
    #[error("wrong credentials")]
    WrongCredentials,
    /// No credential, or one that counts no more.
    #[error("not signed in: {0}")]
    Unauthenticated(NotSignedIn),
    /// A page of another origin tried to use the session cookies.
    #[error("a request from another origin used the session cookies")]
    ForeignOrigin,
    /// Too much work at the moment.
    #[error("overloaded")]
    Overloaded { retry_after: Duration },
    /// A store failed.
    #[error("a store failed")]
    Store(#[source] StoreError),
    /// Keys failed.
    #[error("keys failed")]
    Crypto(#[from] CryptoError),
}

/// Why a caller isn't signed in: for the log, never for the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSignedIn {
    #[error("no credential was sent")]
    NoCredential,
    #[error("the credential is malformed")]
    Malformed,
    #[error("the credential was made by someone else or for someone else")]
    Foreign,
    #[error("the credential has expired")]
    Expired,
    #[error("the session or grant has ended")]
    Ended,
    #[error("the refresh token was used before; its family has ended")]
    Reused,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HashingError> for Error {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Overloaded { retry_after } => Self::Overloaded { retry_after },
            HashingError::UnreadableHash => Self::Store(StoreError::Corrupt {
                table: "users",
                column: "password_phc",
                row: String::new(),
            }),
            HashingError::Stopped => Self::Overloaded {
                retry_after: Duration::from_secs(1),
            },
        }
    }
}

impl From<user::NotADisplayName> for Violations {
    fn from(error: user::NotADisplayName) -> Self {
        Self::one("/name", error.to_string())
    }
}
