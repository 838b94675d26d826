//! What use cases need from the outside. Every effect goes through one of these traits.
//!
//! Inside a tenant nothing takes a tenant by id: [`Store`] binds a
//! [`TenantScope`](crate::domain::tenant::TenantScope) when work begins and the unit of work sees that
//! tenant alone.

mod audit;
mod background;
mod client_keys;
mod clients;
mod consents;
mod domains;
mod foreign_jwts;
mod grants;
mod invitations;
mod kept_answers;
mod keys;
mod logout_notifier;
mod meter;
mod outbound;
mod passwords;
mod rotations;
mod sessions;
mod single_use;
mod store;
mod system;
mod tenants;
mod users;
mod views;

pub use audit::{AuditFilter, AuditLog, AuditTrail};
pub use background::{Agenda, BackgroundWork, Due};
pub use client_keys::ClientKeySets;
pub use clients::Clients;
pub use consents::Consents;
pub use domains::{DomainEvidence, Domains, NoEvidence};
pub use foreign_jwts::{ForeignHeader, ForeignJwtRefused, ForeignJwts};
pub use grants::{GrantFilter, Grants};
pub use invitations::{InvitationFilter, Invitations};
pub use kept_answers::{KeptAnswer, KeptAnswers, KeptCreation};
pub use keys::{
    AccessTokens, JwtKind, Jwts, KeyAnswer, KeyChange, KeyDecision, KeyDirectory, KeyEdit,
    KeyMaker, KeyStore, Keyring, Keys, KeysChanged, StoredKeys, StoredSigningKey, TenantKeys,
};
pub use logout_notifier::{LogoutNotice, LogoutNotifier, LogoutTokens};
pub use meter::{Answered, Meter};
pub use outbound::{Outbound, OutboundError};
pub use passwords::{NotAPasswordHash, PasswordHasher, Verdict};
pub use rotations::{Floors, RaisedFloor, Rotation, RotationRequest, Rotations};
pub use sessions::{
    EndedSessions, GrantsOfSession, SessionClient, SessionFilter, SessionView, Sessions,
    SweepBounds, SweptPart,
};
pub use single_use::{Purpose, SingleUse, Taken, UseKey};
pub use store::{Store, UnitOfWork};
pub use system::{Aead, Clock, Dependency, Entropy, Finding, Health, StoreClock};
pub use tenants::{
    NewTenantKeys, SealedDataKey, StoredTagKey, Sweeper, Swept, TenantAt, TenantPosition, Tenants,
};
pub use users::{UserFilter, UserPosition, UserWithHash, Users};
pub use views::{Freshness, Views};
