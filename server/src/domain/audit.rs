//! What happened in a tenant, for those who have to account for it.
//!
//! An entry says who did what to which object, when and from where. It carries no secret and no hash of
//! one: what went into it must be fit for a reader who may see everything but secrets.

use std::{fmt, net::IpAddr};

use serde_json::{Map, Value, json};

use super::{
    audit_details,
    client::ClientId,
    id::{AuditEntryId, UserId},
    timestamp::Timestamp,
};

/// One entry of a tenant's audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: AuditEntryId,
    pub at: Timestamp,
    pub actor: Actor,
    pub origin: Origin,
    pub event: Event,
}

impl Entry {
    /// The members of an `AuditEvent` of the admin API, for a log.
    pub fn to_json(&self) -> Value {
        let (kind, id, client_id) = self.actor.parts();
        json!({
            "id": self.id.as_uuid(),
            "event": self.event.kind.name(),
            "created_at": self.at.to_rfc3339(),
            "actor": { "kind": kind, "id": id, "client_id": client_id },
            "target": self.event.target,
            "ip": self.origin.ip,
            "request_id": self.origin.request_id,
            "details": self.event.details,
        })
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever runs the installation.
    Operator,
    /// A user by a client; the session API's own client too.
    User { user: UserId, client: ClientId },
    /// A client for itself.
    Client(ClientId),
    /// Somebody who didn't prove who they are.
    Anonymous,
    /// The server by itself, such as a rotation on schedule.
    System,
}

impl Actor {
    pub const OPERATOR: &str = "operator";
    pub const USER: &str = "user";
    pub const CLIENT: &str = "client";
    pub const ANONYMOUS: &str = "anonymous";
    pub const SYSTEM: &str = "system";

    /// Its kind as stored and shown, its id, and the client that a user came by.
    pub fn parts(&self) -> (&'static str, Option<String>, Option<String>) {
        match self {
            Self::Operator => (Self::OPERATOR, None, None),
            Self::User { user, client } => {
                (Self::USER, Some(user.to_string()), Some(client.to_string()))
            }
            Self::Client(client) => (Self::CLIENT, Some(client.to_string()), None),
            Self::Anonymous => (Self::ANONYMOUS, None, None),
            Self::System => (Self::SYSTEM, None, None),
        }
    }

    /// A user of the tenant's own applications or pages.
    pub fn first_party(user: UserId) -> Self {
        Self::User {
            user,
            client: ClientId::first_party(),
        }
    }
}

/// The request that it happened in. Empty for what the server does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The caller's address: of the connection, or what a trusted proxy says.
    pub ip: Option<IpAddr>,
    /// The `X-Request-Id` of the answer.
    pub request_id: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub kind: EventKind,
    /// The id of what it happened to: a user, a client, a key. The kind says which.
    pub target: Option<String>,
    /// More, by name.
    pub details: Map<String, Value>,
}

impl Event {
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            target: None,
            details: Map::new(),
        }
    }

    /// What it happened to.
    pub fn target(mut self, id: impl fmt::Display) -> Self {
        self.target = Some(id.to_string());
        self
    }

    /// One thing more to know. Never a secret.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The members that a change made different, before and after.
    pub fn change(self, before: &Value, after: &Value) -> Self {
        let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
            return self;
        };
        let (was, is) = audit_details::difference(before, after);
        self.before(was).after(is)
    }

    /// What something was that is no more.
    pub fn before(self, members: impl Into<Value>) -> Self {
        self.detail("before", members)
    }

    /// What something is that is new.
    pub fn after(self, members: impl Into<Value>) -> Self {
        self.detail("after", members)
    }

    /// With details of a bounded size; `cut` among them when something is left out.
    pub fn bounded(mut self) -> Self {
        audit_details::bound(&mut self.details);
        self
    }
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind,)+ }

        impl EventKind {
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name on the wire and in the store.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

event_kinds! {
    /// A user made an account.
    UserSignedUp = "user.signed_up",
    UserSignedIn = "user.signed_in",
    /// A wrong password, an unknown address or a disabled account; `details.reason` says which.
    SignInFailed = "user.sign_in_failed",
    UserSignedOut = "user.signed_out",
    ProfileChanged = "user.profile_changed",
    UserCreated = "user.created",
    UserImported = "user.imported",
    UserChanged = "user.changed",
    UserDeleted = "user.deleted",
    InvitationCreated = "invitation.created",
    InvitationRevoked = "invitation.revoked",
    InvitationAccepted = "invitation.accepted",
    SessionEnded = "session.ended",
    /// A refresh token came back after it was rotated: its family ended.
    RefreshReused = "grant.refresh_reused",
    /// An authorization code came back after it was redeemed: its grant ended.
    CodeReplayed = "grant.code_replayed",
    GrantRevoked = "grant.revoked",
    ConsentGiven = "consent.given",
    ConsentWithdrawn = "consent.withdrawn",
    ClientAuthenticationFailed = "client.authentication_failed",
    ClientCreated = "client.created",
    ClientRegistered = "client.registered",
    ClientChanged = "client.changed",
    ClientDeleted = "client.deleted",
    ClientSecretCreated = "client.secret_created",
    ClientSecretDeleted = "client.secret_deleted",
    RegistrationTokenCreated = "registration_token.created",
    RegistrationTokenDeleted = "registration_token.deleted",
    TenantCreated = "tenant.created",
    TenantChanged = "tenant.changed",
    TenantSuspended = "tenant.suspended",
    TenantResumed = "tenant.resumed",
    SettingsChanged = "settings.changed",
    KeyCreated = "key.created",
    KeyActivated = "key.activated",
    /// It signs no more, and is published until its last token has ended.
    KeyRetiring = "key.retiring",
    KeyRetired = "key.retired",
    KeyRevoked = "key.revoked",
    KeyDeleted = "key.deleted",
    /// The key that the tenant's keys are sealed with was sealed anew, under another master key.
    DataKeyResealed = "key.data_key_resealed",
    DomainAdded = "domain.added",
    DomainVerified = "domain.verified",
    DomainChanged = "domain.changed",
    DomainRemoved = "domain.removed",
    /// A call of the admin API was refused; `details.reason` says why.
    AdminRefused = "admin.refused",
}

impl EventKind {
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn a_change_names_what_is_different_and_nothing_else() {
        let event = Event::new(EventKind::UserChanged).change(
            &json!({ "name": "Ada", "email": "a@example.com", "gone": 1 }),
            &json!({ "name": "Grace", "email": "a@example.com", "new": [2] }),
        );
        assert_eq!(
            Value::Object(event.details),
            json!({
                "before": { "name": "Ada", "gone": 1, "new": null },
                "after": { "name": "Grace", "gone": null, "new": [2] },
            })
        );
    }
}
