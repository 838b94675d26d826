//! What use cases need from the outside. Every effect goes through one of these traits.
//!
//! Inside a tenant nothing takes a tenant by id: [`Store`] binds a [`TenantScope`] when work begins
//! and the unit of work sees that tenant alone.

mod client_keys;
mod foreign_jwts;
mod logout_notifier;
mod outbound;
mod single_use;

use std::sync::Arc;

use async_trait::async_trait;

use super::error::{CryptoError, HashingError, StoreError};
use crate::domain::{
    claims::AccessClaims,
    client::{Client, ClientId},
    consent::Consent,
    email::EmailAddress,
    grant::{Floor, Grant, GrantView},
    id::{GrantId, SessionId, TenantId, UserId},
    password::{Password, PasswordHash},
    profile::Profile,
    refresh::{Generation, Lifetimes, Presented, Refusal, Successor, TagKey, TagKeyId},
    secret::{BrowserSession, InitialAccess, Key256, TokenDigest},
    session::Session,
    signing_key::{PublicKey, SigningAlgorithm, StoredSigningKey},
    tenant::{Policy, Slug, Tenant, TenantScope, TenantState},
    timestamp::Timestamp,
    user::User,
};

pub use client_keys::ClientKeySets;
pub use foreign_jwts::{ForeignHeader, ForeignJwtRefused, ForeignJwts};
pub use logout_notifier::{LogoutNotice, LogoutNotifier, LogoutTokens};
pub use outbound::{Outbound, OutboundError};
pub use single_use::{Purpose, SingleUse, Taken, UseKey};

/// Tells the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// By how many microseconds this clock is ahead of real time. Stores that read their own clock
    /// add it. Zero outside tests.
    fn offset_micros(&self) -> i64 {
        0
    }
}

