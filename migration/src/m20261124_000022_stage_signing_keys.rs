use sea_orm_migration::prelude::*;

use crate::tenant_table::rewrite;

/// Signing keys get a life: published before they sign, kept after. Every change to a tenant's keys
/// counts `keys_version` up, which makes it one compare-and-swap and tells other instances of it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A CHECK can't be changed on SQLite, but a column can be replaced by one that has another.
async fn replace_state(
    manager: &SchemaManager<'_>,
    states: &str,
    value: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let add = format!(
        "ALTER TABLE signing_keys ADD COLUMN stage text NOT NULL DEFAULT 'active' CHECK (stage IN ({states}))"
    );
    connection.execute_unprepared(&add).await?;
    let fill = format!("UPDATE signing_keys SET stage = {value}");
    rewrite(manager, "signing_keys", &fill).await?;
    for sql in [
        "DROP INDEX signing_keys_tenant_id_algorithm_active_key",
        "ALTER TABLE signing_keys DROP COLUMN state",
        "ALTER TABLE signing_keys RENAME COLUMN stage TO state",
        "CREATE UNIQUE INDEX signing_keys_tenant_id_algorithm_active_key \
         ON signing_keys (tenant_id, algorithm) WHERE state = 'active'",
    ] {
        connection.execute_unprepared(sql).await?;
    }
    Ok(())
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let states = "'next', 'active', 'retiring', 'retired', 'revoked'";
        replace_state(manager, states, "state").await?;
        for sql in [
            "CREATE UNIQUE INDEX signing_keys_tenant_id_algorithm_next_key \
             ON signing_keys (tenant_id, algorithm) WHERE state = 'next'",
            "ALTER TABLE signing_keys ADD COLUMN since bigint NOT NULL DEFAULT 0",
            "ALTER TABLE signing_keys ADD COLUMN until bigint",
            "ALTER TABLE tenants ADD COLUMN keys_version bigint NOT NULL DEFAULT 0",
            // Due at once: the first look at a tenant plans its rotations.
            "ALTER TABLE tenants ADD COLUMN keys_due_at bigint DEFAULT 0",
            "ALTER TABLE tenants ADD COLUMN jwks_cached_until bigint",
            "UPDATE tenants SET keys_due_at = NULL WHERE deleted_at IS NOT NULL",
            "CREATE INDEX tenants_keys_due_at_idx ON tenants (keys_due_at) WHERE keys_due_at IS NOT NULL",
            "CREATE INDEX tenants_data_key_master_id_idx ON tenants (data_key_master_id) WHERE deleted_at IS NULL",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        let fill = "UPDATE signing_keys SET since = created_at";
        rewrite(manager, "signing_keys", fill).await
    }

    /// Keys that don't sign yet go; those that don't sign any more are kept as retired.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "DROP INDEX tenants_data_key_master_id_idx",
            "DROP INDEX tenants_keys_due_at_idx",
            "ALTER TABLE tenants DROP COLUMN jwks_cached_until",
            "ALTER TABLE tenants DROP COLUMN keys_due_at",
            "ALTER TABLE tenants DROP COLUMN keys_version",
            "ALTER TABLE signing_keys DROP COLUMN until",
            "ALTER TABLE signing_keys DROP COLUMN since",
            "DROP INDEX signing_keys_tenant_id_algorithm_next_key",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        let remove = "DELETE FROM signing_keys WHERE state IN ('next', 'revoked')";
        rewrite(manager, "signing_keys", remove).await?;
        let value = "CASE state WHEN 'active' THEN 'active' ELSE 'retired' END";
        replace_state(manager, "'active', 'retired'", value).await
    }

    // On SQLite the default is none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
