//! The door to the tables of a tenant: a transaction that sees no other tenant.

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, DeleteMany,
    EntityTrait, ExecResult, Insert, IntoActiveModel, Order, PaginatorTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, Related, Select, SelectFour, SelectTwo,
    SqliteTransactionMode, Statement, TopologyStar, TransactionOptions, TransactionTrait,
    TryGetable, UpdateMany, Value,
    sea_query::{Expr, ExprTrait, IntoCondition, OnConflict},
};
use tokenhouse_entity::{TENANT_TABLES, TenantOwned, host, tenant};
use tokio::sync::OwnedMutexGuard;

use super::{
    connection::{Database, Dialect},
    error::store_error,
    faults::{Faults, Noted},
    live::on_a_live_connection,
};
use crate::{application::error::StoreError, domain::id::TenantId};

/// What a transaction is begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A transaction that sees one tenant. Dropping it undoes it.
pub(super) struct TenantTx {
    /// Private: nothing runs except through the methods below.
    tx: DatabaseTransaction,
    tenant: TenantId,
    dialect: Dialect,
    faults: Arc<Faults>,
    /// After `tx`, so that it is given back after the transaction has ended.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// A query that carries its tenant condition already.
pub(super) struct Scoped<Q>(Q);

impl TenantTx {
    pub(super) async fn begin(
        db: &Database,
        tenant: TenantId,
        access: Access,
    ) -> Result<Self, StoreError> {
        let turn = match access {
            Access::Read => None,
            Access::Write => db.turn_to_write().await,
        };
        let tx = on_a_live_connection(|| begin(db, tenant, access))
            .noted_by(db.faults())
            .await?;
        Ok(Self {
            tx,
            tenant,
            dialect: db.dialect(),
            faults: Arc::clone(db.faults()),
            _turn: turn,
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) async fn finish(self) -> Result<(), StoreError> {
        self.tx.commit().noted_by(&self.faults).await
    }

    pub(super) fn find<E: TenantOwned>(&self) -> Scoped<Select<E>> {
        Scoped(E::find().filter(E::tenant_column().eq(self.tenant.as_uuid())))
    }

    pub(super) fn update<E: TenantOwned>(&self) -> Scoped<UpdateMany<E>> {
        Scoped(E::update_many().filter(E::tenant_column().eq(self.tenant.as_uuid())))
    }

    pub(super) async fn one<E: TenantOwned>(
        &self,
        query: Scoped<Select<E>>,
    ) -> Result<Option<E::Model>, StoreError> {
        query.0.one(&self.tx).noted_by(&self.faults).await
    }

    pub(super) async fn one_of_two<E: TenantOwned, F: TenantOwned>(
        &self,
        query: Scoped<SelectTwo<E, F>>,
    ) -> Result<Option<(E::Model, Option<F::Model>)>, StoreError> {
        query.0.one(&self.tx).noted_by(&self.faults).await
    }

    pub(super) async fn one_of_four<E, F, G, H>(
        &self,
        query: Scoped<SelectFour<E, F, G, H, TopologyStar>>,
    ) -> Result<
        Option<(
            E::Model,
            Option<F::Model>,
            Option<G::Model>,
            Option<H::Model>,
        )>,
        StoreError,
    >
    where
        E: TenantOwned,
        F: TenantOwned,
        G: TenantOwned,
        H: TenantOwned,
    {
        query.0.one(&self.tx).noted_by(&self.faults).await
    }

    pub(super) async fn all<E: TenantOwned>(
        &self,
        query: Scoped<Select<E>>,
    ) -> Result<Vec<E::Model>, StoreError> {
        query.0.all(&self.tx).noted_by(&self.faults).await
    }

    pub(super) async fn all_of_two<E: TenantOwned, F: TenantOwned>(
        &self,
        query: Scoped<SelectTwo<E, F>>,
    ) -> Result<Vec<(E::Model, Option<F::Model>)>, StoreError> {
        query.0.all(&self.tx).noted_by(&self.faults).await
    }

    pub(super) fn delete<E: TenantOwned>(&self) -> Scoped<DeleteMany<E>> {
        Scoped(E::delete_many().filter(E::tenant_column().eq(self.tenant.as_uuid())))
    }

    pub(super) async fn count<E>(&self, query: Scoped<Select<E>>) -> Result<u64, StoreError>
    where
        E: TenantOwned,
        E::Model: Send + Sync,
    {
        query.0.count(&self.tx).noted_by(&self.faults).await
    }

    /// How many rows went.
    pub(super) async fn remove<E: TenantOwned>(
        &self,
        query: Scoped<DeleteMany<E>>,
    ) -> Result<u64, StoreError> {
        let done = query.0.exec(&self.tx).noted_by(&self.faults).await?;
        Ok(done.rows_affected)
    }

    /// How many rows changed.
    pub(super) async fn change<E: TenantOwned>(
        &self,
        query: Scoped<UpdateMany<E>>,
    ) -> Result<u64, StoreError> {
        let done = query.0.exec(&self.tx).noted_by(&self.faults).await?;
        Ok(done.rows_affected)
    }

    /// Adds a row to the tenant, whatever tenant the row says.
    pub(super) async fn insert<E>(&self, mut row: E::ActiveModel) -> Result<(), StoreError>
    where
        E: TenantOwned,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        E::stamp(&mut row, self.tenant.as_uuid());
        Insert::one(row)
            .exec_without_returning(&self.tx)
            .noted_by(&self.faults)
            .await?;
        Ok(())
    }

    /// Like [`insert`](Self::insert); `false` when a unique constraint is in the way. Unlike a
    /// conflict it leaves the transaction usable.
    pub(super) async fn insert_or_ignore<E>(
        &self,
        mut row: E::ActiveModel,
    ) -> Result<bool, StoreError>
    where
        E: TenantOwned,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        E::stamp(&mut row, self.tenant.as_uuid());
        let inserted = Insert::one(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.tx)
            .noted_by(&self.faults)
            .await?;
        Ok(inserted > 0)
    }

