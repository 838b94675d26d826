//! JSON bodies: bounded, and refused with a pointer to every member that is wrong.

use poem::{Request, RequestBody, error::ReadBodyError, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde_json::{Map, Value};

use crate::{
    domain::violation::{Violation, Violations},
    http::respond::problem::{Kind, Problem},
};

/// The largest body we read, in bytes. The longest valid one is a sign-up of about 6 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// Members that would be power if a body could set them. Anyone who sends one expects it to work,
/// so it is refused rather than ignored.
const POWER: &[&str] = &[
    "id",
    "user_id",
    "tenant",
    "tenant_id",
    "role",
    "roles",
    "permissions",
    "scope",
    "scopes",
    "is_admin",
    "admin",
    "email_verified",
    "password_hash",
    "password_phc",
    "mfa_enabled",
    "not_before",
    "created_at",
    "updated_at",
    "client_id",
    "state",
    "policy",
];

/// A body read from JSON members.
pub trait FromMembers: Sized {
    /// Whether a member that nobody took is a mistake. It is where a misspelt one would make what nobody
    /// wanted, such as a secret that never ends.
    const STRICT: bool = false;

    /// Takes the members; what is wrong is noted in `members`, and then the result doesn't matter.
    fn from_members(members: &mut Members) -> Option<Self>;
}

/// The members of a JSON object and what was found wrong with them.
#[derive(Debug)]
pub struct Members {
    object: Map<String, Value>,
    violations: Vec<Violation>,
}

impl Members {
    fn note(&mut self, name: &str, detail: &str) {
        self.violations.push(Violation {
            pointer: format!("/{name}"),
            detail: detail.to_owned(),
        });
    }

    /// A string that must be there.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.note(name, "must be a string");
                None
            }
            None => {
                self.note(name, "is missing");
                None
            }
        }
    }

    /// A string that may be missing or null.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.object.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.note(name, "must be a string or null");
                None
            }
        }
    }

    /// An object that may be missing or null.
    pub fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.object.remove(name)? {
            Value::Null => None,
            Value::Object(members) => Some(members),
            _ => {
                self.note(name, "must be an object");
                None
            }
        }
    }

    /// A string or null, if it is there.
    pub fn nullable_text(&mut self, name: &str) -> Option<Option<String>> {
        match self.object.remove(name)? {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text)),
            _ => {
                self.note(name, "must be a string or null");
                None
            }
        }
    }

    /// All members, for rules of their own.
    pub fn take_all(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.object)
    }

    /// True or false, that may be missing.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.object.remove(name)? {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.note(name, "must be true or false");
                None
            }
        }
    }

    /// A whole number from 1, that may be missing or null.
    pub fn positive(&mut self, name: &str) -> Option<i32> {
        let value = self.object.remove(name).filter(|value| !value.is_null())?;
        let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
        let number = number.filter(|n| *n >= 1);
        if number.is_none() {
            self.note(name, "must be a whole number from 1 to 2147483647");
        }
        number
    }

    /// One of a few words; missing means none.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.object.remove(name)?;
        let found = value
            .as_str()
            .and_then(|text| choices.iter().find(|(word, _)| *word == text));
        if found.is_none() {
            let words: Vec<_> = choices
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            self.note(name, &format!("must be {}", words.join(" or ")));
        }
        found.map(|(_, choice)| *choice)
    }

    fn finish<T: FromMembers>(mut self, read: Option<T>) -> Result<T, Violations> {
        for (name, _) in std::mem::take(&mut self.object) {
            if POWER.contains(&name.as_str()) {
                self.note(&name, "can't be set by this request");
            } else if T::STRICT {
                self.note(&name, "is unknown");
            }
        }
        match (Violations::from_list(self.violations), read) {
            (None, Some(read)) => Ok(read),
            (violations, _) => {
                Err(violations.unwrap_or_else(|| Violations::one("", "is not valid")))
            }
        }
    }
}

/// Reads a whole JSON document.
pub fn parse<T: FromMembers>(bytes: &[u8]) -> Result<T, Violations> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        // Not the error's own text: it may repeat parts of the body.
        let what = if error.is_eof() {
            "ends too early"
        } else {
            "is not valid JSON"
        };
        Violations::one(
            "",
            format!("{what} (line {}, column {})", error.line(), error.column()),
        )
    })?;
    let Value::Object(object) = value else {
        return Err(Violations::one("", "must be a JSON object"));
    };
    let mut members = Members {
        object,
        violations: Vec::new(),
    };
    let read = T::from_members(&mut members);
    members.finish(read)
}

/// A body that must be there.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A body that may be missing.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub Option<T>);

fn request_meta<T: Type>(required: bool) -> Option<MetaRequest> {
    Some(MetaRequest {
        description: None,
        content: vec![MetaMediaType {
            content_type: "application/json",
            schema: T::schema_ref(),
        }],
        required,
    })
}

impl<'a, T: FromMembers + Type> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        request_meta::<T>(true)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body).await?;
        check_media_type(request)?;
        Ok(Self(parse(&bytes).map_err(Problem::from)?))
    }
}

impl<'a, T: FromMembers + Type> ApiExtractor<'a> for OptionalJsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        request_meta::<T>(false)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_media_type(request)?;
        Ok(Self(Some(parse(&bytes).map_err(Problem::from)?)))
    }
}

/// Reads a body of bounded size.
pub async fn read(request: &Request, body: &mut RequestBody) -> Result<bytes::Bytes, Problem> {
    // One that announces too much is refused before any of it is waited for.
    let announced = request
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Problem::new(Kind::BodyTooLarge));
    }
    let body = body.take().map_err(|_| Problem::new(Kind::Internal))?;
    body.into_bytes_limit(MAX_BODY)
        .await
        .map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => Problem::new(Kind::BodyTooLarge),
            _ => Problem::new(Kind::InvalidBody).detail("The body ended before it was complete."),
        })
}

fn check_media_type(request: &Request) -> Result<(), Problem> {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<mime::Mime>().ok())
        .is_some_and(|mime| {
            let subtype = mime.suffix().unwrap_or_else(|| mime.subtype());
            mime.type_() == mime::APPLICATION && subtype == mime::JSON
        });
    if json {
        Ok(())
    } else {
        Err(Problem::new(Kind::UnsupportedMediaType))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample {
        name: String,
        note: Option<String>,
    }

    impl FromMembers for Sample {
        fn from_members(members: &mut Members) -> Option<Self> {
            let (name, note) = (members.text("name"), members.optional_text("note"));
            Some(Self { name: name?, note })
        }
    }

    fn pointers(body: &str) -> Vec<String> {
        match parse::<Sample>(body.as_bytes()) {
            Ok(_) => vec![],
            Err(violations) => violations
                .list()
                .iter()
                .map(|v| v.pointer.clone())
                .collect(),
        }
    }

    #[test]
    fn every_wrong_member_is_pointed_at() {
        assert_eq!(pointers(r#"{"note":3}"#), ["/name", "/note"]);
        assert_eq!(
            pointers(r#"{"name":"a","role":"admin","tenant_id":"x"}"#),
            ["/role", "/tenant_id"]
        );
        assert_eq!(pointers("[]"), [""]);
        assert_eq!(pointers("{"), [""]);
        assert_eq!(pointers(&"[".repeat(100_000)), [""]);
    }

    #[test]
    fn harmless_unknown_members_and_nulls_are_taken() {
        let sample = parse::<Sample>(br#"{"name":"a","note":null,"colour":"red"}"#).expect("valid");
        assert_eq!((sample.name.as_str(), sample.note), ("a", None));
    }
}
