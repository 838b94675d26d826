//! Keys, tokens and password hashes.
//!
//! Three layers of keys: a master key from the operator's file seals each tenant's data key; the
//! data key seals the tenant's private signing keys and tag keys. Everything sealed is bound to
//! its place, so a sealed value that was moved to another row, column or tenant does not open.

mod access_tokens;
mod aead;
mod fair_queue;
mod foreign_hashes;
mod foreign_jwts;
mod jws;
mod key_changes;
mod key_maker;
mod keyring;
mod master_keys;
mod password_pool;
mod phc;
mod sealed;

pub use access_tokens::{SignedAccessTokens, VerifiedTokens};
pub use aead::Aes256Gcm;
pub use fair_queue::{FairQueue, Full};
pub use foreign_jwts::RegisteredKeyJwts;
pub use key_maker::SealedKeyMaker;
pub use keyring::{CachedKeyring, DEFAULT_CAPACITY};
pub use master_keys::{MasterKeys, MasterKeysError, generate_line};
pub use password_pool::{PasswordPool, PasswordPoolError, PasswordPoolOptions};
pub use phc::Cost;

#[cfg(test)]
mod tests;
