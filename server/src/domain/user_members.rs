//! What an administrator says of a user: read member by member, for a new user, a change and an import.
//!
//! Nobody but administrators comes this way: verified addresses, roles and the state are theirs to set.

use serde_json::{Map, Value};

use super::{
    email::EmailAddress,
    role::{RoleName, Roles},
    tenant::Policy,
    timestamp::Timestamp,
    user::{AvatarUrl, DisplayName, ExternalId, User, UserState},
    violation::{Violation, Violations},
};

/// More would make tokens that fit into no header.
const MAX_ROLES_OF_A_USER: usize = 50;

/// An address may be longer than a name.
const MAX_NAME: usize = 200;

/// Members that are read elsewhere, or are told and never set.
const NOT_OURS: [&str; 5] = [
    "password",
    "password_hash",
    "has_password",
    "created_at",
    "updated_at",
];

/// The user after a merge patch (RFC 7396): members that are missing stay, null sets one back.
pub fn patched(
    user: &User,
    patch: &Map<String, Value>,
    policy: &Policy,
    now: Timestamp,
) -> Result<User, Violations> {
    let mut reader = Reader {
        user: user.clone(),
        policy,
        violations: Vec::new(),
    };
    let mut profile = Map::new();
    for (name, value) in patch {
        if !reader.read(name, value) {
            profile.insert(name.clone(), value.clone());
        }
    }
    match user.profile.patched(&profile) {
        Ok(patched) => reader.user.profile = patched,
        Err(broken) => reader.violations.extend(broken.list().to_vec()),
    }
    // Who proved to have the old address proved nothing of the new one.
    if reader.user.email != user.email && !patch.contains_key("email_verified") {
        reader.user.email_verified = false;
    }
    match Violations::from_list(reader.violations) {
        Some(violations) => Err(violations),
        None => Ok(with_mark(user, reader.user, now)),
    }
}

/// What a user loses by the change, it loses for good: enabling it again revives no session.
fn with_mark(before: &User, after: User, now: Timestamp) -> User {
    let disabled = before.state == UserState::Active && after.state == UserState::Disabled;
    let not_before = if disabled {
        Some(after.not_before.map_or(now, |mark| mark.max(now)))
    } else {
        after.not_before
    };
    User {
        not_before,
        updated_at: now.max(before.updated_at.next()),
        ..after
    }
}

/// A user to be made. `blank` has the id and the times; its address and name are replaced.
pub fn created(
    blank: &User,
    members: &Map<String, Value>,
    policy: &Policy,
) -> Result<User, Violations> {
    let mut members = members.clone();
    if members.get("email").is_none_or(Value::is_null) {
        return Err(Violations::one("/email", "is missing"));
    }
    if members.get("name").is_none_or(Value::is_null) {
        // Many systems know their users by address alone. One that is wrong is complained about as such.
        members.remove("name");
        let email = members.get("email").and_then(Value::as_str);
        if let Some(email) = email.filter(|email| EmailAddress::parse(email).is_ok()) {
            let name: String = email.chars().take(MAX_NAME).collect();
            members.insert("name".to_owned(), name.into());
        }
    }
    let at = blank.created_at;
    let user = patched(blank, &members, policy, at)?;
    Ok(User {
        updated_at: at,
        not_before: None,
        email_verified: user.email_verified && members.contains_key("email_verified"),
        ..user
    })
}

struct Reader<'a> {
    user: User,
    policy: &'a Policy,
    violations: Vec<Violation>,
}

