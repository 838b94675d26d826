//! Use cases.

pub mod error;
pub mod ports;
