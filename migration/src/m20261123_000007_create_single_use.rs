use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("single_use", ColumnDef::new("id").text().take())
            .column(ColumnDef::new("value").blob().not_null())
            .column(ColumnDef::new("used_at").big_integer())
            .column(ColumnDef::new("ends_at").big_integer().not_null())
            .index("ends_at")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["single_use"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
