//! What the database remembers of migrations: their names, and what each asks of programs.

use sea_orm_migration::{
    SchemaManager,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement},
};

use crate::{
    compatibility::{Applied, Rule},
    step::Kind,
};

/// The names are where the library keeps them; `schema_rules` is ours.
pub(crate) const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS schema_rules (migration text NOT NULL PRIMARY KEY, kind text NOT NULL, \
     needs text, version text NOT NULL)",
];

/// All applied migrations, in the order of their names. Changes nothing.
pub(crate) async fn read(db: &DatabaseConnection) -> Result<Vec<Applied>, DbErr> {
    let manager = SchemaManager::new(db);
    if !manager.has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let sql = if manager.has_table("schema_rules").await? {
        "SELECT m.version AS name, r.kind, r.needs, r.version FROM seaql_migrations m \
         LEFT JOIN schema_rules r ON r.migration = m.version ORDER BY m.version"
    } else {
        "SELECT version AS name, NULL AS kind, NULL AS needs, NULL AS version FROM seaql_migrations m \
         ORDER BY m.version"
    };
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await?;
    rows.into_iter()
        .map(|row| {
            let kind: Option<String> = row.try_get("", "kind")?;
            let needs: Option<String> = row.try_get("", "needs")?;
            let version: Option<String> = row.try_get("", "version")?;
            Ok(Applied {
                name: row.try_get("", "name")?,
                rule: kind.zip(version).map(|(kind, version)| Rule {
                    kind,
                    needs,
                    version,
                }),
            })
        })
        .collect()
}

/// Writes down that a migration is applied. Names are the program's own, so they need no quoting.
pub(crate) fn remember(backend: DbBackend, name: &str, kind: Kind) -> [String; 2] {
    let now = match backend {
        DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM now()) AS bigint)",
        _ => "CAST(strftime('%s', 'now') AS integer)",
    };
    let needs = match kind.needs() {
        Some(needs) => format!("'{needs}'"),
        None => "NULL".to_owned(),
    };
    let (word, version) = (kind.word(), env!("CARGO_PKG_VERSION"));
    [
        format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', {now})"),
        // A row may be left by a program that took the migration back without knowing of rules.
        format!(
            "INSERT INTO schema_rules (migration, kind, needs, version) \
             VALUES ('{name}', '{word}', {needs}, '{version}') ON CONFLICT (migration) DO UPDATE \
             SET kind = excluded.kind, needs = excluded.needs, version = excluded.version"
        ),
    ]
}

pub(crate) fn forget(name: &str) -> [String; 2] {
    [
        format!("DELETE FROM seaql_migrations WHERE version = '{name}'"),
        format!("DELETE FROM schema_rules WHERE migration = '{name}'"),
    ]
}
