//! The hosted pages: what they look like (`view`), and what their addresses do (`hosted`, `logout`).
//!
//! Plain HTML that works without scripts, with one small stylesheet in the page itself: nothing is
//! fetched from elsewhere, and the policy of every page forbids it.

pub mod hosted;
pub mod logout;
pub mod view;
pub mod visit;
