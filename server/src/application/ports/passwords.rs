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
    /// Whether the password fits. Without a hash, `Wrong` after the same work.
    async fn verify(
        &self,
        tenant: TenantId,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, HashingError>;
    /// A hash that another system made, if [`verify`](Self::verify) can take it.
    fn foreign(&self, text: &str) -> Result<PasswordHash, NotAPasswordHash>;
}

/// What became of a presented password.
#[derive(Clone, Debug)]
pub enum Verdict {
    Wrong,
    Fits {
        /// The same password as it would be hashed today, when the stored hash is weaker or of another kind.
        renewed: Option<PasswordHash>,
    },
}

impl Verdict {
    pub fn fits(&self) -> bool {
        matches!(self, Self::Fits { .. })
    }
}

/// Why a text is no password hash that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPasswordHash {
    #[error(
        "must be a hash of argon2, bcrypt, scrypt, pbkdf2 or firebase-scrypt, as a PHC string such as \
         $scrypt$ln=16,r=8,p=1$salt$hash"
    )]
    Unknown,
    #[error(
        "asks for too much work: argon2 may use 256 MiB, 10 passes, 8 lanes and 608 MiB in all passes together, bcrypt cost 14, \
         scrypt N·r·p of 1048576, PBKDF2 2000000 rounds for all blocks of its output (1000000 with SHA-512)"
    )]
    TooExpensive,
}
