//! Connections and how the two databases are set up.

use std::{str::FromStr, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement,
    sqlx::{
        self, Connection as _, PgConnection,
        pool::PoolConnection,
        postgres::{PgConnectOptions, PgSslMode},
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    address::{self, BadAddress},
    error::WriteRefusal,
    faults::Faults,
    first_look::{self, Role},
    live::on_a_live_connection,
    unfit::{self, NoConnection},
};
use crate::{
    application::ports::{Dependency, Health},
    infrastructure::metrics::MetricsBuilder,
};

/// What probes and metrics call it.
pub const DATABASE: &str = "database";

/// SQLite reads in parallel but writes one at a time.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// What we are called in `pg_stat_activity`, unless the address says otherwise.
const APPLICATION_NAME: &str = "tokenhouse";

/// The SQL that a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    connection: DatabaseConnection,
    dialect: Dialect,
    /// Whose turn it is to write to SQLite. Waiting here is fair and keeps no connection; SQLite's
    /// own waiting sleeps and polls.
    turn: Arc<Mutex<()>>,
    faults: Arc<Faults>,
    /// For messages: without the password of the address.
    host: Arc<str>,
    role: Option<Role>,
}

impl Database {
    /// The pool itself, for migrations.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The role, when row-level security doesn't bind it. A superuser's queries are kept in their
    /// tenant by the queries alone.
    pub fn unbound_role(&self) -> Option<&str> {
        let role = self.role.as_ref().filter(|role| role.unbound);
        role.map(|role| role.name.as_str())
    }

    /// Adds what is known of the pool.
    pub fn register(&self, metrics: &mut MetricsBuilder) {
        self.faults.register(metrics);
        let pool = self.clone();
        metrics.sample(
            "database_connections",
            "Connections to the database, by whether they are in use",
            move || {
                let (open, idle) = pool.open_and_idle();
                let used = open.saturating_sub(idle);
                [("idle", idle), ("used", used)]
                    .map(|(state, count)| (Some(("state", state.to_owned())), f64::from(count)))
                    .into()
            },
        );
        let most = f64::from(self.most_connections());
        metrics.sample(
            "database_connections_max",
            "Connections to the database that an instance opens at most",
            move || vec![(None, most)],
        );
    }

    fn most_connections(&self) -> u32 {
        match self.dialect {
            Dialect::Sqlite => SQLITE_CONNECTIONS,
            Dialect::Postgres => POSTGRES_CONNECTIONS,
        }
    }

    pub(super) fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// Whether it answers, and takes writes as far as it says itself.
    async fn ask(&self) -> Result<bool, DbErr> {
        if self.dialect == Dialect::Sqlite {
            self.connection.execute_unprepared("SELECT 1").await?;
            return Ok(true);
        }
        let query = "SELECT current_setting('transaction_read_only') = 'off' AS writable";
        let statement = || Statement::from_string(DbBackend::Postgres, query);
        let row = on_a_live_connection(|| self.connection.query_one_raw(statement())).await?;
        row.map_or(Ok(true), |row| row.try_get("", "writable"))
    }

    /// How it is when it doesn't answer in time: away, or nobody could ask it.
    fn late(&self) -> Health {
        match self.open_and_idle() {
            // Every instance has as many to do: to take this one out would leave more to the others.
            (open, 0) if open >= self.most_connections() => {
                Health::Degraded("busy: all connections are in use".into())
            }
            _ => {
                self.discard_idle();
                Health::Down("unreachable".into())
            }
        }
    }

    /// One connection swallowed what was sent, so the others will: without this, each would cost a caller
    /// the whole wait, long after a standby has taken over.
    fn discard_idle(&self) {
        if self.dialect == Dialect::Postgres {
            let pool = self.connection.get_postgres_connection_pool();
            for _ in 0..POSTGRES_CONNECTIONS {
                drop(pool.try_acquire().map(PoolConnection::detach));
            }
        }
    }

