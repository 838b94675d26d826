//! Runs migrations: one process at a time, each migration as a whole, and no hot table blocked for
//! long.

use std::collections::HashSet;

use sea_orm_migration::sea_orm::{
    DatabaseConnection, DbBackend,
    sqlx::{self, error::DatabaseError},
};

use crate::{
    answer,
    compatibility::{Applied, SchemaProblem, judge},
    error::MigrationError,
    history,
    index::{built_concurrently, is_concurrent},
    migrations::Migrations,
    recorder::{Direction, statements},
    session::{Index, Session, Tell},
    step::{Kind, Step},
};

/// Whether programs may be working on the schema meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    MayRun,
    AreStopped,
}

impl Migrations {
    /// Applies every migration that is missing; their names. None are missing on the schema of a newer
    /// program on which this one may work.
    pub async fn up(
        &self,
        db: &DatabaseConnection,
        instances: Instances,
        tell: Tell<'_>,
    ) -> Result<Vec<String>, MigrationError> {
        // New instances start with this: where nothing is missing it neither writes, which a standby or a
        // full database would refuse, nor waits for a turn.
        if judge(&self.names(), &history::read(db).await?).is_ok() {
            return Ok(Vec::new());
        }
        let mut session = self.alone(db, tell).await?;
        let result = self.up_alone(db, &mut session, instances, tell).await;
        session.end(result.is_ok()).await?;
        result
    }

    async fn up_alone(
        &self,
        db: &DatabaseConnection,
        session: &mut Session,
        instances: Instances,
        tell: Tell<'_>,
    ) -> Result<Vec<String>, MigrationError> {
        for table in history::TABLES {
            session.run(table).await?;
        }
        let applied = history::read(db).await?;
        match judge(&self.names(), &applied) {
            Ok(_) => return Ok(Vec::new()),
            Err(SchemaProblem::Behind(_)) => {}
            Err(problem) => return Err(problem.into()),
        }
        let pending = self.pending(&applied);
        if instances == Instances::MayRun {
            refuse_too_early(&pending, &applied)?;
        }
        let mut names = Vec::new();
        for step in pending {
            self.take(session, step, Direction::Up, tell).await?;
            names.push(step.name().to_owned());
        }
        Ok(names)
    }

    /// Takes back the last `steps` migrations; their names, in the order they went.
    pub async fn down(
        &self,
        db: &DatabaseConnection,
        steps: u32,
        tell: Tell<'_>,
    ) -> Result<Vec<String>, MigrationError> {
        let mut session = self.alone(db, tell).await?;
        let result = self.down_alone(db, &mut session, steps, tell).await;
        session.end(result.is_ok()).await?;
        result
    }

    async fn down_alone(
        &self,
        db: &DatabaseConnection,
        session: &mut Session,
        steps: u32,
        tell: Tell<'_>,
    ) -> Result<Vec<String>, MigrationError> {
        for table in history::TABLES {
            session.run(table).await?;
        }
        let applied = history::read(db).await?;
        let known: HashSet<&str> = self.names().into_iter().collect();
        let unknown: Vec<_> = applied
            .iter()
            .filter(|one| !known.contains(one.name.as_str()))
            .map(|one| one.name.clone())
            .collect();
        if !unknown.is_empty() {
            // How to take them back only the one knows that made them.
            return Err(SchemaProblem::Ahead(unknown).into());
        }
        let has: HashSet<&str> = applied.iter().map(|one| one.name.as_str()).collect();
        let mut names = Vec::new();
        let last = self
            .steps()
            .iter()
            .rev()
            .filter(|step| has.contains(step.name()));
        for step in last.take(usize::try_from(steps).unwrap_or(usize::MAX)) {
            self.take(session, step, Direction::Down, tell).await?;
            names.push(step.name().to_owned());
        }
        Ok(names)
    }

    async fn alone(
        &self,
        db: &DatabaseConnection,
        tell: Tell<'_>,
    ) -> Result<Session, MigrationError> {
        let mut session = Session::open(db).await?;
        session.wait_alone(&self.patience, tell).await?;
        Ok(session)
    }

