//! Empty databases, and migrations made of SQL.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, Statement},
};
use tokenhouse_migration::{Instances, MigrationError, Migrations, Patience};

/// A database that no other test knows.
pub(crate) struct Scratch {
    pub(crate) db: DatabaseConnection,
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Scratch {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite:{}?mode=rwc",
            folder.path().join("test.db").display()
        );
        Self {
            db: connect(&url).await,
            url,
            _folder: Some(folder),
        }
    }

    /// A schema of its own in the test database.
    pub(crate) async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TOKENHOUSE_TEST_POSTGRES_URL")
            .expect("TOKENHOUSE_TEST_POSTGRES_URL is not set: run cargo xtask test");
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("migration_{}_{nanos}_{count}", std::process::id());
        let setup = connect(&url).await;
        setup
            .execute_unprepared(&format!("CREATE SCHEMA {schema}"))
            .await
            .unwrap();
        setup.close().await.unwrap();
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options[search_path]={schema}");
        Self {
            db: connect(&url).await,
            url,
            _folder: None,
        }
    }

    pub(crate) async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    /// Connections of its own, as another process has them.
    pub(crate) async fn another(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.db
            .execute_unprepared(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub(crate) async fn up(&self, migrations: &Migrations) -> Result<Vec<String>, MigrationError> {
        migrations.up(&self.db, Instances::MayRun, &|_| {}).await
    }
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(3).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// Times for tests.
pub(crate) fn hurried() -> Patience {
    Patience {
        lock: Duration::from_millis(50),
        pause: Duration::from_millis(20),
        turn: Duration::from_millis(10),
        ..Patience::default()
    }
}

/// A migration that is nothing but SQL.
pub(crate) struct Sql {
    pub(crate) name: &'static str,
    pub(crate) up: Vec<&'static str>,
    pub(crate) down: Vec<&'static str>,
}

impl Sql {
    pub(crate) fn up(name: &'static str, up: &[&'static str]) -> Self {
        let (up, down) = (up.to_vec(), Vec::new());
        Self { name, up, down }
    }
}

impl MigrationName for Sql {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.up {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in &self.down {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// Remembers what a run told.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Heard {
    pub(crate) fn tell(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    pub(crate) fn contains(&self, part: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|text| text.contains(part))
    }

    pub(crate) async fn wait_for(&self, part: &str) {
        until(part, async || self.contains(part)).await;
    }
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !ask().await {
        assert!(std::time::Instant::now() < end, "{what}: not yet");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
