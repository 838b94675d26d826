//! What the ports are made of: one technology a folder.

pub mod audit;
mod audit_floods;
pub mod backoff;
pub mod clock;
pub mod crypto;
pub mod database;
pub mod entropy;
pub mod metrics;
pub mod outbound;
pub mod redis;
pub mod refused_writes;
pub mod tenant_sweeper;
pub mod tls;
pub mod views;
pub mod worker;
