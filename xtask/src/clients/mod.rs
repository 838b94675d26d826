//! Typed clients, generated from the checked-in document, compiled as strictly as their language
//! can, and run against a live server.
//!
//! `openapi/clients/<language>` has what each needs: the generator's settings, pinned versions and
//! a story that its client lives through. All work is done on a copy in the build folder, which
//! has the document where the repository has it, so the settings work in both places.

mod language;
mod readme;
mod workshop;

pub(crate) use self::language::{LANGUAGES, Language};
pub(crate) use self::workshop::{Workshop, copy_if_changed};

/// What the story of every language does, in its order.
pub(crate) const STEPS: &[&str] = &[
    "create a tenant",
    "create a client",
    "sign up",
    "email-taken is a typed problem",
    "log in",
    "wrong-credentials is a typed problem",
    "refresh",
    "a retried refresh has the same successor",
    "current user",
    "list users page by page",
    CLEAR_WITH_NULL,
    "exchange client credentials",
    "invalid_client is a typed OAuth error",
    "log out",
];

/// The one step that not every generator has words for.
const CLEAR_WITH_NULL: &str = "clear one member with null";
