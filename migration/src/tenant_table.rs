//! How every table of a tenant looks. It is written here once, so that no table can lack a part.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DbBackend},
};

/// A table whose rows belong to tenants: keys, references and unique indexes start with
/// `tenant_id`, and on Postgres row-level security shows a transaction one tenant alone.
pub(crate) struct TenantTable {
    name: &'static str,
    table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
}

impl TenantTable {
    /// A table with the columns `tenant_id` and `id`, the primary key.
    pub(crate) fn new(name: &'static str, mut id: ColumnDef) -> Self {
        let mut table = Table::create();
        table
            .table(name)
            .col(ColumnDef::new("tenant_id").uuid().not_null())
            .col(id.not_null())
            .primary_key(
                Index::create()
                    .name(format!("{name}_pkey"))
                    .col("tenant_id")
                    .col("id"),
            )
            .foreign_key(
                ForeignKey::create()
                    .name(format!("{name}_tenant_id_fkey"))
                    .from(name, "tenant_id")
                    .to("tenants", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        Self {
            name,
            table,
            indexes: Vec::new(),
        }
    }

    pub(crate) fn column(mut self, column: &mut ColumnDef) -> Self {
        self.table.col(column.take());
        self
    }

    /// The column names a row of `target` in the same tenant, and goes when that row goes.
    pub(crate) fn references(mut self, column: &'static str, target: &'static str) -> Self {
        self.table.foreign_key(
            ForeignKey::create()
                .name(format!("{}_{column}_fkey", self.name))
                .from_tbl(self.name)
                .from_col("tenant_id")
                .from_col(column)
                .to_tbl(target)
                .to_col("tenant_id")
                .to_col("id")
                .on_delete(ForeignKeyAction::Cascade),
        );
        self
    }

    /// No two rows of a tenant have the same `column`.
    pub(crate) fn unique(mut self, column: &'static str) -> Self {
        let index = self.index_on(column, "key").unique().take();
        self.indexes.push(index);
        self
    }

    /// No two rows of a tenant have the same pair.
    pub(crate) fn unique_pair(mut self, first: &'static str, second: &'static str) -> Self {
        let index = Index::create()
            .name(format!("{}_tenant_id_{first}_{second}_key", self.name))
            .table(self.name)
            .col("tenant_id")
            .col(first)
            .col(second)
            .unique()
            .take();
        self.indexes.push(index);
        self
    }

    pub(crate) fn index(mut self, column: &'static str) -> Self {
        let index = self.index_on(column, "idx");
        self.indexes.push(index);
        self
    }

    fn index_on(&self, column: &'static str, suffix: &str) -> IndexCreateStatement {
        Index::create()
            .name(format!("{}_tenant_id_{column}_{suffix}", self.name))
            .table(self.name)
            .col("tenant_id")
            .col(column)
            .take()
    }

    pub(crate) async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        manager.create_table(self.table).await?;
        for index in self.indexes {
            manager.create_index(index).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            isolate(manager, self.name).await?;
        }
        Ok(())
    }
}

/// Without `app.tenant_id` the policy is an error, not "all rows". FORCE binds the owner of the
/// table too, who the server commonly is; superusers and roles with BYPASSRLS stay unbound.
async fn isolate(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    for sql in [
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!(
            "CREATE POLICY tenant_isolation ON {table} \
             USING (tenant_id = current_setting('app.tenant_id')::uuid) \
             WITH CHECK (tenant_id = current_setting('app.tenant_id')::uuid)"
        ),
    ] {
        connection.execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Changes rows of all tenants. A migration belongs to none, so the owner of the table is let past
/// row-level security for this one statement of its transaction.
pub(crate) async fn rewrite(
    manager: &SchemaManager<'_>,
    table: &str,
    sql: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let postgres = manager.get_database_backend() == DbBackend::Postgres;
    if postgres {
        let lift = format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY");
        connection.execute_unprepared(&lift).await?;
    }
    connection.execute_unprepared(sql).await?;
    if postgres {
        let force = format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
        connection.execute_unprepared(&force).await?;
    }
    Ok(())
}

/// Drops tables; name the ones that refer to others first.
pub(crate) async fn drop_tables(
    manager: &SchemaManager<'_>,
    names: &[&'static str],
) -> Result<(), DbErr> {
    for name in names {
        manager
            .drop_table(Table::drop().table(*name).take())
            .await?;
    }
    Ok(())
}
