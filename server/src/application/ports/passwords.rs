//! Password hashing.

use async_trait::async_trait;

use crate::{
    application::error::HashingError,
    domain::{
        id::TenantId,
        password::{Password, PasswordHash},
    },
};

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
