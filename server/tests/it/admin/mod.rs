//! The admin API: who may, and what each noun can.

mod accountability;
pub(crate) mod administrators;
pub(crate) mod audit_events;
mod clients;
mod idempotency;
mod imports;
mod invitations;
mod keys;
mod keys_under_load;
mod registration_tokens;
mod scale;
mod settings;
mod sign_ins;
mod users;
mod withdrawn;
