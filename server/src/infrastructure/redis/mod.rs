//! Hot state in Redis.

pub mod connection;
pub mod floor_writer;
pub mod rotations;
mod tenant_key;
