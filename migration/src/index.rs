//! Indexes on tables that have rows, built without stopping whoever writes them.

use sea_orm_migration::{
    prelude::{DbErr, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};

/// Builds `name` on `target`, a table and its columns: `users (tenant_id, email)`, with a condition
/// if there is one. A migration that uses it has nothing else on Postgres: it is no transaction there.
pub async fn build_index(
    manager: &SchemaManager<'_>,
    name: &str,
    target: &str,
) -> Result<(), DbErr> {
    build(manager, "INDEX", name, target).await
}

/// The same, for an index that keeps rows apart.
pub async fn build_unique_index(
    manager: &SchemaManager<'_>,
    name: &str,
    target: &str,
) -> Result<(), DbErr> {
    build(manager, "UNIQUE INDEX", name, target).await
}

async fn build(
    manager: &SchemaManager<'_>,
    what: &str,
    name: &str,
    target: &str,
) -> Result<(), DbErr> {
    let sql = match manager.get_database_backend() {
        // A part of the run that was finished before it broke off is not an error in the next one.
        DbBackend::Postgres => {
            format!("CREATE {what} CONCURRENTLY IF NOT EXISTS {name} ON {target}")
        }
        _ => format!("CREATE {what} {name} ON {target}"),
    };
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

/// Drops an index without stopping whoever uses its table.
pub async fn drop_index(manager: &SchemaManager<'_>, name: &str) -> Result<(), DbErr> {
    let sql = match manager.get_database_backend() {
        DbBackend::Postgres => format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"),
        _ => format!("DROP INDEX {name}"),
    };
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

/// Whether the statement refuses to be part of a transaction.
pub(crate) fn is_concurrent(sql: &str) -> bool {
    sql.split(' ').take(4).any(|word| word == "CONCURRENTLY")
}

/// The index that the statement builds concurrently.
pub(crate) fn built_concurrently(sql: &str) -> Option<&str> {
    let (head, rest) = sql.split_once(" CONCURRENTLY IF NOT EXISTS ")?;
    head.starts_with("CREATE ").then_some(())?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_build_say_what() {
        let create = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_key ON a (b)";
        assert_eq!(built_concurrently(create), Some("a_key"));
        assert!(is_concurrent(create));
        let drop = "DROP INDEX CONCURRENTLY IF EXISTS a_key";
        assert_eq!(built_concurrently(drop), None);
        assert!(is_concurrent(drop));
        let plain = "CREATE INDEX a_key ON a (b) WHERE c = 'x CONCURRENTLY y'";
        assert!(!is_concurrent(plain));
    }
}
