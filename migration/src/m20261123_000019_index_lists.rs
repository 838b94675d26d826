use sea_orm_migration::prelude::*;

/// Indexes in whose order the pages of lists are read. Each takes the place of the one without the id.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [(&str, &str); 6] = [
    ("sessions", "user_id"),
    ("grants", "session_id"),
    ("grants", "user_id"),
    ("grants", "client_id"),
    ("consents", "user_id"),
    ("consents", "client_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for (table, column) in INDEXES {
            let create = format!(
                "CREATE INDEX {table}_tenant_id_{column}_id_idx ON {table} (tenant_id, {column}, id)"
            );
            connection.execute_unprepared(&create).await?;
            let drop = format!("DROP INDEX IF EXISTS {table}_tenant_id_{column}_idx");
            connection.execute_unprepared(&drop).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for (table, column) in INDEXES {
            let create = format!(
                "CREATE INDEX {table}_tenant_id_{column}_idx ON {table} (tenant_id, {column})"
            );
            connection.execute_unprepared(&create).await?;
            let drop = format!("DROP INDEX {table}_tenant_id_{column}_id_idx");
            connection.execute_unprepared(&drop).await?;
        }
        // The pair of user and client has a unique index of its own.
        connection
            .execute_unprepared("DROP INDEX consents_tenant_id_user_id_idx")
            .await?;
        Ok(())
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
