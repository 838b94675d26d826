//! Roles: names that a tenant gives to powers, and that its users hold.
//!
//! What a role means is part of the tenant's policy, who holds it is part of the user. So a token is made
//! without another question to a store, and a changed role counts everywhere as soon as a changed policy.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{client::ClientId, scope::Scopes, tenant::Policy, user::User};

/// What begins so is this server's to define; no tenant can make up a name there.
const RESERVED: &str = "tokenhouse:";

/// More roles would make tokens that fit into no header.
pub const MAX_ROLES: usize = 100;
const MAX_PERMISSIONS: usize = 100;
/// What a user's roles may add to a token, in bytes: with the rest of it, it has to fit into a cookie, of which
/// browsers keep 4 KiB (RFC 6265 §6.1), three quarters of that before Base64.
const MAX_CLAIMS: usize = 1_500;

/// The name of a role: `[a-z0-9]` and then up to 63 of `[a-z0-9._/-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(String);

/// Why a text is no [`RoleName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to 64 lower-case letters, digits, dots, hyphens, underscores and slashes, a letter or digit first"
)]
pub struct NotARoleName;

impl RoleName {
    pub fn parse(text: &str) -> Result<Self, NotARoleName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let well_formed = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| plain(b) || matches!(b, b'.' | b'-' | b'_' | b'/'))
            && text.bytes().next().is_some_and(plain);
        well_formed
            .then(|| Self(text.to_owned()))
            .ok_or(NotARoleName)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoleName {
    type Error = NotARoleName;

    fn try_from(text: String) -> Result<Self, NotARoleName> {
        Self::parse(&text)
    }
}

impl From<RoleName> for String {
    fn from(name: RoleName) -> Self {
        name.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a role gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The only client whose tokens speak of the role; all clients' tokens when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Names that the tenant's applications give a meaning, and the two [`AdminScope`]s.
    pub permissions: Vec<Permission>,
}

impl Role {
    /// What its permissions add to a token.
    fn length(&self) -> usize {
        self.permissions.iter().map(|one| one.0.len() + 3).sum()
    }

    /// The rule that the role breaks, if any.
    pub fn broken_rule(&self) -> Option<&'static str> {
        let text = self.description.as_deref().unwrap_or_default();
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            Some("must have a description of at most 200 characters and no control characters")
        } else if self.permissions.len() > MAX_PERMISSIONS {
            Some("must have at most 100 permissions")
        } else if self.length() > MAX_CLAIMS {
            Some("must have permissions of at most 1500 characters in all")
        } else {
            None
        }
    }
}

/// A permission: visible ASCII like a scope (RFC 6749 §3.3), at most 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission(String);

/// Why a text is no [`Permission`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to 100 printable ASCII characters without spaces, quotes and backslashes; of those that begin \
     with tokenhouse: there are tokenhouse:admin and tokenhouse:admin:read"
)]
pub struct NotAPermission;

impl TryFrom<String> for Permission {
    type Error = NotAPermission;

    fn try_from(text: String) -> Result<Self, NotAPermission> {
        let scopes = Scopes::parse(&text).map_err(|_| NotAPermission)?;
        let one = scopes.iter().count() == 1 && (1..=100).contains(&text.len());
        let ours = text.starts_with(RESERVED) && AdminScope::parse(&text).is_none();
        if one && !ours && !text.contains(' ') {
            Ok(Self(text))
        } else {
            Err(NotAPermission)
        }
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.0
    }
}

/// Power over the tenant itself, the lesser first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminScope {
    /// Sees everything but secrets.
    Read,
    /// Sees and changes everything.
    Write,
}

impl AdminScope {
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The scope's name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "tokenhouse:admin:read",
            Self::Write => "tokenhouse:admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == text)
    }

    /// The widest among scopes.
    pub fn widest_of(scopes: &Scopes) -> Option<Self> {
        scopes.iter().filter_map(Self::parse).max()
    }
}

/// Whether a scope gives power over a tenant, or may one day.
pub fn is_reserved(scope: &str) -> bool {
    scope.starts_with(RESERVED)
}

/// The roles that a user holds, as the policy defines them now. A name that the policy doesn't know gives
/// nothing.
#[derive(Clone, Debug)]
pub struct Roles<'a>(Vec<(&'a RoleName, &'a Role)>);

/// What a client's tokens say of a user's roles (RFC 9068 §2.2.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleClaims {
    pub roles: Vec<String>,
    /// The permissions of those roles.
    pub entitlements: Vec<String>,
}

impl<'a> Roles<'a> {
    pub fn of(user: &'a User, policy: &'a Policy) -> Self {
        let known = |name: &'a RoleName| policy.roles.get(name).map(|role| (name, role));
        Self(user.roles.iter().filter_map(known).collect())
    }

