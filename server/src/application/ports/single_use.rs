use std::{fmt, time::Duration};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::{
    application::error::StoreError,
    domain::{tenant::TenantScope, timestamp::Timestamp},
};

/// What a key is for. Each purpose is a name space of its own: a code is never taken for the id of
/// an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    AuthorizationCode,
    /// The `jti` of a client's assertion (RFC 7523 §3).
    ClientAssertion,
    RevokedToken,
    RegistrationToken,
}

/// SHA-256 of whatever is used once; never the thing itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UseKey([u8; 32]);

impl UseKey {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for UseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// What taking something found.
#[derive(Clone, PartialEq, Eq)]
pub enum Taken {
    /// This caller has it, and nobody else ever will.
    First(Vec<u8>),
    /// Someone took it before; the same value.
    Again(Vec<u8>),
    /// It never was there, or is there no more.
    Unknown,
}

impl fmt::Debug for Taken {
    /// Without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::Again(_) => "Again",
            Self::Unknown => "Unknown",
        })
    }
}

/// Things that count once, on all instances. Each call is one atomic step; `now` decides what has
/// ended.
#[async_trait]
pub trait SingleUse: Send + Sync {
    /// Keeps `value` until `end`. `Conflict("single_use_pkey")` when the key is there already.
    async fn keep(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        value: &[u8],
        end: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Reads without using up: nothing after the end, and nothing that was taken.
    async fn peek(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    /// Takes it: one caller of all gets [`Taken::First`]; later ones [`Taken::Again`] until
    /// `remember_for` after the first.
    async fn take(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
        remember_for: Duration,
    ) -> Result<Taken, StoreError>;
    /// Marks a key as used until `end`: true for the one caller who was first. A later call keeps
    /// the first end.
    async fn claim(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Whether the key is marked as used.
    async fn is_claimed(
        &self,
        tenant: &TenantScope,
        purpose: Purpose,
        key: UseKey,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}
