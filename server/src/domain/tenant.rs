//! Tenants, and what they decide for themselves.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{
    branding::Accent, custom_domain::HeldDomains, id::TenantId, role::RoleDefinitions,
    signing_key::SigningAlgorithm, timestamp::Timestamp, user_claims::TokenClaims,
};
pub use super::{
    issuer::Issuer,
    tenant_scope::{TenantScope, TenantSuspended},
};

/// The part of a URL that names a tenant: `[a-z0-9](-?[a-z0-9])*`, 1 to 63 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

/// Why a text is no [`Slug`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to 63 lower-case letters, digits and single hyphens between them, such as acme or acme-eu"
)]
pub struct NotASlug;

impl Slug {
    /// Reads a slug. Nothing is folded or trimmed: two spellings are never one tenant.
    pub fn parse(text: &str) -> Result<Self, NotASlug> {
        let well_formed = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASlug)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a tenant serves its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    Active,
    /// Answers like a tenant that does not exist.
    Suspended,
}

/// A tenant as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    pub state: TenantState,
    pub policy: Policy,
    /// Tokens and sessions from before this point count no more.
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts changes to the keys and to what rules them.
    pub keys_version: i64,
    /// Until when a JWK Set may be cached that was told to be fresh for longer than one is now.
    pub jwks_cached_until: Option<Timestamp>,
    /// The hosts that are its own.
    pub domains: HeldDomains,
}

/// What a tenant decides for itself. Members a stored policy doesn't have keep their defaults, so
/// a new member never breaks an old tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How long an access token counts, in seconds.
    pub access_token_ttl: u32,
    /// A refresh family that isn't used for this long ends, in seconds.
    pub refresh_idle_ttl: u32,
    /// A refresh family ends this long after the sign-in, whatever happens, in seconds.
    pub refresh_absolute_ttl: u32,
    /// How long after a rotation the parent still gets the same successor, in seconds (0 to 300).
    pub refresh_retry_window: u32,
    /// Origins besides our own whose pages may use the session cookies.
    pub allowed_origins: Vec<String>,
    /// How access tokens are signed.
    pub access_token_alg: SigningAlgorithm,
    /// How long a signing key signs, in seconds; 0: until it is rotated by hand.
    pub key_rotation_interval: u32,
    /// How long verifiers may keep the JWK Set, in seconds. A new key is published for longer than that
    /// before it signs.
    pub jwks_max_age: u32,
    /// How long an ID token counts, in seconds.
    pub id_token_ttl: u32,
    /// A sign-in on the hosted pages ends when its browser isn't seen for this long, in seconds.
    pub session_idle_ttl: u32,
    /// A sign-in on the hosted pages ends this long after it began, in seconds.
    pub session_absolute_ttl: u32,
    /// Resource indicators (RFC 8707) that every client may ask tokens for.
    pub resources: Vec<String>,
    /// Who may sign up.
    pub signup: SignupPolicy,
    /// How many invitations may wait to be accepted at a time.
    pub invitations_max_pending: u32,
    /// How many domains the tenant may have, verified or not: whoever looks for a tenant reads all that it holds.
    pub domains_max: u32,
    /// How many characters a new password must have.
    pub password_min_length: u32,
    /// Whether new passwords that are easy to guess are refused.
    pub password_refuse_common: bool,
    /// Who may register clients (RFC 7591).
    pub registration: RegistrationPolicy,
    /// How many clients may register themselves while registration is open.
    pub registration_max_clients: u32,
    /// Scopes that clients may register for themselves, besides those of OpenID Connect.
    pub registration_scopes: Vec<String>,
    /// How long entries of the audit log are kept, in days.
    pub audit_retention_days: u32,
    /// Clients that register themselves must use PKCE, also when they have credentials.
    pub require_pkce: bool,
    pub branding: Branding,
    /// What tokens say of users, besides who they are.
    pub claims: TokenClaims,
    /// What the names of roles mean.
    pub roles: RoleDefinitions,
}

/// Who may make an account for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignupPolicy {
    /// Anyone.
    #[default]
    Open,
    /// Nobody: invitations wait until this changes.
    Closed,
    /// Whoever was invited.
    Invitation,
}

impl SignupPolicy {
    pub const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Invitation];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Invitation => "invitation",
        }
    }
}

/// Puts `signup` in the place of `signup_open`, which said the same before there were invitations; for stored
/// policies, and for callers that still send it. `false` when it is neither true, false nor null.
pub fn rename_signup_open(members: &mut Map<String, Value>) -> bool {
    let signup = match members.get("signup_open") {
        None => return true,
        Some(Value::Null) => Value::Null,
        Some(Value::Bool(true)) => SignupPolicy::Open.name().into(),
        Some(Value::Bool(false)) => SignupPolicy::Closed.name().into(),
        Some(_) => return false,
    };
    members.remove("signup_open");
    members.entry("signup").or_insert(signup);
    true
}

