//! Errors of the database on their way to callers; refused writes are counted as they pass.

use sea_orm::DbErr;

use super::error::{WriteRefusal, store_error, write_refusal};
use crate::{
    application::error::StoreError,
    infrastructure::{
        metrics::MetricsBuilder,
        refused_writes::{Refusal, RefusedWrites},
    },
};

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

/// An answer of the database on its way to a caller.
pub(super) trait Noted<T> {
    /// As a caller can make use of it; a refused write is counted.
    fn noted_by(self, faults: &Faults) -> Result<T, StoreError>;
}

impl<T> Noted<T> for Result<T, DbErr> {
    fn noted_by(self, faults: &Faults) -> Result<T, StoreError> {
        self.map_err(|error| faults.store_error(error))
    }
}
