//! Why a run of migrations ended early.

use sea_orm_migration::sea_orm::{DbErr, sqlx};

use crate::{
    answer::{self, Cause},
    compatibility::SchemaProblem,
};

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("the database refused")]
    Database(#[source] Cause),
    #[error("the migrations can't be read")]
    Plan(#[source] Cause),
    #[error(transparent)]
    Schema(#[from] SchemaProblem),
    #[error("{migration} fails at: {sql}")]
    Statement {
        migration: String,
        sql: String,
        source: Cause,
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

impl From<sqlx::Error> for MigrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(answer::cause_of_sqlx(error))
    }
}

impl From<DbErr> for MigrationError {
    fn from(error: DbErr) -> Self {
        Self::Plan(answer::cause_of(error))
    }
}
