//! Errors of the database on their way to callers; refused writes are counted as they pass.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr};

use super::error::{WriteRefusal, store_error, write_refusal};
use crate::{
    application::error::StoreError,
    infrastructure::{
        metrics::MetricsBuilder,
        refused_writes::{Refusal, RefusedWrites},
    },
};

/// Longer than the database itself lets a statement run or wait: what comes later comes never.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

impl Refusal for WriteRefusal {
    const ALL: &'static [Self] = &[Self::Full, Self::ReadOnly];

    fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read_only",
        }
    }
}

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct Faults(RefusedWrites<WriteRefusal>);

impl Faults {
    pub(super) fn register(&self, metrics: &mut MetricsBuilder) {
        self.0.register(
            metrics,
            "database_writes_refused",
            "Writes that the database refused because it is full or read-only",
        );
    }

    /// What a caller can make of `error`; a refused write is counted.
    pub(super) fn store_error(&self, error: DbErr) -> StoreError {
        if let Some(refusal) = write_refusal(&error) {
            self.0.note(refusal);
        }
        store_error(error)
    }

    /// The refusal that is not forgotten yet.
    pub(super) fn lately(&self) -> Option<WriteRefusal> {
        self.0.lately()
    }

    /// The database says itself that it may be written to again.
    pub(super) fn forget_read_only(&self) {
        self.0.forget(WriteRefusal::ReadOnly);
    }
}

/// An answer of the database that a caller waits for.
pub(super) trait Noted<T: Send>: Future<Output = Result<T, DbErr>> + Send + Sized {
    /// As a caller can make use of it. It comes in time or is given up, and a refused write is counted.
    fn noted_by(self, faults: &Faults) -> impl Future<Output = Result<T, StoreError>> + Send {
        async move {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, self).await;
            let answer = answer.unwrap_or_else(|_elapsed| Err(too_late()));
            answer.map_err(|error| faults.store_error(error))
        }
    }
}

impl<T: Send, F: Future<Output = Result<T, DbErr>> + Send> Noted<T> for F {}

/// Behind a link that swallows what is sent, a database neither answers nor refuses.
fn too_late() -> DbErr {
    let text = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
    DbErr::Conn(RuntimeErr::Internal(text))
}
