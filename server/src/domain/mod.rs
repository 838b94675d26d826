//! Rules without effects: every item is a value or a function from values to a value.
//!
//! Nothing here awaits, reads a clock, draws randomness or knows a database. What a rule needs it
//! is given; what should happen it answers, and `application` does it.

pub mod audit;
mod audit_details;
pub mod authorization;
pub mod branding;
pub mod claims;
pub mod claims_request;
pub mod client;
pub mod clocks;
pub mod consent;
pub mod custom_domain;
pub mod domain_name;
pub mod email;
pub mod grant;
pub mod id;
pub mod idempotency;
pub mod invitation;
pub mod issuer;
pub mod key_rotation;
pub mod merge_patch;
pub mod networks;
pub mod password;
pub mod policy_patch;
pub mod profile;
pub mod refresh;
pub mod role;
pub mod scope;
pub mod secret;
pub mod session;
pub mod sign_in_failure;
pub mod signing_key;
pub mod tenant;
pub mod tenant_scope;
pub mod timestamp;
pub mod user;
pub mod user_claims;
pub mod user_members;
pub mod violation;
