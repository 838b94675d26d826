//! What handlers are given: the tenant, the caller, the body. Each extractor is also its own line
//! in the document.

pub mod administration;
pub mod body;
pub mod client_credentials;
pub mod credentials;
pub mod form;
pub mod idempotency_key;
pub mod if_match;
pub mod raw_members;
pub mod tenant;
