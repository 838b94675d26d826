//! Every migration keeps to what its kind promises.

use std::collections::BTreeSet;

use tokenhouse_migration::{Entry, Kind, Migrations, Report, Step, rehearsal};

use crate::{
    catalogue::Catalogue,
    database::{Scratch, Sql},
};

/// What breaks the promise of the last migration of a list, with all before it applied.
async fn faults(scratch: &Scratch, migrations: &dyn Fn() -> Migrations) -> Vec<String> {
    let all = migrations();
    let step = all.steps().last().unwrap();
    scratch.up(&migrations().without_last(1)).await.unwrap();
    let mut faults = stops_writers(&all.report(&scratch.db).await.unwrap());
    let before = Catalogue::of(scratch).await;
    scratch.up(&all).await.unwrap();
    match step.kind() {
        Kind::Base => {}
        Kind::Expand => faults.extend(before.broken_by(&Catalogue::of(scratch).await)),
        Kind::Contract { needs } => {
            let mut earlier = all
                .steps()
                .iter()
                .take_while(|one| one.name() != step.name());
            if !earlier.any(|one| one.name() == needs) {
                faults.push(format!("there is no {needs} before it"));
            }
        }
    }
    faults
}

/// Statements that keep a table from being written while they go through its rows.
fn stops_writers(report: &Report) -> Vec<String> {
    let pending = report.migrations.iter().flat_map(|entry| &entry.statements);
    let faults = pending
        .filter(|work| {
            work.locks
                .iter()
                .any(|held| held.lock.is_some() && held.long && held.blocks_writes)
        })
        .map(|work| format!("blocks writes for long: {}", work.sql));
    faults
        .chain(report.migrations.iter().filter_map(holds_several))
        .collect()
}

/// Who holds a table and waits for another makes a circle with requests that go the other way, and
/// Postgres may end the request.
fn holds_several(entry: &Entry) -> Option<String> {
    let all = entry.statements.iter().flat_map(|work| &work.locks);
    let blocked: BTreeSet<&str> = all
        .filter(|held| held.lock.is_some() && held.blocks_writes)
        .map(|held| held.table.as_str())
        .collect();
    (blocked.len() > 1).then(|| format!("holds several tables: {blocked:?}"))
}

#[tokio::test]
async fn migrations_since_the_first_release_keep_their_promises() {
    let all = || Migrations::current().followed_by(rehearsal::steps());
    let kinds = all().steps().iter().map(Step::kind).collect::<Vec<_>>();
    let later = kinds.iter().filter(|kind| **kind != Kind::Base).count();
    assert!(later >= 2, "the rehearsal is part of it");
    for more in 0..later {
        let list = || all().without_last(more);
        let name = list().steps().last().unwrap().name().to_owned();
        for scratch in Scratch::both().await {
            assert_eq!(faults(&scratch, &list).await, [""; 0], "{name}");
        }
    }
}

#[test]
fn migrations_are_in_the_order_of_their_names_and_base_ones_come_first() {
    let all = Migrations::current().followed_by(rehearsal::steps());
    let names: Vec<&str> = all.steps().iter().map(Step::name).collect();
    assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
    let kinds = all.steps().iter().map(Step::kind);
    assert!(
        kinds
            .skip_while(|kind| *kind == Kind::Base)
            .all(|kind| kind != Kind::Base)
    );
}

/// The rule finds what it is for: one planted fault each.
#[tokio::test]
async fn migrations_that_only_pretend_to_add_are_found_out() {
    for (sql, fault) in [
        (
            "ALTER TABLE users DROP COLUMN profile",
            "users.profile is gone",
        ),
        (
            "ALTER TABLE users RENAME COLUMN profile TO facts",
            "users.profile is gone",
        ),
        ("DROP TABLE single_use", "single_use."),
        ("ALTER TABLE users RENAME TO people", "users.email is gone"),
        (
            "CREATE UNIQUE INDEX users_name_key ON users (tenant_id, name)",
            "users has a new unique",
        ),
    ] {
        for scratch in Scratch::both().await {
            plant(&scratch, sql, fault).await;
        }
    }
    for (sql, fault) in [
        (
            "ALTER TABLE users ADD COLUMN level int NOT NULL",
            "users.level is new, not null, and has no default",
        ),
        (
            "ALTER TABLE users ALTER COLUMN avatar_url SET NOT NULL",
            "users.avatar_url may not be null any more",
        ),
        (
            "ALTER TABLE users ALTER COLUMN created_at TYPE numeric",
            "users.created_at is of another type",
        ),
        (
            "ALTER TABLE users ALTER COLUMN profile DROP DEFAULT",
            "users.profile has no default any more",
        ),
        (
            "ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 9) NOT VALID",
            "users has a new check",
        ),
        (
            "ALTER TABLE users ADD CONSTRAINT known FOREIGN KEY (external_id) REFERENCES hosts (name) ON DELETE CASCADE NOT VALID",
            "users has a new foreign key",
        ),
        (
            "CREATE TABLE badges (tenant_id uuid, user_id uuid, FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id))",
            "rows of users can't be deleted any more",
        ),
        (
            "CREATE INDEX users_name_idx ON users (tenant_id, name)",
            "blocks writes for long",
        ),
        (
            "ALTER TABLE users ADD COLUMN host text REFERENCES hosts (name)",
            "holds several tables",
        ),
        (
            "ALTER TABLE users ADD COLUMN level int DEFAULT 1 CHECK (level > 0)",
            "blocks writes for long",
        ),
    ] {
        plant(&Scratch::postgres().await, sql, fault).await;
    }
}

async fn plant(scratch: &Scratch, sql: &'static str, fault: &str) {
    let list = || {
        let planted = Step::expand(Sql::up("m99990101_000001_planted", &[sql]));
        Migrations::current().followed_by(vec![planted])
    };
    let found = faults(scratch, &list).await;
    assert!(
        found.iter().any(|one| one.contains(fault)),
        "{sql}: {found:?}"
    );
}

#[tokio::test]
async fn a_contraction_names_a_migration_before_it() {
    let list = || {
        let drop = Sql::up("m99990101_000001_planted", &["DROP TABLE single_use"]);
        let step = Step::contract(drop, "m99990101_000002_not_there");
        Migrations::current().followed_by(vec![step])
    };
    let scratch = Scratch::sqlite().await;
    scratch.up(&list().without_last(1)).await.unwrap();
    // `up` itself doesn't get as far.
    let error = scratch.up(&list()).await.unwrap_err().to_string();
    assert!(
        error.contains("m99990101_000002_not_there isn't applied yet"),
        "{error}"
    );
}

/// And it lets pass what does no harm.
#[tokio::test]
async fn additions_are_let_pass() {
    for scratch in Scratch::both().await {
        scratch.up(&Migrations::current()).await.unwrap();
        let before = Catalogue::of(&scratch).await;
        for sql in [
            "CREATE TABLE badges (id integer PRIMARY KEY, name text NOT NULL UNIQUE)",
            "ALTER TABLE users ADD COLUMN nickname text",
            "ALTER TABLE users ADD COLUMN level integer NOT NULL DEFAULT 1 CHECK (level > 0)",
            "ALTER TABLE users ADD COLUMN badge integer REFERENCES badges (id)",
            "CREATE UNIQUE INDEX users_nickname_key ON users (tenant_id, nickname)",
            "CREATE INDEX users_level_idx ON users (tenant_id, level)",
        ] {
            scratch.run(sql).await;
        }
        let broken = before.broken_by(&Catalogue::of(&scratch).await);
        assert_eq!(broken, [""; 0]);
    }
}
