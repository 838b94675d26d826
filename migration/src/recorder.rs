//! Reads a migration's statements without running them: it is given a connection that writes down
//! what it is told to do. `up` runs what was written down, so what `status` shows is what happens.

use sea_orm_migration::{
    SchemaManager,
    prelude::{DbErr, MigrationTrait},
    sea_orm::{DbBackend, MockDatabase, MockExecResult, Statement, Transaction},
};

/// More than any migration has.
const MOST_STATEMENTS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What the migration does to this kind of database, statement by statement. A migration that asks
/// the database something fails here: what depends on an answer can't be shown beforehand.
pub(crate) async fn statements(
    migration: &dyn MigrationTrait,
    backend: DbBackend,
    direction: Direction,
) -> Result<Vec<String>, DbErr> {
    let connection = MockDatabase::new(backend)
        .append_exec_results(std::iter::repeat_n(
            MockExecResult::default(),
            MOST_STATEMENTS,
        ))
        .into_connection();
    {
        let manager = SchemaManager::new(&connection);
        match direction {
            Direction::Up => migration.up(&manager).await?,
            Direction::Down => migration.down(&manager).await?,
        }
    }
    let log = connection.into_transaction_log();
    log.iter()
        .flat_map(Transaction::statements)
        .map(one_line)
        .collect()
}

fn one_line(statement: &Statement) -> Result<String, DbErr> {
    let words: Vec<&str> = statement.sql.split_whitespace().collect();
    let line = words.join(" ");
    match &statement.values {
        Some(values) if !values.0.is_empty() => Err(DbErr::Custom(format!(
            "a migration's statements have no parameters: {line}"
        ))),
        _ => Ok(line),
    }
}
