//! Hot state in Redis: one hash per refresh family, changed by one script.
//!
//! Redis may lose writes; nothing here is the only place that knows something. Revocation and the
//! generation floors are in SQL.

mod address;
mod arrival;
mod cluster;
mod connection;
mod floor_writer;
mod primary;
mod refusal;
mod rotations;
mod seat;
mod slots;
mod tenant_key;
mod unfit;

pub use address::{BadAddress, RedisAddress};
pub use arrival::{Arrival, report, report_unfit};
pub use cluster::Cluster;
pub use connection::{REDIS, RedisConnection, RedisFindings};
pub use floor_writer::{DEFAULT_CAPACITY, FloorWriter};
pub use rotations::RedisRotations;
pub use seat::Redis;
pub use unfit::RedisUnfit;

#[cfg(test)]
mod tests;
