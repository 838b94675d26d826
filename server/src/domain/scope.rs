//! Scopes (RFC 6749 §3.3): what a client asks for and what it was given.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The scope that makes a request one of OpenID Connect (OIDC Core §3.1.2.1).
pub const OPENID: &str = "openid";
/// Refresh tokens that outlive the session (OIDC Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Longer lists are refused: nobody means them.
const MAX_SCOPES: usize = 100;
const MAX_LENGTH: usize = 2_000;

/// A list of scopes, each once, in the order in which they were first named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(Vec<String>);

/// Why a text is no list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 100 scopes of printable ASCII characters with single spaces between them")]
pub struct NotScopes;

impl Scopes {
    /// Reads scopes with spaces between them. Order and repetition mean nothing.
    pub fn parse(text: &str) -> Result<Self, NotScopes> {
        if text.len() > MAX_LENGTH {
            return Err(NotScopes);
        }
        let mut scopes: Vec<String> = Vec::new();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            // RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E.
            let well_formed = scope
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
            if !well_formed {
                return Err(NotScopes);
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        if scopes.len() > MAX_SCOPES {
            return Err(NotScopes);
        }
        Ok(Self(scopes))
    }

    /// Of these names, which are scopes already.
    pub fn from_names(names: &[&str]) -> Self {
        Self(names.iter().map(|&name| name.to_owned()).collect())
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|known| known == scope)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of these are in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.contains(scope))
    }

    /// Those that `other` has too, in this order.
    pub fn within(&self, other: &Self) -> Self {
        self.filtered(|scope| other.contains(scope))
    }

    /// Those for which `keep` holds.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|s| keep(s)).cloned().collect())
    }

    /// These and those of `other`.
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.0.clone();
        all.extend(
            other
                .0
                .iter()
                .filter(|scope| !self.contains(scope))
                .cloned(),
        );
        Self(all)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl TryFrom<String> for Scopes {
    type Error = NotScopes;

    fn try_from(text: String) -> Result<Self, NotScopes> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).expect("scopes")
    }

    #[test]
    fn a_list_names_each_scope_once() {
        assert_eq!(scopes("openid  email openid").to_string(), "openid email");
        assert!(scopes("").is_empty());
    }

    #[test]
    fn what_no_scope_may_contain_is_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "ä", &"x".repeat(2_001)] {
            assert_eq!(Scopes::parse(text), Err(NotScopes), "{text:?}");
        }
        let many: Vec<_> = (0..101).map(|n| format!("s{n}")).collect();
        assert_eq!(Scopes::parse(&many.join(" ")), Err(NotScopes));
    }

    #[test]
    fn sets_narrow_and_never_widen() {
        let granted = scopes("openid email");
        assert_eq!(scopes("email admin").within(&granted), scopes("email"));
        assert!(scopes("email").is_within(&granted));
        assert!(!scopes("email admin").is_within(&granted));
        assert_eq!(
            granted.union(&scopes("email phone")),
            scopes("openid email phone")
        );
    }
}