/// Draws randomness fit for keys.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// Authenticated encryption with a key that is used for few messages.
pub trait Aead: Send + Sync {
    /// Seals `plaintext` so that it opens only with the same key and context.
    fn seal(
        &self,
        key: &Key256,
        nonce: [u8; 12],
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;
    /// Opens what [`seal`](Self::seal) gave.
    fn open(&self, key: &Key256, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// The directory of all tenants: the only place that knows more than one.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant, its keys and its first client, or nothing.
    /// `Conflict("tenants_slug_key")` when the slug is taken.
    async fn create(
        &self,
        tenant: &Tenant,
        keys: &NewTenantKeys,
        client: &Client,
    ) -> Result<(), StoreError>;
    /// Finds a tenant. An answer may be up to a second old.
    async fn by_slug(&self, slug: &Slug) -> Result<Option<Tenant>, StoreError>;
    /// Up to `limit` tenants in order of slug, behind `after`, whose slug or name contains `q`.
    async fn page(
        &self,
        after: Option<&Slug>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Tenant>, StoreError>;
    /// Replaces the policy of a tenant that was last changed at `expected`. `None` when there is no
    /// such tenant, or when it was changed since.
    async fn set_policy(
        &self,
        slug: &Slug,
        policy: &Policy,
        expected: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Suspends or resumes. `None` when there is no such tenant.
    async fn set_state(
        &self,
        slug: &Slug,
        state: TenantState,
        now: Timestamp,
    ) -> Result<Option<Tenant>, StoreError>;
    /// Deletes a tenant with all it has; `false` when there is none.
    async fn delete(&self, slug: &Slug) -> Result<bool, StoreError>;
}

/// The keys of a tenant in the making, all sealed.
#[derive(Debug)]
pub struct NewTenantKeys {
    pub data_key: SealedDataKey,
    pub signing_key: StoredSigningKey,
    pub tag_key: StoredTagKey,
}

/// A tenant's data key, sealed under a master key.
#[derive(Clone, Debug)]
pub struct SealedDataKey {
    pub master_key_id: String,
    pub sealed: Vec<u8>,
}

/// A tag key, sealed under the tenant's data key.
#[derive(Clone, Debug)]
pub struct StoredTagKey {
    pub id: TagKeyId,
    pub sealed: Vec<u8>,
}

/// Makes the keys of a new tenant.
pub trait KeyMaker: Send + Sync {
    fn make(&self, tenant: TenantId) -> Result<NewTenantKeys, CryptoError>;
}

/// Where a tenant's sealed keys are.
#[async_trait]
pub trait KeyStore: Send + Sync {
    async fn stored_keys(&self, tenant: &TenantScope) -> Result<StoredKeys, StoreError>;
    /// Adds a key that signs. `Conflict("signing_keys_tenant_id_algorithm_active_key")` when there is
    /// one of its algorithm.
    async fn add_signing_key(
        &self,
        tenant: &TenantScope,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// A tenant's keys, all sealed; of each kind the latest first.
#[derive(Clone, Debug)]
pub struct StoredKeys {
    pub data_key: SealedDataKey,
    pub signing_keys: Vec<StoredSigningKey>,
    pub tag_keys: Vec<StoredTagKey>,
}

/// A tenant's keys, opened and parsed once.
#[async_trait]
pub trait Keyring: Send + Sync {
    async fn keys(&self, tenant: &TenantScope) -> Result<Arc<TenantKeys>, super::error::Error>;
    /// Every key that verifiers may meet, at most a second old.
    async fn published(
        &self,
        tenant: &TenantScope,
    ) -> Result<Arc<Vec<PublicKey>>, super::error::Error>;
    /// Keys that can sign with `algorithm`; they are made when there are none yet.
    async fn keys_with(
        &self,
        tenant: &TenantScope,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<TenantKeys>, super::error::Error>;
}

/// A tenant's opened keys.
pub struct TenantKeys {
    pub tokens: Box<dyn AccessTokens>,
    pub jwts: Box<dyn Jwts>,
    /// What `tokens` were opened to sign with.
    pub access_token_alg: SigningAlgorithm,
    /// What other keys are derived from. It lives as long as the tenant's data key.
    pub derivation: Key256,
    /// Every key that verifiers may meet.
    pub public: Vec<PublicKey>,
    /// The first makes tags; all of them check.
    pub tag_keys: Vec<TagKey>,
}

impl std::fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantKeys")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl TenantKeys {
    /// A key for one use alone.
    pub fn derive(&self, label: &str) -> Key256 {
        Key256::from_bytes(super::issue::keyed_digest(
            &self.derivation,
            &[label.as_bytes()],
        ))
    }
}

/// The kind of a JWT that we sign; its `typ` header keeps kinds apart (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtKind {
    AccessToken,
    IdToken,
    LogoutToken,
    UserInfo,
    Introspection,
}

/// Signs and verifies one tenant's JWTs.
pub trait Jwts: Send + Sync {
    /// Whether there is a key of this algorithm.
    fn can_sign(&self, algorithm: SigningAlgorithm) -> bool;
    fn sign(
        &self,
        algorithm: SigningAlgorithm,
        kind: JwtKind,
        claims: &[u8],
    ) -> Result<String, CryptoError>;
    fn verify(
        &self,
        kind: JwtKind,
        token: &str,
    ) -> Option<serde_json::Map<String, serde_json::Value>>;
}

/// Signs and verifies one tenant's access tokens (RFC 9068).
pub trait AccessTokens: Send + Sync {
    fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoError>;
    /// Form, type, algorithm and signature; not the times and the issuer: those are
    /// [`AccessClaims::check`]'s. `None` for anything that this tenant didn't sign.
    fn verify(&self, token: &str) -> Option<AccessClaims>;
}

/// Opens units of work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Starts reading. The unit sees only `tenant`.
    async fn view(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;
    /// Starts writing. The unit sees only `tenant`; dropping it undoes it.
    async fn begin(&self, tenant: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// Work inside one tenant, done wholly or not at all.
#[async_trait]
pub trait UnitOfWork: Users + Clients + Sessions + Grants + Consents + Keys + Send {
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

#[async_trait]
pub trait Users {
    /// Adds a user. `Conflict("users_tenant_id_email_key")` when the address is taken.
    async fn add_user(&mut self, user: &User, password: &PasswordHash) -> Result<(), StoreError>;
    /// A user and its password hash, by canonical address.
    async fn user_by_email(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError>;
    async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
    /// Replaces what a user says of itself.
    async fn set_profile(
        &mut self,
        id: UserId,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

#[async_trait]
pub trait Clients {
    /// Adds a client. `Conflict("clients_pkey")` when the id is taken.
    async fn add_client(&mut self, client: &Client) -> Result<(), StoreError>;
    async fn client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError>;
    /// Writes what may change of a client; `false` when it is gone.
    async fn update_client(&mut self, client: &Client) -> Result<bool, StoreError>;
    /// Deletes a client with all that was granted to it; the grants with their sessions, or `None`
    /// when there is no such client.
    async fn delete_client(
        &mut self,
        id: &ClientId,
    ) -> Result<Option<Vec<(SessionId, GrantId)>>, StoreError>;
    /// Up to `limit` clients in order of id, behind `after`, whose id or name contains `q`. The
    /// session API's own client isn't one of them.
    async fn clients_page(
        &mut self,
        after: Option<&ClientId>,
        limit: u32,
        q: Option<&str>,
    ) -> Result<Vec<Client>, StoreError>;
    /// How many clients registered themselves.
    async fn count_dynamic_clients(&mut self) -> Result<u64, StoreError>;
    /// Whether a client has a redirect URI of this origin.
    async fn is_client_origin(&mut self, origin: &str) -> Result<bool, StoreError>;
    async fn add_initial_access(&mut self, token: &InitialAccessToken) -> Result<(), StoreError>;
    /// Uses a token once; `false` when it is unknown, used up or expired.
    async fn use_initial_access(
        &mut self,
        token: &TokenDigest<InitialAccess>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// A token that allows to register clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccessToken {
    pub id: uuid::Uuid,
    pub digest: TokenDigest<InitialAccess>,
    /// Any number when absent.
    pub remaining_uses: Option<u32>,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[async_trait]
pub trait Sessions {
    async fn add_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// The session and its user.
    async fn session(&mut self, id: SessionId) -> Result<Option<SessionView>, StoreError>;
    /// The session whose browser holds the token with this digest, and its user.
    async fn session_of_browser(
        &mut self,
        browser: &TokenDigest<BrowserSession>,
    ) -> Result<Option<SessionView>, StoreError>;
    /// The user proved anew who they are: the times, the methods and the browser's token change.
    async fn renew_session(&mut self, session: &Session) -> Result<(), StoreError>;
    /// Notes that the browser was seen.
    async fn touch_session(&mut self, id: SessionId, now: Timestamp) -> Result<(), StoreError>;
    /// The clients that were granted something during the session.
    async fn clients_of_session(&mut self, id: SessionId) -> Result<Vec<Client>, StoreError>;
    /// Ends the session and revokes its grants, but those that outlive it; which ones. Ending twice keeps the first end.
    async fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>, StoreError>;
}

/// A session and its user as of one moment.
#[derive(Clone, Debug)]
pub struct SessionView {
    pub session: Session,
    pub user: User,
}

#[async_trait]
pub trait Grants {
    async fn add_grant(&mut self, grant: &Grant) -> Result<(), StoreError>;
    async fn grant(&mut self, id: GrantId) -> Result<Option<GrantView>, StoreError>;
    /// Revokes a grant; revoking twice keeps the first moment.
    async fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<(), StoreError>;
    /// Revokes all that a user granted a client; which grants, with their sessions.
    async fn revoke_grants_of(
        &mut self,
        user: UserId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, GrantId)>, StoreError>;
}

#[async_trait]
pub trait Consents {
    async fn consent(
        &mut self,
        user: UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, StoreError>;
    /// Remembers that the user allowed the client this, besides what was allowed before.
    async fn add_consent(&mut self, consent: &Consent) -> Result<(), StoreError>;
    /// What the user allowed whom, the latest change first; at most 200.
    async fn consents_of(&mut self, user: UserId) -> Result<Vec<(Consent, Client)>, StoreError>;
    /// Forgets a consent; `false` when there is none.
    async fn delete_consent(&mut self, user: UserId, client: &ClientId)
    -> Result<bool, StoreError>;
}

#[async_trait]
pub trait Keys {
    async fn sealed_data_key(&mut self) -> Result<SealedDataKey, StoreError>;
    /// Adds a key that signs. `Conflict("signing_keys_tenant_id_algorithm_active_key")` when there is
    /// one of its algorithm.
    async fn add_signing_key(
        &mut self,
        key: &StoredSigningKey,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError>;
    async fn tag_keys(&mut self) -> Result<Vec<StoredTagKey>, StoreError>;
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At most a second: the time within which a revocation reaches every instance.
    Recent,
    /// Read now.
    Now,
}

/// What hot paths read of grants and sessions, cached for at most a second.
#[async_trait]
pub trait Views: Send + Sync {
    async fn grant(
        &self,
        tenant: &TenantScope,
        id: GrantId,
        freshness: Freshness,
    ) -> Result<Option<Arc<GrantView>>, StoreError>;
    async fn session(
        &self,
        tenant: &TenantScope,
        id: SessionId,
    ) -> Result<Option<Arc<SessionView>>, StoreError>;
    /// Drops what is cached of a session and its grants, because they just changed.
    async fn forget(&self, tenant: &TenantScope, session: SessionId, grants: &[GrantId]);
}

/// The hot records of refresh families. Each call is one atomic step that carries out
/// [`decide`](crate::domain::refresh::decide).
#[async_trait]
pub trait Rotations: Send + Sync {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError>;
    /// Drops the hot records of revoked families. The revocation itself is the SQL commit before.
    async fn forget(&self, tenant: &TenantScope, families: &[GrantId]) -> Result<(), StoreError>;
}

/// A presented token and what a rotation needs.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    pub family: GrantId,
    /// The client that the grant was made for.
    pub owner: ClientId,
    pub floor: Floor,
    /// The floor was just read, not taken from a cache.
    pub floor_is_fresh: bool,
    pub presented: Presented,
    pub successor: Successor,
    pub lifetimes: Lifetimes,
    /// The caller's clock, for a store without one of its own.
    pub now: Timestamp,
    /// [`Clock::offset_micros`], for a store that reads its own clock.
    pub clock_offset: i64,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is the live token now.
    Rotated,
    /// The token had been rotated a moment ago: the live token's secret, sealed.
    Repeated { sealed_successor: Vec<u8> },
    /// The hot record is dead. What follows in SQL is the caller's.
    Reused,
    /// Nothing changed.
    Refused(Refusal),
    /// Nothing changed: ask again with a fresh floor.
    Reload,
}

/// Durable floors of refresh families, written behind the answers of a volatile hot store.
#[async_trait]
pub trait Floors: Send + Sync {
    /// Raises the floors; one that is higher already stays.
    async fn raise(&self, tenant: TenantId, floors: &[RaisedFloor]) -> Result<(), StoreError>;
}

/// A family's new floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaisedFloor {
    pub family: GrantId,
    pub generation: Generation,
    pub idle_end: Timestamp,
}

/// Hashes passwords, in bounded time and memory.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    async fn hash(
        &self,
        tenant: TenantId,
        password: Password,
    ) -> Result<PasswordHash, HashingError>;
    /// Whether the password fits. Without a hash, `false` after the same work.
    async fn verify(
        &self,
        tenant: TenantId,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, HashingError>;
}

/// Something that readiness depends on.
#[async_trait]
pub trait Dependency: Send + Sync {
    /// Such as `database`.
    fn name(&self) -> &'static str;
    async fn check(&self) -> Result<(), StoreError>;
}
