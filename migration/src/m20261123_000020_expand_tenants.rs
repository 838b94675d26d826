use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Tenants are found by the beginning of their name, and deleted ones go row by row.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The order must not depend on the locale of the database.
        let collation = match manager.get_database_backend() {
            DbBackend::Postgres => "COLLATE \"C\"",
            _ => "",
        };
        let connection = manager.get_connection();
        for sql in [
            &format!(
                "ALTER TABLE tenants ADD COLUMN search_name text {collation} NOT NULL DEFAULT ''"
            ),
            "UPDATE tenants SET search_name = LOWER(name)",
            "CREATE INDEX tenants_search_name_slug_idx ON tenants (search_name, slug)",
            "ALTER TABLE tenants ADD COLUMN deleted_at bigint",
            "CREATE INDEX tenants_deleted_at_idx ON tenants (deleted_at) WHERE deleted_at IS NOT NULL",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    /// What was being deleted is deleted: its rows go with it.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DELETE FROM tenants WHERE deleted_at IS NOT NULL",
            "DROP INDEX tenants_deleted_at_idx",
            "ALTER TABLE tenants DROP COLUMN deleted_at",
            "DROP INDEX tenants_search_name_slug_idx",
            "ALTER TABLE tenants DROP COLUMN search_name",
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
