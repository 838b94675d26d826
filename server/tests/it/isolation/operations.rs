//! The operations of the document, the places where they take something, and requests to them.

use std::fmt;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::artefacts::{Artefacts, What};
use crate::{
    harness::{Answer, OPERATOR_TOKEN, PASSWORD},
    oidc::rp::{CHALLENGE, REDIRECT_URI, VERIFIER},
};

/// Where an operation takes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path(String),
    Query(String),
    Header(String),
    Body(String),
    /// A security scheme.
    Credential(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => write!(f, "path `{name}`"),
            Self::Query(name) => write!(f, "query `{name}`"),
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::Body(name) => write!(f, "body `{name}`"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// An operation of the document.
pub(super) struct Operation {
    pub(super) id: String,
    method: Method,
    path: String,
    document: Value,
    /// The schema of the body, and its media type.
    body: Option<(String, Value)>,
}

/// All operations, in order of their names.
pub(super) fn operations() -> Vec<Operation> {
    let document: Value =
        serde_json::from_str(include_str!("../../../../openapi/openapi.json")).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let content = operation["requestBody"]["content"].as_object();
            let body = content.and_then(|content| content.iter().next());
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method,
                path: path.clone(),
                document: operation.clone(),
                body: body.map(|(kind, content)| {
                    (
                        kind.clone(),
                        resolved(&document, &content["schema"]).clone(),
                    )
                }),
            });
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"]
        .as_str()
        .or(schema["allOf"][0]["$ref"].as_str());
    match reference {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// Names of parameters and members that no tenant hands out anything for: numbers, texts, addresses and
/// words of a protocol.
const NEUTRAL: &[&str] = &[
    // Chosen by the caller; that it means nothing elsewhere is shown in `admin/idempotency.rs`.
    "Idempotency-Key",
    "access_token_alg",
    "access_token_ttl",
    "acr_values",
    "address",
    "alg",
    "allowed_origins",
    "application_type",
    "audit_retention_days",
    "avatar_url",
    "backchannel_logout_session_required",
    "backchannel_logout_uri",
    "birthdate",
    "branding",
    "claims",
    "client_assertion",
    "client_assertion_type",
    "client_name",
    "client_secret",
    "client_uri",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "contacts",
    "default_acr_values",
    "default_max_age",
    "delivery",
    "display",
    "email_verified",
    "event",
    "expires_in",
    "domains_max",
    "family_name",
    "first_party",
    "gender",
    "given_name",
    "grant_types",
    "id_token_signed_response_alg",
    "id_token_ttl",
    "initiate_login_uri",
    "introspection",
    "issuer",
    "invitations_max_pending",
    "jwks",
    "jwks_max_age",
    "jwks_uri",
    "key_rotation_interval",
    "limit",
    "locale",
    "login_hint",
    "logo_uri",
    "max_age",
    "middle_name",
    "name",
    "nickname",
    "nonce",
    "others_expire_in",
    "password",
    "password_hash",
    "password_min_length",
    "password_refuse_common",
    "phone_number",
    "policy_uri",
    "post_logout_redirect_uri",
    "post_logout_redirect_uris",
    "preferred_username",
    "profile",
    "prompt",
    "q",
    "redirect_uri",
    "redirect_uris",
    "refresh_absolute_ttl",
    "refresh_idle_ttl",
    "refresh_retry_window",
    "registration",
    "registration_max_clients",
    "registration_scopes",
    "require_auth_time",
    "require_pkce",
    "resource",
    "resources",
    "response_mode",
    "response_type",
    "response_types",
    "roles",
    "scope",
    "sector_identifier_uri",
    "session_absolute_ttl",
    "session_idle_ttl",
    "settings",
    "signup",
    "since",
    "slug",
    "software_id",
    "software_version",
    "state",
    "subject_type",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "token_type_hint",
    "tos_uri",
    "ui_locales",
    "until",
    "userinfo_signed_response_alg",
    "uses",
    "website",
    "zoneinfo",
    "grant_type",
];

/// What stands at a name, whatever the operation.
fn artefact_named(name: &str) -> Option<What> {
    Some(match name {
        "user_id" | "actor_id" | "target" => What::UserId,
        "email" => What::Email,
        "external_id" => What::ExternalId,
        "client_id" => What::ClientId,
        "secret_id" => What::SecretId,
        "domain" => What::Domain,
        "session_id" => What::SessionId,
        "grant_id" => What::GrantId,
        "consent_id" => What::ConsentId,
        "kid" => What::KeyId,
        "event_id" => What::EventId,
        "invitation_id" => What::InvitationId,
        "invitation" => What::InvitationToken,
        "registration_token_id" => What::InitialTokenId,
        "cursor" => What::Cursor,
        "If-Match" => What::ETag,
        "refresh_token" => What::RefreshToken,
        "code" => What::Code,
        "id_token_hint" => What::IdToken,
        "token" | "access_token" => What::ClientAccessToken,
        _ => return None,
    })
}

/// Members by which something new gets its name: whoever takes one that another tenant has gets it.
const NAMES_OF_NEW_THINGS: &[(&str, &str)] = &[
    ("create_user", "email"),
    ("create_user", "external_id"),
    ("update_user", "email"),
    ("update_user", "external_id"),
    ("signup", "email"),
    ("create_invitation", "email"),
    ("create_client", "client_id"),
    // Anybody may claim it; who proves it, holds it.
    ("create_domain", "domain"),
    // The address names the client; the body repeats it.
    ("update_client", "client_id"),
];

/// Operations that take nothing that a tenant handed out.
const TAKE_NOTHING: &[&str] = &[
    "get_authorization_server_metadata",
    "get_authorization_server_metadata_well_known_first",
    "get_jwks",
    "get_openid_configuration",
    "get_openid_configuration_well_known_first",
    "get_openapi_json",
    "get_openapi_yaml",
    "get_tenant_openapi_json",
];

/// What a browser at the hosted pages holds; the document has no scheme for it, for no client sends it.
const BROWSER: &str = "browser session";
const HOSTED_PAGES: &[&str] = &["authorize", "end_session"];

impl Operation {
    pub(super) fn takes_nothing(&self) -> bool {
        TAKE_NOTHING.contains(&self.id.as_str())
    }

    pub(super) fn is_admin(&self) -> bool {
        self.path.starts_with("/admin/v1/tenants/")
    }

    /// Whether a request with one's own artefacts destroys nothing, and so can show that they do count.
    pub(super) fn can_be_tried_with_ones_own(&self, place: &Place) -> bool {
        // A tenant's own administrator is no operator either.
        let for_operators = *place == Place::Credential("OperatorToken".to_owned())
            && !self.schemes().contains(&"AccessToken".to_owned());
        self.method == Method::GET && !self.path.contains("/oauth2/logout") && !for_operators
    }

    /// Every place that takes something that tenants hand out. A name that nobody classified is a failure.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for parameter in self.document["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let place = match parameter["in"].as_str().unwrap() {
                "path" if name == "tenant" => continue,
                // The list of tenants is the operator's.
                "query" if name == "cursor" && !self.path.contains("{tenant}") => continue,
                "path" => Place::Path(name.to_owned()),
                "query" => Place::Query(name.to_owned()),
                "header" => Place::Header(name.to_owned()),
                other => panic!("{}: parameters in {other} are not known here", self.id),
            };
            self.push(&mut places, place, name);
        }
        for name in self.body_members() {
            let new = NAMES_OF_NEW_THINGS.contains(&(self.id.as_str(), name.as_str()));
            if !new {
                self.push(&mut places, Place::Body(name.clone()), &name);
            }
        }
        for scheme in self.schemes() {
            places.push(Place::Credential(scheme));
        }
        if HOSTED_PAGES.contains(&self.id.as_str()) {
            places.push(Place::Credential(BROWSER.to_owned()));
        }
        places
    }

    fn push(&self, places: &mut Vec<Place>, place: Place, name: &str) {
        if artefact_named(name).is_some() {
            places.push(place);
        } else {
            assert!(
                NEUTRAL.contains(&name),
                "{}: say in isolation/operations.rs what {place} takes",
                self.id
            );
        }
    }

    fn body_members(&self) -> Vec<String> {
        let members = self
            .body
            .as_ref()
            .and_then(|(_, schema)| schema["properties"].as_object());
        members
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn schemes(&self) -> Vec<String> {
        let security = self.document["security"].as_array().into_iter().flatten();
        let schemes = security.flat_map(|one| one.as_object().unwrap().keys());
        schemes.cloned().collect()
    }

    pub(super) fn artefact_at(&self, place: &Place) -> What {
        match place {
            Place::Credential(scheme) => match scheme.as_str() {
                // Another tenant's administrator is no operator either.
                "OperatorToken" => What::AdminToken,
                "AccessToken" if self.is_admin() => What::AdminToken,
                "AccessToken" if self.path.contains("/userinfo") => What::ClientAccessToken,
                "AccessToken" => What::UserToken,
                "AccessCookie" => What::AccessCookie,
                BROWSER => What::BrowserCookies,
                "RefreshCookie" => What::RefreshCookie,
                "ClientSecretBasic" => What::ClientCredentials,
                "RegistrationToken" if self.id == "register_client" => What::InitialToken,
                "RegistrationToken" => What::RegistrationToken,
                other => panic!("{}: {other} is not known here", self.id),
            },
            Place::Body(name) if name == "refresh_token" && self.id == "exchange_token" => {
                What::ClientRefreshToken
            }
            Place::Path(_) if self.path.contains("/register/") => What::RegisteredClientId,
            Place::Path(name) | Place::Query(name) | Place::Header(name) | Place::Body(name) => {
                artefact_named(name).unwrap()
            }
        }
    }

    /// A request at a tenant with its own artefacts, but for one place.
    pub(super) async fn request(
        &self,
        place: &Place,
        value: &str,
        here: &Artefacts,
        slug: &str,
    ) -> Answer {
        let mut path = self.path.replace("{tenant}", slug);
        for part in self.path.split('/').filter(|part| part.starts_with('{')) {
            let name = part.trim_matches(['{', '}']);
            if name == "tenant" {
                continue;
            }
            let at = Place::Path(name.to_owned());
            let own = here.get(self.artefact_at(&at), &self.id);
            let it = if *place == at { value } else { &own };
            path = path.replace(part, it);
        }
        if let (Place::Credential(_), true) = (place, self.path.contains("/register/")) {
            // Both halves are the other tenant's: its client, and the token for it.
            let client = value.split(' ').next().unwrap();
            path = format!("{}/{client}", path.rsplit_once('/').unwrap().0);
        }
        let client = here.tenant.client(0);
        let mut fields = self.fields(place, here);
        let in_query = self.method == Method::GET;
        if let Place::Query(name) | Place::Body(name) = place {
            fields.retain(|(known, _)| known != name);
            fields.push((name.clone(), value.to_owned()));
        }
        let mut request = client.request(self.method.clone(), &path);
        if in_query {
            request = request.query(&fields);
        }
        request = self.authenticated(request, place, value, here);
        request = match self.body.as_ref().map(|(kind, _)| kind.as_str()) {
            Some("application/x-www-form-urlencoded") => request.form(&fields),
            Some("application/json") => request.json(&self.json(place, value, here)),
            Some("application/x-ndjson") => request
                .header("content-type", "application/x-ndjson")
                .body("{}\n"),
            _ => request,
        };
        if let Place::Header(name) = place {
            request = request.header(name, value);
        }
        client.send(request).await
    }

    /// The tenant's own credential, or the one that is tried.
    fn authenticated(
        &self,
        request: RequestBuilder,
        place: &Place,
        value: &str,
        here: &Artefacts,
    ) -> RequestBuilder {
        if let Place::Credential(scheme) = place {
            return match scheme.as_str() {
                "AccessCookie" | "RefreshCookie" | BROWSER => request.header("cookie", value),
                "ClientSecretBasic" => request.basic_auth(&here.rp.id, Some(value)),
                // Behind the client's id, if it has one.
                _ => request.bearer_auth(value.rsplit(' ').next().unwrap()),
            };
        }
        if self.path.starts_with("/admin/") {
            return request.bearer_auth(OPERATOR_TOKEN);
        }
        let schemes = self.schemes();
        let has = |scheme: &str| schemes.iter().any(|one| one == scheme);
        if has("ClientSecretBasic") {
            let own = here.get(What::ClientCredentials, "");
            // Whoever says who it is in the body has no other credential.
            if *place == Place::Body("client_id".to_owned()) {
                return request;
            }
            request.basic_auth(&here.rp.id, Some(own))
        } else if has("RegistrationToken") {
            let own = here.get(What::RegistrationToken, "");
            request.bearer_auth(own.rsplit(' ').next().unwrap())
        } else if has("AccessToken") && *place != Place::Body("access_token".to_owned()) {
            request.bearer_auth(here.get(What::UserToken, ""))
        } else {
            request
        }
    }

    /// What the operation can't do without, in the query or in a form.
    fn fields(&self, place: &Place, here: &Artefacts) -> Vec<(String, String)> {
        let own = |what| here.get(what, "");
        let pairs: Vec<(&str, String)> = match self.id.as_str() {
            "authorize" | "authorize_by_post" => vec![
                ("client_id", here.rp.id.clone()),
                ("redirect_uri", REDIRECT_URI.to_owned()),
                ("response_type", "code".to_owned()),
                ("scope", "openid".to_owned()),
                ("code_challenge", CHALLENGE.to_owned()),
                ("code_challenge_method", "S256".to_owned()),
            ],
            "exchange_token" => match place {
                Place::Body(name) if name == "code" => vec![
                    ("grant_type", "authorization_code".to_owned()),
                    ("redirect_uri", REDIRECT_URI.to_owned()),
                    ("code_verifier", VERIFIER.to_owned()),
                ],
                Place::Body(name) if name == "refresh_token" => {
                    vec![("grant_type", "refresh_token".to_owned())]
                }
                Place::Body(_) => vec![
                    ("grant_type", "client_credentials".to_owned()),
                    ("client_secret", own(What::ClientCredentials)),
                ],
                _ => vec![("grant_type", "client_credentials".to_owned())],
            },
            "introspect_token" | "revoke_token" => {
                vec![("token", "eyJhbGciOiJub25lIn0.e30.".to_owned())]
            }
            _ => Vec::new(),
        };
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// A body that fits, from the document's own example.
    fn json(&self, place: &Place, value: &str, here: &Artefacts) -> Value {
        let (_, schema) = self.body.as_ref().unwrap();
        let mut body = match self.id.as_str() {
            "login" => json!({ "email": here.get(What::Email, ""), "password": PASSWORD }),
            "register_client" | "replace_registration" => {
                json!({ "redirect_uris": ["https://rp.example/cb"] })
            }
            _ => schema["example"].clone(),
        };
        if self.id == "replace_registration" {
            let own = here.get(What::RegistrationToken, "");
            body["client_id"] = own.split(' ').next().into();
        }
        if let Place::Body(name) = place {
            body[name] = value.into();
        }
        body
    }
}
