use serde_json::{Map, Value};

use crate::domain::signing_key::ForeignAlgorithm;

/// Header members that choose a key.
#[derive(Clone, Debug)]
pub struct ForeignHeader {
    pub alg: String,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

/// Why a JWT of a client doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignJwtRefused {
    Malformed,
    UnknownKey,
    BadSignature,
    AlgorithmNotAllowed,
}

/// Verifies JWTs that clients signed.
pub trait ForeignJwts: Send + Sync {
    fn inspect(&self, token: &str) -> Option<ForeignHeader>;
    /// The `iss` of the claims, unverified: to find whose keys must have signed them.
    fn unverified_issuer(&self, token: &str) -> Option<String>;
    fn verify(
        &self,
        token: &str,
        jwks: &Value,
        allowed: &[ForeignAlgorithm],
    ) -> Result<Map<String, Value>, ForeignJwtRefused>;
    fn check_key_set(&self, jwks: &Value) -> Result<(), &'static str>;
}
