//! Caches in front of the stores. An answer is less than a second old: the time within which a
//! revocation made elsewhere is noticed here.

mod sessions;
mod tenants;

use std::{error::Error, sync::Arc, time::Duration};

use moka::future::Cache;

pub use self::{sessions::CachedViews, tenants::CachedTenants};
use crate::application::error::StoreError;

/// Some of the second is for the read itself and for the answer that it goes into.
const TTL: Duration = Duration::from_millis(750);
const ENTRIES: u64 = 100_000;

fn cache<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(ENTRIES)
        .time_to_live(TTL)
        .build()
}

/// Why there is nothing to cache. What isn't there isn't cached: it would hide what is added a
/// moment later, and let anyone fill the cache with names of nothing.
enum Missing {
    NotThere,
    Failed(StoreError),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

fn found<T>(read: Result<T, Arc<Missing>>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(missing) => match Arc::try_unwrap(missing) {
            Ok(Missing::NotThere) => Ok(None),
            Ok(Missing::Failed(error)) => Err(error),
            Err(shared) => match &*shared {
                Missing::NotThere => Ok(None),
                Missing::Failed(error) => Err(same(error)),
            },
        },
    }
}

/// The error for one more of those who waited for the same read.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Conflict(name) => StoreError::Conflict(name),
        StoreError::Unavailable(cause) => {
            StoreError::Unavailable(Box::new(SharedFailure(error_chain(cause.as_ref()))))
        }
        StoreError::Contended(cause) => {
            StoreError::Contended(Box::new(SharedFailure(error_chain(cause.as_ref()))))
        }
        StoreError::Corrupt { table, column, row } => StoreError::Corrupt {
            table,
            column,
            row: row.clone(),
        },
    }
}

/// The text of a cause that belongs to someone else's answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SharedFailure(String);

fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests;
