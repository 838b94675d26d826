//! JWTs that clients signed with the keys that they registered.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::jws::{MAX_LENGTH, signature_alone};
use crate::{
    application::ports::{ForeignHeader, ForeignJwtRefused, ForeignJwts},
    domain::signing_key::ForeignAlgorithm,
};

/// A set of more keys is refused.
const MAX_KEYS: usize = 100;
/// Without a `kid`, so many keys are tried.
const MAX_TRIES: usize = 10;
/// RFC 7518 §3.3: 2048 bits.
const MIN_RSA_BYTES: usize = 256;
/// Members that only a private or symmetric key has (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Verifies with the keys of a JWK Set.
#[derive(Clone, Copy, Debug, Default)]
pub struct RegisteredKeyJwts;

impl ForeignJwts for RegisteredKeyJwts {
    fn inspect(&self, token: &str) -> Option<ForeignHeader> {
        let header = part(token, 0)?;
        // What must be understood isn't (RFC 7515 §4.1.11); `b64` changes what is signed.
        if header.contains_key("crit") || header.contains_key("b64") {
            return None;
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(ForeignHeader {
            alg: text("alg")?,
            kid: text("kid"),
            typ: text("typ"),
        })
    }

    fn unverified_issuer(&self, token: &str) -> Option<String> {
        part(token, 1)?.get("iss")?.as_str().map(str::to_owned)
    }

    fn verify(
        &self,
        token: &str,
        jwks: &Value,
        allowed: &[ForeignAlgorithm],
    ) -> Result<Map<String, Value>, ForeignJwtRefused> {
        let header = self.inspect(token).ok_or(ForeignJwtRefused::Malformed)?;
        let algorithm = ForeignAlgorithm::parse(&header.alg)
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(ForeignJwtRefused::AlgorithmNotAllowed)?;
        let keys = jwks.get("keys").and_then(Value::as_array);
        let fitting = keys
            .into_iter()
            .flatten()
            .take(MAX_KEYS)
            .filter(|key| {
                let named = key.get("kid").and_then(Value::as_str);
                header.kid.is_none() || named == header.kid.as_deref()
            })
            .filter_map(|key| decoding_key(key, algorithm))
            .take(MAX_TRIES);
        let mut any = false;
        for key in fitting {
            any = true;
            let validation = signature_alone(library_name(algorithm));
            if let Ok(data) = jsonwebtoken::decode::<Claims>(token, &key, &validation) {
                return Ok(data.claims.0);
            }
        }
        Err(if any {
            ForeignJwtRefused::BadSignature
        } else {
            ForeignJwtRefused::UnknownKey
        })
    }

    fn check_key_set(&self, jwks: &Value) -> Result<(), &'static str> {
        let keys = jwks
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("must be a JWK Set: an object with the member keys")?;
        if keys.len() > MAX_KEYS {
            return Err("must have at most 100 keys");
        }
        let secret = |key: &Value| {
            PRIVATE.iter().any(|member| key.get(member).is_some())
                || key.get("kty").and_then(Value::as_str) == Some("oct")
        };
        if keys.iter().any(secret) {
            return Err("must have public keys alone");
        }
        let usable = |key: &Value| {
            ForeignAlgorithm::ALL
                .into_iter()
                .any(|algorithm| decoding_key(key, algorithm).is_some())
        };
        if keys.iter().any(usable) {
            Ok(())
        } else {
            Err(
                "must have a key that can sign: EC (P-256 or P-384), RSA of at least 2048 bits, or Ed25519",
            )
        }
    }
}

/// One of the parts of a compact JWS that are JSON, of a token that isn't too long.
fn part(token: &str, n: usize) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let part = parts.nth(n)?;
    if token.len() > MAX_LENGTH || token.split('.').count() != 3 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Claims>(&bytes)
        .ok()
        .map(|members| members.0)
}

/// A JSON object without a member twice: two readers might take different ones.
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a member comes twice"));
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Once).map(Self)
    }
}

/// The key, if it may be used with the algorithm: the type of the key decides, never the token.
fn decoding_key(key: &Value, algorithm: ForeignAlgorithm) -> Option<DecodingKey> {
    use ForeignAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let own_algorithm = text("alg").is_none_or(|own| own == algorithm.name());
    let for_signatures = text("use").is_none_or(|purpose| purpose == "sig");
    let may_verify = key
        .get("key_ops")
        .and_then(Value::as_array)
        .is_none_or(|all| all.iter().any(|one| one == "verify"));
    let public = PRIVATE.iter().all(|member| key.get(member).is_none());
    if !(own_algorithm && for_signatures && may_verify && public) {
        return None;
    }
    let curve = |curve: &str| text("kty") == Some("EC") && text("crv") == Some(curve);
    match algorithm {
        Es256 if curve("P-256") => DecodingKey::from_ec_components(text("x")?, text("y")?).ok(),
        Es384 if curve("P-384") => DecodingKey::from_ec_components(text("x")?, text("y")?).ok(),
        EdDsa if text("kty") == Some("OKP") && text("crv") == Some("Ed25519") => {
            DecodingKey::from_ed_components(text("x")?).ok()
        }
        Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 if text("kty") == Some("RSA") => {
            let modulus = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            (length >= MIN_RSA_BYTES)
                .then(|| DecodingKey::from_rsa_components(text("n")?, text("e")?).ok())
                .flatten()
        }
        _ => None,
    }
}

const fn library_name(algorithm: ForeignAlgorithm) -> Algorithm {
    match algorithm {
        ForeignAlgorithm::Es256 => Algorithm::ES256,
        ForeignAlgorithm::Es384 => Algorithm::ES384,
        ForeignAlgorithm::Rs256 => Algorithm::RS256,
        ForeignAlgorithm::Rs384 => Algorithm::RS384,
        ForeignAlgorithm::Rs512 => Algorithm::RS512,
        ForeignAlgorithm::Ps256 => Algorithm::PS256,
        ForeignAlgorithm::Ps384 => Algorithm::PS384,
        ForeignAlgorithm::Ps512 => Algorithm::PS512,
        ForeignAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}
