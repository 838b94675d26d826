//! The admin API: who may, and what each noun can.

pub(crate) mod administrators;
mod audit_events;
mod clients;
mod idempotency;
mod keys;
mod keys_under_load;
mod registration_tokens;
mod scale;
mod sign_ins;
mod users;
