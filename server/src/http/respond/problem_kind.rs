//! The kinds of problems: one row each.

use poem::http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = ($status:literal, $slug:literal, $title:literal, $advice:literal $(,)?),)+) => {
        /// What kind of problem it is: the last part of its `type` and the page that explains it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// All of them, for the pages that explain them.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Status, slug, title, and what the caller can do.
            pub(super) const fn row(self) -> (u16, &'static str, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $slug, $title, $advice),)+ }
            }
        }
    };
}

kinds! {
    InvalidBody = (
        400,
        "invalid-body",
        "The request body is not valid",
        "Correct the members that `errors` names and send the request again.",
    ),
    InvalidParameter = (
        400,
        "invalid-parameter",
        "A parameter is not valid",
        "Correct the parameter that `detail` names and send the request again.",
    ),
    WeakPassword = (
        400,
        "weak-password",
        "The password breaks the rules",
        "Choose another password: `errors` says which rule this one breaks.",
    ),
    EmailTaken = (
        409,
        "email-taken",
        "The email address is taken",
        "Log in with this address, or sign up with another one.",
    ),
    ExternalIdTaken = (
        409,
        "external-id-taken",
        "The external id is taken",
        "Another user of the tenant has this external_id: change that user, or send another id.",
    ),
    SlugTaken = (
        409,
        "slug-taken",
        "The slug is taken",
        "Choose another slug for the tenant.",
    ),
    ClientIdTaken = (
        409,
        "client-id-taken",
        "The client id is taken",
        "Choose another client_id, or leave it out to get a fresh one.",
    ),
    TooManySecrets = (
        409,
        "too-many-secrets",
        "The client has too many secrets",
        "Delete a secret that is no longer used, then make the new one.",
    ),
    DomainAlreadyAdded = (
        409,
        "domain-already-added",
        "The tenant has the domain already",
        "Read it at its address: it says how to verify it, or that it is verified.",
    ),
    DomainNotVerified = (
        409,
        "domain-not-verified",
        "The domain is not verified",
        "Publish the TXT record or the file that the domain's answer shows, wait until it can be seen, and \
        verify again. `detail` says what was found.",
    ),
    DomainTaken = (
        409,
        "domain-taken",
        "Another tenant holds the domain",
        "You proved that the domain is yours, but another tenant of this installation did so before. It has to \
        remove it there; whoever runs the installation can, if nobody else does.",
    ),
    KeyNotReady = (
        409,
        "key-not-ready",
        "Verifiers may not know the key yet",
        "Wait until the time that `detail` names: until then, verifiers may use a key set from before the key was published.",
    ),
    KeyNotNext = (
        409,
        "key-not-next",
        "The key can't sign any more",
        "Only a key in state `next` can be activated. Begin a rotation to get one.",
    ),
    KeyInUse = (
        409,
        "key-in-use",
        "The key is in use",
        "It signs, or tokens that it signed are still alive. Rotate and wait, or revoke it if it got into wrong hands.",
    ),
    TooManyKeys = (
        409,
        "too-many-keys",
        "The key set is full",
        "Wait until keys that retire are retired: every verifier has to read all of them.",
    ),
    StaleUpdate = (
        412,
        "stale-update",
        "It was changed in the meantime",
        "Read it again, apply your change to what it is now, and send its new ETag in `If-Match`.",
    ),
    IdempotencyKeyReused = (
        422,
        "idempotency-key-reused",
        "The idempotency key was used for another request",
        "Send a fresh `Idempotency-Key` with every new request, and the same one only with retries of the very \
        same request.",
    ),
    SignupClosed = (
        403,
        "signup-closed",
        "Sign-up is closed",
        "This tenant lets nobody sign up. Ask whoever runs it for an account.",
    ),
    InvitationRequired = (
        403,
        "invitation-required",
        "Sign-up needs an invitation",
        "This tenant lets nobody sign up who wasn't invited. Follow the link of an invitation, or ask whoever runs the \
        tenant for one.",
    ),
    InvitationInvalid = (
        403,
        "invitation-invalid",
        "The invitation does not count",
        "It was never made, has expired, was accepted or taken back, or is for another address or tenant; the answer never \
        says which. Ask for a new one.",
    ),
    InvitationAccepted = (
        409,
        "invitation-accepted",
        "The invitation was accepted",
        "There is a user now, whom `user_id` of the invitation names: disable or delete that one.",
    ),
    TooManyDomains = (
        409,
        "too-many-domains",
        "The tenant has too many domains",
        "Remove claims that nobody will prove and domains that nobody uses, or raise the setting `domains_max`.",
    ),
    TooManyInvitations = (
        409,
        "too-many-invitations",
        "Too many invitations wait",
        "Revoke invitations that nobody will accept, wait until some are accepted or expire, or raise the setting \
        `invitations_max_pending`.",
    ),
    InsufficientScope = (
        403,
        "insufficient-scope",
        "The token does not allow this",
        "Ask for a token with the scope that `detail` names.",
    ),
    WrongCredentials = (
        401,
        "wrong-credentials",
        "Wrong email address or password",
        "Check both and try again. The answer never says which of them is wrong.",
    ),
    NotSignedIn = (
        401,
        "not-signed-in",
        "Not signed in",
        "Send a bearer token or session cookie that counts; refresh an expired one, or log in again.",
    ),
    ForeignOrigin = (
        403,
        "foreign-origin",
        "The request came from another origin",
        "Session cookies work for pages of this server and of the tenant's allowed origins only. Other \
        pages use `delivery: \"body\"` and bearer tokens.",
    ),
    NotFound = (
        404,
        "not-found",
        "Not found",
        "Check the address and the ids in it. What belongs to another tenant, and what is suspended, \
        answers the same.",
    ),
    MethodNotAllowed = (
        405,
        "method-not-allowed",
        "The method is not allowed here",
        "Use a method that the `Allow` header names.",
    ),
    BodyTooLarge = (
        413,
        "body-too-large",
        "The request body is too large",
        "Send at most 64 KiB.",
    ),
    UnsupportedMediaType = (
        415,
        "unsupported-media-type",
        "The media type is not supported",
        "Send the body as `Content-Type: application/json`.",
    ),
    Overloaded = (
        503,
        "overloaded",
        "Too much work at the moment",
        "Try again after the time that `Retry-After` gives. Nothing was changed.",
    ),
    Unavailable = (
        503,
        "unavailable",
        "Temporarily unavailable",
        "Something this server depends on does not answer. Try the same request again after the time that \
        `Retry-After` gives; nobody is logged out by this.",
    ),
    Internal = (
        500,
        "internal",
        "Something went wrong here",
        "This is a fault of the server. Report it with the id in `instance`.",
    ),
}

impl Kind {
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub const fn slug(self) -> &'static str {
        self.row().1
    }

    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// What the caller can do about it.
    pub const fn remedy(self) -> &'static str {
        self.row().3
    }

    /// The kind for a status that the framework gave on its own.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            413 => Self::BodyTooLarge,
            415 => Self::UnsupportedMediaType,
            400..500 => Self::InvalidParameter,
            503 => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}