    fn open_and_idle(&self) -> (u32, u32) {
        let (open, idle) = match self.dialect {
            Dialect::Sqlite => {
                let pool = self.connection.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            Dialect::Postgres => {
                let pool = self.connection.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
        };
        (open, u32::try_from(idle).unwrap_or(u32::MAX))
    }

    /// To be held while writing. Postgres needs none.
    pub(super) async fn turn_to_write(&self) -> Option<OwnedMutexGuard<()>> {
        match self.dialect {
            Dialect::Sqlite => Some(Arc::clone(&self.turn).lock_owned().await),
            Dialect::Postgres => None,
        }
    }
}

/// Connects to `sqlite:path` or `postgres://…`.
pub async fn connect(url: &str) -> Result<Database, NoConnection> {
    address::check_address(url)?;
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before every use would double the round trips of a read; begin tries again
        // when it meets a dead connection.
        .test_before_acquire(false);
    let host = unfit::host(url);
    let role = if url.starts_with("sqlite:") {
        set_up_sqlite(&mut options);
        None
    } else {
        let mode = address::ssl_mode(url);
        let parsed = PgConnectOptions::from_str(url)
            .map_err(|_| BadAddress::NotAUrl("a parameter has no such value".to_owned()))?;
        let looked = first_look::look(&as_we_connect(parsed, mode)).await;
        let role = looked.map_err(|error| NoConnection::of(Arc::new(error), &host))?;
        options
            .max_connections(POSTGRES_CONNECTIONS)
            .statement_timeout(STATEMENT_TIMEOUT)
            .map_sqlx_postgres_pool_opts(|pool| {
                pool.after_release(|connection, _| Box::pin(answers_in_time(connection)))
            })
            .map_sqlx_postgres_opts(move |parsed| as_we_connect(parsed, mode));
        Some(role)
    };
    let connection = sea_orm::Database::connect(options)
        .await
        .map_err(|error| unfit::opening(&error, &host))?;
    let dialect = match connection.get_database_backend() {
        DbBackend::Postgres => Dialect::Postgres,
        _ => Dialect::Sqlite,
    };
    Ok(Database {
        connection,
        dialect,
        turn: Arc::default(),
        faults: Arc::default(),
        host: host.into(),
        role,
    })
}

/// Whether a connection is fit for the pool. The pool asks each one that comes back itself, and would wait as
/// long as the operating system does for one behind a link that swallows what is sent: a quarter of an hour.
async fn answers_in_time(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_elapsed) => Err(sqlx::Error::PoolTimedOut),
    }
}

fn set_up_sqlite(options: &mut ConnectOptions) {
    options
        .max_connections(SQLITE_CONNECTIONS)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
        });
}

/// The same for the first look and for the pool.
fn as_we_connect(parsed: PgConnectOptions, mode: PgSslMode) -> PgConnectOptions {
    let options = parsed.ssl_mode(mode);
    match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(APPLICATION_NAME),
    }
}

#[async_trait]
impl Dependency for Database {
    fn name(&self) -> &'static str {
        DATABASE
    }

    async fn check(&self) -> Health {
        match tokio::time::timeout(CHECK_TIMEOUT, self.ask()).await {
            Ok(Ok(false)) => return Health::Degraded("read-only".into()),
            Ok(Ok(true)) if self.dialect == Dialect::Postgres => self.faults.forget_read_only(),
            Ok(Ok(true)) => {}
            Ok(Err(error)) => {
                let why = unfit::no_connection(&error, &self.host);
                return Health::Down(why.map_or("unreachable", |why| why.in_short()).into());
            }
            Err(_elapsed) => return self.late(),
        }
        // Every instance has the same database: to take this one out would help nobody.
        match self.faults.lately() {
            None => Health::Up,
            Some(WriteRefusal::Full) => Health::Degraded("without room".into()),
            Some(WriteRefusal::ReadOnly) => Health::Degraded("read-only".into()),
        }
    }
}
