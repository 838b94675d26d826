//! A migration, and what it means for programs that don't know it.

use sea_orm_migration::prelude::MigrationTrait;

/// What a migration asks of the programs that work on the schema afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From before the first release. Every program knows all of these.
    Base,
    /// Only adds: whoever worked on the schema before works on it afterwards.
    Expand,
    /// Takes away what nobody uses any more. Programs have to know the migration `needs`, which came
    /// with the first version that does without.
    Contract { needs: &'static str },
}

impl Kind {
    /// How the kind is written in the database, and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Expand => "expand",
            Self::Contract { .. } => "contract",
        }
    }

    pub(crate) fn needs(self) -> Option<&'static str> {
        match self {
            Self::Base | Self::Expand => None,
            Self::Contract { needs } => Some(needs),
        }
    }
}

/// A migration of the history.
pub struct Step {
    pub(crate) migration: Box<dyn MigrationTrait>,
    pub(crate) kind: Kind,
}

impl Step {
    pub fn base(migration: Box<dyn MigrationTrait>) -> Self {
        let kind = Kind::Base;
        Self { migration, kind }
    }

    pub fn expand(migration: impl MigrationTrait + 'static) -> Self {
        Self {
            migration: Box::new(migration),
            kind: Kind::Expand,
        }
    }

    pub fn contract(migration: impl MigrationTrait + 'static, needs: &'static str) -> Self {
        Self {
            migration: Box::new(migration),
            kind: Kind::Contract { needs },
        }
    }

    pub fn name(&self) -> &str {
        self.migration.name()
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name())
            .field("kind", &self.kind)
            .finish()
    }
}