    /// Adds rows; what a unique constraint is in the way of is left out.
    pub(super) async fn insert_many_or_ignore<E>(
        &self,
        mut rows: Vec<E::ActiveModel>,
    ) -> Result<(), StoreError>
    where
        E: TenantOwned,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        for row in &mut rows {
            E::stamp(row, self.tenant.as_uuid());
        }
        Insert::many(rows)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.tx)
            .noted_by(&self.faults)
            .await?;
        Ok(())
    }

    /// The tenant's own row in the directory.
    pub(super) async fn directory_row(&self) -> Result<Option<tenant::Model>, StoreError> {
        tenant::Entity::find_by_id(self.tenant.as_uuid())
            .one(&self.tx)
            .noted_by(&self.faults)
            .await
    }

    /// Makes the tenant itself; the row's id is the tenant's.
    pub(super) async fn insert_directory_row(
        &self,
        mut row: tenant::ActiveModel,
    ) -> Result<(), StoreError> {
        row.id = sea_orm::ActiveValue::Set(self.tenant.as_uuid());
        Insert::one(row)
            .exec_without_returning(&self.tx)
            .noted_by(&self.faults)
            .await?;
        Ok(())
    }

    /// Makes the tenant the one that holds a host; a conflict when there is one already.
    pub(super) async fn hold_host(&self, name: &str, is_issuer: bool) -> Result<(), StoreError> {
        Insert::one(host::ActiveModel {
            name: sea_orm::ActiveValue::Set(name.to_owned()),
            owner_id: sea_orm::ActiveValue::Set(self.tenant.as_uuid()),
            is_issuer: sea_orm::ActiveValue::Set(is_issuer),
        })
        .exec_without_returning(&self.tx)
        .noted_by(&self.faults)
        .await?;
        Ok(())
    }

    /// Changes a host that the tenant holds, if it does.
    pub(super) async fn change_host(&self, name: &str, is_issuer: bool) -> Result<(), StoreError> {
        let change: UpdateMany<host::Entity> = host::Entity::update_many()
            .col_expr(
                host::Column::IsIssuer,
                sea_orm::sea_query::Expr::value(is_issuer),
            )
            .filter(host::Column::Name.eq(name))
            .filter(host::Column::OwnerId.eq(self.tenant.as_uuid()));
        change.exec(&self.tx).noted_by(&self.faults).await?;
        Ok(())
    }

    /// Gives a host up, if the tenant holds it.
    pub(super) async fn release_host(&self, name: &str) -> Result<(), StoreError> {
        let delete: DeleteMany<host::Entity> = host::Entity::delete_many()
            .filter(host::Column::Name.eq(name))
            .filter(host::Column::OwnerId.eq(self.tenant.as_uuid()));
        delete.exec(&self.tx).noted_by(&self.faults).await?;
        Ok(())
    }

    /// Deletes the tenant itself; everything it has goes with it. `false` when it is gone already.
    pub(super) async fn delete_directory_row(&self) -> Result<bool, StoreError> {
        let delete: DeleteMany<tenant::Entity> =
            tenant::Entity::delete_many().filter(tenant::Column::Id.eq(self.tenant.as_uuid()));
        let done = delete.exec(&self.tx).noted_by(&self.faults).await?;
        Ok(done.rows_affected > 0)
    }

    /// Deletes up to `rows` rows of the tenant, in the order in which they refer to one another; `false`
    /// when there are none any more.
    pub(super) async fn delete_some_rows(&self, rows: u32) -> Result<bool, StoreError> {
        for table in TENANT_TABLES {
            let sql = format!(
                "DELETE FROM {table} WHERE tenant_id = $1 AND id IN \
                 (SELECT id FROM {table} WHERE tenant_id = $1 LIMIT {rows})"
            );
            if self.execute_sql(&sql, []).await?.rows_affected() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs SQL whose `$1` is the tenant; `values` follow from `$2`. It must compare `tenant_id`
    /// with `$1` itself, so it is for what the query builder can't say.
    pub(super) async fn execute_sql(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<ExecResult, StoreError> {
        let statement = self.statement(sql, values);
        self.tx.execute_raw(statement).noted_by(&self.faults).await
    }

    /// Like [`execute_sql`](Self::execute_sql), for SQL that answers with at most one row.
    pub(super) async fn query_sql(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<QueryResult>, StoreError> {
        let statement = self.statement(sql, values);
        self.tx
            .query_one_raw(statement)
            .noted_by(&self.faults)
            .await
    }

    /// Like [`execute_sql`](Self::execute_sql), for SQL that answers with rows.
    pub(super) async fn rows_sql(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let statement = self.statement(sql, values);
        self.tx
            .query_all_raw(statement)
            .noted_by(&self.faults)
            .await
    }

    fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        let tenant = Value::from(self.tenant.as_uuid());
        Statement::from_sql_and_values(
            self.tx.get_database_backend(),
            sql,
            std::iter::once(tenant).chain(values),
        )
    }
}

/// A column of a row that SQL of ours answered with.
pub(super) fn column<T: TryGetable>(row: &QueryResult, name: &str) -> Result<T, StoreError> {
    row.try_get("", name).map_err(store_error)
}

async fn begin(
    db: &Database,
    tenant: TenantId,
    access: Access,
) -> Result<DatabaseTransaction, DbErr> {
    let mode = match access {
        Access::Read => SqliteTransactionMode::Deferred,
        // A deferred one that turns out to write fails when another wrote in between.
        Access::Write => SqliteTransactionMode::Immediate,
    };
    let tx = db
        .connection()
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(mode),
            ..TransactionOptions::default()
        })
        .await?;
    if db.dialect() == Dialect::Postgres {
        // `true`: until the end of this transaction, so a pooled connection forgets it. Our queries walk an
        // index in the order of their answer and stop at the page's end. Of a tenant that is much larger than
        // its statistics say, a planner that may collect a bitmap believes that it is cheaper to fetch all
        // rows and sort them.
        tx.execute_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            "SELECT set_config('app.tenant_id', $1, true), set_config('enable_bitmapscan', 'off', true)",
            [tenant.to_string().into()],
        ))
        .await?;
    }
    Ok(tx)
}