    /// One migration, there or back.
    async fn take(
        &self,
        session: &mut Session,
        step: &Step,
        direction: Direction,
        tell: Tell<'_>,
    ) -> Result<(), MigrationError> {
        let backend = session.backend();
        let work = statements(step.migration.as_ref(), backend, direction).await?;
        let record = match direction {
            Direction::Up => history::remember(backend, step.name(), step.kind()),
            Direction::Down => history::forget(step.name()),
        };
        let concurrent = work.iter().filter(|sql| is_concurrent(sql)).count();
        if backend == DbBackend::Sqlite {
            // It is inside the one transaction of the run already.
            for sql in work.iter().chain(&record) {
                session
                    .run(sql)
                    .await
                    .map_err(|source| failed(step, sql, source))?;
            }
            Ok(())
        } else if concurrent == 0 {
            self.transaction(session, step, &[&work[..], &record[..]].concat(), tell)
                .await
        } else if concurrent == work.len() {
            concurrently(session, step, &work, tell).await?;
            self.transaction(session, step, &record, tell).await
        } else {
            Err(MigrationError::Mixed(step.name().to_owned()))
        }
    }

    /// All or nothing, and again when another transaction is in the way.
    async fn transaction(
        &self,
        session: &mut Session,
        step: &Step,
        work: &[String],
        tell: Tell<'_>,
    ) -> Result<(), MigrationError> {
        let attempts = self.patience.attempts;
        for attempt in 1.. {
            let Err((sql, error)) = self.attempt(session, step, work).await else {
                break;
            };
            session.run("ROLLBACK").await?;
            if !is_blocked(&error) {
                return Err(failed(step, &sql, error));
            }
            if attempt >= attempts {
                let migration = step.name().to_owned();
                return Err(MigrationError::Locked {
                    migration,
                    sql,
                    attempts,
                });
            }
            tell(&format!(
                "{} waits: another transaction holds what it needs for: {sql} (attempt {attempt} of {attempts}; \
                 the next in {} ms)",
                step.name(),
                self.patience.pause.as_millis()
            ));
            tokio::time::sleep(self.patience.pause).await;
        }
        Ok(())
    }

    async fn attempt(
        &self,
        session: &mut Session,
        step: &Step,
        work: &[String],
    ) -> Result<(), (String, sqlx::Error)> {
        let statement = match step.kind() {
            // Nobody waits: there was no release to work on what they change.
            Kind::Base => 0,
            Kind::Expand | Kind::Contract { .. } => self.patience.statement.as_millis(),
        };
        let before = [
            "BEGIN".to_owned(),
            format!(
                "SET LOCAL lock_timeout = {}",
                self.patience.lock.as_millis()
            ),
            format!("SET LOCAL statement_timeout = {statement}"),
        ];
        let commit = ["COMMIT".to_owned()];
        for sql in before.iter().chain(work).chain(&commit) {
            session
                .run(sql)
                .await
                .map_err(|error| (sql.clone(), error))?;
        }
        Ok(())
    }
}

/// Builds and drops indexes while the tables are in use. Each statement may be run once more after it
/// broke off. None waits in a way that makes others wait, so none has a limit.
async fn concurrently(
    session: &mut Session,
    step: &Step,
    work: &[String],
    tell: Tell<'_>,
) -> Result<(), MigrationError> {
    for setting in ["SET lock_timeout = 0", "SET statement_timeout = 0"] {
        session.run(setting).await?;
    }
    for sql in work {
        let name = built_concurrently(sql);
        if let Some(name) = name
            && session.index(name).await? == Index::Invalid
        {
            tell(&format!(
                "{name} is left half built by a run that broke off; building it anew"
            ));
            let drop = format!("DROP INDEX CONCURRENTLY {name}");
            session
                .run_long(&drop, tell)
                .await
                .map_err(|source| failed(step, &drop, source))?;
        }
        session
            .run_long(sql, tell)
            .await
            .map_err(|source| failed(step, sql, source))?;
    }
    Ok(())
}

/// A contraction whose programs can't be there yet: a version was left out.
fn refuse_too_early(pending: &[&Step], applied: &[Applied]) -> Result<(), MigrationError> {
    // On an empty database nobody works.
    if applied.is_empty() {
        return Ok(());
    }
    for step in pending {
        if let Some(needs) = step.kind().needs()
            && !applied.iter().any(|one| one.name == needs)
        {
            return Err(MigrationError::TooEarly {
                migration: step.name().to_owned(),
                needs: needs.to_owned(),
            });
        }
    }
    Ok(())
}

fn failed(step: &Step, sql: &str, source: sqlx::Error) -> MigrationError {
    MigrationError::Statement {
        migration: step.name().to_owned(),
        sql: sql.to_owned(),
        source: answer::cause_of_sqlx(source),
    }
}

/// lock_not_available and deadlock_detected: the same may work a moment later.
fn is_blocked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}
