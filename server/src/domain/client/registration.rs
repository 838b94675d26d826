//! Reading what a client registers (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2):
//! JSON members in, checked metadata or every broken rule out.

use serde_json::{Map, Value};
use url::{Host, Url};

use super::{
    ClientId,
    lifetimes::ClientLifetimes,
    metadata::{
        ApplicationType, AuthMethod, ClientMetadata, GrantType, Introspection, ResponseType,
        SubjectType,
    },
    redirect_uri::RedirectUri,
};
use crate::domain::{
    policy_patch,
    scope::Scopes,
    signing_key::{ForeignAlgorithm, SigningAlgorithm},
    violation::{Violation, Violations},
};

const MAX_LIST: usize = 50;
const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 255;
const MAX_URI: usize = 2048;
const MAX_KEY_SET: usize = 32 * 1024;

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

struct Reader<'a> {
    members: &'a Map<String, Value>,
    violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    fn note(&mut self, pointer: &str, detail: impl Into<String>) {
        self.violations.push(Violation {
            pointer: format!("/{pointer}"),
            detail: detail.into(),
        });
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str, max: usize) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => {
                let hidden = |c: char| {
                    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                if text.chars().count() > max || text.chars().any(hidden) {
                    let detail =
                        format!("must have at most {max} characters and no control characters");
                    self.note(name, detail);
                    return None;
                }
                Some(text.clone())
            }
            _ => {
                self.note(name, "must be a string");
                None
            }
        }
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        if !value.is_boolean() {
            self.note(name, "must be true or false");
        }
        value.as_bool()
    }

    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let items = match self.get(name)? {
            Value::Array(items) if items.len() <= MAX_LIST => items,
            _ => {
                self.note(
                    name,
                    format!("must be a list of at most {MAX_LIST} strings"),
                );
                return None;
            }
        };
        let mut texts = Vec::new();
        for (n, item) in items.iter().enumerate() {
            match item.as_str().filter(|text| text.len() <= MAX_URI) {
                Some(text) => texts.push(text.to_owned()),
                None => self.note(&format!("{name}/{n}"), "must be a string"),
            }
        }
        Some(texts)
    }

    /// One of a few words.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name, MAX_TEXT)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.note(name, one_of(choices.iter().map(|(word, _)| *word)));
        }
        found.map(|(_, choice)| *choice)
    }

    /// A list of such words, each once.
    fn choices<T: Copy + PartialEq>(
        &mut self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<Vec<T>> {
        let mut all = Vec::new();
        for (n, text) in self.list(name)?.iter().enumerate() {
            match choices.iter().find(|(word, _)| word == text) {
                Some((_, choice)) if !all.contains(choice) => all.push(*choice),
                Some(_) => {}
                None => {
                    let detail = one_of(choices.iter().map(|(word, _)| *word));
                    self.note(&format!("{name}/{n}"), detail);
                }
            }
        }
        Some(all)
    }

    /// An address that a page shows or that we call: https, or http on the machine itself.
    fn web_uri(&mut self, name: &str) -> Option<Url> {
        let text = self.text(name, MAX_URI)?;
        let uri = web_uri(&text);
        if uri.is_none() {
            self.note(
                name,
                "must be an absolute https URI without user name and fragment",
            );
        }
        uri
    }

    fn redirect_uris(&mut self, name: &str) -> Vec<RedirectUri> {
        let texts = self.list(name).unwrap_or_default();
        let mut uris = Vec::new();
        for (n, text) in texts.iter().enumerate() {
            match RedirectUri::parse(text) {
                Ok(uri) => uris.push(uri),
                Err(why) => self.note(&format!("{name}/{n}"), why.to_string()),
            }
        }
        uris
    }

    fn algorithm(&mut self, name: &str) -> Option<SigningAlgorithm> {
        self.choice(name, &SigningAlgorithm::ALL.map(|one| (one.name(), one)))
    }

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

    fn seconds(&mut self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let seconds = value.as_u64().and_then(|n| u32::try_from(n).ok());
        if seconds.is_none() {
            self.note(name, "must be a number of seconds");
        }
        seconds
    }

    fn key_set(&mut self) -> Option<Value> {
        let set = self.get("jwks")?;
        if set.to_string().len() > MAX_KEY_SET {
            self.note("jwks", "is too large");
            return None;
        }
        Some(set.clone())
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

fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    format!("must be one of {}", words.collect::<Vec<_>>().join(", "))
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
mod tests {
    use serde_json::json;

    use super::*;

    const DYNAMIC: Door<'static> = Door::Dynamic {
        require_pkce: true,
        scopes: &[],
    };

    fn with(name: &str, value: Value) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("redirect_uris".into(), json!(["https://rp.example/cb"]));
        members.insert(name.into(), value);
        members
    }

    fn pointers(name: &str, value: Value) -> Vec<String> {
        match read(&with(name, value), Door::Admin) {
            Ok(_) => vec![],
            Err(violations) => violations
                .list()
                .iter()
                .map(|one| one.pointer.clone())
                .collect(),
        }
    }

    #[test]
    fn defaults_are_those_of_the_rfc() {
        let read = read(&with("client_name", json!("Web")), DYNAMIC).expect("a client");
        assert_eq!(
            read.metadata.token_endpoint_auth_method,
            Some(AuthMethod::ClientSecretBasic)
        );
        assert!(read.metadata.require_pkce);
        assert_eq!(read.metadata.response_types, [ResponseType::Code]);
    }

    /// T16.
    #[test]
    fn no_member_takes_an_address_that_could_run() {
        let members = [
            "logo_uri",
            "client_uri",
            "policy_uri",
            "tos_uri",
            "initiate_login_uri",
            "jwks_uri",
            "sector_identifier_uri",
            "backchannel_logout_uri",
        ];
        let bad = [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://rp.example/x",
            "file:///etc/passwd",
            "java\nscript:x",
            " https://rp.example/",
            "http://rp.example/",
            "https://a:b@rp.example/",
            "https://rp.example/#f",
            "//rp.example/",
        ];
        for member in members {
            for text in bad {
                assert_eq!(
                    pointers(member, json!(text)),
                    [format!("/{member}")],
                    "{text:?}"
                );
            }
            assert!(pointers(member, json!("https://rp.example/x")).is_empty());
        }
        for member in ["redirect_uris", "post_logout_redirect_uris"] {
            for text in bad.iter().filter(|text| **text != "https://rp.example/x") {
                let found = pointers(member, json!([text]));
                assert!(
                    found.contains(&format!("/{member}/0")),
                    "{member} {text:?} {found:?}"
                );
            }
        }
    }

    #[test]
    fn every_broken_rule_is_pointed_at() {
        for (name, value, expected) in [
            (
                "redirect_uris",
                json!("https://rp.example/cb"),
                "/redirect_uris",
            ),
            ("redirect_uris", json!([]), "/redirect_uris"),
            ("grant_types", json!(["implicit"]), "/grant_types/0"),
            ("grant_types", json!(["password"]), "/grant_types/0"),
            ("grant_types", json!(["refresh_token"]), "/grant_types"),
            ("response_types", json!(["token"]), "/response_types/0"),
            ("response_types", json!([]), "/response_types"),
            (
                "token_endpoint_auth_method",
                json!("tls"),
                "/token_endpoint_auth_method",
            ),
            (
                "token_endpoint_auth_method",
                json!("private_key_jwt"),
                "/jwks",
            ),
            (
                "id_token_signed_response_alg",
                json!("none"),
                "/id_token_signed_response_alg",
            ),
            (
                "id_token_signed_response_alg",
                json!("HS256"),
                "/id_token_signed_response_alg",
            ),
            ("subject_type", json!("secret"), "/subject_type"),
            ("scope", json!("a\"b"), "/scope"),
            ("scope", json!(["openid"]), "/scope"),
            ("client_name", json!("a\u{202e}b"), "/client_name"),
            ("client_name", json!("x".repeat(201)), "/client_name"),
            ("default_max_age", json!(-1), "/default_max_age"),
            ("require_auth_time", json!("yes"), "/require_auth_time"),
            ("client_id", json!("first-party"), "/client_id"),
            ("client_id", json!("a b"), "/client_id"),
            ("access_token_ttl", json!(59), "/access_token_ttl"),
            ("access_token_ttl", json!(86_401), "/access_token_ttl"),
            ("id_token_ttl", json!(86_401), "/id_token_ttl"),
            ("refresh_idle_ttl", json!("300"), "/refresh_idle_ttl"),
            ("refresh_absolute_ttl", json!(-1), "/refresh_absolute_ttl"),
            ("refresh_retry_window", json!(301), "/refresh_retry_window"),
            ("resources", json!(["x"]), "/resources/0"),
            (
                "resources",
                json!(["https://api.example/#x"]),
                "/resources/0",
            ),
        ] {
            let found = pointers(name, value.clone());
            assert!(
                found.contains(&expected.to_owned()),
                "{name} {value}: {found:?}"
            );
        }
    }

    #[test]
    fn a_client_without_credentials_has_less() {
        let public = |more: Value| {
            let mut members = with("token_endpoint_auth_method", json!("none"));
            members.extend(more.as_object().expect("an object").clone());
            read(&members, Door::Admin).is_ok()
        };
        assert!(public(json!({})));
        assert!(!public(json!({ "require_pkce": false })));
        assert!(!public(
            json!({ "grant_types": ["authorization_code", "client_credentials"] })
        ));
    }

    #[test]
    fn nobody_gives_itself_power() {
        let members = json!({
            "redirect_uris": ["https://rp.example/cb"],
            "client_id": "mine",
            "first_party": true,
            "require_pkce": false,
            "introspection": "tenant",
            "resources": ["https://api.example"],
            "scope": "openid tokenhouse:admin orders",
            "access_token_ttl": 86_400,
            "refresh_retry_window": 300,
        });
        let door = Door::Dynamic {
            require_pkce: true,
            scopes: &["orders".to_owned()],
        };
        let read = read(members.as_object().expect("an object"), door).expect("a client");
        assert_eq!((read.id, read.first_party), (None, false));
        assert!(read.metadata.require_pkce && read.metadata.resources.is_empty());
        assert_eq!(read.metadata.introspection, Introspection::Own);
        assert_eq!(read.metadata.lifetimes, ClientLifetimes::default());
        assert_eq!(read.metadata.scope.to_string(), "openid orders");
    }
}
