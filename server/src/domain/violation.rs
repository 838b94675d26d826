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

/// How many broken rules are listed: an input of thousands must not make an answer of thousands.
const MOST: usize = 20;

/// The broken rules of one input, in the order of its members. Never empty, and never long.
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
    pub fn from_list(mut violations: Vec<Violation>) -> Option<Self> {
        if violations.len() > MOST {
            let more = violations.len() - MOST;
            violations.truncate(MOST);
            violations.shrink_to_fit();
            violations.push(Violation {
                pointer: String::new(),
                detail: format!("is wrong in {more} more places, which are not listed"),
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let of = |n: usize| {
            let one = |n| Violation {
                pointer: format!("/{n}"),
                detail: "is wrong".to_owned(),
            };
            Violations::from_list((0..n).map(one).collect())
        };
        assert_eq!(of(0), None);
        assert_eq!(of(MOST).map(|all| all.list().len()), Some(MOST));
        let many = of(8_000).expect("violations");
        assert_eq!(many.list().len(), MOST + 1);
        assert_eq!(
            many.list()[MOST].detail,
            "is wrong in 7980 more places, which are not listed"
        );
    }
}
