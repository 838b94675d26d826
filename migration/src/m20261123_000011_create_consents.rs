use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("consents", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("user_id").uuid().not_null())
            .column(ColumnDef::new("client_id").text().not_null())
            .column(ColumnDef::new("scope").text().not_null())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .column(ColumnDef::new("updated_at").big_integer().not_null())
            .references("user_id", "users")
            .references("client_id", "clients")
            .unique_pair("user_id", "client_id")
            .index("client_id")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["consents"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
