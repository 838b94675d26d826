//! Requests to addresses that clients registered: nobody may reach through this server what only it
//! can reach (SSRF).
//!
//! A name is resolved once, here; every address that it leads to must be a public one or in a
//! network that the operator allowed, and the connection is made to exactly these addresses.
//! Redirects are never followed.

mod addresses;
mod client_keys;
mod domain_evidence;
mod fetcher;
mod lanes;
mod logout_queue;
mod names;
mod resolver;
mod rules;
mod shares;

pub use client_keys::FetchedClientKeys;
pub use domain_evidence::PublishedEvidence;
pub use fetcher::{Fetcher, public_roots, tls_with};
pub use logout_queue::{DEFAULT_CAPACITY, LogoutQueue};

#[cfg(test)]
mod tests;
