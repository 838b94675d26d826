//! The manifests in `k8s`: rendering every combination, and everything that looks at the result.
//!
//! Several pairs of eyes, as each is blind somewhere: the published schemas of several versions of
//! Kubernetes, the code of an API server (`k8s/validate`), a scanner for security, and rules of our
//! own for what only we can know. `faults` proves that they see.

mod examples;
pub(crate) mod faults;
pub(crate) mod manifest;
mod quantity;
pub(crate) mod rules;
pub(crate) mod validators;
pub(crate) mod variants;
