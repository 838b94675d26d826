//! The one place that turns errors of the database library into [`StoreError`].

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};
use tokenhouse_migration::cause_of;

use crate::application::error::{Cause, StoreError};

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
            None => StoreError::Unavailable(cause_of(error)),
        },
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => StoreError::Conflict(FOREIGN_KEY),
        _ if is_contention(&error) => StoreError::Contended(cause_of(error)),
        _ => match write_refusal(&error) {
            Some(refusal) => StoreError::Unavailable(Box::new(RefusedWrite {
                refusal,
                source: cause_of(error),
            })),
            None => StoreError::Unavailable(cause_of(error)),
        },
    }
}

/// Why a database that is there takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WriteRefusal {
    #[error("the database has no room left")]
    Full,
    #[error("the database is read-only")]
    ReadOnly,
}

/// The cause in the log: the refusal in our words, then in those of the database.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
struct RefusedWrite {
    refusal: WriteRefusal,
    source: Cause,
}

/// Whether the database refused to write.
pub(super) fn write_refusal(error: &DbErr) -> Option<WriteRefusal> {
    database_error(error)?
        .code()
        .as_deref()
        .and_then(refusal_of)
}

/// From an SQLSTATE, which has five characters, or a result code of SQLite, which has fewer.
fn refusal_of(code: &str) -> Option<WriteRefusal> {
    if code.len() == 5 {
        return match code {
            // disk_full
            "53100" => Some(WriteRefusal::Full),
            // read_only_sql_transaction
            "25006" => Some(WriteRefusal::ReadOnly),
            _ => None,
        };
    }
    let extended: u32 = code.parse().ok()?;
    match (extended, extended & 0xff) {
        // SQLITE_FULL; SQLITE_IOERR_SHMSIZE, which is no room for the index of the log.
        (_, 13) | (4874, _) => Some(WriteRefusal::Full),
        // SQLITE_READONLY, in all its kinds.
        (_, 8) => Some(WriteRefusal::ReadOnly),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_writes_are_told_from_everything_else() {
        for code in ["53100", "13", "4874"] {
            assert_eq!(refusal_of(code), Some(WriteRefusal::Full), "{code}");
        }
        for code in ["25006", "8", "264", "1032", "1544"] {
            assert_eq!(refusal_of(code), Some(WriteRefusal::ReadOnly), "{code}");
        }
        // Contention, constraints, I/O errors, and SQLSTATEs whose low byte is a code of SQLite.
        for code in [
            "40001", "23505", "10", "778", "5", "2067", "21000", "25608", "",
        ] {
            assert_eq!(refusal_of(code), None, "{code}");
        }
    }
}
