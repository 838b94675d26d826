use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("grants", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("session_id").uuid().not_null())
            .column(ColumnDef::new("user_id").uuid().not_null())
            .column(ColumnDef::new("client_id").text().not_null())
            .column(ColumnDef::new("scope").text().not_null())
            .column(ColumnDef::new("audience").text().not_null())
            .column(ColumnDef::new("generation").big_integer().not_null())
            .column(ColumnDef::new("leaf_digest").blob())
            .column(ColumnDef::new("parent_digest").blob())
            .column(ColumnDef::new("rotated_at").big_integer())
            .column(ColumnDef::new("sealed_successor").blob())
            .column(ColumnDef::new("idle_end").big_integer().not_null())
            .column(ColumnDef::new("absolute_end").big_integer().not_null())
            .column(ColumnDef::new("revoked_at").big_integer())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .references("session_id", "sessions")
            .references("user_id", "users")
            .references("client_id", "clients")
            .index("session_id")
            .index("user_id")
            .index("client_id")
            .create(manager)
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["grants"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
