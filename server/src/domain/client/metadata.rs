//! What a client registered (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2), and what
//! this server adds to it. The members keep their standard names; the stored form is this JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{lifetimes::ClientLifetimes, redirect_uri::RedirectUri};
use crate::domain::{
    scope::Scopes,
    signing_key::{ForeignAlgorithm, SigningAlgorithm},
};

/// How a client authenticates at the token endpoint (RFC 7591 §2, OIDC Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

impl AuthMethod {
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether the client has a secret.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// How a client obtains tokens (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

impl GrantType {
    pub const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    /// The value of `grant_type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// What the authorization endpoint answers with. The implicit ones don't exist here (RFC 9700
/// §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseType {
    Code,
}

/// Where the client runs (OIDC Registration §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    #[default]
    Web,
    Native,
}

/// How the `sub` of a user is made (OIDC Core §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    #[default]
    Public,
    Pairwise,
}

/// Whose tokens a client may introspect (RFC 7662 §2.1, §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Introspection {
    /// Those issued to it, and those for one of its `resources`.
    #[default]
    Own,
    /// All tokens of the tenant.
    Tenant,
}

/// The registered metadata. Members that a stored document lacks have their defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// Shown to users.
    pub client_name: String,
    pub redirect_uris: Vec<RedirectUri>,
    /// Compared byte for byte, like redirect URIs.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// `None`: not chosen. Such a client has a secret and may send it either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// The one algorithm for its assertions; any of ours when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<ForeignAlgorithm>,
    pub grant_types: Vec<GrantType>,
    pub response_types: Vec<ResponseType>,
    /// What it may ask for.
    pub scope: Scopes,
    pub application_type: ApplicationType,
    pub contacts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<Url>,
    /// A JWK Set (RFC 7517 §5); never together with `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    pub subject_type: SubjectType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<Url>,
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// Signed user info when set, plain JSON otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    pub require_auth_time: bool,
    pub default_acr_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<Url>,
    pub backchannel_logout_session_required: bool,

    /// Ours: every authorization request needs a code challenge (RFC 7636, S256). Off only for
    /// confidential clients that use OpenID Connect's nonce instead.
    pub require_pkce: bool,
    /// Ours: resource indicators (RFC 8707) that it may ask tokens for, or whose server it is.
    pub resources: Vec<String>,
    /// Ours.
    pub introspection: Introspection,
    /// Ours.
    #[serde(flatten)]
    pub lifetimes: ClientLifetimes,
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            client_name: String::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            token_endpoint_auth_method: None,
            token_endpoint_auth_signing_alg: None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            response_types: vec![ResponseType::Code],
            scope: Scopes::from_names(&[
                "openid",
                "profile",
                "email",
                "address",
                "phone",
                "offline_access",
            ]),
            application_type: ApplicationType::Web,
            contacts: Vec::new(),
            logo_uri: None,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
            jwks: None,
            jwks_uri: None,
            software_id: None,
            software_version: None,
            subject_type: SubjectType::Public,
            sector_identifier_uri: None,
            id_token_signed_response_alg: SigningAlgorithm::Rs256,
            userinfo_signed_response_alg: None,
            default_max_age: None,
            require_auth_time: false,
            default_acr_values: Vec::new(),
            initiate_login_uri: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            require_pkce: true,
            resources: Vec::new(),
            introspection: Introspection::Own,
            lifetimes: ClientLifetimes::default(),
        }
    }
}

impl ClientMetadata {
    /// The method in force; `client_secret_basic` when none was chosen (RFC 7591 §2).
    pub fn auth_method(&self) -> AuthMethod {
        self.token_endpoint_auth_method
            .unwrap_or(AuthMethod::ClientSecretBasic)
    }

    /// Whether credentials that came by `method` count.
    pub fn admits_auth(&self, method: AuthMethod) -> bool {
        match self.token_endpoint_auth_method {
            Some(chosen) => chosen == method,
            None => method.has_secret(),
        }
    }

    /// The registered URI that a request may name as `presented`.
    pub fn redirect_uri(&self, presented: &str) -> Option<&RedirectUri> {
        self.redirect_uris
            .iter()
            .find(|uri| uri.admits(presented, self.application_type))
    }

    /// The origins of its redirect URIs that are web addresses.
    pub fn origins(&self) -> Vec<String> {
        let mut origins: Vec<String> = self
            .redirect_uris
            .iter()
            .filter_map(|uri| Url::parse(uri.as_str()).ok())
            .filter(|url| matches!(url.scheme(), "https" | "http"))
            .map(|url| url.origin().ascii_serialization())
            .collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// The host that pairwise subjects are made for (OIDC Core §8.1): that of the sector document,
    /// else the one host that all redirect URIs share.
    pub fn sector(&self) -> Option<String> {
        if let Some(uri) = &self.sector_identifier_uri {
            return uri.host_str().map(str::to_owned);
        }
        let mut hosts = self
            .redirect_uris
            .iter()
            .map(|uri| Url::parse(uri.as_str()).ok()?.host_str().map(str::to_owned));
        let first = hosts.next()??;
        hosts
            .all(|host| host.as_deref() == Some(&first))
            .then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_document_gets_the_defaults_of_new_members() {
        let metadata: ClientMetadata =
            serde_json::from_str(r#"{"client_name":"Web","scope":"openid"}"#).expect("metadata");
        assert!(metadata.require_pkce);
        assert_eq!(metadata.auth_method(), AuthMethod::ClientSecretBasic);
        let text = serde_json::to_string(&metadata).expect("JSON");
        assert_eq!(
            serde_json::from_str::<ClientMetadata>(&text).ok(),
            Some(metadata)
        );
    }

    #[test]
    fn a_method_that_was_chosen_is_the_only_one() {
        let mut metadata = ClientMetadata::default();
        assert!(metadata.admits_auth(AuthMethod::ClientSecretPost));
        assert!(!metadata.admits_auth(AuthMethod::None));
        metadata.token_endpoint_auth_method = Some(AuthMethod::ClientSecretBasic);
        assert!(!metadata.admits_auth(AuthMethod::ClientSecretPost));
    }

    #[test]
    fn redirect_uris_of_several_hosts_have_no_sector() {
        let uris = |texts: &[&str]| ClientMetadata {
            redirect_uris: texts
                .iter()
                .map(|text| RedirectUri::parse(text).expect(text))
                .collect(),
            ..ClientMetadata::default()
        };
        let one = uris(&["https://rp.example/a", "https://rp.example/b"]);
        assert_eq!(one.sector().as_deref(), Some("rp.example"));
        assert_eq!(
            uris(&["https://a.example/", "https://b.example/"]).sector(),
            None
        );
        assert_eq!(uris(&[]).sector(), None);
    }
}
