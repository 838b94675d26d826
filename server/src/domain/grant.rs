//! Grants: what a user's sign-in allowed a client, and the durable half of its refresh family.

use super::{
    claims::Audience,
    claims_request::ClaimsRequest,
    client::Client,
    client::ClientId,
    domain_name::DomainName,
    id::{GrantId, SessionId, UserId},
    refresh::{Generation, SecretDigest},
    scope::Scopes,
    session::Session,
    tenant_scope::TenantScope,
    timestamp::Timestamp,
    user::{User, UserState},
};

/// A grant as it is made at sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub scope: Scopes,
    pub audience: Audience,
    /// The custom domain whose issuer made it, and makes all of its tokens; `None`: the tenant's path.
    pub issuer_domain: Option<DomainName>,
    /// Outlives its session (OIDC Core §11).
    pub offline: bool,
    /// When the user had signed in: the `auth_time` of its ID tokens, which a refresh doesn't change.
    pub authenticated_at: Timestamp,
    pub claims: ClaimsRequest,
    /// SHA-256 of the first refresh token's secret (generation 0).
    pub leaf: SecretDigest,
    pub idle_end: Timestamp,
    pub absolute_end: Timestamp,
    pub created_at: Timestamp,
}

/// What a refresh needs to know of a grant, read in one query and at most a second old.
#[derive(Clone, Debug)]
pub struct GrantView {
    pub id: GrantId,
    pub scope: Scopes,
    pub audience: Audience,
    pub issuer_domain: Option<DomainName>,
    pub offline: bool,
    pub authenticated_at: Timestamp,
    pub claims: ClaimsRequest,
    pub floor: Floor,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub client: Client,
    pub session: Session,
    pub user: User,
}

/// A grant as administrators see it: nothing of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantSummary {
    pub id: GrantId,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub scope: Scopes,
    pub audience: Audience,
    pub offline: bool,
    pub absolute_end: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// The durable bound of a family: what must hold whatever happens to the hot record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// No token below this generation counts any more.
    pub generation: Generation,
    /// The secret of this very generation, when it is known.
    pub leaf: Option<SecretDigest>,
    pub idle_end: Timestamp,
    pub absolute_end: Timestamp,
}

/// Why a grant allows nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Revoked,
    SessionEnded,
    UserDisabled,
    /// A not-before mark of the user, the client or the tenant lies after it.
    BeforeMark,
    /// The domain whose issuer made it is no longer the tenant's.
    IssuerGone,
}

impl GrantView {
    /// Whether anything ended this grant of `tenant`.
    pub fn ended(&self, tenant: &TenantScope) -> Option<Ended> {
        let mark = [
            tenant.not_before(),
            self.client.not_before,
            self.user.not_before,
        ]
        .into_iter()
        .flatten()
        .max();
        if self.revoked_at.is_some() {
            Some(Ended::Revoked)
        } else if self.session.ended_at.is_some() && !self.offline {
            Some(Ended::SessionEnded)
        } else if self.user.state == UserState::Disabled {
            Some(Ended::UserDisabled)
        } else if mark.is_some_and(|mark| self.created_at < mark) {
            Some(Ended::BeforeMark)
        } else if tenant.from_issuer(self.issuer_domain.as_ref()).is_none() {
            Some(Ended::IssuerGone)
        } else {
            None
        }
    }
}
