use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::tenant_table::rewrite;

/// A client's secrets become a list, so that two count while one replaces the other.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("ALTER TABLE clients ADD COLUMN secrets text NOT NULL DEFAULT '[]'")
            .await?;
        let hex = match manager.get_database_backend() {
            DbBackend::Postgres => "encode(secret_digest, 'hex')",
            _ => "lower(hex(secret_digest))",
        };
        // The first secret's id only has to differ from later ones, which are random.
        let fill = format!(
            "UPDATE clients SET secrets = '[{{\"id\":\"00000000-0000-0000-0000-000000000001\",\"digest\":\"' || {hex} \
             || '\",\"created_at\":' || created_at || '}}]' WHERE secret_digest IS NOT NULL"
        );
        rewrite(manager, "clients", &fill).await?;
        connection
            .execute_unprepared("ALTER TABLE clients DROP COLUMN secret_digest")
            .await?;
        Ok(())
    }

    /// Of several secrets the first one stays.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let (column, digest) = match manager.get_database_backend() {
            DbBackend::Postgres => (
                "ALTER TABLE clients ADD COLUMN secret_digest bytea",
                "decode(secrets::json -> 0 ->> 'digest', 'hex')",
            ),
            _ => (
                "ALTER TABLE clients ADD COLUMN secret_digest blob",
                "unhex(json_extract(secrets, '$[0].digest'))",
            ),
        };
        connection.execute_unprepared(column).await?;
        let fill = format!("UPDATE clients SET secret_digest = {digest} WHERE secrets <> '[]'");
        rewrite(manager, "clients", &fill).await?;
        connection
            .execute_unprepared("ALTER TABLE clients DROP COLUMN secrets")
            .await?;
        Ok(())
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
