use async_trait::async_trait;
use sea_orm::ColumnTrait;
use tokenhouse_entity::idempotency_key::{Column, Entity};

use super::tenant_tx::TenantTx;
use crate::{
    application::{
        error::StoreError,
        ports::{KeptAnswer, KeptAnswers},
    },
    domain::timestamp::Timestamp,
};

/// One that has ended gives way. On Postgres a transaction waits here for another one that keeps an answer
/// under the same id, and learns how that one went.
const KEEP: &str = "\
INSERT INTO idempotency_keys (tenant_id, id, answer_sealed, ends_at) VALUES ($1, $2, $3, $4) \
ON CONFLICT (tenant_id, id) DO UPDATE \
SET answer_sealed = excluded.answer_sealed, ends_at = excluded.ends_at \
WHERE idempotency_keys.ends_at <= $5";

const FORGET: &str = "\
DELETE FROM idempotency_keys WHERE tenant_id = $1 AND id IN \
(SELECT id FROM idempotency_keys WHERE tenant_id = $1 AND ends_at <= $2 ORDER BY ends_at LIMIT $3)";

/// The tenant's own making is forgotten with the answer to it.
const FORGET_CREATION: &str = "\
UPDATE tenants SET creation_digest = NULL, creation_ends_at = NULL \
WHERE id = $1 AND creation_ends_at <= $2";

#[async_trait]
impl KeptAnswers for TenantTx {
    async fn kept_answer(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let query = self
            .find::<Entity>()
            .filter(Column::Id.eq(id))
            .filter(Column::EndsAt.gt(now.as_micros()));
        Ok(self.one(query).await?.map(|row| row.answer_sealed))
    }

    async fn keep_answer(&mut self, answer: &KeptAnswer) -> Result<(), StoreError> {
        let values = [
            answer.id.as_str().into(),
            answer.sealed.clone().into(),
            answer.ends_at.as_micros().into(),
            answer.kept_at.as_micros().into(),
        ];
        match self.execute_sql(KEEP, values).await?.rows_affected() {
            0 => Err(StoreError::Conflict("idempotency_keys_pkey")),
            _ => Ok(()),
        }
    }

    async fn forget_answers(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let now = now.as_micros();
        self.execute_sql(FORGET_CREATION, [now.into()]).await?;
        let values = [now.into(), i64::from(limit).into()];
        Ok(self.execute_sql(FORGET, values).await?.rows_affected())
    }
}
