//! Reading what a client registers (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2):
//! JSON members in, checked metadata or every broken rule out.

mod members;

use serde_json::{Map, Value};
use url::{Host, Url};

use self::members::Reader;
use super::{
    ClientId,
    lifetimes::ClientLifetimes,
    metadata::{
        ApplicationType, AuthMethod, ClientMetadata, GrantType, Introspection, ResponseType,
        SubjectType,
    },
};
use crate::domain::{
    policy_patch,
    scope::Scopes,
    signing_key::{ForeignAlgorithm, SigningAlgorithm},
    violation::Violations,
};

const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 255;
const MAX_URI: usize = 2048;

/// Scopes that a client may have without anyone's leave: a user is asked for each of them.
pub const OPEN_SCOPES: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

/// Who registers.
#[derive(Clone, Copy, Debug)]
pub enum Door<'a> {
    /// Somebody whom the tenant trusts, through the admin API: our own members count too.
    Admin,
    /// Anybody, through RFC 7591: what isn't the client's to decide is the tenant's policy.
    Dynamic {
        require_pkce: bool,
        /// Besides [`OPEN_SCOPES`].
        scopes: &'a [String],
    },
}

/// A client as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Chosen by an administrator.
    pub id: Option<ClientId>,
    pub first_party: bool,
    pub metadata: ClientMetadata,
}

/// Reads the members. What is unknown is ignored (RFC 7591 §2); null is absence.
pub fn read(members: &Map<String, Value>, door: Door<'_>) -> Result<Registration, Violations> {
    let mut reader = Reader {
        members,
        violations: Vec::new(),
    };
    let registration = reader.registration(door);
    reader.check_consistency(&registration.metadata);
    match Violations::from_list(reader.violations) {
        None => Ok(registration),
        Some(violations) => Err(violations),
    }
}

