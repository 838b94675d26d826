//! The standard claims about a user (OIDC Core §5.1) that aren't members of [`User`](super::user::User).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::violation::{Violation, Violations};

const MAX_TEXT: usize = 200;
const MAX_URI: usize = 2048;

/// What a user told about itself. A member without value is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    /// `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthdate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneinfo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Nobody but us can set it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub phone_number_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// A postal address (OIDC Core §5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// Members that are texts of people's choosing.
const TEXTS: [&str; 8] = [
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "gender",
    "zoneinfo",
    "locale",
];
const PARTS_OF_ADDRESS: [&str; 6] = [
    "formatted",
    "street_address",
    "locality",
    "region",
    "postal_code",
    "country",
];

impl Profile {
    /// The profile after its user changed it: a JSON merge patch (RFC 7396). A new phone number is
    /// unverified, whatever the old one was.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut members = match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        for (name, value) in patch {
            match check(name, value) {
                Ok(()) => merge(&mut members, name, value),
                Err(detail) => violations.push(Violation {
                    pointer: format!("/{name}"),
                    detail: detail.to_owned(),
                }),
            }
        }
        if let Some(violations) = Violations::from_list(violations) {
            return Err(violations);
        }
        let mut profile: Self = serde_json::from_value(Value::Object(members)).unwrap_or_default();
        profile.phone_number_verified &= profile.phone_number == self.phone_number;
        Ok(profile)
    }
}

fn merge(members: &mut Map<String, Value>, name: &str, value: &Value) {
    match (value, members.get_mut(name)) {
        (Value::Null, _) => {
            members.remove(name);
        }
        (Value::Object(parts), Some(Value::Object(known))) => {
            for (part, value) in parts {
                merge(known, part, value);
            }
        }
        (Value::Object(parts), _) => {
            let mut known = Map::new();
            for (part, value) in parts {
                merge(&mut known, part, value);
            }
            members.insert(name.to_owned(), Value::Object(known));
        }
        (value, _) => {
            members.insert(name.to_owned(), value.clone());
        }
    }
}

fn check(name: &str, value: &Value) -> Result<(), &'static str> {
    if value.is_null() && name != "phone_number_verified" {
        return Ok(());
    }
    let text = |fits: fn(&str) -> bool, rule| match value {
        Value::String(text) if fits(text) => Ok(()),
        _ => Err(rule),
    };
    match name {
        "profile" | "website" => text(is_web_address, "must be an http or https address"),
        "birthdate" => text(is_birthdate, "must be YYYY-MM-DD, 0000-MM-DD or YYYY"),
        "phone_number" => text(is_phone_number, "must be a number such as +441632960961"),
        "address" => match value {
            Value::Object(parts) => parts.iter().try_for_each(|(part, value)| {
                let plain = value.is_null() || value.as_str().is_some_and(is_lines);
                if PARTS_OF_ADDRESS.contains(&part.as_str()) && plain {
                    Ok(())
                } else {
                    Err("must have formatted, street_address, locality, region, postal_code or country, as texts")
                }
            }),
            _ => Err("must be an object"),
        },
        name if TEXTS.contains(&name) => text(
            is_line,
            "must have 1 to 200 characters and no control characters",
        ),
        _ => Err("is nothing that a user says of itself"),
    }
}

fn is_line(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_lines(text: &str) -> bool {
    is_line(&text.replace(['\n', '\r'], " "))
}

fn is_web_address(text: &str) -> bool {
    let plain = text.len() <= MAX_URI && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain
        && Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_birthdate(text: &str) -> bool {
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [year] => number(year, 4).is_some(),
        [year, month, day] => {
            number(year, 4).is_some()
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

/// E.164, with an extension as RFC 3966 writes it.
fn is_phone_number(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('+') else {
        return false;
    };
    let (number, extension) = rest.split_once(";ext=").unwrap_or((rest, "0"));
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    (5..=15).contains(&digits)
        && number
            .bytes()
            .all(|b| b.is_ascii_digit() || b" -()".contains(&b))
        && (1..=10).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(profile: &Profile, value: &Value) -> Result<Profile, String> {
        profile
            .patched(value.as_object().expect("an object"))
            .map_err(|all| all.list()[0].pointer.clone())
    }

    #[test]
    fn a_user_says_what_is_its_own_to_say() {
        let patch = json!({
            "given_name": "Ada", "birthdate": "1815-12-10", "phone_number": "+44 1632 960961",
            "address": { "country": "GB", "street_address": "12 St James's Square\nLondon" },
            "website": "https://ada.example/",
        });
        let mut profile = patched(&Profile::default(), &patch).expect("valid");
        profile.phone_number_verified = true;
        let same = patched(
            &profile,
            &json!({ "nickname": "ada", "address": { "country": null } }),
        )
        .expect("valid");
        assert!(same.phone_number_verified);
        assert_eq!(same.address.as_ref().and_then(|a| a.country.clone()), None);
        let other = patched(&same, &json!({ "phone_number": "+441632960962" })).expect("valid");
        assert!(!other.phone_number_verified);
        assert_eq!(
            patched(&other, &json!({ "phone_number": null }))
                .expect("valid")
                .phone_number,
            None
        );
    }

    /// T09.
    #[test]
    fn nobody_verifies_itself() {
        for (patch, pointer) in [
            (
                json!({ "phone_number_verified": true }),
                "/phone_number_verified",
            ),
            (
                json!({ "phone_number_verified": null }),
                "/phone_number_verified",
            ),
            (json!({ "email_verified": true }), "/email_verified"),
            (json!({ "sub": "x" }), "/sub"),
            (json!({ "given_name": "a\nb" }), "/given_name"),
            (json!({ "website": "javascript:alert(1)" }), "/website"),
            (json!({ "birthdate": "1815-13-01" }), "/birthdate"),
            (json!({ "phone_number": "12" }), "/phone_number"),
            (json!({ "address": { "planet": "Earth" } }), "/address"),
            (json!({ "address": "x" }), "/address"),
            (json!({ "locale": 7 }), "/locale"),
        ] {
            assert_eq!(
                patched(&Profile::default(), &patch),
                Err(pointer.to_owned()),
                "{patch}"
            );
        }
    }
}