    /// Whether tokens have room for them.
    pub fn fit_into_tokens(&self) -> bool {
        let length = |(name, role): &(&RoleName, &Role)| name.as_str().len() + 3 + role.length();
        self.0.iter().map(length).sum::<usize>() <= MAX_CLAIMS
    }

    /// The widest power over the tenant.
    pub fn admin(&self) -> Option<AdminScope> {
        self.permissions(|_| true)
            .filter_map(|permission| AdminScope::parse(&permission.0))
            .max()
    }

    /// Those scopes of a request that the user may hand on: all but power that it doesn't have.
    pub fn grantable(&self, scopes: &Scopes) -> Scopes {
        let held = self.admin();
        scopes.filtered(|scope| match AdminScope::parse(scope) {
            Some(asked) => held.is_some_and(|held| held >= asked),
            None => !is_reserved(scope),
        })
    }

    /// What the tokens of a client say. Power over the tenant isn't the application's business: there the
    /// scope speaks.
    pub fn claims(&self, client: &ClientId) -> RoleClaims {
        let speaks = |role: &Role| role.client_id.as_ref().is_none_or(|only| only == client);
        let mut entitlements: Vec<_> = self
            .permissions(speaks)
            .filter(|permission| !is_reserved(&permission.0))
            .map(|permission| permission.0.clone())
            .collect();
        entitlements.sort();
        entitlements.dedup();
        if !self.fit_into_tokens() {
            // The roles grew after they were given: a token that nobody can carry would lock the user out.
            entitlements.clear();
        }
        let held = self.0.iter().filter(|(_, role)| speaks(role));
        RoleClaims {
            roles: held.map(|(name, _)| name.to_string()).collect(),
            entitlements,
        }
    }

    fn permissions(&self, of: impl Fn(&Role) -> bool) -> impl Iterator<Item = &'a Permission> {
        self.0
            .iter()
            .filter(move |(_, role)| of(role))
            .flat_map(|(_, role)| &role.permissions)
    }
}

/// The roles that a tenant defines.
pub type RoleDefinitions = BTreeMap<RoleName, Role>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::tests_support::user;

    fn policy() -> Policy {
        serde_json::from_value(json!({ "roles": {
            "support": { "permissions": ["tokenhouse:admin:read"] },
            "owner": { "permissions": ["tokenhouse:admin", "invoices:pay"] },
            "clerk": { "client_id": "billing", "permissions": ["invoices:write", "invoices:pay"] },
        }}))
        .expect("a policy")
    }

    fn roles(names: &[&str]) -> User {
        let mut user = user();
        user.roles = names
            .iter()
            .map(|name| RoleName::parse(name).expect("a name"))
            .collect();
        user
    }

    #[test]
    fn a_role_gives_what_the_policy_says_now() {
        let policy = policy();
        for (names, admin) in [
            (&[][..], None),
            (&["clerk"], None),
            (&["unknown"], None),
            (&["support"], Some(AdminScope::Read)),
            (&["support", "owner"], Some(AdminScope::Write)),
        ] {
            let user = roles(names);
            assert_eq!(Roles::of(&user, &policy).admin(), admin, "{names:?}");
        }
    }

    #[test]
    fn nobody_hands_on_power_that_it_does_not_have() {
        let policy = policy();
        let asked = Scopes::parse("openid tokenhouse:admin tokenhouse:admin:read tokenhouse:other")
            .expect("scopes");
        for (names, granted) in [
            (&["clerk"][..], "openid"),
            (&["support"], "openid tokenhouse:admin:read"),
            (&["owner"], "openid tokenhouse:admin tokenhouse:admin:read"),
        ] {
            let user = roles(names);
            let scopes = Roles::of(&user, &policy).grantable(&asked);
            assert_eq!(scopes.to_string(), granted);
        }
    }

    #[test]
    fn a_clients_tokens_speak_of_its_own_roles_and_the_common_ones() {
        let (policy, user) = (policy(), roles(&["clerk", "owner"]));
        let held = Roles::of(&user, &policy);
        let billing = held.claims(&ClientId::parse("billing").expect("an id"));
        assert_eq!(billing.roles, ["clerk", "owner"]);
        assert_eq!(billing.entitlements, ["invoices:pay", "invoices:write"]);
        let other = held.claims(&ClientId::parse("other").expect("an id"));
        assert_eq!(other.roles, ["owner"]);
        assert_eq!(other.entitlements, ["invoices:pay"]);
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for text in ["", "A", "-a", "a b", "a\u{e9}", &"x".repeat(65)] {
            assert_eq!(RoleName::parse(text), Err(NotARoleName), "{text:?}");
        }
        for text in ["", "a b", "tokenhouse:root", "a\"b", &"x".repeat(101)] {
            assert_eq!(
                Permission::try_from(text.to_owned()),
                Err(NotAPermission),
                "{text:?}"
            );
        }
    }
}
