//! Why a run of migrations ended early.

use sea_orm_migration::sea_orm::{DbErr, sqlx};

use crate::compatibility::SchemaProblem;

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    #[error("the migrations can't be read")]
    Plan(#[from] DbErr),
    #[error(transparent)]
    Schema(#[from] SchemaProblem),
    #[error("{migration} fails at: {sql}")]
    Statement {
        migration: String,
        sql: String,
        source: sqlx::Error,
    },
    #[error(
        "{migration} did not get its lock in {attempts} attempts: other transactions hold the table for \
         long; nothing of it was changed. It failed at: {sql}"
    )]
    Locked {
        migration: String,
        sql: String,
        attempts: u32,
    },
    #[error(
        "{migration} takes away what programs from before {needs} use, and {needs} isn't applied yet, so \
         such programs may be running; nothing was changed. Upgrade to the version before this one first, \
         on every instance; or stop all instances and run `tokenhouse migrate up --offline`"
    )]
    TooEarly { migration: String, needs: String },
    #[error("{0} has statements that are part of a transaction and such that can't be")]
    Mixed(String),
}
