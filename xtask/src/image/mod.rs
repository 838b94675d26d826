//! The container image: built without an engine, looked at, and run the way the Deployment runs it.

pub(crate) mod build;
pub(crate) mod container;
pub(crate) mod exercise;
pub(crate) mod http;
