//! Changes to a tenant's policy: a JSON merge patch (RFC 7396), checked member by member.

use serde_json::{Map, Value};

use super::{
    client::registration::is_resource,
    merge_patch::merged,
    role::{self, MAX_ROLES},
    scope::Scopes,
    tenant::{Policy, rename_signup_open},
    violation::{Violation, Violations},
};

const DAY: u32 = 24 * 3600;
const MAX_LIST: usize = 100;

/// Numbers and what they may be.
pub const RANGES: [(&str, u32, u32); 14] = [
    ("access_token_ttl", 60, DAY),
    ("id_token_ttl", 60, DAY),
    ("refresh_idle_ttl", 300, 365 * DAY),
    ("refresh_absolute_ttl", 300, 5 * 365 * DAY),
    ("refresh_retry_window", 0, 300),
    ("key_rotation_interval", 0, 5 * 365 * DAY),
    ("jwks_max_age", 1, DAY),
    ("audit_retention_days", 1, 3650),
    ("password_min_length", 8, 128),
    ("session_idle_ttl", 300, 365 * DAY),
    ("session_absolute_ttl", 300, 5 * 365 * DAY),
    ("registration_max_clients", 0, 100_000),
    ("invitations_max_pending", 0, 100_000),
    ("domains_max", 0, 1_000),
];

/// The policy after a patch. Null sets a member back to its default.
pub fn patched(policy: &Policy, patch: &Map<String, Value>) -> Result<Policy, Violations> {
    let (mut now, defaults) = (object(policy), object(&Policy::default()));
    let mut violations = Vec::new();
    let mut patch = patch.clone();
    if patch.contains_key("signup") && patch.contains_key("signup_open") {
        violations.push(violation("signup_open", "is the old name of signup"));
        patch.remove("signup_open");
    } else if !rename_signup_open(&mut patch) {
        violations.push(violation("signup_open", "must be true or false"));
        patch.remove("signup_open");
    }
    let patch = &patch;
    for (name, value) in patch {
        let Some(default) = defaults.get(name) else {
            violations.push(violation(name, "is no setting"));
            continue;
        };
        let mut changed = now.clone();
        let value = match value {
            Value::Null => default.clone(),
            value => merged(now.get(name), value),
        };
        changed.insert(name.clone(), value);
        match serde_json::from_value::<Policy>(Value::Object(changed.clone())) {
            Ok(_) => now = changed,
            // The text of the error may repeat the value; the rule is enough.
            Err(_) => violations.push(violation(name, rule_of(name))),
        }
    }
    let policy: Policy = serde_json::from_value(Value::Object(now)).unwrap_or_default();
    violations.extend(broken_rules(&policy).filter(|broken| {
        // What was wrong before and isn't touched is no fault of this change.
        patch
            .keys()
            .any(|name| broken.pointer.starts_with(&format!("/{name}")))
    }));
    match Violations::from_list(violations) {
        None => Ok(policy),
        Some(violations) => Err(violations),
    }
}

