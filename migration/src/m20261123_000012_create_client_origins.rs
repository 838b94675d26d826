use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

/// Origins of clients, for CORS; and tokens that allow to register clients.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("client_origins", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("client_id").text().not_null())
            .column(ColumnDef::new("origin").text().not_null())
            .references("client_id", "clients")
            .index("origin")
            .index("client_id")
            .create(manager)
            .await?;
        TenantTable::new("initial_access_tokens", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("digest").blob().not_null())
            .column(ColumnDef::new("remaining_uses").big_integer())
            .column(ColumnDef::new("expires_at").big_integer())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .unique("digest")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["initial_access_tokens", "client_origins"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
