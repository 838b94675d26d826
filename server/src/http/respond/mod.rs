//! Rendering: one place per dialect of errors, one for JSON answers.

pub mod answer;
pub mod json;
pub mod oauth;
pub mod once;
pub mod problem;
mod problem_kind;
