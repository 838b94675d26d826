//! What `migrate status` tells: what is applied, what would run, and whom that would stop.

use std::collections::{BTreeMap, HashMap};

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement,
};
use serde::Serialize;

use crate::{
    compatibility::{Applied, SchemaProblem, judge},
    error::MigrationError,
    history,
    index::is_concurrent,
    locks::{self, Lock, Target},
    migrations::Migrations,
    recorder::{Direction, statements},
    step::Step,
};

/// The state of the schema as this program sees it.
#[derive(Debug)]
pub struct Report {
    pub migrations: Vec<Entry>,
    /// The migrations beyond those of this program, when it may work on the schema.
    pub verdict: Result<Vec<String>, SchemaProblem>,
}

#[derive(Debug, Serialize)]
pub struct Entry {
    pub name: String,
    pub applied: bool,
    /// Whether this program knows it.
    pub known: bool,
    /// `base`, `expand` or `contract`; absent when nobody wrote it down.
    pub kind: Option<String>,
    /// The migration that programs have to know.
    pub needs: Option<String>,
    /// What would run; of applied ones nothing.
    pub statements: Vec<Work>,
}

#[derive(Debug, Serialize)]
pub struct Work {
    pub sql: String,
    pub locks: Vec<Held>,
}

/// A lock that a statement takes on a table that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    pub table: String,
    /// About how many; absent when Postgres has no idea yet.
    pub rows: Option<i64>,
    /// The mode on Postgres. SQLite has one lock, for all that write.
    pub lock: Option<Lock>,
    pub blocks_reads: bool,
    pub blocks_writes: bool,
    /// Whether it is held while rows are read or written, not only for a change of the catalogue.
    pub long: bool,
}

impl Migrations {
    /// Everything about the schema. Changes nothing and waits for nobody.
    pub async fn report(&self, db: &DatabaseConnection) -> Result<Report, MigrationError> {
        let applied = history::read(db).await?;
        let verdict = judge(&self.names(), &applied);
        let catalogue = Catalogue::read(db).await?;
        let by_name: HashMap<&str, &Applied> =
            applied.iter().map(|one| (one.name.as_str(), one)).collect();
        let mut migrations = Vec::new();
        for step in self.steps() {
            let is_applied = by_name.contains_key(step.name());
            migrations.push(entry(step, is_applied, db, &catalogue).await?);
        }
        let known = self.names();
        let others = applied
            .iter()
            .filter(|one| !known.contains(&one.name.as_str()));
        migrations.extend(others.map(|one| Entry {
            name: one.name.clone(),
            applied: true,
            known: false,
            kind: one.rule.as_ref().map(|rule| rule.kind.clone()),
            needs: one.rule.as_ref().and_then(|rule| rule.needs.clone()),
            statements: Vec::new(),
        }));
        Ok(Report {
            migrations,
            verdict,
        })
    }
}

async fn entry(
    step: &Step,
    applied: bool,
    db: &DatabaseConnection,
    catalogue: &Catalogue,
) -> Result<Entry, MigrationError> {
    let mut work = Vec::new();
    if !applied {
        let backend = db.get_database_backend();
        for sql in statements(step.migration.as_ref(), backend, Direction::Up).await? {
            let locks = catalogue.locks(&sql);
            work.push(Work { sql, locks });
        }
    }
    Ok(Entry {
        name: step.name().to_owned(),
        applied,
        known: true,
        kind: Some(step.kind().word().to_owned()),
        needs: step.kind().needs().map(str::to_owned),
        statements: work,
    })
}

/// The tables that are there, and what statements say without naming them.
struct Catalogue {
    backend: DbBackend,
    /// Tables and about how many rows they have.
    rows: BTreeMap<String, Option<i64>>,
    table_of_index: HashMap<String, String>,
    /// Which tables one refers to.
    referred: Vec<(String, String)>,
}

impl Catalogue {
    async fn read(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let backend = db.get_database_backend();
        let mut all = Self {
            backend,
            rows: BTreeMap::new(),
            table_of_index: HashMap::new(),
            referred: Vec::new(),
        };
        if backend == DbBackend::Postgres {
            all.read_postgres(db).await?;
        } else {
            all.read_sqlite(db).await?;
        }
        Ok(all)
    }

    async fn read_postgres(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        // Neither counts: the planner's estimate, or what was written since there is none.
        let rows = "SELECT c.relname::text AS one, '' AS other, CASE \
                    WHEN c.reltuples >= 0 THEN c.reltuples::bigint \
                    WHEN pg_relation_size(c.oid) = 0 THEN 0 \
                    ELSE NULLIF(s.n_live_tup, 0) END AS count \
                    FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid \
                    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')";
        for (table, _, count) in triples(db, rows).await? {
            self.rows.insert(table, count);
        }
        let indexes = "SELECT indexname::text AS one, tablename::text AS other, NULL::bigint AS count \
                       FROM pg_indexes WHERE schemaname = current_schema()";
        for (index, table, _) in triples(db, indexes).await? {
            self.table_of_index.insert(index, table);
        }
        let references = "SELECT DISTINCT a.relname::text AS one, b.relname::text AS other, NULL::bigint AS count \
                          FROM pg_constraint f JOIN pg_class a ON a.oid = f.conrelid \
                          JOIN pg_class b ON b.oid = f.confrelid \
                          WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace";
        for (table, referred, _) in triples(db, references).await? {
            self.referred.push((table, referred));
        }
        Ok(())
    }

    async fn read_sqlite(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        let names = "SELECT name AS one, tbl_name AS other, NULL AS count FROM sqlite_schema \
                     WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        for (table, _, _) in triples(db, names).await? {
            let count =
                format!("SELECT '' AS one, '' AS other, count(*) AS count FROM \"{table}\"");
            let rows = triples(db, &count).await?;
            self.rows.insert(table, rows.first().and_then(|row| row.2));
        }
        Ok(())
    }

    fn locks(&self, sql: &str) -> Vec<Held> {
        let mut all: Vec<Held> = Vec::new();
        for taken in locks::of(sql) {
            for table in self.tables(&taken.on) {
                let Some(rows) = self.rows.get(&table) else {
                    // It is made by a migration before this one: nobody else knows it yet.
                    continue;
                };
                let sqlite = self.backend == DbBackend::Sqlite;
                all.push(Held {
                    table,
                    rows: *rows,
                    lock: (!sqlite).then_some(taken.lock),
                    blocks_reads: !sqlite && taken.lock.blocks_reads(),
                    blocks_writes: sqlite || taken.lock.blocks_writes(),
                    long: taken.long,
                });
            }
        }
        all
    }

    fn tables(&self, target: &Target) -> Vec<String> {
        match target {
            Target::Table(name) => vec![name.clone()],
            Target::TableOfIndex(index) => self
                .table_of_index
                .get(index)
                .cloned()
                .into_iter()
                .collect(),
            Target::ReferredBy(table) => self
                .referred
                .iter()
                .filter(|(from, to)| from == table && to != table)
                .map(|(_, to)| to.clone())
                .collect(),
        }
    }
}

async fn triples(
    db: &DatabaseConnection,
    sql: &str,
) -> Result<Vec<(String, String, Option<i64>)>, DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("", "one")?,
                row.try_get("", "other")?,
                row.try_get("", "count")?,
            ))
        })
        .collect()
}

impl Work {
    /// Whether it runs by itself, outside of the migration's transaction.
    pub fn is_concurrent(&self) -> bool {
        is_concurrent(&self.sql)
    }
}
