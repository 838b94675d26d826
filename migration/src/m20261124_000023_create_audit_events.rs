use sea_orm_migration::prelude::*;

use crate::tenant_table::{TenantTable, drop_tables};

/// No reference to users or clients: an entry outlives what it is about.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("audit_events", ColumnDef::new("id").uuid().take())
            .column(ColumnDef::new("created_at").big_integer().not_null())
            .column(ColumnDef::new("event").text().not_null())
            .column(ColumnDef::new("actor").text().not_null())
            .column(&mut ColumnDef::new("actor_id").text().take())
            .column(&mut ColumnDef::new("actor_client_id").text().take())
            .column(&mut ColumnDef::new("target").text().take())
            .column(&mut ColumnDef::new("ip").text().take())
            .column(&mut ColumnDef::new("request_id").text().take())
            .column(ColumnDef::new("details").text().not_null())
            .create(manager)
            .await?;
        let connection = manager.get_connection();
        for column in ["event", "actor_id", "target"] {
            // Each filter is a range of one index, in the order of the list.
            let sql = format!(
                "CREATE INDEX audit_events_tenant_id_{column}_id_idx ON audit_events (tenant_id, {column}, id)"
            );
            connection.execute_unprepared(&sql).await?;
        }
        for sql in [
            "ALTER TABLE tenants ADD COLUMN audit_sweep_at bigint NOT NULL DEFAULT 0",
            "CREATE INDEX tenants_audit_sweep_at_idx ON tenants (audit_sweep_at) WHERE deleted_at IS NULL",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX tenants_audit_sweep_at_idx",
            "ALTER TABLE tenants DROP COLUMN audit_sweep_at",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        drop_tables(manager, &["audit_events"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
