//! The schema of a next version that never comes: for rehearsing upgrades, in tests and in
//! `cargo xtask rolling`. With the feature `rehearsal` a program knows it.

use sea_orm_migration::prelude::*;

use crate::{
    index::{build_index, drop_index},
    step::Step,
};

/// A table and columns more, and indexes on tables that are in use.
pub fn steps() -> Vec<Step> {
    vec![Step::expand(Widen), Step::expand(Index)]
}

/// What a migration that adds does: a table, and columns on the tables that every request reads.
struct Widen;

impl MigrationName for Widen {
    fn name(&self) -> &str {
        "m99991231_000001_rehearse_columns"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Widen {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "CREATE TABLE rehearsals (name text NOT NULL PRIMARY KEY)",
            "ALTER TABLE tenants ADD COLUMN rehearsal text",
            "ALTER TABLE users ADD COLUMN rehearsal text NOT NULL DEFAULT 'none'",
            "ALTER TABLE grants ADD COLUMN rehearsal bigint NOT NULL DEFAULT 0",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [
            "ALTER TABLE grants DROP COLUMN rehearsal",
            "ALTER TABLE users DROP COLUMN rehearsal",
            "ALTER TABLE tenants DROP COLUMN rehearsal",
            "DROP TABLE rehearsals",
        ] {
            connection.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

struct Index;

impl MigrationName for Index {
    fn name(&self) -> &str {
        "m99991231_000002_rehearse_index"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Index {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        build_index(
            manager,
            "users_tenant_id_rehearsal_id_idx",
            "users (tenant_id, rehearsal, id)",
        )
        .await?;
        build_index(
            manager,
            "grants_rehearsal_idx",
            "grants (tenant_id, rehearsal)",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_index(manager, "grants_rehearsal_idx").await?;
        drop_index(manager, "users_tenant_id_rehearsal_id_idx").await
    }
}
