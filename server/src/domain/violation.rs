//! What is wrong with a member of an input, in words the caller can act on.

use std::fmt;

/// One broken rule, at one place of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A JSON pointer (RFC 6901) to the member, `""` for the whole document.
    pub pointer: String,
    /// What is wrong and what would be right. Never repeats the value: it may be a secret.
    pub detail: String,
}

/// Every broken rule of one input, in the order of its members. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// One broken rule.
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![Violation {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    /// Several, or nothing when there are none.
    pub fn from_list(violations: Vec<Violation>) -> Option<Self> {
        (!violations.is_empty()).then_some(Self(violations))
    }

    /// The same, in a document of which this one is the member at `pointer`.
    pub fn below(self, pointer: &str) -> impl Iterator<Item = Violation> + use<'_> {
        self.0.into_iter().map(move |violation| Violation {
            pointer: format!("{pointer}{}", violation.pointer),
            ..violation
        })
    }

    /// The single violations.
    pub fn list(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, violation) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", violation.pointer, violation.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
