//! The admin API: who may, and what each noun can.

pub(crate) mod administrators;
mod audit_events;
mod clients;
mod keys;
mod keys_under_load;
mod scale;
mod sign_ins;
mod users;
mod withdrawn;
