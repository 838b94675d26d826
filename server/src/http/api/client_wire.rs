//! Clients on the wire: the members of RFC 7591 and OpenID Connect Dynamic Client Registration, and
//! ours.

use poem_openapi::{
    Object,
    types::{Any, Example},
};
use serde::Serialize;
use serde_json::Value;

use crate::domain::{
    client::{
        Client,
        metadata::{ApplicationType, Introspection, SubjectType},
    },
    secret::{ClientSecret, OpaqueToken},
};

/// What a client registers. Every member may be missing.
#[derive(Debug, Default, Object, Serialize)]
#[oai(rename = "ClientMetadata", example, skip_serializing_if_is_none)]
pub struct ClientMetadataView {
    /// Shown to users.
    #[oai(validator(max_length = 200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// Compared byte for byte; only the port of a loopback address is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uris: Option<Vec<String>>,
    /// Where to go after signing out.
    #[serde(skip_serializing_if = "Option::is_none")]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`. When an administrator
    /// chooses none of them, the client may send its secret either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    /// The one algorithm for the client's assertions.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_signing_alg: Option<String>,
    /// `authorization_code`, `refresh_token`, `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    /// `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_types: Option<Vec<String>>,
    /// What the client may ask for, with spaces between.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// `web` or `native`.
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    /// A JWK Set with public keys; never together with `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Any<Value>>,
    /// Where the client publishes its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
    /// `public` or `pairwise`.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sector_identifier_uri: Option<String>,
    /// `RS256` (the default), `ES256`, `PS256` or `EdDSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signed_response_alg: Option<String>,
    /// User info is a signed JWT when set.
    #[serde(skip_serializing_if = "Option::is_none")]
    userinfo_signed_response_alg: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_max_age: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_auth_time: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_acr_values: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiate_login_uri: Option<String>,
    /// Where to tell the client that a session has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_session_required: Option<bool>,
    /// Ours: every authorization request needs a code challenge. Only an administrator can switch it
    /// off, for clients that authenticate.
    #[serde(skip_serializing_if = "Option::is_none")]
    require_pkce: Option<bool>,
    /// Ours: resource indicators (RFC 8707) that it may ask tokens for, or whose server it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<String>>,
    /// Ours: `own` or `tenant`: whose tokens it may introspect.
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection: Option<String>,
    /// Ours: how long an access token for the client counts, in seconds; the tenant's setting when missing, like the four
    /// that follow. Only an administrator sets them: what a client registers for itself is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_ttl: Option<u32>,
    /// Ours: how long an ID token counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_ttl: Option<u32>,
    /// Ours: a refresh family that isn't used for this long ends. A change counts from the next refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_idle_ttl: Option<u32>,
    /// Ours: a refresh family ends this long after it began, whatever happens. A change counts for families that begin
    /// later.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_absolute_ttl: Option<u32>,
    /// Ours: how long after a rotation the token before still gets the same successor.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_retry_window: Option<u32>,
}

impl From<&Client> for ClientMetadataView {
    /// All effective metadata, defaults included (RFC 7591 §3.2.1).
    fn from(client: &Client) -> Self {
        let metadata = &client.metadata;
        let text = |value: &str| Some(value.to_owned());
        let uri = |value: &Option<url::Url>| value.as_ref().map(|uri| uri.as_str().to_owned());
        let uris = |list: &[crate::domain::client::redirect_uri::RedirectUri]| {
            Some(list.iter().map(|uri| uri.as_str().to_owned()).collect())
        };
        Self {
            client_name: text(&metadata.client_name),
            redirect_uris: uris(&metadata.redirect_uris),
            post_logout_redirect_uris: uris(&metadata.post_logout_redirect_uris),
            token_endpoint_auth_method: text(metadata.auth_method().name()),
            token_endpoint_auth_signing_alg: metadata
                .token_endpoint_auth_signing_alg
                .map(|one| one.name().to_owned()),
            grant_types: Some(
                metadata
                    .grant_types
                    .iter()
                    .map(|one| one.name().to_owned())
                    .collect(),
            ),
            response_types: Some(
                metadata
                    .response_types
                    .iter()
                    .map(|_| "code".to_owned())
                    .collect(),
            ),
            scope: text(&metadata.scope.to_string()),
            application_type: text(match metadata.application_type {
                ApplicationType::Web => "web",
                ApplicationType::Native => "native",
            }),
            contacts: Some(metadata.contacts.clone()),
            logo_uri: uri(&metadata.logo_uri),
            client_uri: uri(&metadata.client_uri),
            policy_uri: uri(&metadata.policy_uri),
            tos_uri: uri(&metadata.tos_uri),
            jwks: metadata.jwks.clone().map(Any),
            jwks_uri: uri(&metadata.jwks_uri),
            software_id: metadata.software_id.clone(),
            software_version: metadata.software_version.clone(),
            subject_type: text(match metadata.subject_type {
                SubjectType::Public => "public",
                SubjectType::Pairwise => "pairwise",
            }),
            sector_identifier_uri: uri(&metadata.sector_identifier_uri),
            id_token_signed_response_alg: text(metadata.id_token_signed_response_alg.name()),
            userinfo_signed_response_alg: metadata
                .userinfo_signed_response_alg
                .map(|one| one.name().to_owned()),
            default_max_age: metadata.default_max_age.map(i64::from),
            require_auth_time: Some(metadata.require_auth_time),
            default_acr_values: Some(metadata.default_acr_values.clone()),
            initiate_login_uri: uri(&metadata.initiate_login_uri),
            backchannel_logout_uri: uri(&metadata.backchannel_logout_uri),
            backchannel_logout_session_required: Some(metadata.backchannel_logout_session_required),
            require_pkce: Some(metadata.require_pkce),
            resources: Some(metadata.resources.clone()),
            introspection: text(match metadata.introspection {
                Introspection::Own => "own",
                Introspection::Tenant => "tenant",
            }),
            access_token_ttl: metadata.lifetimes.access_token_ttl,
            id_token_ttl: metadata.lifetimes.id_token_ttl,
            refresh_idle_ttl: metadata.lifetimes.refresh_idle_ttl,
            refresh_absolute_ttl: metadata.lifetimes.refresh_absolute_ttl,
            refresh_retry_window: metadata.lifetimes.refresh_retry_window,
        }
    }
}