impl Reader<'_> {
    fn registration(&mut self, door: Door<'_>) -> Registration {
        let trusted = matches!(door, Door::Admin);
        let (id, first_party) = if trusted {
            (self.client_id(), self.flag("first_party").unwrap_or(false))
        } else {
            (None, false)
        };
        Registration {
            id,
            first_party,
            metadata: self.metadata(door),
        }
    }

    fn client_id(&mut self) -> Option<ClientId> {
        let text = self.text("client_id", MAX_TEXT)?;
        let reserved = ClientId::first_party();
        match ClientId::parse(&text) {
            Ok(id) if id == reserved => {
                self.note("client_id", "is reserved");
                None
            }
            Ok(id) => Some(id),
            Err(why) => {
                self.note("client_id", why.to_string());
                None
            }
        }
    }

    fn metadata(&mut self, door: Door<'_>) -> ClientMetadata {
        let defaults = ClientMetadata::default();
        let redirect_uris = self.redirect_uris("redirect_uris");
        let grant_types = self
            .choices("grant_types", &GrantType::ALL.map(|one| (one.name(), one)))
            // RFC 7591 §2 says `authorization_code`; a client that can't refresh would send its
            // users to sign in every quarter of an hour.
            .unwrap_or_else(|| defaults.grant_types.clone());
        let code = grant_types.contains(&GrantType::AuthorizationCode);
        let response_types = self
            .choices("response_types", &[("code", ResponseType::Code)])
            .unwrap_or_else(|| {
                if code {
                    vec![ResponseType::Code]
                } else {
                    vec![]
                }
            });
        let auth_method = self.choice(
            "token_endpoint_auth_method",
            &AuthMethod::ALL.map(|one| (one.name(), one)),
        );
        let application_type = self.choice(
            "application_type",
            &[
                ("web", ApplicationType::Web),
                ("native", ApplicationType::Native),
            ],
        );
        let subject_type = self.choice(
            "subject_type",
            &[
                ("public", SubjectType::Public),
                ("pairwise", SubjectType::Pairwise),
            ],
        );
        let scope = self.scope(door);
        let signing_alg = self.choice(
            "token_endpoint_auth_signing_alg",
            &ForeignAlgorithm::ALL.map(|one| (one.name(), one)),
        );
        let (require_pkce, resources, introspection) = self.own_members(door);
        let lifetimes = self.lifetimes(door);
        ClientMetadata {
            client_name: self.text("client_name", MAX_NAME).unwrap_or_default(),
            redirect_uris,
            post_logout_redirect_uris: self.redirect_uris("post_logout_redirect_uris"),
            token_endpoint_auth_method: match door {
                Door::Admin => auth_method,
                // The default of RFC 7591 is what the client gets to see, and what counts.
                Door::Dynamic { .. } => Some(auth_method.unwrap_or(AuthMethod::ClientSecretBasic)),
            },
            token_endpoint_auth_signing_alg: signing_alg,
            grant_types,
            response_types,
            scope,
            application_type: application_type.unwrap_or_default(),
            contacts: self.list("contacts").unwrap_or_default(),
            logo_uri: self.web_uri("logo_uri"),
            client_uri: self.web_uri("client_uri"),
            policy_uri: self.web_uri("policy_uri"),
            tos_uri: self.web_uri("tos_uri"),
            jwks: self.key_set(),
            jwks_uri: self.web_uri("jwks_uri"),
            software_id: self.text("software_id", MAX_TEXT),
            software_version: self.text("software_version", MAX_TEXT),
            subject_type: subject_type.unwrap_or_default(),
            sector_identifier_uri: self.web_uri("sector_identifier_uri"),
            id_token_signed_response_alg: self
                .algorithm("id_token_signed_response_alg")
                .unwrap_or(defaults.id_token_signed_response_alg),
            userinfo_signed_response_alg: self.algorithm("userinfo_signed_response_alg"),
            default_max_age: self.seconds("default_max_age"),
            require_auth_time: self.flag("require_auth_time").unwrap_or(false),
            default_acr_values: self.list("default_acr_values").unwrap_or_default(),
            initiate_login_uri: self.web_uri("initiate_login_uri"),
            backchannel_logout_uri: self.web_uri("backchannel_logout_uri"),
            backchannel_logout_session_required: self
                .flag("backchannel_logout_session_required")
                .unwrap_or(false),
            require_pkce,
            resources,
            introspection,
            lifetimes,
        }
    }

    fn scope(&mut self, door: Door<'_>) -> Scopes {
        let Some(text) = self.text("scope", 2_000) else {
            return ClientMetadata::default().scope;
        };
        match (Scopes::parse(&text), door) {
            (Err(why), _) => {
                self.note("scope", why.to_string());
                Scopes::default()
            }
            (Ok(scope), Door::Admin) => scope,
            // Nobody gives itself power: what the tenant didn't open is left out, and the answer
            // says what is left.
            (Ok(scope), Door::Dynamic { scopes, .. }) => scope.filtered(|one| {
                OPEN_SCOPES.contains(&one) || scopes.iter().any(|open| open == one)
            }),
        }
    }

    /// The members that RFC 7591 doesn't know.
    fn own_members(&mut self, door: Door<'_>) -> (bool, Vec<String>, Introspection) {
        match door {
            Door::Dynamic { require_pkce, .. } => {
                (require_pkce, Vec::new(), Introspection::default())
            }
            Door::Admin => {
                let resources = self.list("resources").unwrap_or_default();
                for (n, resource) in resources.iter().enumerate() {
                    if !is_resource(resource) {
                        let detail = "must be an absolute URI without fragment";
                        self.note(&format!("resources/{n}"), detail);
                    }
                }
                let introspection = self.choice(
                    "introspection",
                    &[
                        ("own", Introspection::Own),
                        ("tenant", Introspection::Tenant),
                    ],
                );
                (
                    self.flag("require_pkce").unwrap_or(true),
                    resources,
                    introspection.unwrap_or_default(),
                )
            }
        }
    }

    /// How long what it gets counts is no client's to decide for itself: what it sends is ignored (RFC 7591 §2).
    fn lifetimes(&mut self, door: Door<'_>) -> ClientLifetimes {
        if matches!(door, Door::Dynamic { .. }) {
            return ClientLifetimes::default();
        }
        let own = ClientLifetimes {
            access_token_ttl: self.lifetime("access_token_ttl"),
            id_token_ttl: self.lifetime("id_token_ttl"),
            refresh_idle_ttl: self.lifetime("refresh_idle_ttl"),
            refresh_absolute_ttl: self.lifetime("refresh_absolute_ttl"),
            refresh_retry_window: self.lifetime("refresh_retry_window"),
        };
        if let (Some(idle), Some(absolute)) = (own.refresh_idle_ttl, own.refresh_absolute_ttl)
            && idle > absolute
        {
            self.note("refresh_idle_ttl", "must not exceed refresh_absolute_ttl");
        }
        own
    }

    /// A number within the bounds of the tenant's setting of this name.
    fn lifetime(&mut self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let seconds = value.as_u64().and_then(|n| u32::try_from(n).ok());
        let (least, most) = policy_patch::range_of(name).unwrap_or_default();
        let fits = seconds.filter(|seconds| (least..=most).contains(seconds));
        if fits.is_none() {
            let detail =
                format!("must be a number from {least} to {most}, or null for the tenant's");
            self.note(name, detail);
        }
        fits
    }

    fn algorithm(&mut self, name: &str) -> Option<SigningAlgorithm> {
        self.choice(name, &SigningAlgorithm::ALL.map(|one| (one.name(), one)))
    }

    /// What several members say together.
    fn check_consistency(&mut self, metadata: &ClientMetadata) {
        let public = metadata.auth_method() == AuthMethod::None;
        let uses = |grant: GrantType| metadata.grant_types.contains(&grant);
        let code = uses(GrantType::AuthorizationCode);
        if code != metadata.response_types.contains(&ResponseType::Code) {
            self.note(
                "response_types",
                "must have code exactly when grant_types has authorization_code",
            );
        }
        if code && metadata.redirect_uris.is_empty() {
            self.note("redirect_uris", "must name at least one address");
        }
        if uses(GrantType::RefreshToken) && !code {
            self.note("grant_types", "refresh_token needs authorization_code");
        }
        if uses(GrantType::ClientCredentials) && public {
            self.note(
                "grant_types",
                "client_credentials is for clients that authenticate",
            );
        }
        if public && !metadata.require_pkce {
            self.note(
                "require_pkce",
                "can't be off for a client without credentials",
            );
        }
        match (&metadata.jwks, &metadata.jwks_uri) {
            (Some(_), Some(_)) => self.note("jwks", "can't be given together with jwks_uri"),
            (None, None) if metadata.auth_method() == AuthMethod::PrivateKeyJwt => {
                self.note("jwks", "is needed for private_key_jwt, or jwks_uri");
            }
            _ => {}
        }
        if metadata.subject_type == SubjectType::Pairwise && metadata.sector().is_none() {
            self.note(
                "sector_identifier_uri",
                "is needed for pairwise subjects when redirect URIs have several hosts",
            );
        }
    }
}

/// An address on the web: https, or http on the machine itself for development.
pub fn web_uri(text: &str) -> Option<Url> {
    let plain = text.len() <= MAX_URI
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && (text.starts_with("https://") || text.starts_with("http://"));
    let url = Url::parse(text).ok().filter(|_| plain)?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    let anonymous = url.username().is_empty() && url.password().is_none();
    let secure = url.scheme() == "https" || loopback;
    (anonymous && secure && url.fragment().is_none()).then_some(url)
}

/// RFC 8707 §2: an absolute URI without fragment.
pub fn is_resource(text: &str) -> bool {
    let plain = text.len() <= MAX_URI && text.bytes().all(|b| b.is_ascii_graphic());
    plain && !text.contains('#') && Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests;