impl Reader<'_> {
    fn note(&mut self, pointer: &str, detail: impl Into<String>) {
        self.violations.push(Violation {
            pointer: format!("/{pointer}"),
            detail: detail.into(),
        });
    }

    /// A text that parses, or none where null is allowed.
    fn text<T, E: ToString>(
        &mut self,
        name: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = match value.as_str() {
            Some(text) => parse(text).map_err(|why| why.to_string()),
            None => Err("must be a string".to_owned()),
        };
        parsed.map_err(|why| self.note(name, why)).ok()
    }

    /// Takes a member; `false` when it is one of the profile.
    fn read(&mut self, name: &str, value: &Value) -> bool {
        match name {
            "email" => {
                if let Some(email) = self.text(name, value, EmailAddress::parse) {
                    self.user.email = email;
                }
            }
            "name" => {
                if let Some(text) = self.text(name, value, DisplayName::parse) {
                    self.user.name = text;
                }
            }
            "email_verified" => match value {
                Value::Null => self.user.email_verified = false,
                Value::Bool(verified) => self.user.email_verified = *verified,
                _ => self.note(name, "must be true or false"),
            },
            "avatar_url" if value.is_null() => self.user.avatar_url = None,
            "avatar_url" => {
                if let Some(url) = self.text(name, value, AvatarUrl::parse) {
                    self.user.avatar_url = Some(url);
                }
            }
            "external_id" if value.is_null() => self.user.external_id = None,
            "external_id" => {
                if let Some(id) = self.text(name, value, ExternalId::parse) {
                    self.user.external_id = Some(id);
                }
            }
            "state" if value.is_null() => self.user.state = UserState::Active,
            "state" => match value.as_str().and_then(UserState::parse) {
                Some(state) => self.user.state = state,
                None => self.note(name, "must be active or disabled"),
            },
            "roles" if value.is_null() => self.user.roles.clear(),
            "roles" => self.roles(value),
            "user_id" => {
                if value.as_str() != Some(self.user.id.to_string().as_str()) {
                    self.note(name, "can't be set");
                }
            }
            name if NOT_OURS.contains(&name) => self.note(name, "can't be set here"),
            _ => return false,
        }
        true
    }

    fn roles(&mut self, value: &Value) {
        let Some(items) = value
            .as_array()
            .filter(|items| items.len() <= MAX_ROLES_OF_A_USER)
        else {
            return self.note("roles", "must be a list of at most 50 names of roles");
        };
        let mut roles = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let name = item.as_str().and_then(|text| RoleName::parse(text).ok());
            match name.filter(|name| self.policy.roles.contains_key(name)) {
                Some(name) => roles.push(name),
                None => self.note(
                    &format!("roles/{n}"),
                    "must be the name of a role that the settings define",
                ),
            }
        }
        roles.sort();
        roles.dedup();
        self.user.roles = roles;
        if !Roles::of(&self.user, self.policy).fit_into_tokens() {
            self.note(
                "roles",
                "must have names and permissions of at most 1500 characters in all: tokens carry them",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::tests_support::user;

    fn policy() -> Policy {
        serde_json::from_value(json!({ "roles": { "clerk": {}, "owner": {} } })).expect("a policy")
    }

    fn patch(user: &User, value: &Value) -> Result<User, Vec<String>> {
        let members = value.as_object().expect("an object");
        patched(user, members, &policy(), Timestamp::from_micros(9_000_000))
            .map_err(|all| all.list().iter().map(|one| one.pointer.clone()).collect())
    }

    #[test]
    fn members_that_are_not_named_stay() {
        let mut before = user();
        before.email_verified = true;
        let after = patch(
            &before,
            &json!({ "roles": ["owner", "clerk", "owner"], "nickname": "ada" }),
        )
        .expect("valid");
        assert_eq!(
            after.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(),
            ["clerk", "owner"]
        );
        assert!(after.email_verified && after.name == before.name);
        assert_eq!(after.profile.nickname.as_deref(), Some("ada"));
        let back = patch(&after, &json!({ "roles": null, "nickname": null })).expect("valid");
        assert!(back.roles.is_empty() && back.profile.nickname.is_none());
    }

    #[test]
    fn a_new_address_is_unverified_unless_it_is_said_to_be() {
        let mut before = user();
        before.email_verified = true;
        for (members, verified) in [
            (json!({ "email": "ADA@example.com" }), true),
            (json!({ "email": "new@example.com" }), false),
            (
                json!({ "email": "new@example.com", "email_verified": true }),
                true,
            ),
        ] {
            let after = patch(&before, &members).expect("valid");
            assert_eq!(after.email_verified, verified, "{members}");
        }
    }

    #[test]
    fn disabling_leaves_a_mark_that_enabling_does_not_take_away() {
        let disabled = patch(&user(), &json!({ "state": "disabled" })).expect("valid");
        let mark = Some(Timestamp::from_micros(9_000_000));
        assert_eq!(disabled.not_before, mark);
        let enabled = patch(&disabled, &json!({ "state": "active" })).expect("valid");
        assert_eq!(
            (enabled.state, enabled.not_before),
            (UserState::Active, mark)
        );
    }

    #[test]
    fn each_wrong_member_is_pointed_at() {
        for (value, pointer) in [
            (json!({ "email": "x" }), "/email"),
            (json!({ "email": null }), "/email"),
            (json!({ "name": "" }), "/name"),
            (json!({ "email_verified": "yes" }), "/email_verified"),
            (json!({ "roles": ["clerk", "unknown"] }), "/roles/1"),
            (json!({ "roles": "clerk" }), "/roles"),
            (json!({ "state": "gone" }), "/state"),
            (json!({ "external_id": "" }), "/external_id"),
            (json!({ "avatar_url": "javascript:x" }), "/avatar_url"),
            (json!({ "password": "x" }), "/password"),
            (json!({ "user_id": "x" }), "/user_id"),
            (json!({ "birthdate": "x" }), "/birthdate"),
            (json!({ "is_admin": true }), "/is_admin"),
        ] {
            assert_eq!(
                patch(&user(), &value).err(),
                Some(vec![pointer.to_owned()]),
                "{value}"
            );
        }
    }

    #[test]
    fn a_new_user_needs_an_address_and_nothing_else() {
        let made = |value: Value| {
            created(&user(), value.as_object().expect("an object"), &policy()).map(|user| user.name)
        };
        assert_eq!(
            made(json!({ "email": "Bob@example.com" }))
                .expect("valid")
                .as_str(),
            "Bob@example.com"
        );
        assert!(made(json!({ "name": "Bob" })).is_err());
        let domain = vec!["x".repeat(60); 3].join(".");
        let long = format!("bob@{domain}.example.com");
        assert!(long.len() < MAX_NAME && made(json!({ "email": long })).is_ok());
        let long = format!("{}@{domain}.example.com", "b".repeat(50));
        assert_eq!(
            made(json!({ "email": long })).expect("valid").as_str(),
            &long[..MAX_NAME]
        );
        let wrong = made(json!({ "email": "nothing" })).expect_err("no address");
        let pointers: Vec<_> = wrong
            .list()
            .iter()
            .map(|one| one.pointer.as_str())
            .collect();
        assert_eq!(pointers, ["/email"], "nobody sent a name");
    }
}