/// Who may register clients at the registration endpoint (RFC 7591 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPolicy {
    /// Nobody.
    #[default]
    Off,
    /// Whoever has an initial access token.
    InitialAccessToken,
    /// Anybody, up to a number of clients.
    Open,
}

/// How the tenant's pages look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Branding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent: Option<Accent>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            access_token_ttl: 15 * 60,
            refresh_idle_ttl: 7 * 24 * 3600,
            refresh_absolute_ttl: 90 * 24 * 3600,
            refresh_retry_window: 30,
            allowed_origins: Vec::new(),
            access_token_alg: SigningAlgorithm::Es256,
            key_rotation_interval: 90 * 24 * 3600,
            jwks_max_age: 300,
            id_token_ttl: 3600,
            session_idle_ttl: 24 * 3600,
            session_absolute_ttl: 30 * 24 * 3600,
            resources: Vec::new(),
            signup: SignupPolicy::Open,
            invitations_max_pending: 1_000,
            domains_max: 100,
            password_min_length: 8,
            password_refuse_common: true,
            registration: RegistrationPolicy::Off,
            registration_max_clients: 100,
            registration_scopes: Vec::new(),
            audit_retention_days: 365,
            require_pkce: true,
            branding: Branding::default(),
            claims: TokenClaims::default(),
            roles: RoleDefinitions::new(),
        }
    }
}

impl Policy {
    /// Reads a policy as this or an earlier version stored it.
    pub fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        let mut members: Map<String, Value> = serde_json::from_str(text)?;
        // What isn't renamed is unknown, and ignored like everything else that is.
        rename_signup_open(&mut members);
        serde_json::from_value(Value::Object(members))
    }

    pub fn access_token_ttl(&self) -> Duration {
        Duration::from_secs(self.access_token_ttl.into())
    }

    pub fn refresh_idle_ttl(&self) -> Duration {
        Duration::from_secs(self.refresh_idle_ttl.into())
    }

    pub fn refresh_absolute_ttl(&self) -> Duration {
        Duration::from_secs(self.refresh_absolute_ttl.into())
    }

    pub fn id_token_ttl(&self) -> Duration {
        Duration::from_secs(self.id_token_ttl.into())
    }

    pub fn refresh_retry_window(&self) -> Duration {
        Duration::from_secs(self.refresh_retry_window.into())
    }
}

impl Tenant {
    /// Until when a JWK Set may be cached that was told to be fresh for longer than `policy` lets it.
    pub fn jwks_cached_until(&self, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
        let told = Duration::from_secs(self.policy.jwks_max_age.into());
        if policy.jwks_max_age < self.policy.jwks_max_age {
            self.jwks_cached_until.max(Some(now + told))
        } else {
            self.jwks_cached_until
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_have_one_spelling() {
        for text in ["a", "acme", "acme-eu", "0", &"x".repeat(63)] {
            assert!(Slug::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "Acme",
            "-a",
            "a-",
            "a--b",
            "a.b",
            "a_b",
            "a/b",
            "a%2eb",
            "..",
            "a ",
            &"x".repeat(64),
        ] {
            assert_eq!(Slug::parse(text), Err(NotASlug), "{text:?}");
        }
    }

    #[test]
    fn an_old_policy_gets_the_defaults_of_new_members() {
        let policy = Policy::from_stored(r#"{"access_token_ttl":60}"#).expect("a policy");
        assert_eq!(
            policy,
            Policy {
                access_token_ttl: 60,
                ..Policy::default()
            }
        );
    }

    #[test]
    fn a_policy_from_before_invitations_means_what_it_meant() {
        for (text, signup) in [
            ("{}", SignupPolicy::Open),
            (r#"{"signup_open":true}"#, SignupPolicy::Open),
            (r#"{"signup_open":false}"#, SignupPolicy::Closed),
            (r#"{"signup":"invitation"}"#, SignupPolicy::Invitation),
            (
                r#"{"signup":"invitation","signup_open":true}"#,
                SignupPolicy::Invitation,
            ),
        ] {
            let policy = Policy::from_stored(text).expect("a policy");
            assert_eq!(policy.signup, signup, "{text}");
            let again = serde_json::to_string(&policy).expect("JSON");
            assert_eq!(Policy::from_stored(&again).ok(), Some(policy), "{text}");
        }
    }
}
