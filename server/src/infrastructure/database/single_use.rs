//! Things that count once, each call one conditional statement.
//!
//! They are kept here also when refresh families are hot in Redis: a revoked token or a used
//! assertion must not come to life again because Redis lost its memory.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::Value;

use super::{
    connection::Database,
    error::store_error,
    tenant_tx::{Access, TenantTx},
};
use crate::{
    application::{
        error::StoreError,
        ports::{Purpose, SingleUse, Taken, UseKey},
    },
    domain::{tenant::TenantScope, timestamp::Timestamp},
};

/// Single-use things in a database.
#[derive(Clone, Debug)]
pub struct DatabaseSingleUse {
    db: Database,
}

impl DatabaseSingleUse {
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    async fn begin(&self, tenant: &TenantScope, access: Access) -> Result<TenantTx, StoreError> {
        TenantTx::begin(&self.db, tenant.id(), access).await
    }
}

/// An expired row under the same key is nothing, and gives way.
const KEEP: &str = "\
INSERT INTO single_use (tenant_id, id, value, ends_at) VALUES ($1, $2, $3, $4) \
ON CONFLICT (tenant_id, id) DO UPDATE \
SET value = excluded.value, ends_at = excluded.ends_at, used_at = NULL \
WHERE single_use.ends_at <= $5";

const CLAIM: &str = "\
INSERT INTO single_use (tenant_id, id, value, used_at, ends_at) VALUES ($1, $2, $3, $5, $4) \
ON CONFLICT (tenant_id, id) DO UPDATE \
SET value = excluded.value, ends_at = excluded.ends_at, used_at = excluded.used_at \
WHERE single_use.ends_at <= $5";

const TAKE: &str = "\
UPDATE single_use SET used_at = $3, ends_at = $4 \
WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND ends_at > $3 RETURNING value";

const UNUSED: &str = "\
SELECT value FROM single_use \
WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL AND ends_at > $3";

const USED: &str = "\
SELECT value FROM single_use \
WHERE tenant_id = $1 AND id = $2 AND used_at IS NOT NULL AND ends_at > $3";

/// Each row that comes takes a few dead ones of its tenant along: nothing grows without bound, and
/// no job has to walk through all tenants.
const SWEEP: &str = "\
DELETE FROM single_use WHERE tenant_id = $1 AND id IN \
(SELECT id FROM single_use WHERE tenant_id = $1 AND ends_at <= $2 ORDER BY ends_at LIMIT 4)";

#[async_trait]
impl SingleUse for DatabaseSingleUse {
    async fn keep(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        value: &[u8],
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tx = self.begin(tenant, Access::Write).await?;
        let values: [Value; 4] = [
            row_id(purpose, key).into(),
            value.to_vec().into(),
            end.as_micros().into(),
            now.as_micros().into(),
        ];
        let done = tx.execute_sql(KEEP, values).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict("single_use_pkey"));
        }
        tx.execute_sql(SWEEP, [now.as_micros().into()]).await?;
        tx.finish().await
    }

    async fn peek(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let tx = self.begin(tenant, Access::Read).await?;
        value_of(&tx, UNUSED, purpose, key, now).await
    }

    async fn take(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
        remember_for: Duration,
    ) -> Result<Taken, StoreError> {
        let tx = self.begin(tenant, Access::Write).await?;
        let values: [Value; 3] = [
            row_id(purpose, key).into(),
            now.as_micros().into(),
            (now + remember_for).as_micros().into(),
        ];
        let taken = match tx.query_sql(TAKE, values).await? {
            Some(row) => Taken::First(row.try_get("", "value").map_err(store_error)?),
            None => value_of(&tx, USED, purpose, key, now)
                .await?
                .map_or(Taken::Unknown, Taken::Again),
        };
        tx.finish().await?;
        Ok(taken)
    }

    async fn claim(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let tx = self.begin(tenant, Access::Write).await?;
        let values: [Value; 4] = [
            row_id(purpose, key).into(),
            Vec::<u8>::new().into(),
            end.as_micros().into(),
            now.as_micros().into(),
        ];
        let done = tx.execute_sql(CLAIM, values).await?;
        tx.execute_sql(SWEEP, [now.as_micros().into()]).await?;
        tx.finish().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn is_claimed(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let tx = self.begin(tenant, Access::Read).await?;
        Ok(value_of(&tx, USED, purpose, key, now).await?.is_some())
    }
}

async fn value_of(
    tx: &TenantTx,
    sql: &str,
    purpose: Purpose,
    key: UseKey,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, StoreError> {
    let values: [Value; 2] = [row_id(purpose, key).into(), now.as_micros().into()];
    tx.query_sql(sql, values)
        .await?
        .map(|row| row.try_get("", "value").map_err(store_error))
        .transpose()
}

/// Each purpose is a name space of its own.
fn row_id(purpose: Purpose, key: UseKey) -> String {
    let space = match purpose {
        Purpose::AuthorizationCode => "code",
        Purpose::ClientAssertion => "assertion",
        Purpose::RevokedToken => "revoked",
        Purpose::RegistrationToken => "registration",
    };
    format!("{space}:{}", URL_SAFE_NO_PAD.encode(key.as_bytes()))
}