fn object(policy: &Policy) -> Map<String, Value> {
    match serde_json::to_value(policy) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn violation(name: &str, detail: impl Into<String>) -> Violation {
    Violation {
        pointer: format!("/{name}"),
        detail: detail.into(),
    }
}

/// The bounds of a number. Access and ID tokens live for a day at most, whatever a policy or a client says: a key
/// that retires is published for longer than that.
pub fn range_of(name: &str) -> Option<(u32, u32)> {
    let range = RANGES.iter().find(|(known, ..)| *known == name);
    range.map(|(_, least, most)| (*least, *most))
}

fn rule_of(name: &str) -> String {
    if name == "key_rotation_interval" {
        return format!("must be 0, or a number from {DAY} to {}", 5 * 365 * DAY);
    }
    if let Some((least, most)) = range_of(name) {
        return format!("must be a number from {least} to {most}");
    }
    match name {
        "access_token_alg" => "must be RS256, ES256, PS256 or EdDSA",
        "registration" => "must be off, initial_access_token or open",
        "signup" => "must be open, closed or invitation",
        "require_pkce" | "password_refuse_common" => "must be true or false",
        "claims" => {
            "must have access_token, some of name, email, email_verified and picture, and id_token, standard claims such \
             as email; both may be missing"
        }
        "branding" => {
            "must have logo_url, an https address, and accent, a colour such as #2f5bd8; both may be missing"
        }
        "roles" => {
            "must be an object of roles by name ([a-z0-9] and [a-z0-9._/-], at most 64): each with description, \
             client_id and permissions, of which all may be missing; tokenhouse:admin and tokenhouse:admin:read are \
             the only permissions that begin with tokenhouse:"
        }
        _ => "must be a list of strings",
    }
    .to_owned()
}

fn broken_rules(policy: &Policy) -> impl Iterator<Item = Violation> {
    let members = object(policy);
    let mut found = Vec::new();
    for (name, least, most) in RANGES {
        let value = members
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let too_often = name == "key_rotation_interval" && (1..DAY.into()).contains(&value);
        if value < least.into() || value > most.into() || too_often {
            found.push(violation(name, rule_of(name)));
        }
    }
    let mut check = |name: &str, list: &[String], fits: fn(&str) -> bool, rule: &str| {
        if list.len() > MAX_LIST {
            found.push(violation(
                name,
                format!("must have at most {MAX_LIST} items"),
            ));
        }
        for (n, item) in list.iter().enumerate() {
            if !fits(item) {
                found.push(violation(&format!("{name}/{n}"), rule));
            }
        }
    };
    check(
        "allowed_origins",
        &policy.allowed_origins,
        is_origin,
        "must be an origin such as https://app.example.com",
    );
    check(
        "resources",
        &policy.resources,
        is_resource,
        "must be an absolute URI without fragment",
    );
    check(
        "registration_scopes",
        &policy.registration_scopes,
        |text| {
            // Whoever registers itself must not give itself power over the tenant.
            Scopes::parse(text).is_ok_and(|scopes| scopes.iter().count() == 1)
                && !role::is_reserved(text)
        },
        "must be a scope that does not begin with tokenhouse:",
    );
    for (name, repeated) in [
        ("claims/access_token", repeats(&policy.claims.access_token)),
        ("claims/id_token", repeats(&policy.claims.id_token)),
    ] {
        if repeated {
            found.push(violation(name, "must name each claim once"));
        }
    }
    if policy.refresh_idle_ttl > policy.refresh_absolute_ttl {
        found.push(violation(
            "refresh_idle_ttl",
            "must not exceed refresh_absolute_ttl",
        ));
    }
    if policy.session_idle_ttl > policy.session_absolute_ttl {
        found.push(violation(
            "session_idle_ttl",
            "must not exceed session_absolute_ttl",
        ));
    }
    if policy.roles.len() > MAX_ROLES {
        found.push(violation("roles", "must be at most 100"));
    }
    for (name, role) in &policy.roles {
        let rule = role.broken_rule();
        // RFC 6901 §3: the slash of a name is no step of the pointer.
        let name = name.as_str().replace('/', "~1");
        found.extend(rule.map(|rule| violation(&format!("roles/{name}"), rule)));
    }
    let logo = policy.branding.logo_url.as_ref();
    if logo.is_some_and(|url| super::client::registration::web_uri(url.as_str()).is_none()) {
        found.push(violation("branding/logo_url", "must be an https address"));
    }
    found.into_iter()
}

fn repeats<T: PartialEq>(list: &[T]) -> bool {
    (1..list.len()).any(|n| list[..n].contains(&list[n]))
}

/// Exactly as a browser says it: scheme, host and port, nothing else.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::tenant::SignupPolicy;

    fn patch(value: &Value) -> Result<Policy, Vec<String>> {
        let members = value.as_object().expect("an object");
        patched(&Policy::default(), members)
            .map_err(|all| all.list().iter().map(|one| one.pointer.clone()).collect())
    }

    #[test]
    fn keys_rotate_at_most_once_a_day_by_themselves() {
        for (interval, fits) in [(0, true), (1, false), (86_399, false), (86_400, true)] {
            let changed = patch(&json!({ "key_rotation_interval": interval }));
            assert_eq!(changed.is_ok(), fits, "{interval}");
        }
    }

    #[test]
    fn members_that_are_not_named_stay() {
        let changed =
            patch(&json!({ "access_token_ttl": 60, "registration": "open" })).expect("valid");
        let expected = Policy {
            access_token_ttl: 60,
            registration: crate::domain::tenant::RegistrationPolicy::Open,
            ..Policy::default()
        };
        assert_eq!(changed, expected);
        let back = patched(
            &changed,
            json!({ "access_token_ttl": null })
                .as_object()
                .expect("an object"),
        );
        assert_eq!(
            back.expect("valid").access_token_ttl,
            Policy::default().access_token_ttl
        );
    }

    #[test]
    fn null_sets_every_member_back_to_its_default() {
        let policy: Policy = serde_json::from_value(json!({
            "roles": { "owner": { "permissions": ["tokenhouse:admin"] } },
            "branding": { "accent": "#102030" },
            "resources": ["https://api.example"],
            "access_token_ttl": 60,
        }))
        .expect("a policy");
        let all: Map<_, _> = object(&policy)
            .into_iter()
            .map(|(name, _)| (name, Value::Null))
            .collect();
        assert_eq!(patched(&policy, &all).expect("valid"), Policy::default());
    }

    #[test]
    fn the_old_name_of_signup_means_what_it_meant() {
        let closed = patch(&json!({ "signup_open": false })).expect("valid");
        assert_eq!(closed.signup, SignupPolicy::Closed);
        for value in [json!(true), Value::Null] {
            let members = json!({ "signup_open": value });
            let open = patched(&closed, members.as_object().expect("an object"));
            assert_eq!(open.expect("valid").signup, SignupPolicy::Open, "{members}");
        }
    }

    #[test]
    fn each_wrong_member_is_pointed_at() {
        for (value, pointer) in [
            (json!({ "access_token_ttl": 0 }), "/access_token_ttl"),
            (json!({ "access_token_ttl": "60" }), "/access_token_ttl"),
            (json!({ "access_token_ttl": -1 }), "/access_token_ttl"),
            (
                json!({ "refresh_retry_window": 301 }),
                "/refresh_retry_window",
            ),
            (json!({ "access_token_alg": "none" }), "/access_token_alg"),
            (json!({ "registration": "maybe" }), "/registration"),
            (
                json!({ "allowed_origins": ["https://app.example/"] }),
                "/allowed_origins/0",
            ),
            (json!({ "allowed_origins": ["null"] }), "/allowed_origins/0"),
            (json!({ "allowed_origins": ["*"] }), "/allowed_origins/0"),
            (
                json!({ "allowed_origins": "https://app.example" }),
                "/allowed_origins",
            ),
            (json!({ "resources": ["x"] }), "/resources/0"),
            (
                json!({ "registration_scopes": ["a b"] }),
                "/registration_scopes/0",
            ),
            (json!({ "branding": { "accent": "red;}" } }), "/branding"),
            (
                json!({ "branding": { "logo_url": "javascript:alert(1)" } }),
                "/branding/logo_url",
            ),
            (
                json!({ "refresh_idle_ttl": 31_536_000 }),
                "/refresh_idle_ttl",
            ),
            (json!({ "is_admin": true }), "/is_admin"),
            (json!({ "signup": "maybe" }), "/signup"),
            (json!({ "signup": true }), "/signup"),
            (json!({ "signup_open": "open" }), "/signup_open"),
            (
                json!({ "signup_open": true, "signup": "open" }),
                "/signup_open",
            ),
            (json!({ "claims": { "access_token": ["sub"] } }), "/claims"),
            (json!({ "claims": { "id_token": ["roles"] } }), "/claims"),
            (
                json!({ "claims": { "id_token": ["email", "email"] } }),
                "/claims/id_token",
            ),
        ] {
            assert_eq!(
                patch(&value).err(),
                Some(vec![pointer.to_owned()]),
                "{value}"
            );
        }
    }

    #[test]
    fn parts_of_the_branding_change_alone() {
        let first = patch(
            &json!({ "branding": { "accent": "#102030", "logo_url": "https://a.example/l.png" } }),
        );
        let members = json!({ "branding": { "logo_url": null } });
        let then = patched(
            &first.expect("valid"),
            members.as_object().expect("an object"),
        )
        .expect("valid");
        assert!(then.branding.logo_url.is_none() && then.branding.accent.is_some());
    }
}
