use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::tenant_table::rewrite;

/// What a client registered becomes one JSON document; its name and kind move into it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE clients ADD COLUMN metadata text NOT NULL DEFAULT '{}'",
            match manager.get_database_backend() {
                DbBackend::Postgres => "ALTER TABLE clients ADD COLUMN registration_digest bytea",
                _ => "ALTER TABLE clients ADD COLUMN registration_digest blob",
            },
        ] {
            connection.execute_unprepared(sql).await?;
        }
        let json_name = match manager.get_database_backend() {
            DbBackend::Postgres => "to_json(name)::text",
            _ => "json_quote(name)",
        };
        let fill = format!(
            "UPDATE clients SET metadata = CASE \
             WHEN first_party THEN '{{\"token_endpoint_auth_method\":\"none\",\"grant_types\":[],\
             \"response_types\":[],\"client_name\":' || {json_name} || '}}' \
             WHEN kind = 'public' THEN '{{\"token_endpoint_auth_method\":\"none\",\"client_name\":' || {json_name} || '}}' \
             ELSE '{{\"client_name\":' || {json_name} || '}}' END"
        );
        rewrite(manager, "clients", &fill).await?;
        for sql in [
            "ALTER TABLE clients DROP COLUMN kind",
            "ALTER TABLE clients DROP COLUMN name",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE clients ADD COLUMN kind text NOT NULL DEFAULT 'public' \
             CHECK (kind IN ('public', 'confidential'))",
            "ALTER TABLE clients ADD COLUMN name text NOT NULL DEFAULT ''",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        let name = match manager.get_database_backend() {
            DbBackend::Postgres => "metadata::json ->> 'client_name'",
            _ => "json_extract(metadata, '$.client_name')",
        };
        let fill = format!(
            "UPDATE clients SET name = COALESCE({name}, ''), \
             kind = CASE WHEN secret_digest IS NULL THEN 'public' ELSE 'confidential' END"
        );
        rewrite(manager, "clients", &fill).await?;
        for sql in [
            "ALTER TABLE clients DROP COLUMN metadata",
            "ALTER TABLE clients DROP COLUMN registration_digest",
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
