//! The history that this program knows.

use std::collections::HashSet;

use sea_orm_migration::{MigratorTrait, sea_orm::DatabaseConnection};

use crate::{
    Migrator,
    answer::cause_of,
    compatibility::{Applied, SchemaProblem, judge},
    history,
    patience::Patience,
    step::Step,
};

/// A list of migrations, oldest first, in the order of their names.
#[derive(Debug)]
pub struct Migrations {
    steps: Vec<Step>,
    pub(crate) patience: Patience,
}

impl Migrations {
    /// What this program was built with.
    pub fn current() -> Self {
        let base = Migrator::migrations().into_iter().map(Step::base);
        let all = Self {
            steps: base.chain(crate::released()).collect(),
            patience: Patience::default(),
        };
        if cfg!(feature = "rehearsal") {
            all.followed_by(crate::rehearsal::steps())
        } else {
            all
        }
    }

    /// With later ones, for tests of what will be.
    #[must_use]
    pub fn followed_by(mut self, later: Vec<Step>) -> Self {
        self.steps.extend(later);
        self
    }

    /// Without the newest ones, for tests of what was.
    #[must_use]
    pub fn without_last(mut self, count: usize) -> Self {
        self.steps.truncate(self.steps.len().saturating_sub(count));
        self
    }

    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.steps.iter().map(Step::name).collect()
    }

    pub(crate) fn pending(&self, applied: &[Applied]) -> Vec<&Step> {
        let has: HashSet<&str> = applied.iter().map(|one| one.name.as_str()).collect();
        self.steps
            .iter()
            .filter(|step| !has.contains(step.name()))
            .collect()
    }

    /// Every migration, known or only found in the database, and whether it is applied. Changes
    /// nothing.
    pub async fn status(
        &self,
        db: &DatabaseConnection,
    ) -> Result<Vec<(String, bool)>, SchemaProblem> {
        let applied = history::read(db)
            .await
            .map_err(|error| SchemaProblem::Unreadable(cause_of(error)))?;
        let has: HashSet<&str> = applied.iter().map(|one| one.name.as_str()).collect();
        let known: HashSet<&str> = self.names().into_iter().collect();
        let ours = self
            .steps
            .iter()
            .map(|step| (step.name().to_owned(), has.contains(step.name())));
        let theirs = applied
            .iter()
            .filter(|one| !known.contains(one.name.as_str()))
            .map(|one| (one.name.clone(), true));
        Ok(ours.chain(theirs).collect())
    }

    /// Whether this program may work on the schema; the migrations that it has beyond those of this
    /// program. Changes nothing.
    pub async fn check(&self, db: &DatabaseConnection) -> Result<Vec<String>, SchemaProblem> {
        let applied = history::read(db)
            .await
            .map_err(|error| SchemaProblem::Unreadable(cause_of(error)))?;
        judge(&self.names(), &applied)
    }
}
