use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("clients", ColumnDef::new("id").text().take())
            .column(
                ColumnDef::new("kind")
                    .text()
                    .not_null()
                    .check(Expr::col("kind").is_in(["public", "confidential"])),
            )
            .column(ColumnDef::new("name").text().not_null())
            .column(ColumnDef::new("secret_digest").blob())
            .column(ColumnDef::new("first_party").boolean().not_null())
            .column(ColumnDef::new("not_before").big_integer())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .column(ColumnDef::new("updated_at").big_integer().not_null())
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["clients"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
