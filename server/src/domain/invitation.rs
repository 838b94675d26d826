//! Invitations: an administrator's leave for one address to become a user, once and for a while.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    email::EmailAddress,
    id::{InvitationId, UserId},
    role::RoleName,
    secret::{Invitation as InvitationToken, TokenDigest},
    tenant::Policy,
    timestamp::Timestamp,
    user::{DisplayName, User},
    user_members,
    violation::{Violation, Violations},
};

const MINUTE: u32 = 60;
const DAY: u32 = 24 * 3600;
/// Long enough for a holiday; a link that lies in a mailbox for longer is a risk that nobody remembers.
const MAX_LIFETIME: u32 = 30 * DAY;
const DEFAULT_LIFETIME: u32 = 7 * DAY;

/// How long an invitation is still listed after it would have expired.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// An invitation of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    /// The only address that can accept it.
    pub email: EmailAddress,
    /// What the form begins with.
    pub name: Option<DisplayName>,
    /// What the user will hold: nothing of the link can change it.
    pub roles: Vec<RoleName>,
    pub digest: TokenDigest<InvitationToken>,
    pub expires_at: Timestamp,
    pub ending: Option<Ending>,
    pub created_at: Timestamp,
}

/// How an invitation ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Accepted {
        at: Timestamp,
        user: UserId,
    },
    /// Taken back, or replaced by a later one.
    Revoked {
        at: Timestamp,
    },
}

/// What an invitation is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be accepted.
    Pending,
    Accepted,
    Expired,
    Revoked,
}

impl Invitation {
    pub fn state(&self, now: Timestamp) -> InvitationState {
        match self.ending {
            Some(Ending::Accepted { .. }) => InvitationState::Accepted,
            // One that was replaced after its time had expired before.
            Some(Ending::Revoked { at }) if at < self.expires_at => InvitationState::Revoked,
            Some(Ending::Revoked { .. }) => InvitationState::Expired,
            None if self.expires_at <= now => InvitationState::Expired,
            None => InvitationState::Pending,
        }
    }
}

/// What an administrator says of an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvitation {
    pub email: EmailAddress,
    pub name: Option<DisplayName>,
    pub roles: Vec<RoleName>,
    pub lifetime: Duration,
}

/// The members that there are, and no other: whoever sends one expects it to work.
const MEMBERS: [&str; 4] = ["email", "name", "roles", "expires_in"];

/// Reads what an administrator sent, by the rules of a new user. `blank` is a user whose members are replaced.
pub fn read(
    blank: &User,
    members: &Map<String, Value>,
    policy: &Policy,
) -> Result<NewInvitation, Violations> {
    let mut violations = Vec::new();
    let mut note = |pointer: &str, detail: String| {
        violations.push(Violation {
            pointer: format!("/{pointer}"),
            detail,
        });
    };
    for name in members
        .keys()
        .filter(|name| !MEMBERS.contains(&name.as_str()))
    {
        note(name, "is no member of an invitation".to_owned());
    }
    let lifetime = match members.get("expires_in") {
        None | Some(Value::Null) => Some(DEFAULT_LIFETIME),
        Some(value) => value.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    let lifetime = lifetime.filter(|n| (MINUTE..=MAX_LIFETIME).contains(n));
    if lifetime.is_none() {
        note(
            "expires_in",
            format!("must be a number from {MINUTE} to {MAX_LIFETIME}"),
        );
    }
    let of_the_user = members
        .iter()
        .filter(|(name, _)| ["email", "name", "roles"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()));
    let user = user_members::created(blank, &of_the_user.collect(), policy);
    let named = members.get("name").is_some_and(|name| !name.is_null());
    match (user, lifetime) {
        (Ok(user), Some(lifetime)) if violations.is_empty() => Ok(NewInvitation {
            email: user.email,
            name: named.then_some(user.name),
            roles: user.roles,
            lifetime: Duration::from_secs(lifetime.into()),
        }),
        (user, _) => {
            violations.extend(user.err().iter().flat_map(Violations::list).cloned());
            let all = Violations::from_list(violations);
            Err(all.unwrap_or_else(|| Violations::one("", "is not valid")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::tests_support::user;

    fn pointers(members: &Value) -> Vec<String> {
        let policy: Policy =
            serde_json::from_value(json!({ "roles": { "clerk": {} } })).expect("a policy");
        match read(&user(), members.as_object().expect("an object"), &policy) {
            Ok(_) => Vec::new(),
            Err(broken) => broken
                .list()
                .iter()
                .map(|one| one.pointer.clone())
                .collect(),
        }
    }

    #[test]
    fn every_wrong_member_is_pointed_at() {
        let valid = json!({ "email": "ada@example.com", "name": "Ada", "roles": ["clerk"], "expires_in": 60 });
        assert_eq!(pointers(&valid), [""; 0]);
        assert_eq!(pointers(&json!({ "email": "ada@example.com" })), [""; 0]);
        for (name, value, pointer) in [
            ("email", json!("x"), "/email"),
            ("email", Value::Null, "/email"),
            ("name", json!("\u{202e}"), "/name"),
            ("roles", json!(["owner"]), "/roles/0"),
            ("roles", json!("clerk"), "/roles"),
            ("expires_in", json!(59), "/expires_in"),
            ("expires_in", json!(MAX_LIFETIME + 1), "/expires_in"),
            ("expires_in", json!("60"), "/expires_in"),
            ("email_verified", json!(true), "/email_verified"),
            ("state", json!("active"), "/state"),
        ] {
            let mut members = valid.clone();
            members[name] = value;
            assert_eq!(pointers(&members), [pointer], "{members}");
        }
    }

    #[test]
    fn the_state_follows_from_what_happened_first() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let invitation = |ending| Invitation {
            id: InvitationId::new(at(0), [0; 10]),
            email: user().email,
            name: None,
            roles: Vec::new(),
            digest: TokenDigest::of("thi_x"),
            expires_at: at(60),
            ending,
            created_at: at(0),
        };
        let accepted = Ending::Accepted {
            at: at(5),
            user: user().id,
        };
        for (ending, now, state) in [
            (None, 59, InvitationState::Pending),
            (None, 60, InvitationState::Expired),
            (Some(accepted), 99, InvitationState::Accepted),
            (
                Some(Ending::Revoked { at: at(5) }),
                99,
                InvitationState::Revoked,
            ),
            (
                Some(Ending::Revoked { at: at(60) }),
                99,
                InvitationState::Expired,
            ),
        ] {
            assert_eq!(invitation(ending).state(at(now)), state, "{ending:?} {now}");
        }
    }
}