impl<Q: QueryFilter> Scoped<Q> {
    /// Narrows the query. Conditions are ANDed: a scope can shrink but never widen.
    pub(super) fn filter(self, condition: impl IntoCondition) -> Self {
        Self(self.0.filter(condition))
    }
}

impl<Q: QueryOrder> Scoped<Q> {
    pub(super) fn latest_first<C: ColumnTrait>(self, time: C, id: C) -> Self {
        Self(self.0.order_by(time, Order::Desc).order_by(id, Order::Desc))
    }
}

impl<Q: QueryOrder> Scoped<Q> {
    /// For ids that begin with the time.
    pub(super) fn latest_id_first<C: ColumnTrait>(self, id: C) -> Self {
        Self(self.0.order_by(id, Order::Desc))
    }

    pub(super) fn backwards<C: ColumnTrait>(self, column: C) -> Self {
        Self(self.0.order_by(column, Order::Desc))
    }

    pub(super) fn in_order_of<C: ColumnTrait>(self, id: C) -> Self {
        Self(self.0.order_by(id, Order::Asc))
    }
}

impl<Q: QuerySelect> Scoped<Q> {
    pub(super) fn at_most(self, rows: u64) -> Self {
        Self(self.0.limit(rows))
    }
}

impl<E: TenantOwned> Scoped<UpdateMany<E>> {
    pub(super) fn set(self, column: E::Column, value: impl Into<Value>) -> Self {
        Self(self.0.col_expr(column, Expr::value(value)))
    }

    /// Moves a mark, never back: of two that are set at the same moment the later one stays, whatever either
    /// of them had read.
    pub(super) fn set_later(self, column: E::Column, mark: i64) -> Self {
        let earlier = column.is_null().or(column.lt(mark));
        let later = Expr::case(earlier, mark).finally(Expr::col(column));
        Self(self.0.col_expr(column, later.into()))
    }
}

/// The relations of tenant-owned tables all compare `tenant_id`, so a join stays in the tenant.
impl<E: TenantOwned> Scoped<Select<E>> {
    pub(super) fn with<F>(self, other: F) -> Scoped<SelectTwo<E, F>>
    where
        F: TenantOwned,
        E: Related<F>,
    {
        Scoped(self.0.find_also_related(other))
    }

    pub(super) fn with_three<F, G, H>(
        self,
        f: F,
        g: G,
        h: H,
    ) -> Scoped<SelectFour<E, F, G, H, TopologyStar>>
    where
        F: TenantOwned,
        G: TenantOwned,
        H: TenantOwned,
        E: Related<F> + Related<G> + Related<H>,
    {
        Scoped(
            self.0
                .find_also_related(f)
                .find_also_related(g)
                .find_also(E::default(), h),
        )
    }
}
