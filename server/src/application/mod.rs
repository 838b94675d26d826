//! Use cases: one file, one thing a caller can ask for. They know the domain and the ports of
//! [`ports`]; what is behind a port they don't know.

pub mod admin;
pub mod current_user;
pub mod error;
pub mod issue;
pub mod login;
pub mod logout;
pub mod ports;
pub mod refresh;
pub mod signup;
