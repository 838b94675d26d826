//! Rotating refresh tokens: the token's form (`token`) and the decision about one (`family`).
//!
//! A refresh token is opaque to clients. Inside it names its family and generation and carries a
//! tag that only we can make, so junk, truncations and foreign tokens are refused before any store
//! is asked. What gives it power is its secret, of which a store keeps the SHA-256 alone.
//!
//! The contract: at most one live token per family; every answer to one presented token carries
//! the same successor; anything older than the parent of the live one, or the parent after the
//! retry window, ends the family.

mod family;
mod token;

pub use family::{
    Family, LastRotation, Lifetimes, Presented, Refusal, Successor, Verdict, decide, rotated,
};
pub use token::{
    Generation, MalformedToken, RefreshToken, Secret, SecretDigest, TagKey, TagKeyId,
    UntrustedToken,
};