impl Example for ClientMetadataView {
    fn example() -> Self {
        Self {
            client_name: Some("Web shop".to_owned()),
            redirect_uris: Some(vec!["https://app.example.com/callback".to_owned()]),
            ..Self::default()
        }
    }
}

/// A client: what RFC 7591 §3.2.1 calls client information. (Generators have a `Client` of their own.)
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ClientInformation", example, skip_serializing_if_is_none)]
pub struct ClientView {
    client_id: String,
    /// Told once, by the answer that makes it.
    #[oai(read_only)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// When the secret ends, in seconds since 1970; 0: never. There whenever a secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    /// Seconds since 1970.
    client_id_issued_at: i64,
    /// Belongs to the tenant itself: no consent is asked for it.
    first_party: bool,
    /// Registered itself.
    dynamic: bool,
    /// For clients that registered themselves: manages the client. Told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    /// For clients that registered themselves: where they are managed (RFC 7592).
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    #[oai(flatten)]
    #[serde(flatten)]
    metadata: ClientMetadataView,
}

impl ClientView {
    /// A client, with its secret when it is just made.
    pub fn new(client: &Client, secret: Option<&OpaqueToken<ClientSecret>>) -> Self {
        Self {
            client_id: client.id.to_string(),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            client_secret_expires_at: secret.map(|_| 0),
            client_id_issued_at: client.created_at.as_seconds(),
            first_party: client.first_party,
            dynamic: client.is_dynamic(),
            registration_access_token: None,
            registration_client_uri: None,
            metadata: ClientMetadataView::from(client),
        }
    }

    /// With what a client that registered itself is told.
    pub fn managed(self, uri: String, token: String) -> Self {
        Self {
            registration_client_uri: Some(uri),
            registration_access_token: Some(token),
            ..self
        }
    }
}

impl Example for ClientView {
    fn example() -> Self {
        let text = |value: &str| Some(value.to_owned());
        let list = |values: &[&str]| Some(values.iter().map(|&one| one.to_owned()).collect());
        Self {
            client_id: "c_1Vf3o0m4l2qXWc0u7Yk9".to_owned(),
            client_secret: None,
            client_secret_expires_at: None,
            client_id_issued_at: 1_795_000_000,
            first_party: false,
            dynamic: false,
            registration_access_token: None,
            registration_client_uri: None,
            metadata: ClientMetadataView {
                client_name: text("Web shop"),
                redirect_uris: list(&["https://app.example.com/callback"]),
                token_endpoint_auth_method: text("client_secret_basic"),
                grant_types: list(&["authorization_code", "refresh_token"]),
                response_types: list(&["code"]),
                scope: text("openid profile email"),
                application_type: text("web"),
                post_logout_redirect_uris: list(&[]),
                contacts: list(&[]),
                subject_type: text("public"),
                id_token_signed_response_alg: text("RS256"),
                require_auth_time: Some(false),
                default_acr_values: list(&[]),
                backchannel_logout_session_required: Some(false),
                require_pkce: Some(true),
                resources: list(&[]),
                introspection: text("own"),
                ..ClientMetadataView::default()
            },
        }
    }
}

/// A client to be made by an administrator.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct CreateClientBody {
    /// A fresh one when missing.
    #[oai(validator(max_length = 64))]
    client_id: Option<String>,
    /// Ours: belongs to the tenant itself: no consent is asked for it.
    first_party: Option<bool>,
    #[oai(flatten)]
    metadata: ClientMetadataView,
}

impl Example for CreateClientBody {
    fn example() -> Self {
        Self {
            client_id: None,
            first_party: None,
            metadata: ClientMetadataView::example(),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;

    use super::*;

    #[test]
    fn answers_are_written_as_they_are_documented() {
        let client = ClientView::example();
        assert_eq!(serde_json::to_value(&client).ok(), client.to_json());
    }
}
