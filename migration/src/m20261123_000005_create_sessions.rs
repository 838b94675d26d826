use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("sessions", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("user_id").uuid().not_null())
            .column(ColumnDef::new("authenticated_at").big_integer().not_null())
            .column(ColumnDef::new("amr").text().not_null())
            .column(ColumnDef::new("ended_at").big_integer())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .references("user_id", "users")
            .index("user_id")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["sessions"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
