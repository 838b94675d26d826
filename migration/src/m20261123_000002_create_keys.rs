use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("signing_keys", ColumnDef::new("id").text().take())
            .column(ColumnDef::new("algorithm").text().not_null())
            .column(
                ColumnDef::new("state")
                    .text()
                    .not_null()
                    .check(Expr::col("state").is_in(["active", "retired"])),
            )
            .column(ColumnDef::new("x").text().not_null())
            .column(ColumnDef::new("y").text().not_null())
            .column(ColumnDef::new("private_key_sealed").blob().not_null())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .create(manager)
            .await?;
        TenantTable::new("tag_keys", ColumnDef::new("id").small_integer().take())
            .column(ColumnDef::new("sealed").blob().not_null())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tag_keys", "signing_keys"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
