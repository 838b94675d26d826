use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::{claims_request::ClaimsRequest, scope::Scopes};

/// How long a code counts (RFC 9700 §2.1.1; FAPI 2.0 wants no more).
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// How long a code that was used is remembered, so that a second use is noticed.
pub const REPLAY_MEMORY: Duration = Duration::from_secs(3_600);

/// What a code stands for, kept under the code's digest. Everything that a redemption must agree
/// with is here; the tenant is where it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The grant that the redemption makes. Drawn beforehand, so that whoever presents the code a
    /// second time knows what to revoke.
    pub grant: Uuid,
    pub client_id: String,
    pub redirect_uri: String,
    /// `code_challenge` of the S256 method.
    pub challenge: Option<String>,
    /// The custom domain whose issuer the code is from; `None`: the tenant's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_domain: Option<String>,
    pub session: Uuid,
    pub user: Uuid,
    pub scope: Scopes,
    pub nonce: Option<String>,
    pub resources: Vec<String>,
    pub claims: ClaimsRequest,
    /// `auth_time`, in microseconds.
    pub authenticated_at: i64,
    /// `max_age` or an `auth_time` claim was asked for.
    pub wants_auth_time: bool,
}

/// Whether a verifier belongs to a challenge (RFC 7636 §4.6). Both absent is a fit: whether a
/// challenge was needed is decided when the code is made. One without the other never is.
pub fn challenge_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            let well_formed =
                (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
            let made = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            well_formed && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_fits() {
        assert!(challenge_fits(Some(CHALLENGE), Some(VERIFIER)));
    }

    /// T21 and T22.
    #[test]
    fn nothing_else_fits() {
        for verifier in [
            None,
            Some(""),
            Some(CHALLENGE),
            Some(&VERIFIER[..42]),
            Some(&VERIFIER.repeat(3)),
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
        ] {
            assert!(!challenge_fits(Some(CHALLENGE), verifier), "{verifier:?}");
        }
        assert!(!challenge_fits(None, Some(VERIFIER)));
        assert!(challenge_fits(None, None));
    }
}
