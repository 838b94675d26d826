//! The schema of a next version that never comes: for rehearsing upgrades, in tests and in
//! `cargo xtask rolling`. With the feature `rehearsal` a program knows it.

use sea_orm_migration::prelude::*;

use crate::{
    index::{build_index, drop_index},
    step::Step,
};

/// A table and columns more, and indexes on tables that are in use.
pub fn steps() -> Vec<Step> {
    let widen = |name, sql, undo| Step::expand(Widen { name, sql, undo });
    vec![
        widen(
            "m99991231_000001_rehearse_table",
            "CREATE TABLE rehearsals (name text NOT NULL PRIMARY KEY)",
            "DROP TABLE rehearsals",
        ),
        // Each by itself: who held one of these tables and waited for another would be in a circle
        // with requests that have the other and want the one.
        widen(
            "m99991231_000002_rehearse_tenants",
            "ALTER TABLE tenants ADD COLUMN rehearsal text",
            "ALTER TABLE tenants DROP COLUMN rehearsal",
        ),
        widen(
            "m99991231_000003_rehearse_users",
            "ALTER TABLE users ADD COLUMN rehearsal text NOT NULL DEFAULT 'none'",
            "ALTER TABLE users DROP COLUMN rehearsal",
        ),
        widen(
            "m99991231_000004_rehearse_grants",
            "ALTER TABLE grants ADD COLUMN rehearsal bigint NOT NULL DEFAULT 0",
            "ALTER TABLE grants DROP COLUMN rehearsal",
        ),
        Step::expand(Index),
    ]
}

/// What a migration that adds does: a table, or a column on a table that every request reads.
struct Widen {
    name: &'static str,
    sql: &'static str,
    undo: &'static str,
}

impl MigrationName for Widen {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Widen {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(self.sql).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(self.undo).await.map(|_| ())
    }
}

struct Index;

impl MigrationName for Index {
    fn name(&self) -> &str {
        "m99991231_000005_rehearse_index"
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
