//! What a tenant publishes: metadata and keys. Cacheable, and without any state of the caller.

mod written;

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{Object, OpenApi, types::Example};
use serde::Serialize;

use self::written::{Document, Written};
use super::Tag;
use crate::{
    app::App,
    application::{issue, ports::TenantKeys},
    domain::{
        authorization::Prompt,
        client::metadata::{AuthMethod, GrantType},
        signing_key::{ForeignAlgorithm, PublicKey, PublicKeyMaterial, SigningAlgorithm},
        tenant::{RegistrationPolicy, TenantScope},
        user_claims,
    },
    http::{
        extract::tenant::TenantPath,
        respond::answer::{Refused, refusals},
    },
};

/// Operations on published metadata.
#[derive(Debug, Default)]
pub struct DiscoveryApi {
    written: Written,
}

refusals! {
    /// Refusals of published things.
    DiscoveryRefusals {
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

/// Verifiers may keep keys and metadata this long; a new key is published at least that long before
/// it signs.
const METADATA_MAX_AGE: u32 = 300;

#[OpenApi(tag = "Tag::Discovery")]
impl DiscoveryApi {
    /// OpenID configuration
    ///
    /// Where the tenant's endpoints are and what they can do (OpenID Connect Discovery 1.0 §4). What is
    /// not there is not announced.
    #[oai(
        path = "/t/:tenant/.well-known/openid-configuration",
        method = "get",
        operation_id = "get_openid_configuration"
    )]
    async fn openid_configuration(
        &self,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Document<ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(self.metadata(&tenant.0))
    }

    /// Authorization server metadata
    ///
    /// The same as the OpenID configuration, at the address of RFC 8414.
    #[oai(
        path = "/t/:tenant/.well-known/oauth-authorization-server",
        method = "get",
        operation_id = "get_authorization_server_metadata"
    )]
    async fn authorization_server_metadata(
        &self,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Document<ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(self.metadata(&tenant.0))
    }

    /// OpenID configuration, well-known part first
    ///
    /// The same as the OpenID configuration, with the well-known part inserted before the issuer's
    /// path (RFC 8414 §3.1).
    #[oai(
        path = "/.well-known/openid-configuration/t/:tenant",
        method = "get",
        operation_id = "get_openid_configuration_well_known_first"
    )]
    async fn openid_configuration_well_known_first(
        &self,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Document<ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(self.metadata(&tenant.0))
    }

    /// Authorization server metadata, well-known part first
    ///
    /// The same as the OpenID configuration, at the address that RFC 8414 §3.1 makes of an issuer with
    /// a path.
    #[oai(
        path = "/.well-known/oauth-authorization-server/t/:tenant",
        method = "get",
        operation_id = "get_authorization_server_metadata_well_known_first"
    )]
    async fn authorization_server_metadata_well_known_first(
        &self,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Document<ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(self.metadata(&tenant.0))
    }

    /// JSON Web Key Set
    ///
    /// The public keys that the tenant's tokens are signed with (RFC 7517), the next ones among them: keep the
    /// set no longer than `Cache-Control` says, and no key ever signs before you know it. Nothing else of a
    /// key is ever published.
    #[oai(
        path = "/t/:tenant/oauth2/jwks",
        method = "get",
        operation_id = "get_jwks"
    )]
    async fn jwks(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Document<JwkSet>, Refused<DiscoveryRefusals>> {
        let keys = app.keyring.keys(&tenant.0).await?;
        let body = self.written.key_set(&tenant.0, &keys);
        Ok(Document::new(body, tenant.0.policy().jwks_max_age))
    }
}

impl DiscoveryApi {
    fn metadata(&self, tenant: &TenantScope) -> Document<ServerMetadata> {
        let registration = tenant.policy().registration != RegistrationPolicy::Off;
        let body = self.written.metadata(tenant, registration);
        Document::new(body, METADATA_MAX_AGE)
    }
}

impl ServerMetadata {
    fn of(issuer: &str, registration: bool) -> Self {
        let at = |path: &str| format!("{issuer}{path}");
        let all = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let algorithms = || all(&SigningAlgorithm::ALL.map(SigningAlgorithm::name));
        let auth_methods = || all(&AuthMethod::ALL.map(AuthMethod::name));
        let assertion_algorithms = || all(&ForeignAlgorithm::ALL.map(ForeignAlgorithm::name));
        let confidential = || {
            let methods = AuthMethod::ALL
                .into_iter()
                .filter(|one| *one != AuthMethod::None);
            methods.map(|method| method.name().to_owned()).collect()
        };
        let claims = [
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "acr",
            "amr",
            "azp",
            "sid",
            "at_hash",
        ];
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: at("/oauth2/authorize"),
            token_endpoint: at("/oauth2/token"),
            userinfo_endpoint: at("/oauth2/userinfo"),
            jwks_uri: at("/oauth2/jwks"),
            revocation_endpoint: at("/oauth2/revoke"),
            introspection_endpoint: at("/oauth2/introspect"),
            end_session_endpoint: at("/oauth2/logout"),
            registration_endpoint: registration.then(|| at("/oauth2/register")),
            scopes_supported: all(&[
                "openid",
                "profile",
                "email",
                "address",
                "phone",
                "offline_access",
            ]),
            response_types_supported: all(&["code"]),
            response_modes_supported: all(&["query", "form_post"]),
            grant_types_supported: all(&GrantType::ALL.map(GrantType::name)),
            subject_types_supported: all(&["public", "pairwise"]),
            id_token_signing_alg_values_supported: algorithms(),
            userinfo_signing_alg_values_supported: algorithms(),
            token_endpoint_auth_methods_supported: auth_methods(),
            token_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            revocation_endpoint_auth_methods_supported: auth_methods(),
            revocation_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            introspection_endpoint_auth_methods_supported: confidential(),
            introspection_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            code_challenge_methods_supported: all(&["S256"]),
            prompt_values_supported: all(&Prompt::ALL.map(Prompt::name)),
            acr_values_supported: all(&[issue::PASSWORD_ACR]),
            display_values_supported: all(&["page"]),
            claim_types_supported: all(&["normal"]),
            claims_supported: claims
                .into_iter()
                .chain(user_claims::names())
                .map(str::to_owned)
                .collect(),
            ui_locales_supported: all(&["en"]),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            claims_parameter_supported: true,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            authorization_response_iss_parameter_supported: true,
        }
    }
}

