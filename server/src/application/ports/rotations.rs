//! Hot records of refresh families and their durable floors.

use async_trait::async_trait;

use crate::{
    application::error::StoreError,
    domain::{
        client::ClientId,
        grant::Floor,
        id::{GrantId, TenantId},
        refresh::{Generation, Lifetimes, Presented, Refusal, Successor},
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// The hot records of refresh families. Each call is one atomic step that carries out
/// [`decide`](crate::domain::refresh::decide).
#[async_trait]
pub trait Rotations: Send + Sync {
    async fn rotate(
        &self,
        tenant: &TenantScope,
        request: &RotationRequest,
    ) -> Result<Rotation, StoreError>;
    /// Whether a reuse that was found has revoked its grant already, since hot records and grants are the same rows. If
    /// not, the caller's commit is the revocation.
    fn revokes(&self) -> bool;
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
    /// [`Clock::offset_micros`](super::Clock::offset_micros), for a store that reads its own clock.
    pub clock_offset: i64,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is the live token now.
    Rotated,
    /// The token had been rotated a moment ago: the live token's secret, sealed.
    Repeated { sealed_successor: Vec<u8> },
    /// The hot record is dead as of now. What follows in SQL is the caller's.
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
