use sea_orm_migration::prelude::*;

/// Users can be disabled, hold roles and be known to another system by an id of its own.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE users ADD COLUMN state text NOT NULL DEFAULT 'active'",
            "ALTER TABLE users ADD COLUMN external_id text",
            "ALTER TABLE users ADD COLUMN roles text NOT NULL DEFAULT '[]'",
            "CREATE UNIQUE INDEX users_tenant_id_external_id_key ON users (tenant_id, external_id)",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX users_tenant_id_external_id_key",
            "ALTER TABLE users DROP COLUMN roles",
            "ALTER TABLE users DROP COLUMN external_id",
            "ALTER TABLE users DROP COLUMN state",
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
