//! A person and a browser between an authorization request and its answer.
//!
//! ```text
//! authorize ─► sealed request ─► login / sign-up / chooser / consent ─► next step … ─► code
//! ```
//! Nothing is stored while a person thinks: the checked request travels through the pages, sealed
//! (`sealed`), bound to the browser that it was shown to. What the browser holds is in `browser`;
//! `authorize` decides and answers; `pages` carries out what forms post.

pub mod authorize;
pub mod browser;
pub mod pages;
pub mod sealed;
