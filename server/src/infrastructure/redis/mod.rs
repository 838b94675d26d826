//! Hot state in Redis: one hash per refresh family, changed by one script.
//!
//! Redis may lose writes; nothing here is the only place that knows something. Revocation and the
//! generation floors are in SQL.

mod connection;
mod floor_writer;
mod rotations;
mod tenant_key;

pub use connection::{RedisConnection, RedisFindings, RedisUnfit};
pub use floor_writer::{DEFAULT_CAPACITY, FloorWriter};
pub use rotations::RedisRotations;

#[cfg(test)]
mod tests;
