//! Migrations on real databases of both kinds.

#![expect(
    elided_lifetimes_in_paths,
    reason = "async_trait matches a method with the trait's only when both elide alike"
)]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod catalogue;
mod database;
mod indexes;
mod locks;
mod rules;
mod status;
mod turns;
mod versions;
