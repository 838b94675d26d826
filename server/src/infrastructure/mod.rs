//! What the ports are made of: one technology a folder.

pub mod clock;
pub mod crypto;
pub mod entropy;
pub mod redis;
