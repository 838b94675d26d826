//! Which locks a statement takes on Postgres, from its text. A test holds this against what Postgres
//! itself says of the statements of every migration.

use serde::Serialize;

/// The table locks of Postgres that statements of migrations take, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Lock {
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    AccessExclusive,
}

impl Lock {
    pub fn blocks_reads(self) -> bool {
        self == Self::AccessExclusive
    }

    pub fn blocks_writes(self) -> bool {
        self >= Self::Share
    }

    /// As `pg_locks` writes it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }
}

/// A lock, on what, and whether it is held while rows are read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) on: Target,
    pub(crate) lock: Lock,
    /// Held for as long as it takes to go through the rows; else only the catalogue changes.
    pub(crate) long: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Table(String),
    /// The table that this index belongs to, which the statement doesn't name.
    TableOfIndex(String),
    /// The tables that this one refers to.
    ReferredBy(String),
}

/// The locks of a statement. What isn't understood is taken for the worst.
pub(crate) fn of(sql: &str) -> Vec<Taken> {
    let words = words(sql);
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let heads: Vec<&str> = upper.iter().map(String::as_str).collect();
    let table = |at: usize| Target::Table(words.get(at).cloned().unwrap_or_default());
    match heads.as_slice() {
        ["CREATE", "TABLE", ..] => references(&words, &upper, None),
        ["CREATE", "INDEX", rest @ ..] | ["CREATE", "UNIQUE", "INDEX", rest @ ..] => {
            let concurrently = rest.first() == Some(&"CONCURRENTLY");
            let on = heads.iter().position(|word| *word == "ON");
            let lock = if concurrently {
                Lock::ShareUpdateExclusive
            } else {
                Lock::Share
            };
            vec![taken(table(on.map_or(usize::MAX, |on| on + 1)), lock, true)]
        }
        ["DROP", "INDEX", rest @ ..] => {
            let lock = if rest.first() == Some(&"CONCURRENTLY") {
                Lock::ShareUpdateExclusive
            } else {
                Lock::AccessExclusive
            };
            let name = words.last().cloned().unwrap_or_default();
            vec![taken(Target::TableOfIndex(name), lock, false)]
        }
        ["DROP", "TABLE", ..] => {
            let name = words.last().cloned().unwrap_or_default();
            vec![
                taken(Target::Table(name.clone()), Lock::AccessExclusive, false),
                taken(Target::ReferredBy(name), Lock::AccessExclusive, false),
            ]
        }
        ["CREATE", "POLICY", _, "ON", ..] => vec![taken(table(4), Lock::AccessExclusive, false)],
        ["INSERT", "INTO", ..] | ["DELETE", "FROM", ..] => {
            vec![taken(table(2), Lock::RowExclusive, true)]
        }
        ["UPDATE", ..] => vec![taken(table(1), Lock::RowExclusive, true)],
        ["ALTER", "TABLE", _, action @ ..] => alter(table(2), action, &words, &upper),
        _ => vec![taken(table(2), Lock::AccessExclusive, true)],
    }
}

fn alter(table: Target, action: &[&str], words: &[String], upper: &[String]) -> Vec<Taken> {
    let has = |word: &str| action.contains(&word);
    let foreign = has("REFERENCES");
    let (lock, long) = match action {
        ["VALIDATE", "CONSTRAINT", ..] => (Lock::ShareUpdateExclusive, true),
        ["ADD", "CONSTRAINT", _, "FOREIGN", ..] => (Lock::ShareRowExclusive, !has("NOT")),
        // Rows are looked at for a check; a default alone is kept in the catalogue.
        ["ADD", "CONSTRAINT", ..] => (Lock::AccessExclusive, !has("VALID")),
        ["ADD", "COLUMN", ..] => (Lock::AccessExclusive, has("CHECK") || foreign),
        ["DROP" | "RENAME" | "ENABLE" | "FORCE" | "NO", ..] => (Lock::AccessExclusive, false),
        ["ALTER", "COLUMN", _, "SET" | "DROP", "DEFAULT", ..]
        | ["ALTER", "COLUMN", _, "DROP", "NOT", ..] => (Lock::AccessExclusive, false),
        _ => (Lock::AccessExclusive, true),
    };
    let own = match &table {
        Target::Table(name) => Some(name.clone()),
        Target::TableOfIndex(_) | Target::ReferredBy(_) => None,
    };
    let mut all = vec![taken(table, lock, long)];
    all.extend(references(words, upper, own.as_deref()));
    all
}

