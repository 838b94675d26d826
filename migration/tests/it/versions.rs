//! Programs of several versions and one database.

use sea_orm_migration::sea_orm::ConnectionTrait;
use tokenhouse_migration::{Instances, MigrationError, Migrations, SchemaProblem, Step, rehearsal};

use crate::database::{Scratch, Sql};

const MARK: &str = "m99990101_000001_mark";
const DROP: &str = "m99990101_000002_drop";

fn next() -> Migrations {
    Migrations::current().followed_by(rehearsal::steps())
}

/// The version after that does without a column, and the one that takes it away.
fn contracting() -> Migrations {
    let drop = Sql {
        name: DROP,
        up: vec!["ALTER TABLE users DROP COLUMN avatar_url"],
        down: vec!["ALTER TABLE users ADD COLUMN avatar_url text"],
    };
    marked().followed_by(vec![Step::contract(drop, MARK)])
}

fn marked() -> Migrations {
    Migrations::current().followed_by(vec![Step::expand(Sql::up(MARK, &[]))])
}

#[tokio::test]
async fn a_program_serves_on_the_schema_of_the_next_one() {
    for scratch in Scratch::both().await {
        let names = scratch.up(&next()).await.unwrap();
        let newer = Migrations::current().check(&scratch.db).await.unwrap();
        assert_eq!(newer.len(), rehearsal::steps().len(), "{newer:?}");
        assert!(names.ends_with(&newer));
        // So does its own `migrate up`, as the init container of a pod that was rolled back.
        assert_eq!(scratch.up(&Migrations::current()).await.unwrap(), [""; 0]);
        assert_eq!(next().check(&scratch.db).await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn a_program_refuses_a_schema_that_was_contracted_without_it() {
    for scratch in Scratch::both().await {
        scratch.up(&marked()).await.unwrap();
        scratch.up(&contracting()).await.unwrap();
        // It knows what the contraction needs.
        assert_eq!(marked().check(&scratch.db).await.unwrap(), [DROP]);
        let problem = Migrations::current().check(&scratch.db).await.unwrap_err();
        let SchemaProblem::Outgrown {
            migration,
            needs,
            version,
        } = &problem
        else {
            panic!("{problem}");
        };
        assert_eq!((migration.as_str(), needs.as_str()), (DROP, MARK));
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        let refused = scratch.up(&Migrations::current()).await.unwrap_err();
        assert!(matches!(
            refused,
            MigrationError::Schema(SchemaProblem::Outgrown { .. })
        ));
        // And when it is taken back, it serves again.
        contracting().down(&scratch.db, 1, &|_| {}).await.unwrap();
        assert_eq!(
            Migrations::current().check(&scratch.db).await.unwrap(),
            [MARK]
        );
    }
}

/// Programs of the version before may run while `migrate up` does: a version can't be left out.
#[tokio::test]
async fn contractions_wait_for_the_version_that_does_without() {
    for scratch in Scratch::both().await {
        scratch.up(&Migrations::current()).await.unwrap();
        for _again in 0..2 {
            let error = scratch.up(&contracting()).await.unwrap_err();
            assert!(matches!(error, MigrationError::TooEarly { .. }), "{error}");
            let newer = Migrations::current().check(&scratch.db).await.unwrap();
            assert_eq!(newer, [""; 0], "nothing was changed");
        }
        let stopped = contracting()
            .up(&scratch.db, Instances::AreStopped, &|_| {})
            .await;
        assert_eq!(stopped.unwrap(), [MARK, DROP]);
    }
    for empty in Scratch::both().await {
        assert!(empty.up(&contracting()).await.unwrap().len() > 2);
    }
}

#[tokio::test]
async fn what_nobody_explained_is_refused() {
    for scratch in Scratch::both().await {
        scratch.up(&next()).await.unwrap();
        for sql in [
            "UPDATE schema_rules SET kind = 'revolution' WHERE migration LIKE 'm9999%'",
            "DELETE FROM schema_rules WHERE migration LIKE 'm9999%'",
            "DROP TABLE schema_rules",
        ] {
            scratch.db.execute_unprepared(sql).await.unwrap();
            let problem = Migrations::current().check(&scratch.db).await.unwrap_err();
            assert!(
                matches!(&problem, SchemaProblem::Ahead(names) if names.len() == rehearsal::steps().len()),
                "{problem}"
            );
        }
        // Nobody but the one that made them can take them back.
        let down = Migrations::current().down(&scratch.db, 1, &|_| {}).await;
        assert!(matches!(
            down,
            Err(MigrationError::Schema(SchemaProblem::Ahead(_)))
        ));
    }
}

/// A program that has migrations of its own and lacks others is from another line of versions.
#[tokio::test]
async fn lines_that_parted_are_not_mixed() {
    for scratch in Scratch::both().await {
        scratch.up(&next()).await.unwrap();
        let error = scratch.up(&marked()).await.unwrap_err();
        let expected = matches!(
            error,
            MigrationError::Schema(SchemaProblem::Diverged { .. })
        );
        assert!(expected, "{error}");
    }
}

/// A migration that fails leaves nothing of itself, and those before it stay.
#[tokio::test]
async fn a_migration_happens_as_a_whole_or_not_at_all() {
    let scratch = Scratch::postgres().await;
    let broken = || {
        let half = Sql::up(
            DROP,
            &[
                "CREATE TABLE half (id int)",
                "ALTER TABLE nowhere ADD COLUMN x int",
            ],
        );
        marked().followed_by(vec![Step::expand(half)])
    };
    let error = scratch.up(&broken()).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{DROP} fails at: ALTER TABLE nowhere ADD COLUMN x int")
    );
    let half = "SELECT count(*) FROM pg_class WHERE relname = 'half' AND relnamespace = current_schema()::regnamespace";
    assert_eq!(scratch.number(half).await, 0);
    assert_eq!(marked().check(&scratch.db).await.unwrap(), [""; 0]);
}
