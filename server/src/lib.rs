//! Tokenhouse: a multi-tenant token server that speaks OAuth 2.x and OpenID Connect.
//!
//! ```text
//! http  ──►  application  ──►  domain
//!              ▲   (ports)
//! infrastructure ┘                    main.rs wires all four
//! ```
//! [`domain`] holds rules, [`application`] use cases, [`infrastructure`] what the use cases' ports
//! are made of, `http` the wire.

pub mod app;
pub mod application;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod infrastructure;
pub mod server;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod waiting;
