//! Answers that are remembered for requests which come again.

use async_trait::async_trait;

use crate::{application::error::StoreError, domain::timestamp::Timestamp};

/// An answer to be remembered. It is added in the transaction that does what it tells of: there is no moment
/// at which the one is there without the other, whatever crashes.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// A digest of the key, of who sent it, and of what for.
    pub id: String,
    /// Opens with the key alone.
    pub sealed: Vec<u8>,
    pub kept_at: Timestamp,
    pub ends_at: Timestamp,
}

/// The answer to the making of a tenant. The tenant keeps it itself; the digest is what finds the tenant.
#[derive(Clone, Debug)]
pub struct KeptCreation {
    pub digest: [u8; 32],
    pub answer: KeptAnswer,
}

#[async_trait]
pub trait KeptAnswers {
    /// What was sealed under this id, if it has not ended.
    async fn kept_answer(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    /// `Conflict("idempotency_keys_pkey")` when one is kept under this id that has not ended: somebody was
    /// faster, and what this transaction did must not be.
    async fn keep_answer(&mut self, answer: &KeptAnswer) -> Result<(), StoreError>;
    /// Deletes up to `limit` answers that have ended; how many.
    async fn forget_answers(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
