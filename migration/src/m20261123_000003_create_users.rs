use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("users", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("email").text().not_null())
            .column(ColumnDef::new("email_verified").boolean().not_null())
            .column(ColumnDef::new("name").text().not_null())
            .column(ColumnDef::new("avatar_url").text())
            .column(ColumnDef::new("password_phc").text())
            .column(ColumnDef::new("not_before").big_integer())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .column(ColumnDef::new("updated_at").big_integer().not_null())
            .unique("email")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["users"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
