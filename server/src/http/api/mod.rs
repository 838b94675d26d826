//! The operations, split by audience and dialect of errors. Each operation extracts, calls one use
//! case and answers.

pub mod admin;
pub mod client_wire;
pub mod discovery;
pub mod oauth;
pub mod registration;
pub mod session;

use poem_openapi::Tags;

/// The groups of operations: client generators make a service of each.
#[derive(Tags)]
pub enum Tag {
    /// What a tenant publishes for clients and verifiers.
    Discovery,
    /// Sign-up, login, refresh and logout for a tenant's own applications.
    Session,
    /// Tokens for OAuth clients and resource servers.
    OAuth,
    /// Clients that register themselves.
    Registration,
    /// Tenants, for the operator.
    Tenants,
    /// The users of a tenant, for administrators.
    Users,
    /// The clients of a tenant, for administrators.
    Clients,
    /// The custom domains of a tenant, for administrators.
    Domains,
    /// Sessions, grants and consents of a tenant's users, for administrators.
    #[oai(rename = "Sign-ins")]
    SignIns,
    /// The signing keys of a tenant, for administrators; master keys, for the operator.
    Keys,
    /// What happened in a tenant, for administrators.
    Audit,
    /// What a tenant decides for itself, for administrators.
    Settings,
}
