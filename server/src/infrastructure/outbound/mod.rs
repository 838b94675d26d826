//! Requests to addresses that clients registered: nobody may use this server to reach what only it
//! can reach (SSRF).
//!
//! A name is resolved once, here; every address that it leads to must be a public one, and the
//! connection is made to exactly these addresses. Redirects are never followed.

mod addresses;
mod client_keys;
mod fetcher;

pub use addresses::{AllowedNetworks, NotANetwork};
pub use client_keys::FetchedClientKeys;
pub use fetcher::Fetcher;
