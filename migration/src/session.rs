//! The one connection that migrates. Its settings and its lock end with it, so it never goes back to
//! the pool.

use std::time::{Duration, Instant};

use sea_orm_migration::sea_orm::{
    DatabaseConnection, DbBackend,
    sqlx::{self, AssertSqlSafe, Postgres, Sqlite, error::DatabaseError, pool::PoolConnection},
};

use crate::{error::MigrationError, patience::Patience};

/// Tells whoever waits what is going on.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// How often to say that it goes on.
const REMIND: Duration = Duration::from_secs(10);

/// How soon Postgres notices that a migrating process is gone, and lets the next one in: at once when it died, also
/// amid building an index, and soon when its machine or the way to it did. Not every platform can; there it
/// takes longer.
const GOODBYE: [&str; 5] = [
    "SET client_connection_check_interval = '2s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = '20s'",
];

/// Of this installation: two may share a database, each in a schema. "tkhs" in ASCII is ours.
const LOCK: &str = "SELECT pg_try_advisory_lock(1953196147, hashtext('migrate ' || COALESCE(current_schema(), '')))";

pub(crate) enum Session {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Session {
    pub(crate) async fn open(db: &DatabaseConnection) -> Result<Self, MigrationError> {
        let mut session = match db.get_database_backend() {
            DbBackend::Postgres => {
                let mut connection = db.get_postgres_connection_pool().acquire().await?;
                connection.close_on_drop();
                Self::Postgres(connection)
            }
            _ => {
                let mut connection = db.get_sqlite_connection_pool().acquire().await?;
                connection.close_on_drop();
                Self::Sqlite(connection)
            }
        };
        if session.backend() == DbBackend::Postgres {
            for setting in GOODBYE {
                let _best_effort = session.run(setting).await;
            }
        }
        Ok(session)
    }

    pub(crate) fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => sql.execute(&mut **connection).await.map(|_| ()),
            Self::Sqlite(connection) => sql.execute(&mut **connection).await.map(|_| ()),
        }
    }

    /// Runs what may take long, and says so.
    pub(crate) async fn run_long(&mut self, sql: &str, tell: Tell<'_>) -> Result<(), sqlx::Error> {
        let started = Instant::now();
        let mut running = std::pin::pin!(self.run(sql));
        loop {
            match tokio::time::timeout(REMIND, &mut running).await {
                Ok(ended) => return ended,
                Err(_) => tell(&format!(
                    "after {} s still: {sql}",
                    started.elapsed().as_secs()
                )),
            }
        }
    }

    /// What the index is that has this name in our schema; on Postgres, where one can be half built.
    pub(crate) async fn index(&mut self, name: &str) -> Result<Index, sqlx::Error> {
        let Self::Postgres(connection) = self else {
            return Ok(Index::Absent);
        };
        let valid: Option<bool> = sqlx::query_scalar(
            "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
             WHERE relname = $1 AND relnamespace = current_schema()::regnamespace",
        )
        .bind(name)
        .fetch_optional(&mut **connection)
        .await?;
        Ok(match valid {
            None => Index::Absent,
            Some(true) => Index::Whole,
            Some(false) => Index::Invalid,
        })
    }

    /// Waits until nobody else migrates. On SQLite that begins the one transaction of it all.
    ///
    /// Asks again and again instead of waiting in the database: a statement that waits there holds a
    /// snapshot, for whose end `CREATE INDEX CONCURRENTLY` of the one that migrates would wait.
    pub(crate) async fn wait_alone(
        &mut self,
        patience: &Patience,
        tell: Tell<'_>,
    ) -> Result<(), MigrationError> {
        let mut told: Option<Instant> = None;
        while !self.try_alone().await? {
            if told.is_none_or(|at| at.elapsed() >= REMIND) {
                tell("another process migrates; waiting for it");
                told = Some(Instant::now());
            }
            tokio::time::sleep(patience.turn).await;
        }
        Ok(())
    }

    async fn try_alone(&mut self) -> Result<bool, MigrationError> {
        match self {
            Self::Postgres(connection) => Ok(sqlx::query_scalar(LOCK)
                .fetch_one(&mut **connection)
                .await?),
            Self::Sqlite(_) => match self.run("BEGIN IMMEDIATE").await {
                Ok(()) => Ok(true),
                Err(error) if is_busy(&error) => Ok(false),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Ends what [`Session::wait_alone`] began.
    pub(crate) async fn end(mut self, done: bool) -> Result<(), MigrationError> {
        if self.backend() == DbBackend::Sqlite {
            self.run(if done { "COMMIT" } else { "ROLLBACK" }).await?;
        }
        match self {
            Self::Postgres(connection) => connection.close().await?,
            Self::Sqlite(connection) => connection.close().await?,
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Absent,
    Whole,
    /// Left by a run that broke off: it costs every write and serves no read.
    Invalid,
}

/// SQLITE_BUSY and its kinds.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}
