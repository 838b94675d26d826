use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, SimpleExpr},
};
use tokenhouse_entity::tenant;

use super::{faults::Noted, tenants::DatabaseTenants};
use crate::{
    application::{
        error::StoreError,
        ports::{Agenda, Due},
    },
    domain::{clocks::BETWEEN_INSTANCES, tenant::Tenant, timestamp::Timestamp},
};

const fn column_of(due: Due) -> tenant::Column {
    match due {
        Due::Keys => tenant::Column::KeysDueAt,
        Due::AuditSweep => tenant::Column::AuditSweepAt,
        Due::SignInSweep => tenant::Column::SignInSweepAt,
    }
}

#[async_trait]
impl Agenda for DatabaseTenants {
    async fn claim(
        &self,
        due: Due,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Tenant>, StoreError> {
        let column = column_of(due);
        // Two queries: for one with "or" in it a planner may walk the whole index.
        let mut rows = self
            .ordered(column, column.lte(now.as_micros()), limit)
            .await?;
        let missing = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(limit));
        if missing > 0 {
            let furthest = now + due.every() + BETWEEN_INSTANCES;
            let beyond = column.gt(furthest.as_micros());
            rows.extend(self.ordered(column, beyond, missing).await?);
        }
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let _turn = self.db.turn_to_write().await;
            let seen = match due {
                Due::Keys => row.keys_due_at,
                Due::AuditSweep => Some(row.audit_sweep_at),
                Due::SignInSweep => Some(row.sign_in_sweep_at),
            };
            let claim = tenant::Entity::update_many()
                .col_expr(column, Expr::value(until.as_micros()))
                .filter(tenant::Column::Id.eq(row.id))
                .filter(column.eq(seen))
                .exec(self.db.connection())
                .noted_by(self.db.faults())
                .await?;
            if claim.rows_affected > 0 {
                claimed.push(row);
            }
        }
        self.read_tenants(claimed).await
    }
}

impl DatabaseTenants {
    /// Up to `limit` tenants that `times` picks by an index, in order.
    async fn ordered(
        &self,
        column: tenant::Column,
        times: SimpleExpr,
        limit: u32,
    ) -> Result<Vec<tenant::Model>, StoreError> {
        tenant::Entity::find()
            .filter(times)
            .filter(tenant::Column::DeletedAt.is_null())
            .order_by_asc(column)
            .limit(u64::from(limit))
            .all(self.db.connection())
            .noted_by(self.db.faults())
            .await
    }
}
