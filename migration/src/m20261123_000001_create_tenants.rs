use sea_orm_migration::prelude::*;

use crate::tenant_table::drop_tables;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut slug = ColumnDef::new("slug").text().not_null().take();
        if manager.get_database_backend() == sea_orm_migration::sea_orm::DbBackend::Postgres {
            // Pages go in order of slug; the order must not depend on the locale of the database.
            slug.extra("COLLATE \"C\"");
        }
        manager
            .create_table(
                Table::create()
                    .table("tenants")
                    .col(ColumnDef::new("id").uuid().not_null().primary_key())
                    .col(slug)
                    .col(ColumnDef::new("name").text().not_null())
                    .col(
                        ColumnDef::new("state")
                            .text()
                            .not_null()
                            .check(Expr::col("state").is_in(["active", "suspended"])),
                    )
                    .col(ColumnDef::new("policy").text().not_null())
                    .col(ColumnDef::new("not_before").big_integer())
                    .col(ColumnDef::new("data_key_master_id").text().not_null())
                    .col(ColumnDef::new("data_key_sealed").blob().not_null())
                    .col(ColumnDef::new("created_at").big_integer().not_null())
                    .col(ColumnDef::new("updated_at").big_integer().not_null())
                    .take(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("tenants_slug_key")
                    .table("tenants")
                    .col("slug")
                    .unique()
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tenants"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