impl Example for ServerMetadata {
    fn example() -> Self {
        Self::of("https://id.example.com/t/acme", true)
    }
}

impl Example for JwkSet {
    fn example() -> Self {
        Self {
            keys: vec![Jwk::example()],
        }
    }
}

impl Example for Jwk {
    fn example() -> Self {
        let text = str::to_owned;
        Self {
            kty: text("EC"),
            use_: text("sig"),
            alg: text("ES256"),
            kid: text("-JTecBx2yauh5Smly35NSsxAKE4QbWvTHbO8kaZj7XE"),
            crv: Some(text("P-256")),
            x: Some(text("eV703-gpbeJ3dJqBvxzrSLkOie6X7GndUf_0eTQ-o2c")),
            y: Some(text("LmO3YOXPK30VIXeaNTvMdqT4LwFFl2n7BMk1lOSVctw")),
            n: None,
            e: None,
        }
    }
}

/// What the tenant can do (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).
#[derive(Debug, Object, Serialize)]
#[oai(example, skip_serializing_if_is_none)]
pub struct ServerMetadata {
    /// The `iss` of the tenant's tokens, byte for byte.
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// RFC 7009.
    revocation_endpoint: String,
    /// RFC 7662.
    introspection_endpoint: String,
    /// OpenID Connect RP-Initiated Logout 1.0.
    end_session_endpoint: String,
    /// RFC 7591; where clients may register themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    /// Scopes that every tenant knows; clients may register others.
    scopes_supported: Vec<String>,
    response_types_supported: Vec<String>,
    response_modes_supported: Vec<String>,
    grant_types_supported: Vec<String>,
    /// How the `sub` of a user is made.
    subject_types_supported: Vec<String>,
    id_token_signing_alg_values_supported: Vec<String>,
    userinfo_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<String>,
    /// For `private_key_jwt`.
    token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    revocation_endpoint_auth_methods_supported: Vec<String>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    introspection_endpoint_auth_methods_supported: Vec<String>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// RFC 7636; never `plain`.
    code_challenge_methods_supported: Vec<String>,
    prompt_values_supported: Vec<String>,
    acr_values_supported: Vec<String>,
    display_values_supported: Vec<String>,
    claim_types_supported: Vec<String>,
    /// Claims that tokens and user info may carry.
    claims_supported: Vec<String>,
    ui_locales_supported: Vec<String>,
    /// OpenID Connect Back-Channel Logout 1.0.
    backchannel_logout_supported: bool,
    /// Logout tokens have `sid`.
    backchannel_logout_session_supported: bool,
    /// OIDC Core §5.5.
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    /// Said, because its absence would mean `true`.
    request_uri_parameter_supported: bool,
    /// RFC 9207.
    authorization_response_iss_parameter_supported: bool,
}

/// A set of public keys (RFC 7517 §5).
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key (RFC 7517 §4). Which members it has besides the first four depends on its type.
#[derive(Debug, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct Jwk {
    /// The key type: `EC`, `OKP` or `RSA`.
    kty: String,
    /// What the key is for: `sig`.
    #[oai(rename = "use")]
    #[serde(rename = "use")]
    use_: String,
    /// The only algorithm that this key signs with.
    alg: String,
    /// The key's id: its thumbprint (RFC 7638).
    kid: String,
    /// The curve: `P-256` or `Ed25519`.
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    /// The x coordinate, or an Ed25519 key, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// The y coordinate, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    /// The RSA modulus, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// The RSA exponent, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl JwkSet {
    fn of(keys: &TenantKeys) -> Self {
        Self {
            keys: keys.public.iter().map(Jwk::from).collect(),
        }
    }
}

impl Jwk {
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl From<&PublicKey> for Jwk {
    fn from(key: &PublicKey) -> Self {
        let empty = Self {
            kty: String::new(),
            use_: "sig".to_owned(),
            alg: key.algorithm.name().to_owned(),
            kid: key.id.as_str().to_owned(),
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match key.material.clone() {
            PublicKeyMaterial::Ec { crv, x, y } => Self {
                kty: "EC".to_owned(),
                crv: Some(crv),
                x: Some(x),
                y: Some(y),
                ..empty
            },
            PublicKeyMaterial::Okp { crv, x } => Self {
                kty: "OKP".to_owned(),
                crv: Some(crv),
                x: Some(x),
                ..empty
            },
            PublicKeyMaterial::Rsa { e, n } => Self {
                kty: "RSA".to_owned(),
                n: Some(n),
                e: Some(e),
                ..empty
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let keys = JwkSet::example();
        assert_eq!(serde_json::to_value(&keys).ok(), keys.to_json());
        let metadata = ServerMetadata::example();
        assert_eq!(serde_json::to_value(&metadata).ok(), metadata.to_json());
    }
}
