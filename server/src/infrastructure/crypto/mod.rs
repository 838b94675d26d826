//! Keys, seals, signatures and password hashes.

pub mod access_tokens;
pub mod aead;
pub mod fair_queue;
pub mod key_maker;
pub mod keyring;
pub mod master_keys;
pub mod password_pool;
mod sealed;
