//! What a database has, and what an expanding migration may not have done to it.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, Statement},
};

use crate::database::Scratch;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    kind: String,
    not_null: bool,
    has_default: bool,
}

/// A rule of the database about rows, over columns of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    table: String,
    /// `check`, `unique` or `foreign key`.
    what: String,
    columns: BTreeSet<String>,
    /// The table that a foreign key leads to.
    to: Option<String>,
    /// Whether rows there may still be deleted.
    lets_go: bool,
    text: String,
}

#[derive(Debug)]
pub(crate) struct Catalogue {
    columns: BTreeMap<(String, String), Column>,
    rules: BTreeSet<Rule>,
}

const POSTGRES_COLUMNS: &str = "
SELECT table_name::text, column_name::text, data_type || COALESCE(' ' || collation_name, '') AS kind,
    is_nullable = 'NO' AS not_null, column_default IS NOT NULL AS has_default
FROM information_schema.columns WHERE table_schema = current_schema()";

const SQLITE_COLUMNS: &str = "
SELECT m.name AS table_name, c.name AS column_name, c.type AS kind,
    c.\"notnull\" OR c.pk > 0 AS not_null, c.dflt_value IS NOT NULL AS has_default
FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

const POSTGRES_RULES: &str = "
SELECT t.relname::text AS table_name,
    CASE contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' ELSE 'other' END AS what,
    (SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS columns,
    (SELECT relname::text FROM pg_class WHERE oid = confrelid) AS leads_to,
    confdeltype IN ('c', 'n') AS lets_go, conname || ' ' || pg_get_constraintdef(c.oid) AS text
FROM pg_constraint c JOIN pg_class t ON t.oid = conrelid
WHERE connamespace = current_schema()::regnamespace AND contype IN ('c', 'f')
UNION ALL
SELECT t.relname::text, 'unique',
    (SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey)),
    NULL, TRUE, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class t ON t.oid = indrelid
WHERE t.relnamespace = current_schema()::regnamespace AND indisunique";

const SQLITE_RULES: &str = "
SELECT m.name AS table_name, 'unique' AS what, (SELECT group_concat(name, ' ') FROM pragma_index_info(i.name)) AS columns,
    NULL AS leads_to, TRUE AS lets_go, i.name AS text
FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.\"unique\"
UNION ALL
SELECT m.name, 'foreign key', group_concat(f.\"from\", ' '), f.\"table\", f.on_delete IN ('CASCADE', 'SET NULL'),
    f.\"table\" || ' ' || f.id
FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' GROUP BY m.name, f.id";

impl Catalogue {
    pub(crate) async fn of(scratch: &Scratch) -> Self {
        let backend = scratch.db.get_database_backend();
        let (columns, rules) = match backend {
            DbBackend::Postgres => (POSTGRES_COLUMNS, POSTGRES_RULES),
            _ => (SQLITE_COLUMNS, SQLITE_RULES),
        };
        let ask = async |sql: &str| {
            let statement = Statement::from_string(backend, sql);
            scratch.db.query_all_raw(statement).await.unwrap()
        };
        let mut all = Self {
            columns: BTreeMap::new(),
            rules: BTreeSet::new(),
        };
        for row in ask(columns).await {
            let text = |name: &str| row.try_get::<String>("", name).unwrap();
            let flag = |name: &str| row.try_get::<bool>("", name).unwrap();
            let column = Column {
                kind: text("kind"),
                not_null: flag("not_null"),
                has_default: flag("has_default"),
            };
            all.columns
                .insert((text("table_name"), text("column_name")), column);
        }
        for row in ask(rules).await {
            let text = |name: &str| row.try_get::<Option<String>>("", name).unwrap();
            let columns = text("columns").unwrap_or_default();
            all.rules.insert(Rule {
                table: text("table_name").unwrap(),
                what: text("what").unwrap(),
                columns: columns.split_whitespace().map(str::to_owned).collect(),
                to: text("leads_to"),
                lets_go: row.try_get("", "lets_go").unwrap(),
                text: text("text").unwrap(),
            });
        }
        all
    }

    fn has_table(&self, table: &str) -> bool {
        self.columns.keys().any(|(name, _)| name == table)
    }

    /// What a program from before would stumble over, which reads and writes every column that it
    /// knows and no other.
    pub(crate) fn broken_by(&self, after: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for ((table, name), column) in &self.columns {
            match after.columns.get(&(table.clone(), name.clone())) {
                None => broken.push(format!("{table}.{name} is gone")),
                Some(now) if now.kind != column.kind => {
                    broken.push(format!("{table}.{name} is of another type"));
                }
                Some(now) if now.not_null && !column.not_null => {
                    broken.push(format!("{table}.{name} may not be null any more"));
                }
                Some(now) if column.has_default && !now.has_default => {
                    broken.push(format!("{table}.{name} has no default any more"));
                }
                Some(_) => {}
            }
        }
        for ((table, name), column) in &after.columns {
            let new = !self.columns.contains_key(&(table.clone(), name.clone()));
            if new && self.has_table(table) && column.not_null && !column.has_default {
                broken.push(format!(
                    "{table}.{name} is new, not null, and has no default"
                ));
            }
        }
        let rules = after.rules.difference(&self.rules);
        broken.extend(rules.filter_map(|rule| self.limited_by(rule, after)));
        broken
    }

    /// Whether a rule that wasn't there can refuse what a program from before does.
    fn limited_by(&self, rule: &Rule, after: &Self) -> Option<String> {
        if let Some(to) = &rule.to
            && self.has_table(to)
            && !rule.lets_go
        {
            return Some(format!(
                "rows of {to} can't be deleted any more: {}",
                rule.text
            ));
        }
        if !self.has_table(&rule.table) {
            return None;
        }
        // Rows that it writes have the default, or null, in a new column. Null is never twice the same.
        let harmless = rule.columns.iter().any(|name| {
            let key = (rule.table.clone(), name.clone());
            let new = !self.columns.contains_key(&key);
            let null = after
                .columns
                .get(&key)
                .is_some_and(|column| !column.not_null && !column.has_default);
            new && (null || rule.what == "check")
        });
        (!harmless).then(|| format!("{} has a new {}: {}", rule.table, rule.what, rule.text))
    }
}
