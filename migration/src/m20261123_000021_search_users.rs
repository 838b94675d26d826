use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::tenant_table::rewrite;

/// Users are found by the beginning of their address or name, and by state.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        // The order must not depend on the locale of the database. Addresses are ASCII.
        let collation = if postgres { "COLLATE \"C\"" } else { "" };
        let add = format!(
            "ALTER TABLE users ADD COLUMN search_name text {collation} NOT NULL DEFAULT ''"
        );
        connection.execute_unprepared(&add).await?;
        if postgres {
            let sort = "ALTER TABLE users ALTER COLUMN email TYPE text COLLATE \"C\"";
            connection.execute_unprepared(sort).await?;
        }
        rewrite(
            manager,
            "users",
            "UPDATE users SET search_name = LOWER(name)",
        )
        .await?;
        for sql in [
            "CREATE INDEX users_tenant_id_search_name_id_idx ON users (tenant_id, search_name, id)",
            "CREATE INDEX users_tenant_id_state_id_idx ON users (tenant_id, state, id)",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX users_tenant_id_state_id_idx",
            "DROP INDEX users_tenant_id_search_name_id_idx",
            "ALTER TABLE users DROP COLUMN search_name",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            let sort = "ALTER TABLE users ALTER COLUMN email TYPE text COLLATE \"default\"";
            connection.execute_unprepared(sort).await?;
        }
        Ok(())
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
