//! The SQL image of [`decide`].
//!
//! Presenting the live token in time is one conditional UPDATE. Only when that hits no row, the row
//! is locked, read and given to [`decide`] itself.

use async_trait::async_trait;
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, Statement, Value};
use tokenhouse_entity::grant;

use super::{
    connection::{Database, Dialect},
    error::store_error,
    faults::Noted,
    grants::{read_client_id, read_family, read_floor},
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{Grants, Rotation, RotationRequest, Rotations},
    },
    domain::{
        id::{GrantId, TenantId},
        refresh::{Family, Refusal, Verdict, decide, rotated},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// Refresh families whose rows are the floor and the hot record at once.
#[derive(Clone, Debug)]
pub struct DatabaseRotations {
    db: Database,
}

impl DatabaseRotations {
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Rotations for DatabaseRotations {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        if request.presented.client_id != request.owner {
            return Ok(Rotation::Refused(Refusal::WrongClient));
        }
        match self.db.dialect() {
            Dialect::Sqlite => self.rotate_sqlite(tenant.id(), request).await,
            Dialect::Postgres => self.rotate_postgres(tenant.id(), request).await,
        }
    }

    fn revokes(&self) -> bool {
        true
    }

    /// Nothing to drop: the row that the revocation changed is the hot record.
    async fn forget(&self, _tenant: &TenantScope, _families: &[GrantId]) -> Result<(), StoreError> {
        Ok(())
    }
}

impl DatabaseRotations {
    async fn rotate_sqlite(
        &self,
        tenant: TenantId,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        {
            let _turn = self.db.turn_to_write().await;
            let connection = self.db.connection();
            let values = std::iter::once(Value::from(tenant.as_uuid()))
                .chain(live_leaf_values(request, request.now.as_micros()));
            let done = connection
                .execute_raw(Statement::from_sql_and_values(
                    connection.get_database_backend(),
                    LIVE_LEAF_SQLITE,
                    values,
                ))
                .noted_by(self.db.faults())
                .await?;
            if done.rows_affected() == 1 {
                return Ok(Rotation::Rotated);
            }
        }
        let tx = TenantTx::begin(&self.db, tenant, Access::Write).await?;
        settle(tx, request).await
    }

    async fn rotate_postgres(
        &self,
        tenant: TenantId,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError> {
        let tx = TenantTx::begin(&self.db, tenant, Access::Write).await?;
        let done = tx
            .execute_sql(
                LIVE_LEAF_POSTGRES,
                live_leaf_values(request, request.clock_offset),
            )
            .await?;
        if done.rows_affected() == 1 {
            tx.finish().await?;
            return Ok(Rotation::Rotated);
        }
        settle(tx, request).await
    }
}

/// `$10` is the caller's time.
const LIVE_LEAF_SQLITE: &str = "\
UPDATE grants SET generation = $6, parent_digest = $5, leaf_digest = $7, sealed_successor = $8, \
 rotated_at = $10, idle_end = MIN($10 + $9, absolute_end) \
WHERE tenant_id = $1 AND id = $2 AND client_id = $3 AND revoked_at IS NULL \
 AND idle_end > $10 AND absolute_end > $10 \
 AND generation = $4 AND (leaf_digest = $5 OR leaf_digest IS NULL)";

/// `$10` is how far the clock is ahead in tests. The time is that of the statement, so that it is
/// one and the same in every comparison.
const LIVE_LEAF_POSTGRES: &str = "\
UPDATE grants SET generation = $6, parent_digest = $5, leaf_digest = $7, sealed_successor = $8, \
 rotated_at = clock.now, idle_end = LEAST(clock.now + $9, absolute_end) \
FROM (SELECT (EXTRACT(EPOCH FROM statement_timestamp()) * 1000000)::bigint + $10 AS now) AS clock \
WHERE tenant_id = $1 AND id = $2 AND client_id = $3 AND revoked_at IS NULL \
 AND idle_end > clock.now AND absolute_end > clock.now \
 AND generation = $4 AND (leaf_digest = $5 OR leaf_digest IS NULL)";

/// What the two statements take after the tenant; the last one is the dialect's own.
fn live_leaf_values(request: &RotationRequest, last: i64) -> [Value; 9] {
    [
        request.family.as_uuid().into(),
        request.owner.as_str().into(),
        i64::from(request.presented.generation.0).into(),
        request.presented.digest.as_bytes().to_vec().into(),
        i64::from(request.presented.generation.next().0).into(),
        request.successor.digest.as_bytes().to_vec().into(),
        request.successor.sealed.clone().into(),
        idle_micros(request).into(),
        last.into(),
    ]
}

/// Bounded so that adding it to a time can't overflow.
fn idle_micros(request: &RotationRequest) -> i64 {
    i64::try_from(request.lifetimes.idle.as_micros())
        .unwrap_or(i64::MAX)
        .min(i64::MAX / 4)
}

/// The locked row and the time at which it was locked: a query that waited must not decide with
/// the time at which it began to wait.
const LOCKED_ROW_POSTGRES: &str = "\
WITH locked AS MATERIALIZED \
 (SELECT * FROM grants WHERE tenant_id = $1 AND id = $2 FOR UPDATE) \
SELECT locked.*, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint AS now FROM locked";

async fn locked_row(
    tx: &TenantTx,
    request: &RotationRequest,
) -> Result<Option<(grant::Model, Timestamp)>, StoreError> {
    match tx.dialect() {
        // BEGIN IMMEDIATE has locked everything.
        Dialect::Sqlite => {
            let query = tx
                .find::<grant::Entity>()
                .filter(grant::Column::Id.eq(request.family.as_uuid()));
            let row = tx.one(query).await?;
            Ok(row.map(|row| (row, request.now)))
        }
        Dialect::Postgres => {
            let Some(row) = tx
                .query_sql(LOCKED_ROW_POSTGRES, [request.family.as_uuid().into()])
                .await?
            else {
                return Ok(None);
            };
            let now: i64 = row.try_get("", "now").map_err(store_error)?;
            let model = grant::Model::from_query_result(&row, "").map_err(store_error)?;
            Ok(Some((
                model,
                Timestamp::from_micros(now.saturating_add(request.clock_offset)),
            )))
        }
    }
}

/// Carries out whatever [`decide`] says about the row, which nobody changes meanwhile.
async fn settle(mut tx: TenantTx, request: &RotationRequest) -> Result<Rotation, StoreError> {
    let Some((row, now)) = locked_row(&tx, request).await? else {
        return Ok(Rotation::Refused(Refusal::Dead));
    };
    // With or without a hot record: decide knows of death only from one.
    if row.revoked_at.is_some() {
        return Ok(Rotation::Refused(Refusal::Dead));
    }
    let family = read_family(&row)?;
    let floor = read_floor(&row)?;
    let presented = &request.presented;
    let verdict = decide(
        family.as_ref(),
        &floor,
        true,
        &read_client_id(&row)?,
        presented,
        request.lifetimes.retry_window,
        now,
    );
    match verdict {
        Verdict::Rotate => {
            if presented.generation > floor.generation {
                tracing::warn!(
                    grant.id = %request.family,
                    presented = presented.generation.0,
                    stored = floor.generation.0,
                    "a refresh token is ahead of the database, which seems restored from a backup"
                );
            }
            let next = rotated(
                presented,
                &request.successor,
                request.lifetimes.idle,
                floor.absolute_end,
                now,
            );
            write_family(&tx, request.family, &next).await?;
            tx.finish().await?;
            Ok(Rotation::Rotated)
        }
        Verdict::Repeat { sealed_successor } => Ok(Rotation::Repeated { sealed_successor }),
        Verdict::Reuse => {
            tx.revoke_grant(request.family, now).await?;
            tx.finish().await?;
            Ok(Rotation::Reused)
        }
        Verdict::Refuse(refusal) => Ok(Rotation::Refused(refusal)),
        // The floor came with the row, so this can't be.
        Verdict::Reload => Ok(Rotation::Reload),
    }
}

async fn write_family(tx: &TenantTx, id: GrantId, family: &Family) -> Result<(), StoreError> {
    use grant::Column;

    let last = family.last_rotation.as_ref();
    let update = tx
        .update::<grant::Entity>()
        .set(Column::Generation, i64::from(family.generation.0))
        .set(Column::LeafDigest, family.leaf.as_bytes().to_vec())
        .set(
            Column::ParentDigest,
            last.map(|last| last.parent.as_bytes().to_vec()),
        )
        .set(
            Column::RotatedAt,
            last.map(|last| last.rotated_at.as_micros()),
        )
        .set(
            Column::SealedSuccessor,
            last.map(|last| last.sealed_successor.clone()),
        )
        .set(Column::IdleEnd, family.idle_end.as_micros())
        .filter(Column::Id.eq(id.as_uuid()));
    tx.change(update).await?;
    Ok(())
}
