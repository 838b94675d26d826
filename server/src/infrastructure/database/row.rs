//! Reading columns: what no code of ours writes is an error that names the place.

use std::fmt::Display;

use crate::{application::error::StoreError, domain::timestamp::Timestamp};

/// A row that is being read, for the error when it can't be.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) table: &'static str,
    pub(super) id: &'a dyn Display,
}

impl Row<'_> {
    pub(super) fn corrupt(self, column: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            column,
            row: self.id.to_string(),
        }
    }

    /// The column's value as a type that knows which values there are.
    pub(super) fn read<T, E>(
        self,
        column: &'static str,
        parsed: Result<T, E>,
    ) -> Result<T, StoreError> {
        parsed.map_err(|_| self.corrupt(column))
    }

    /// A 32-byte digest.
    pub(super) fn digest(self, column: &'static str, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
        self.read(column, bytes.try_into())
    }
}

pub(super) fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}
