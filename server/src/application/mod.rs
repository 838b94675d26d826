//! Use cases: one file, one thing a caller can ask for. They know the domain and the ports of
//! [`ports`]; what is behind a port they don't know.

pub mod access_token;
pub mod admin;
pub mod audit;
pub mod audit_retention;
pub mod authenticate_client;
pub mod clock_watch;
pub mod consents;
pub mod current_user;
pub mod dynamic_registration;
pub mod end_session;
pub mod error;
pub mod id_token;
pub mod idempotency;
pub mod interaction;
pub mod introspect;
pub mod issue;
pub mod key_rotation;
pub mod login;
pub mod logout;
pub mod logout_tokens;
pub mod oauth;
pub mod page;
pub mod ports;
pub mod profile;
pub mod refresh;
pub mod registration;
pub mod revoke;
pub mod sign_in_retention;
pub mod signup;
pub mod token;
pub mod userinfo;
