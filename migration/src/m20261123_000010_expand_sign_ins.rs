use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::tenant_table::rewrite;

/// Users get a profile, sessions a browser, and grants what OpenID Connect needs to know later.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let blob = match manager.get_database_backend() {
            DbBackend::Postgres => "bytea",
            _ => "blob",
        };
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE users ADD COLUMN profile text NOT NULL DEFAULT '{}'",
            &format!("ALTER TABLE sessions ADD COLUMN browser_digest {blob}"),
            "ALTER TABLE sessions ADD COLUMN seen_at bigint",
            "CREATE INDEX sessions_tenant_id_browser_digest_idx ON sessions (tenant_id, browser_digest)",
            "ALTER TABLE grants ADD COLUMN offline boolean NOT NULL DEFAULT FALSE",
            "ALTER TABLE grants ADD COLUMN authenticated_at bigint NOT NULL DEFAULT 0",
            "ALTER TABLE grants ADD COLUMN claims text NOT NULL DEFAULT '{}'",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        rewrite(
            manager,
            "grants",
            "UPDATE grants SET authenticated_at = created_at",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE grants DROP COLUMN claims",
            "ALTER TABLE grants DROP COLUMN authenticated_at",
            "ALTER TABLE grants DROP COLUMN offline",
            "DROP INDEX sessions_tenant_id_browser_digest_idx",
            "ALTER TABLE sessions DROP COLUMN seen_at",
            "ALTER TABLE sessions DROP COLUMN browser_digest",
            "ALTER TABLE users DROP COLUMN profile",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
