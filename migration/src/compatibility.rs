//! May this program work on that schema? A function of what it knows and what was applied.

use std::collections::HashSet;

use crate::answer::Cause;

/// A migration that the database has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) name: String,
    /// What was written down about it; nothing by programs from before there was anything to write.
    pub(crate) rule: Option<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) kind: String,
    pub(crate) needs: Option<String>,
    /// The version of the program that applied it, which therefore knows it.
    pub(crate) version: String,
}

/// Why the schema is not one that this program works with.
#[derive(Debug, thiserror::Error)]
pub enum SchemaProblem {
    #[error("the schema of the database can't be read")]
    Unreadable(#[source] Cause),
    #[error("the database lacks the migrations {}; run `tokenhouse migrate up`", .0.join(", "))]
    Behind(Vec<String>),
    /// It doesn't say what they ask of programs, or says it in a way that this one doesn't know.
    #[error(
        "the database has the migrations {}, which this program doesn't know; run the tokenhouse \
         that applied them, or a newer one; if what they added may be lost, take them back with that one's \
         `tokenhouse migrate down`",
        .0.join(", ")
    )]
    Ahead(Vec<String>),
    #[error(
        "the database has the migration {migration}, on whose schema only programs work that know \
         {needs}; this one doesn't: run tokenhouse {version} or newer"
    )]
    Outgrown {
        migration: String,
        needs: String,
        version: String,
    },
    #[error(
        "the database has the migrations {}, which this program doesn't know, and lacks {}, which it \
         needs; run the tokenhouse that was here last",
        unknown.join(", "),
        missing.join(", ")
    )]
    Diverged {
        unknown: Vec<String>,
        missing: Vec<String>,
    },
}

/// The applied migrations that the program doesn't know, if it may work with all of them.
///
/// Refuses whatever it doesn't understand: a wrong yes writes rows that a newer program can't read.
pub(crate) fn judge(known: &[&str], applied: &[Applied]) -> Result<Vec<String>, SchemaProblem> {
    let knows: HashSet<&str> = known.iter().copied().collect();
    let has: HashSet<&str> = applied.iter().map(|one| one.name.as_str()).collect();
    let missing: Vec<String> = known
        .iter()
        .filter(|name| !has.contains(*name))
        .map(|name| (*name).to_owned())
        .collect();
    let unknown: Vec<&Applied> = applied
        .iter()
        .filter(|one| !knows.contains(one.name.as_str()))
        .collect();

    let unexplained: Vec<String> = unknown
        .iter()
        .filter(|one| !is_understood(one.rule.as_ref()))
        .map(|one| one.name.clone())
        .collect();
    if !unexplained.is_empty() {
        return Err(SchemaProblem::Ahead(unexplained));
    }
    // The last one asks for the newest program.
    let too_new = unknown.iter().rev().find_map(|one| {
        let rule = one.rule.as_ref()?;
        let needs = rule
            .needs
            .as_ref()
            .filter(|needs| !knows.contains(needs.as_str()))?;
        Some((one, rule, needs))
    });
    if let Some((one, rule, needs)) = too_new {
        return Err(SchemaProblem::Outgrown {
            migration: one.name.clone(),
            needs: needs.clone(),
            version: rule.version.clone(),
        });
    }
    let unknown: Vec<String> = unknown.into_iter().map(|one| one.name.clone()).collect();
    match (unknown.is_empty(), missing.is_empty()) {
        (_, true) => Ok(unknown),
        (true, false) => Err(SchemaProblem::Behind(missing)),
        (false, false) => Err(SchemaProblem::Diverged { unknown, missing }),
    }
}

fn is_understood(rule: Option<&Rule>) -> bool {
    rule.is_some_and(|rule| match rule.kind.as_str() {
        "expand" => rule.needs.is_none(),
        "contract" => rule.needs.is_some(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 2] = ["m1", "m2"];

    fn plain(name: &str) -> Applied {
        let name = name.to_owned();
        Applied { name, rule: None }
    }

    fn ruled(name: &str, kind: &str, needs: Option<&str>) -> Applied {
        Applied {
            rule: Some(Rule {
                kind: kind.to_owned(),
                needs: needs.map(str::to_owned),
                version: "0.9.0".to_owned(),
            }),
            ..plain(name)
        }
    }

    fn answer(later: &[Applied]) -> String {
        let mut applied = vec![plain("m1"), plain("m2")];
        applied.extend_from_slice(later);
        match judge(&KNOWN, &applied) {
            Ok(newer) => format!("yes: {}", newer.join(" ")),
            Err(SchemaProblem::Ahead(names)) => format!("unexplained: {}", names.join(" ")),
            Err(SchemaProblem::Outgrown {
                migration, needs, ..
            }) => {
                format!("outgrown: {migration} needs {needs}")
            }
            Err(other) => other.to_string(),
        }
    }

    #[test]
    fn a_program_works_on_its_own_schema_and_on_what_later_ones_added() {
        assert_eq!(answer(&[]), "yes: ");
        assert_eq!(answer(&[ruled("m3", "expand", None)]), "yes: m3");
        let two = [ruled("m3", "expand", None), ruled("m4", "expand", None)];
        assert_eq!(answer(&two), "yes: m3 m4");
    }

    #[test]
    fn a_contraction_leaves_out_programs_that_do_not_know_what_it_needs() {
        let known = [ruled("m3", "contract", Some("m2"))];
        assert_eq!(answer(&known), "yes: m3");
        let unknown = [
            ruled("m3", "expand", None),
            ruled("m4", "contract", Some("m3")),
            ruled("m5", "expand", None),
        ];
        assert_eq!(answer(&unknown), "outgrown: m4 needs m3");
        let problem = judge(&["m1"], &[plain("m1"), ruled("m4", "contract", Some("m3"))]);
        let text = problem.expect_err("m3 is unknown").to_string();
        assert!(text.contains("run tokenhouse 0.9.0 or newer"), "{text}");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for odd in [
            plain("m3"),
            ruled("m3", "base", None),
            ruled("m3", "Expand", None),
            ruled("m3", "expand", Some("m2")),
            ruled("m3", "contract", None),
            ruled("m3", "", None),
            ruled("m3", "a kind of later", Some("m2")),
        ] {
            assert_eq!(
                answer(std::slice::from_ref(&odd)),
                "unexplained: m3",
                "{odd:?}"
            );
        }
        let one_of_two = [ruled("m3", "expand", None), plain("m4")];
        assert_eq!(answer(&one_of_two), "unexplained: m4");
    }

    #[test]
    fn missing_migrations_are_named() {
        let problem = judge(&KNOWN, &[plain("m1")]).expect_err("m2 is missing");
        assert!(matches!(&problem, SchemaProblem::Behind(names) if names == &["m2"]));
        let both = judge(&KNOWN, &[plain("m1"), ruled("m3", "expand", None)]);
        let both = both.expect_err("m2 is missing and m3 unknown");
        assert!(matches!(&both, SchemaProblem::Diverged { .. }), "{both}");
    }
}
