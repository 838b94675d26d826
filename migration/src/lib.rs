//! The schema and its history.
//!
//! `up` and `down` each are one transaction on both databases, so a migration that fails leaves
//! nothing behind, and only one process at a time migrates.

#![expect(
    elided_lifetimes_in_paths,
    reason = "async_trait matches a method with the trait's only when both elide alike"
)]

mod m20261123_000001_create_tenants;
mod m20261123_000002_create_keys;
mod m20261123_000003_create_users;
mod m20261123_000004_create_clients;
mod m20261123_000005_create_sessions;
mod m20261123_000006_create_grants;
mod m20261123_000007_create_single_use;
mod m20261123_000008_generalise_signing_keys;
mod m20261123_000009_expand_clients;
mod m20261123_000010_expand_sign_ins;
mod m20261123_000011_create_consents;
mod m20261123_000012_create_client_origins;
mod m20261123_000013_expand_users;
mod m20261123_000018_give_clients_several_secrets;
mod m20261123_000019_index_lists;
mod m20261123_000020_expand_tenants;
mod m20261123_000021_search_users;
mod m20261124_000022_stage_signing_keys;
mod m20261124_000023_create_audit_events;
mod m20261125_000024_create_domains;
mod m20261125_000025_create_invitations;
mod m20261125_000026_keep_answers;
mod m20261125_000028_sweep_sign_ins;
mod tenant_table;

use std::collections::HashSet;

use sea_orm_migration::{
    MigratorTrait,
    prelude::{DbErr, MigrationTrait},
    sea_orm::{
        ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
        TransactionOptions, TransactionTrait,
    },
    seaql_migrations,
};

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_create_tenants::Migration),
            Box::new(m20261123_000002_create_keys::Migration),
            Box::new(m20261123_000003_create_users::Migration),
            Box::new(m20261123_000004_create_clients::Migration),
            Box::new(m20261123_000005_create_sessions::Migration),
            Box::new(m20261123_000006_create_grants::Migration),
            Box::new(m20261123_000007_create_single_use::Migration),
            Box::new(m20261123_000008_generalise_signing_keys::Migration),
            Box::new(m20261123_000009_expand_clients::Migration),
            Box::new(m20261123_000010_expand_sign_ins::Migration),
            Box::new(m20261123_000011_create_consents::Migration),
            Box::new(m20261123_000012_create_client_origins::Migration),
            Box::new(m20261123_000013_expand_users::Migration),
            Box::new(m20261123_000018_give_clients_several_secrets::Migration),
            Box::new(m20261123_000019_index_lists::Migration),
            Box::new(m20261123_000020_expand_tenants::Migration),
            Box::new(m20261123_000021_search_users::Migration),
            Box::new(m20261124_000022_stage_signing_keys::Migration),
            Box::new(m20261124_000023_create_audit_events::Migration),
            Box::new(m20261125_000024_create_domains::Migration),
            Box::new(m20261125_000025_create_invitations::Migration),
            Box::new(m20261125_000026_keep_answers::Migration),
            Box::new(m20261125_000028_sweep_sign_ins::Migration),
        ]
    }
}

/// Why the schema is not the one this program works with.
#[derive(Debug)]
pub enum SchemaProblem {
    /// The database can't be asked.
    Unreadable(DbErr),
    /// Migrations that have not been applied.
    Behind(Vec<String>),
    /// Applied migrations that this program doesn't know: a newer one was here.
    Ahead(Vec<String>),
}

impl std::fmt::Display for SchemaProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("the schema of the database can't be read"),
            Self::Behind(names) => write!(
                f,
                "the database lacks the migrations {}; run `tokenhouse migrate up`",
                names.join(", ")
            ),
            Self::Ahead(names) => write!(
                f,
                "the database has the migrations {}, which this program doesn't know; run a \
                 newer tokenhouse, or `tokenhouse migrate down` with the one that applied them",
                names.join(", ")
            ),
        }
    }
}

impl std::error::Error for SchemaProblem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Behind(_) | Self::Ahead(_) => None,
        }
    }
}

/// Applies every migration that is missing; their names.
pub async fn up(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let tx = alone(db).await?;
    let names: Vec<_> = Migrator::get_pending_migrations(&tx)
        .await?
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    Migrator::up(&tx, None).await?;
    tx.commit().await?;
    Ok(names)
}

/// Takes back the last `steps` migrations; their names, in the order they went.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<Vec<String>, DbErr> {
    let tx = alone(db).await?;
    let names: Vec<_> = Migrator::get_applied_migrations(&tx)
        .await?
        .iter()
        .rev()
        .take(usize::try_from(steps).unwrap_or(usize::MAX))
        .map(|migration| migration.name().to_owned())
        .collect();
    Migrator::down(&tx, Some(steps)).await?;
    tx.commit().await?;
    Ok(names)
}

/// Every migration, known or only found in the database, and whether it is applied. Changes
/// nothing.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let applied = applied(db).await?;
    let known = known();
    let unknown: Vec<_> = applied
        .iter()
        .filter(|name| !known.contains(name))
        .map(|name| (name.clone(), true))
        .collect();
    Ok(known
        .into_iter()
        .map(|name| {
            let is_applied = applied.contains(&name);
            (name, is_applied)
        })
        .chain(unknown)
        .collect())
}

/// Whether exactly the known migrations are applied.
pub async fn check(db: &DatabaseConnection) -> Result<(), SchemaProblem> {
    let status = status(db).await.map_err(SchemaProblem::Unreadable)?;
    let known: HashSet<_> = known().into_iter().collect();
    let (ahead, behind): (Vec<_>, Vec<_>) = status
        .into_iter()
        .filter(|(name, applied)| *applied != known.contains(name))
        .partition(|(_, applied)| *applied);
    let names = |problems: Vec<(String, bool)>| problems.into_iter().map(|(name, _)| name);
    if !ahead.is_empty() {
        Err(SchemaProblem::Ahead(names(ahead).collect()))
    } else if !behind.is_empty() {
        Err(SchemaProblem::Behind(names(behind).collect()))
    } else {
        Ok(())
    }
}

fn known() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

async fn applied(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    use sea_orm_migration::SchemaManager;
    use sea_orm_migration::sea_orm::{EntityTrait, QueryOrder};

    // The library's own reading creates the table, which a check must not.
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find()
        .order_by_asc(seaql_migrations::Column::Version)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Begins a transaction that no other migrating process runs beside.
async fn alone(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let tx = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        // A migration may take longer than a request may.
        tx.execute_unprepared("SET LOCAL statement_timeout = 0")
            .await?;
        // Any number does, as long as nothing else takes it: "tkhs" and "migr" in ASCII.
        tx.execute_unprepared("SELECT pg_advisory_xact_lock(1953196147, 1835624306)")
            .await?;
    }
    Ok(tx)
}
