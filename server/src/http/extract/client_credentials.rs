//! The credentials of a client: `Authorization: Basic`, or members of the form.

use base64::{Engine, engine::general_purpose::STANDARD};
use poem::{Request, RequestBody, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::{
    application::{authenticate_client::Credentials, oauth::Refusal},
    domain::authorization::Parameters,
    http::respond::oauth::OAuthProblem,
};

/// The client id and secret of the `Authorization` header, if it has them.
#[derive(Default)]
pub struct ClientBasic(Option<(String, Zeroizing<String>)>);

impl std::fmt::Debug for ClientBasic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientBasic([redacted])")
    }
}

impl ClientBasic {
    /// All that the caller presented.
    pub fn with(self, form: &Parameters) -> Credentials {
        let secret = |name: &str| form.owned(name).map(Zeroizing::new);
        Credentials {
            basic: self.0,
            client_id: form.owned("client_id"),
            client_secret: secret("client_secret"),
            assertion_type: form.owned("client_assertion_type"),
            assertion: secret("client_assertion"),
        }
    }
}

impl<'a> ApiExtractor<'a> for ClientBasic {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            "ClientSecretBasic",
            MetaSecurityScheme {
                ty: "http",
                description: Some(
                    "`client_id` and `client_secret`, each form-encoded (RFC 6749 §2.3.1). Clients may send them in the \
                     form instead, or a `client_assertion`, as they registered; public clients send `client_id` alone.",
                ),
                name: None,
                key_in: None,
                scheme: Some("basic"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["ClientSecretBasic"]
    }

    /// The credentials may be in the form.
    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let only = values.next().is_none();
        let read = value.to_str().ok().and_then(read_basic).filter(|_| only);
        match read {
            Some(pair) => Ok(Self(Some(pair))),
            None => Err(OAuthProblem::from(Refusal::InvalidClient {
                reason: "unreadable Authorization header",
            })
            .into()),
        }
    }
}

/// RFC 7617, with both parts form-encoded inside (RFC 6749 §2.3.1).
fn read_basic(value: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, Zeroizing::new(form_decoded(secret)?)))
}

fn form_decoded(text: &str) -> Option<String> {
    // A bare `&` or `=` ends or splits a pair; no encoder leaves one.
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    match (pairs.next(), pairs.next()) {
        (None, _) => Some(String::new()),
        (Some((name, value)), None) if value.is_empty() && !text.contains('=') => {
            Some(name.into_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        let value = format!("Basic {}", STANDARD.encode(text));
        read_basic(&value).map(|(id, secret)| (id, secret.as_str().to_owned()))
    }

    #[test]
    fn both_parts_are_form_decoded() {
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("web:s3cret"), pair("web", "s3cret"));
        assert_eq!(read("a%3Ab:p%25%2B+q"), pair("a:b", "p%+ q"));
        assert_eq!(read("web:"), pair("web", ""));
        assert_eq!(read("web:a:b"), pair("web", "a:b"));
        for bad in ["web", "we&b:x", "a=b:x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read_basic("Bearer abc").is_none());
        assert!(read_basic("Basic ???").is_none());
    }
}
