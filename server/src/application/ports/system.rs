//! What the machine gives: time, randomness, encryption, and whether it all works.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::{
    application::error::{CryptoError, StoreError},
    domain::{secret::Key256, timestamp::Timestamp},
};

/// Tells the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// By how many microseconds this clock is ahead of real time. Stores that read their own clock
    /// add it. Zero outside tests.
    fn offset_micros(&self) -> i64 {
        0
    }
}

/// Tells the time that all instances share.
#[async_trait]
pub trait StoreClock: Send + Sync {
    /// The store's time, with [`Clock::offset_micros`] added; `None` when the store has no clock of its own.
    async fn now(&self, offset_micros: i64) -> Result<Option<Timestamp>, StoreError>;
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

/// Something that readiness depends on.
#[async_trait]
pub trait Dependency: Send + Sync {
    /// Such as `database`.
    fn name(&self) -> &'static str;
    async fn check(&self) -> Health;
    /// Whether an instance is of no use while this is down. What all instances share, and what much goes on
    /// without, is not: were all of them taken out, nothing would go on.
    fn is_required(&self) -> bool {
        true
    }
}

/// How a dependency was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub health: Health,
    /// An instance is of no use while this is down.
    pub required: bool,
}

impl Finding {
    pub fn required(name: &'static str, health: Health) -> Self {
        Self {
            name,
            health,
            required: true,
        }
    }
}

/// How a dependency is, with the operator's word for it, such as `unreachable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    /// It answers, and not everything works: no other instance would do better.
    Degraded(Cow<'static, str>),
    Down(Cow<'static, str>),
}

impl Health {
    /// The operator's word for what is wrong.
    pub fn reason(&self) -> Option<&Cow<'static, str>> {
        match self {
            Self::Up => None,
            Self::Degraded(reason) | Self::Down(reason) => Some(reason),
        }
    }
}
