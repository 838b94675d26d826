use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::Expr,
};
use tokenhouse_entity::tenant;
use uuid::Uuid;

use super::{error::store_error, faults::Noted, tenants::DatabaseTenants};
use crate::{
    application::{
        error::StoreError,
        ports::{KeyDirectory, SealedDataKey},
    },
    domain::{id::TenantId, tenant::Tenant},
};

#[async_trait]
impl KeyDirectory for DatabaseTenants {
    async fn data_keys_under(
        &self,
        master_key_id: &str,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<(TenantId, SealedDataKey)>, StoreError> {
        let after = after.map_or_else(Uuid::nil, TenantId::as_uuid);
        let rows = tenant::Entity::find()
            .filter(tenant::Column::DataKeyMasterId.eq(master_key_id))
            .filter(tenant::Column::Id.gt(after))
            .filter(tenant::Column::DeletedAt.is_null())
            .order_by_asc(tenant::Column::Id)
            .limit(u64::from(limit))
            .all(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let sealed = rows.into_iter().map(|row| {
            let key = SealedDataKey {
                master_key_id: row.data_key_master_id,
                sealed: row.data_key_sealed,
            };
            (TenantId::from_uuid(row.id), key)
        });
        Ok(sealed.collect())
    }

    async fn count_data_keys_under(
        &self,
        master_key_id: &str,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let connection = self.db.connection();
        // Counting what a limited query answers costs the limit, not the table.
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            "SELECT count(*) AS n FROM (SELECT 1 FROM tenants \
             WHERE data_key_master_id = $1 AND deleted_at IS NULL LIMIT $2) AS counted",
            [master_key_id.into(), i64::from(limit).into()],
        );
        let row = connection
            .query_one_raw(statement)
            .noted_by(self.db.faults())
            .await?;
        let count: i64 = row
            .map(|row| row.try_get("", "n"))
            .transpose()
            .map_err(store_error)?
            .unwrap_or_default();
        Ok(u32::try_from(count).unwrap_or(limit))
    }

    async fn next_master_key(&self, after: &str) -> Result<Option<String>, StoreError> {
        let connection = self.db.connection();
        // One step along the index, however many tenants there are.
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            "SELECT data_key_master_id AS id FROM tenants \
             WHERE data_key_master_id > $1 AND deleted_at IS NULL \
             ORDER BY data_key_master_id LIMIT 1",
            [after.into()],
        );
        let row = connection
            .query_one_raw(statement)
            .noted_by(self.db.faults())
            .await?;
        row.map(|row| row.try_get("", "id"))
            .transpose()
            .map_err(store_error)
    }

    async fn replace_data_key(
        &self,
        tenant: TenantId,
        seen: &SealedDataKey,
        new: &SealedDataKey,
    ) -> Result<Option<Tenant>, StoreError> {
        // First: were the owner not to be read afterwards, nobody could tell whose key was sealed anew.
        let row = tenant::Entity::find_by_id(tenant.as_uuid())
            .filter(tenant::Column::DeletedAt.is_null())
            .one(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let owner = self.read_tenants(row.into_iter().collect()).await?;
        let _turn = self.db.turn_to_write().await;
        let replaced = tenant::Entity::update_many()
            .col_expr(
                tenant::Column::DataKeyMasterId,
                Expr::value(new.master_key_id.as_str()),
            )
            .col_expr(
                tenant::Column::DataKeySealed,
                Expr::value(new.sealed.clone()),
            )
            .filter(tenant::Column::Id.eq(tenant.as_uuid()))
            .filter(tenant::Column::DataKeySealed.eq(seen.sealed.clone()))
            // A deleted tenant's key was destroyed and stays so.
            .filter(tenant::Column::DeletedAt.is_null())
            .exec(self.db.connection())
            .noted_by(self.db.faults())
            .await?;
        let owner = owner.into_iter().next();
        Ok(owner.filter(|_| replaced.rows_affected > 0))
    }
}
