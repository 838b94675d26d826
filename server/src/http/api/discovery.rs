//! What a tenant publishes: metadata and keys. Cacheable, and without any state of the caller.

use std::sync::Arc;

use poem::{http::header, web::Data};
use poem_openapi::{Object, OpenApi, types::Example};
use serde::Serialize;

use super::Tag;
use crate::{
    app::App,
    domain::{signing_key::PublicKey, tenant::TenantScope},
    http::{
        extract::tenant::TenantPath,
        respond::answer::{Answer, Refused, refusals},
    },
};

/// Operations on published metadata.
#[derive(Debug)]
pub struct DiscoveryApi;

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
const CACHE_CONTROL: &str = "public, max-age=300";

#[OpenApi(tag = "Tag::Discovery")]
impl DiscoveryApi {
    /// OpenID configuration
    ///
    /// Where the tenant's endpoints are and what they can do (OpenID Connect Discovery 1.0 §4). What is
    /// not there yet is not announced.
    #[oai(
        path = "/t/:tenant/.well-known/openid-configuration",
        method = "get",
        operation_id = "get_openid_configuration"
    )]
    async fn openid_configuration(
        &self,
        /// The tenant's slug.
        tenant: TenantPath,
    ) -> Result<Answer<200, ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(metadata(&tenant.0))
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
    ) -> Result<Answer<200, ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(metadata(&tenant.0))
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
    ) -> Result<Answer<200, ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(metadata(&tenant.0))
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
    ) -> Result<Answer<200, ServerMetadata>, Refused<DiscoveryRefusals>> {
        Ok(metadata(&tenant.0))
    }

    /// JSON Web Key Set
    ///
    /// The public keys that the tenant's tokens are signed with (RFC 7517). Nothing else of a key is
    /// ever published.
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
    ) -> Result<Answer<200, JwkSet>, Refused<DiscoveryRefusals>> {
        let keys = app.keyring.keys(&tenant.0).await?;
        let view = JwkSet {
            keys: keys.public.iter().map(Jwk::from).collect(),
        };
        Ok(Answer::new(view).header(header::CACHE_CONTROL, CACHE_CONTROL))
    }
}

fn metadata(tenant: &TenantScope) -> Answer<200, ServerMetadata> {
    Answer::new(ServerMetadata::of(tenant.issuer().as_str()))
        .header(header::CACHE_CONTROL, CACHE_CONTROL)
}

impl ServerMetadata {
    fn of(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: format!("{issuer}/oauth2/jwks"),
            scopes_supported: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            subject_types_supported: vec!["public".to_owned()],
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "amr",
                "sid",
                "name",
                "email",
                "email_verified",
                "picture",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}

impl Example for ServerMetadata {
    fn example() -> Self {
        Self::of("https://id.example.com/t/acme")
    }
}

impl Example for JwkSet {
    fn example() -> Self {
        let text = str::to_owned;
        Self {
            keys: vec![Jwk {
                kty: text("EC"),
                use_: text("sig"),
                alg: text("ES256"),
                kid: text("-JTecBx2yauh5Smly35NSsxAKE4QbWvTHbO8kaZj7XE"),
                crv: text("P-256"),
                x: text("eV703-gpbeJ3dJqBvxzrSLkOie6X7GndUf_0eTQ-o2c"),
                y: text("LmO3YOXPK30VIXeaNTvMdqT4LwFFl2n7BMk1lOSVctw"),
            }],
        }
    }
}

/// What the tenant can do (RFC 8414 §2), as far as it exists.
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct ServerMetadata {
    /// The `iss` of the tenant's tokens, byte for byte.
    issuer: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// Scopes that tokens may carry.
    scopes_supported: Vec<String>,
    /// How the `sub` of a user is made.
    subject_types_supported: Vec<String>,
    /// Claims that tokens may carry.
    claims_supported: Vec<String>,
}

/// A set of public keys (RFC 7517 §5).
#[derive(Debug, Object, Serialize)]
#[oai(example)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key on the P-256 curve (RFC 7517 §4, RFC 7518 §6.2.1).
#[derive(Debug, Object, Serialize)]
pub struct Jwk {
    /// The key type: `EC`.
    kty: String,
    /// What the key is for: `sig`.
    #[oai(rename = "use")]
    #[serde(rename = "use")]
    use_: String,
    /// The only algorithm that this key signs with.
    alg: String,
    /// The key's id: its thumbprint (RFC 7638).
    kid: String,
    /// The curve: `P-256`.
    crv: String,
    /// The x coordinate, base64url.
    x: String,
    /// The y coordinate, base64url.
    y: String,
}

impl From<&PublicKey> for Jwk {
    fn from(key: &PublicKey) -> Self {
        Self {
            kty: "EC".to_owned(),
            use_: "sig".to_owned(),
            alg: key.algorithm.name().to_owned(),
            kid: key.id.as_str().to_owned(),
            crv: "P-256".to_owned(),
            x: key.x.clone(),
            y: key.y.clone(),
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
