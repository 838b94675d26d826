//! Behaviour of the running server, over real sockets and on real stores.
//!
//! `cargo xtask test` starts the stores and tells the tests where they are. A test that needs one
//! fails without it: nothing is skipped.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod admin;
mod bad_input;
mod busiest;
mod cable;
mod cli;
mod clock_jumps;
mod contract;
mod discovery;
mod domains;
mod faults;
mod harness;
mod isolation;
mod late_stores;
mod layering;
mod metrics;
mod name_server;
mod oidc;
mod outage;
mod own_redis;
mod process;
mod readme;
mod refresh;
mod reuse_alarm;
mod rolling;
mod secrets;
mod session;
mod settings_page;
mod tenancy;
mod traces;
