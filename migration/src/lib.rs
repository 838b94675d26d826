//! The schema and its history.
//!
//! Every migration after the first release either adds ([`Kind::Expand`]) or takes away
//! ([`Kind::Contract`]), so that programs of two versions work on one schema at the same time.
//! One process at a time migrates; on Postgres each migration is one transaction, or builds indexes
//! without stopping anybody, and on SQLite a whole run is one transaction.

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

mod answer;
mod compatibility;
mod error;
mod history;
mod index;
mod locks;
mod migrations;
mod patience;
mod recorder;
pub mod rehearsal;
mod report;
mod runner;
mod session;
mod step;
mod tenant_table;

use sea_orm_migration::{MigratorTrait, prelude::MigrationTrait, sea_orm::DatabaseConnection};

pub use answer::{Answer, Cause, cause_of};
pub use compatibility::SchemaProblem;
pub use error::MigrationError;
pub use index::{build_index, build_unique_index, drop_index};
pub use locks::Lock;
pub use migrations::Migrations;
pub use patience::Patience;
pub use report::{Entry, Held, Report, Work};
pub use runner::Instances;
pub use session::Tell;
pub use step::{Kind, Step};

/// The migrations from before the first release, oldest first.
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

/// The migrations since, oldest first. Each says whether it expands or contracts the schema, and
/// `tests/rules.rs` holds it to that.
fn released() -> Vec<Step> {
    Vec::new()
}

/// Applies every migration that is missing, while instances may run; their names.
pub async fn up(db: &DatabaseConnection) -> Result<Vec<String>, MigrationError> {
    Migrations::current()
        .up(db, Instances::MayRun, &|_| {})
        .await
}

/// Takes back the last `steps` migrations; their names, in the order they went.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<Vec<String>, MigrationError> {
    Migrations::current().down(db, steps, &|_| {}).await
}

/// Every migration, known or only found in the database, and whether it is applied.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, SchemaProblem> {
    Migrations::current().status(db).await
}

/// Whether this program may work on the schema; the migrations that it has beyond those of this
/// program.
pub async fn check(db: &DatabaseConnection) -> Result<Vec<String>, SchemaProblem> {
    Migrations::current().check(db).await
}
