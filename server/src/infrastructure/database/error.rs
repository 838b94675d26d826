//! The one place that turns errors of the database library into [`StoreError`].

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

use crate::application::error::StoreError;

/// Constraint names, and how SQLite names the same: by columns.
const CONSTRAINTS: &[(&str, &str)] = &[
    ("tenants_slug_key", "tenants.slug"),
    ("tenants_creation_digest_key", "tenants.creation_digest"),
    ("tenants_pkey", "tenants.id"),
    ("users_tenant_id_email_key", "users.tenant_id, users.email"),
    (
        "users_tenant_id_external_id_key",
        "users.tenant_id, users.external_id",
    ),
    ("users_pkey", "users.tenant_id, users.id"),
    ("clients_pkey", "clients.tenant_id, clients.id"),
    ("sessions_pkey", "sessions.tenant_id, sessions.id"),
    ("grants_pkey", "grants.tenant_id, grants.id"),
    (
        "signing_keys_pkey",
        "signing_keys.tenant_id, signing_keys.id",
    ),
    (
        "signing_keys_tenant_id_algorithm_active_key",
        "signing_keys.tenant_id, signing_keys.algorithm",
    ),
    ("tag_keys_pkey", "tag_keys.tenant_id, tag_keys.id"),
    ("domains_pkey", "domains.tenant_id, domains.id"),
    ("hosts_pkey", "hosts.name"),
];

/// A reference to a row that isn't there. SQLite doesn't say which, so neither do we.
const FOREIGN_KEY: &str = "foreign_key";

/// What a caller can make of `error`.
pub(super) fn store_error(error: DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(text)) => match constraint(&error, &text) {
            Some(name) => StoreError::Conflict(name),
            None => StoreError::Unavailable(Box::new(error)),
        },
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::Conflict(FOREIGN_KEY),
        _ if is_contention(&error) => StoreError::Contended(Box::new(error)),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

/// deadlock_detected, serialization_failure.
fn is_contention(error: &DbErr) -> bool {
    let code = database_error(error).and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

fn constraint(error: &DbErr, text: &str) -> Option<&'static str> {
    let named = database_error(error).and_then(sqlx::error::DatabaseError::constraint);
    // SQLite says "UNIQUE constraint failed: users.tenant_id, users.email".
    let columns = text.rsplit_once(": ").map(|(_, columns)| columns);
    CONSTRAINTS
        .iter()
        .find(|(name, of)| named == Some(*name) || columns == Some(*of))
        .map(|(name, _)| *name)
}

/// Whether the connection was dead, so that the work did not begin and another one may do.
pub(super) fn is_lost_connection(error: &DbErr) -> bool {
    match sqlx_error(error) {
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => true,
        // admin_shutdown, crash_shutdown, cannot_connect_now: the server says goodbye.
        Some(sqlx::Error::Database(error)) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            Some(error)
        }
        _ => None,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => Some(error.as_ref()),
        _ => None,
    }
}
