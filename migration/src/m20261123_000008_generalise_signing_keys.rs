use sea_orm_migration::prelude::*;

use crate::tenant_table::rewrite;

/// A public key becomes its JWK (RFC 7638 form), whatever its type; and a tenant signs with at most
/// one key of an algorithm.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEX: &str = "signing_keys_tenant_id_algorithm_active_key";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "ALTER TABLE signing_keys ADD COLUMN public_jwk text NOT NULL DEFAULT '{}'",
            )
            .await?;
        rewrite(
            manager,
            "signing_keys",
            r#"UPDATE signing_keys SET public_jwk =
               '{"crv":"P-256","kty":"EC","x":"' || x || '","y":"' || y || '"}'"#,
        )
        .await?;
        for sql in [
            "ALTER TABLE signing_keys DROP COLUMN x",
            "ALTER TABLE signing_keys DROP COLUMN y",
            &format!(
                "CREATE UNIQUE INDEX {INDEX} ON signing_keys (tenant_id, algorithm) WHERE state = 'active'"
            ),
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    /// Keys of other types can't be kept: their tenants make new ones when they go up again.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            &format!("DROP INDEX {INDEX}"),
            "ALTER TABLE signing_keys ADD COLUMN x text NOT NULL DEFAULT ''",
            "ALTER TABLE signing_keys ADD COLUMN y text NOT NULL DEFAULT ''",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        rewrite(
            manager,
            "signing_keys",
            "DELETE FROM signing_keys WHERE algorithm <> 'ES256'",
        )
        .await?;
        let member = |name: &str| match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DbBackend::Postgres => {
                format!("public_jwk::json ->> '{name}'")
            }
            _ => format!("json_extract(public_jwk, '$.{name}')"),
        };
        let fill = format!(
            "UPDATE signing_keys SET x = {}, y = {}",
            member("x"),
            member("y")
        );
        rewrite(manager, "signing_keys", &fill).await?;
        connection
            .execute_unprepared("ALTER TABLE signing_keys DROP COLUMN public_jwk")
            .await?;
        Ok(())
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
