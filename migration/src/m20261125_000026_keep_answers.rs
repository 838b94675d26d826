use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::tenant_table::{TenantTable, drop_tables};

/// Answers are kept for requests that come again under their `Idempotency-Key`. That of a tenant's making is
/// the new tenant's; the digest in the directory leads there.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        TenantTable::new("idempotency_keys", ColumnDef::new("id").text().take())
            .column(ColumnDef::new("answer_sealed").binary().not_null())
            .column(ColumnDef::new("ends_at").big_integer().not_null())
            .index("ends_at")
            .create(manager)
            .await?;
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => "bytea",
            _ => "blob",
        };
        let connection = manager.get_connection();
        for sql in [
            &format!("ALTER TABLE tenants ADD COLUMN creation_digest {bytes}"),
            "ALTER TABLE tenants ADD COLUMN creation_ends_at bigint",
            "CREATE UNIQUE INDEX tenants_creation_digest_key ON tenants (creation_digest) \
             WHERE creation_digest IS NOT NULL",
            // A search among users of one state is a range too.
            "CREATE INDEX users_tenant_id_state_email_idx ON users (tenant_id, state, email)",
            "CREATE INDEX users_tenant_id_state_search_name_id_idx \
             ON users (tenant_id, state, search_name, id)",
            // So are the entries of one kind by one actor, or about one target.
            "CREATE INDEX audit_events_tenant_id_actor_id_event_id_idx \
             ON audit_events (tenant_id, actor_id, event, id)",
            "CREATE INDEX audit_events_tenant_id_target_event_id_idx \
             ON audit_events (tenant_id, target, event, id)",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX audit_events_tenant_id_target_event_id_idx",
            "DROP INDEX audit_events_tenant_id_actor_id_event_id_idx",
            "DROP INDEX users_tenant_id_state_search_name_id_idx",
            "DROP INDEX users_tenant_id_state_email_idx",
            "DROP INDEX tenants_creation_digest_key",
            "ALTER TABLE tenants DROP COLUMN creation_ends_at",
            "ALTER TABLE tenants DROP COLUMN creation_digest",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        drop_tables(manager, &["idempotency_keys"]).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
