use sea_orm_migration::prelude::*;

/// When a tenant's sessions and grants that ended long ago are looked for. They are found by walking the
/// primary keys once a day: an index for it would cost every sign-in and every refresh.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE tenants ADD COLUMN sign_in_sweep_at bigint NOT NULL DEFAULT 0",
            "CREATE INDEX tenants_sign_in_sweep_at_idx ON tenants (sign_in_sweep_at) WHERE deleted_at IS NULL",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX tenants_sign_in_sweep_at_idx",
            "ALTER TABLE tenants DROP COLUMN sign_in_sweep_at",
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
