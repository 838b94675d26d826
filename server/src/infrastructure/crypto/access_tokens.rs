//! Access tokens (RFC 9068) signed with ES256.
//!
//! Signing is by hand from cached parts, because the library would parse the private key anew for
//! every token. Verification is the library's, with the algorithm taken from the key.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{
    application::{error::CryptoError, ports::AccessTokens},
    domain::{
        claims::{ACCESS_TOKEN_TYPE, AccessClaims},
        signing_key::{KeyId, PublicKey, SigningAlgorithm},
    },
};

/// A longer text is no token of ours, and reading it would be work for nothing.
const MAX_LENGTH: usize = 8 * 1024;
/// Verified tokens kept per tenant.
const MAX_VERIFIED: u64 = 20_000;
/// How long. Only the signature's verdict is kept: times and sessions are looked at each time.
const VERIFIED_TTL: Duration = Duration::from_secs(30);

/// Signs with one key, verifies with all of the tenant's.
pub struct Es256AccessTokens {
    pair: EcdsaKeyPair,
    /// `base64url(header).`
    head: String,
    verifiers: Vec<(KeyId, DecodingKey, Validation)>,
    verified: Cache<[u8; 32], AccessClaims>,
}

impl std::fmt::Debug for Es256AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Es256AccessTokens")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Es256AccessTokens {
    /// `pkcs8` is the private half of `active`.
    pub fn new(pkcs8: &[u8], active: &PublicKey, all: &[PublicKey]) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| CryptoError::Failed("reading a signing key"))?;
        let (kid, algorithm) = (active.id.as_str(), active.algorithm.name());
        let header =
            format!(r#"{{"typ":"{ACCESS_TOKEN_TYPE}","alg":"{algorithm}","kid":"{kid}"}}"#);
        let verifiers = all.iter().map(verifier).collect::<Result<_, _>>()?;
        Ok(Self {
            pair,
            head: format!("{}.", URL_SAFE_NO_PAD.encode(header)),
            verifiers,
            verified: Cache::builder()
                .max_capacity(MAX_VERIFIED)
                .time_to_live(VERIFIED_TTL)
                .build(),
        })
    }

    fn verify_signature(&self, token: &str) -> Option<AccessClaims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        // Other JWTs of ours must not pass for access tokens (RFC 9068 §4, RFC 8725 §3.11).
        let kind = header.typ.as_deref()?;
        let kind = kind.strip_prefix("application/").unwrap_or(kind);
        if !kind.eq_ignore_ascii_case(ACCESS_TOKEN_TYPE) || has_critical_members(token) {
            return None;
        }
        let kid = header.kid.as_deref()?;
        let (_, key, validation) = self
            .verifiers
            .iter()
            .find(|(id, _, _)| id.as_str() == kid)?;
        jsonwebtoken::decode(token, key, validation)
            .ok()
            .map(|decoded| decoded.claims)
    }
}

fn verifier(key: &PublicKey) -> Result<(KeyId, DecodingKey, Validation), CryptoError> {
    let algorithm = match key.algorithm {
        SigningAlgorithm::Es256 => Algorithm::ES256,
    };
    let decoding_key = DecodingKey::from_ec_components(&key.x, &key.y)
        .map_err(|_| CryptoError::Failed("reading a public key"))?;
    // The library reads the system's clock: times, issuer and audience are `AccessClaims::check`'s.
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Ok((key.id.clone(), decoding_key, validation))
}

/// We understand no extension, so one that must be understood is a refusal (RFC 7515 §4.1.11).
fn has_critical_members(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok());
    header.is_none_or(|header: serde_json::Value| header.get("crit").is_some())
}

impl AccessTokens for Es256AccessTokens {
    fn sign(&self, claims: &AccessClaims) -> Result<String, CryptoError> {
        let payload =
            serde_json::to_vec(claims).map_err(|_| CryptoError::Failed("writing claims"))?;
        let mut token = String::with_capacity(self.head.len() + payload.len().div_ceil(3) * 4 + 88);
        token.push_str(&self.head);
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| CryptoError::Failed("signing a token"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }

    fn verify(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.verified.get(&digest) {
            return Some(claims);
        }
        let claims = self.verify_signature(token)?;
        self.verified.insert(digest, claims.clone());
        Some(claims)
    }
}