/// The tables that the statement makes another refer to.
fn references(words: &[String], upper: &[String], own: Option<&str>) -> Vec<Taken> {
    let mut names: Vec<&String> = upper
        .iter()
        .zip(words.iter().skip(1))
        .filter(|(word, name)| *word == "REFERENCES" && Some(name.as_str()) != own)
        .map(|(_, name)| name)
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| taken(Target::Table(name.clone()), Lock::ShareRowExclusive, false))
        .collect()
}

fn taken(on: Target, lock: Lock, long: bool) -> Taken {
    Taken { on, lock, long }
}

/// The words of the statement without quotes and brackets, and without `IF NOT EXISTS` and `IF EXISTS`.
fn words(sql: &str) -> Vec<String> {
    let all: Vec<String> = sql
        .split(|c: char| c.is_whitespace() || "(),;".contains(c))
        .map(|word| word.trim_matches('"').to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let mut kept = Vec::new();
    let mut rest = all.as_slice();
    while let Some((word, after)) = rest.split_first() {
        rest = match (word.as_str(), after) {
            ("IF", [not, exists, after @ ..]) if not == "NOT" && exists == "EXISTS" => after,
            ("IF", [exists, after @ ..]) if exists == "EXISTS" => after,
            _ => {
                kept.push(word.clone());
                after
            }
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> String {
        let one = |taken: Taken| {
            let on = match taken.on {
                Target::Table(name) => name,
                Target::TableOfIndex(name) => format!("table of {name}"),
                Target::ReferredBy(name) => format!("referred by {name}"),
            };
            format!(
                "{on} {:?}{}",
                taken.lock,
                if taken.long { " long" } else { "" }
            )
        };
        of(sql).into_iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn each_statement_has_its_lock() {
        for (sql, expected) in [
            (
                "CREATE TABLE \"a\" ( \"id\" uuid REFERENCES \"b\" (\"id\"), x int REFERENCES b (x) )",
                "b ShareRowExclusive",
            ),
            ("CREATE INDEX a_idx ON a (x)", "a Share long"),
            (
                "CREATE UNIQUE INDEX IF NOT EXISTS \"a_idx\" ON \"a\" (x)",
                "a Share long",
            ),
            (
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS a_idx ON a (x)",
                "a ShareUpdateExclusive long",
            ),
            ("DROP INDEX a_idx", "table of a_idx AccessExclusive"),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS a_idx",
                "table of a_idx ShareUpdateExclusive",
            ),
            (
                "DROP TABLE a",
                "a AccessExclusive; referred by a AccessExclusive",
            ),
            (
                "ALTER TABLE a ADD COLUMN x text NOT NULL DEFAULT ''",
                "a AccessExclusive",
            ),
            (
                "ALTER TABLE a ADD COLUMN x text DEFAULT 'a' CHECK (x IN ('a'))",
                "a AccessExclusive long",
            ),
            (
                "ALTER TABLE a ALTER COLUMN x TYPE bigint",
                "a AccessExclusive long",
            ),
            (
                "ALTER TABLE a ALTER COLUMN x SET NOT NULL",
                "a AccessExclusive long",
            ),
            (
                "ALTER TABLE a ALTER COLUMN x DROP NOT NULL",
                "a AccessExclusive",
            ),
            ("ALTER TABLE a DROP COLUMN x", "a AccessExclusive"),
            (
                "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b (x) NOT VALID",
                "a ShareRowExclusive; b ShareRowExclusive",
            ),
            (
                "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b (x)",
                "a ShareRowExclusive long; b ShareRowExclusive",
            ),
            (
                "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0) NOT VALID",
                "a AccessExclusive",
            ),
            (
                "ALTER TABLE a VALIDATE CONSTRAINT f",
                "a ShareUpdateExclusive long",
            ),
            ("CREATE POLICY p ON a USING (true)", "a AccessExclusive"),
            (
                "ALTER TABLE a FORCE ROW LEVEL SECURITY",
                "a AccessExclusive",
            ),
            ("UPDATE a SET x = 1", "a RowExclusive long"),
            ("DELETE FROM a WHERE x = 1", "a RowExclusive long"),
            ("TRUNCATE TABLE a", "a AccessExclusive long"),
        ] {
            assert_eq!(said(sql), expected, "{sql}");
        }
    }

    #[test]
    fn only_the_strongest_stops_readers() {
        assert!(Lock::AccessExclusive.blocks_reads() && Lock::AccessExclusive.blocks_writes());
        assert!(!Lock::Share.blocks_reads() && Lock::Share.blocks_writes());
        assert!(!Lock::ShareUpdateExclusive.blocks_writes() && !Lock::RowExclusive.blocks_writes());
    }
}
