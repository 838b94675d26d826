//! Private keys that sign and public keys that verify, each parsed once.

use std::{collections::HashMap, fmt};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto::aws_lc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    application::{
        error::CryptoError,
        ports::{JwtKind, Jwts},
    },
    domain::{
        claims::ACCESS_TOKEN_TYPE,
        signing_key::{KeyId, PublicKey, PublicKeyMaterial, SigningAlgorithm},
    },
};

/// Longer texts are refused unread.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// A private key with its algorithm and id.
pub(super) struct SigningKey {
    pub(super) id: KeyId,
    pub(super) algorithm: SigningAlgorithm,
    private: Private,
}

enum Private {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl SigningKey {
    /// Reads a private key (PKCS#8).
    pub(super) fn read(public: &PublicKey, pkcs8: &[u8]) -> Result<Self, CryptoError> {
        // Without it, a dependency that enables the other backend makes verification panic.
        let _installed_before = aws_lc::DEFAULT_PROVIDER.install_default();
        let unreadable = |_| CryptoError::Failed("reading a signing key");
        let private = match public.algorithm {
            SigningAlgorithm::Es256 => Private::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(unreadable)?,
            ),
            SigningAlgorithm::EdDsa => {
                Private::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(unreadable)?)
            }
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                Private::Rsa(rsa::KeyPair::from_pkcs8(pkcs8).map_err(unreadable)?)
            }
        };
        Ok(Self {
            id: public.id.clone(),
            algorithm: public.algorithm,
            private,
        })
    }

    /// The first part of every token of a kind, with the dot behind it.
    pub(super) fn header(&self, kind: JwtKind) -> Result<String, CryptoError> {
        /// Members in the order in which readers expect them.
        #[derive(Serialize)]
        struct Header<'a> {
            typ: &'static str,
            alg: &'static str,
            kid: &'a str,
        }
        let header = serde_json::to_vec(&Header {
            typ: type_of(kind),
            alg: self.algorithm.name(),
            kid: self.id.as_str(),
        })
        .map_err(|_| CryptoError::Failed("writing a token header"))?;
        Ok(format!("{}.", URL_SAFE_NO_PAD.encode(header)))
    }

    /// A compact JWS (RFC 7515 §7.1) of a header, as [`header`](Self::header) gives it, and claims.
    pub(super) fn sign(&self, header: &str, claims: &[u8]) -> Result<String, CryptoError> {
        let mut token =
            String::with_capacity(header.len() + claims.len().div_ceil(3) * 4 + 1 + 344);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let failed = |_| CryptoError::Failed("signing");
        let message = token.as_bytes();
        let signature = match &self.private {
            Private::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).map_err(failed)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
            Private::Ed25519(pair) => URL_SAFE_NO_PAD.encode(pair.sign(message)),
            Private::Rsa(pair) => {
                let padding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                URL_SAFE_NO_PAD.encode(signature)
            }
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

/// The `typ` of a kind.
const fn type_of(kind: JwtKind) -> &'static str {
    match kind {
        JwtKind::AccessToken => ACCESS_TOKEN_TYPE,
        JwtKind::IdToken | JwtKind::UserInfo => "JWT",
        JwtKind::LogoutToken => "logout+jwt",
        JwtKind::Introspection => "token-introspection+jwt",
    }
}

/// A public key and the one algorithm that it verifies.
struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// A tenant's public keys by their ids.
pub(super) struct Verifiers(HashMap<String, Verifier>);

impl Verifiers {
    pub(super) fn read(public: &[PublicKey]) -> Result<Self, CryptoError> {
        let verifiers = public.iter().map(|key| {
            let verifier = Verifier {
                key: decoding_key(&key.material)?,
                validation: signature_alone(match key.algorithm {
                    SigningAlgorithm::Es256 => Algorithm::ES256,
                    SigningAlgorithm::EdDsa => Algorithm::EdDSA,
                    SigningAlgorithm::Rs256 => Algorithm::RS256,
                    SigningAlgorithm::Ps256 => Algorithm::PS256,
                }),
            };
            Ok((key.id.as_str().to_owned(), verifier))
        });
        Ok(Self(verifiers.collect::<Result<_, CryptoError>>()?))
    }

    /// The claims of a token of this kind that one of these keys signed. Keys come from the tenant
    /// alone: `jku`, `x5u`, `jwk` and the like are never looked at.
    pub(super) fn verify<T: serde::de::DeserializeOwned>(
        &self,
        kind: JwtKind,
        token: &str,
    ) -> Option<T> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.crit.is_some() || !is_of_kind(header.typ.as_deref(), kind) {
            return None;
        }
        let verifier = self.0.get(header.kid.as_deref()?)?;
        // The algorithm is the key's: its validation allows no other.
        jsonwebtoken::decode(token, &verifier.key, &verifier.validation)
            .ok()
            .map(|data| data.claims)
    }
}

/// Checks nothing but the signature. The library reads the system clock and knows no injected one:
/// times, issuer and audience are checked by whoever asks.
pub(super) fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn decoding_key(material: &PublicKeyMaterial) -> Result<DecodingKey, CryptoError> {
    match material {
        PublicKeyMaterial::Ec { x, y, .. } => DecodingKey::from_ec_components(x, y),
        PublicKeyMaterial::Okp { x, .. } => DecodingKey::from_ed_components(x),
        PublicKeyMaterial::Rsa { e, n } => DecodingKey::from_rsa_components(n, e),
    }
    .map_err(|_| CryptoError::Failed("reading a public key"))
}

/// RFC 7515 §4.1.9: with or without `application/`, in any case.
fn is_of_kind(typ: Option<&str>, kind: JwtKind) -> bool {
    typ.is_some_and(|typ| {
        let name = match typ.split_at_checked("application/".len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
            _ => typ,
        };
        name.eq_ignore_ascii_case(type_of(kind))
    })
}

/// All keys of a tenant, for whatever JWT is made of them.
pub(super) struct TenantJwts {
    pub(super) signing: HashMap<SigningAlgorithm, std::sync::Arc<SigningKey>>,
    pub(super) verifiers: std::sync::Arc<Verifiers>,
}

impl fmt::Debug for TenantJwts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantJwts").finish_non_exhaustive()
    }
}

impl Jwts for TenantJwts {
    fn can_sign(&self, algorithm: SigningAlgorithm) -> bool {
        self.signing.contains_key(&algorithm)
    }

    fn sign(
        &self,
        algorithm: SigningAlgorithm,
        kind: JwtKind,
        claims: &[u8],
    ) -> Result<String, CryptoError> {
        let key = self
            .signing
            .get(&algorithm)
            .ok_or(CryptoError::Failed("finding a signing key"))?;
        key.sign(&key.header(kind)?, claims)
    }

    fn verify(&self, kind: JwtKind, token: &str) -> Option<Map<String, Value>> {
        self.verifiers.verify(kind, token)
    }
}
