use sea_orm_migration::{prelude::*, sea_orm::ConnectionTrait};

use crate::tenant_table::{TenantTable, drop_tables};

/// Claims to domains, which belong to tenants; and the hosts that are held, which belong to the directory: a
/// request names a host before anybody knows whose it is, and only one tenant can hold it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("domains", ColumnDef::new("id").text().take())
            .column(ColumnDef::new("token").text().not_null())
            .column(ColumnDef::new("verified_at").big_integer())
            .column(ColumnDef::new("is_issuer").boolean().not_null())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .column(ColumnDef::new("updated_at").big_integer().not_null())
            .create(manager)
            .await?;
        let hosts = Table::create()
            .table("hosts")
            .col(ColumnDef::new("name").text().not_null())
            .col(ColumnDef::new("owner_id").uuid().not_null())
            .col(ColumnDef::new("is_issuer").boolean().not_null())
            .primary_key(Index::create().name("hosts_pkey").col("name"))
            .foreign_key(
                ForeignKey::create()
                    .name("hosts_owner_id_fkey")
                    .from("hosts", "owner_id")
                    .to("tenants", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .take();
        manager.create_table(hosts).await?;
        let connection = manager.get_connection();
        for sql in [
            "CREATE INDEX hosts_owner_id_idx ON hosts (owner_id)",
            "ALTER TABLE grants ADD COLUMN issuer_domain text",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("ALTER TABLE grants DROP COLUMN issuer_domain")
            .await?;
        drop_tables(manager, &["hosts", "domains"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
