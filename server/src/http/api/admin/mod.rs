//! The admin API, one file a noun.

pub mod clients;
mod page;
pub mod settings;
pub mod tenants;
