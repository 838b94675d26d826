//! The admin API, one file a noun.

pub mod audit_events;
pub mod client_secrets;
pub mod clients;
pub mod domains;
pub mod invitations;
pub mod keys;
pub mod master_keys;
mod ndjson;
mod page;
pub mod registration_tokens;
pub mod settings;
pub mod sign_ins;
pub mod tenants;
pub mod user_import;
pub mod users;
