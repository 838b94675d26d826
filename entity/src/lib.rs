//! The tables as types. Every entity but [`tenant`] and [`host`], the directory, is
//! [`TenantOwned`].

pub mod audit_event;
pub mod client;
pub mod client_origin;
pub mod consent;
pub mod domain;
pub mod grant;
pub mod host;
pub mod idempotency_key;
pub mod initial_access_token;
pub mod invitation;
pub mod session;
pub mod signing_key;
pub mod tag_key;
pub mod tenant;
mod tenant_owned;
pub mod user;

pub use tenant_owned::TenantOwned;

/// Every table whose rows belong to tenants, those that refer to others first.
pub const TENANT_TABLES: &[&str] = &[
    "audit_events",
    "domains",
    "single_use",
    "idempotency_keys",
    "client_origins",
    "initial_access_tokens",
    "invitations",
    "consents",
    "grants",
    "sessions",
    "users",
    "clients",
    "signing_keys",
    "tag_keys",
];
