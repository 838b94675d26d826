//! The admin API: who may, and what each noun can.

mod accountability;
pub(crate) mod administrators;
mod audit_events;
mod clients;
mod imports;
mod invitations;
mod keys;
mod keys_under_load;
mod scale;
mod settings;
mod sign_ins;
mod users;
mod withdrawn;
