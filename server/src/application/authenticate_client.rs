//! Who calls: client authentication (RFC 6749 §2.3, RFC 7523 §2.2, OIDC Core §9), the same for every
//! endpoint that clients call.

use std::time::Duration;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    audit,
    oauth::{OAuthError, Refusal},
    ports::{ForeignJwtRefused, Purpose, UseKey},
};
use crate::{
    app::App,
    domain::{
        audit::{Actor, Event, EventKind},
        claims::LEEWAY_SECONDS,
        client::{Client, ClientId, metadata::AuthMethod},
        secret::TokenDigest,
        signing_key::ForeignAlgorithm,
        tenant::TenantScope,
        timestamp::Timestamp,
    },
};

/// `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion that counts for longer is refused: its `jti` must be remembered as long.
const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(3_600);
const MAX_JTI: usize = 512;

/// What a caller presented, as it came. Nothing of it prints.
#[derive(Default)]
pub struct Credentials {
    /// From `Authorization: Basic`, both parts form-decoded.
    pub basic: Option<(String, Zeroizing<String>)>,
    pub client_id: Option<String>,
    pub client_secret: Option<Zeroizing<String>>,
    pub assertion_type: Option<String>,
    pub assertion: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

/// Proof that the caller is this client. The only maker is [`authenticate`].
#[derive(Clone, Debug)]
pub struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    pub fn client(&self) -> &Client {
        &self.0
    }
}

const fn refused(reason: &'static str) -> Refusal {
    Refusal::InvalidClient { reason }
}

/// Finds out who calls. Exactly one method, and only the one that the client registered. A failure is noted.
pub async fn authenticate(
    app: &App,
    tenant: &TenantScope,
    credentials: Credentials,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let mut said = None;
    let answer = check(app, tenant, credentials, &mut said, now).await;
    if let Err(OAuthError::Refused(Refusal::InvalidClient { reason })) = &answer {
        let mut event = Event::new(EventKind::ClientAuthenticationFailed).detail("reason", *reason);
        event.target = said.map(|id| id.to_string());
        audit::note_often(app, tenant, Actor::Anonymous, event, now);
    }
    answer
}

/// `said` becomes the client that the caller says it is, if there is one: whatever else stands in its place may
/// be a secret.
async fn check(
    app: &App,
    tenant: &TenantScope,
    credentials: Credentials,
    said: &mut Option<ClientId>,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let (id, proof) = sort_out(app, credentials)?;
    let id = ClientId::parse(&id).map_err(|_| refused("unknown client"))?;
    // The session API's client has nothing to do here, and no credentials to prove it with.
    if id == ClientId::first_party() {
        return Err(refused("the session API's own client").into());
    }
    let client = app.store.view(tenant).await?.client(&id).await?;
    *said = client.as_ref().map(|client| client.id.clone());
    let Some(client) = client.filter(|client| client.metadata.admits_auth(proof.method())) else {
        return Err(refused("unknown client, or another method").into());
    };
    match proof {
        Proof::None => {}
        Proof::Secret { secret, .. } => {
            if !client.secrets.know(&TokenDigest::of(&secret), now) {
                return Err(refused("wrong secret").into());
            }
        }
        Proof::Assertion(assertion) => {
            check_assertion(app, tenant, &client, &assertion, now).await?;
        }
    }
    Ok(AuthenticatedClient(client))
}

/// What is to be checked about the caller.
enum Proof {
    None,
    Secret {
        secret: Zeroizing<String>,
        method: AuthMethod,
    },
    Assertion(Zeroizing<String>),
}

impl Proof {
    const fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::Secret { method, .. } => *method,
            Self::Assertion(_) => AuthMethod::PrivateKeyJwt,
        }
    }
}

/// One method, and one client id however often it is said.
fn sort_out(app: &App, credentials: Credentials) -> Result<(String, Proof), Refusal> {
    let Credentials {
        basic,
        client_id,
        client_secret,
        assertion_type,
        assertion,
    } = credentials;
    let methods = usize::from(basic.is_some())
        + usize::from(client_secret.is_some())
        + usize::from(assertion.is_some());
    if methods > 1 {
        let text = "Use one method of client authentication, not several.";
        return Err(Refusal::InvalidRequest(text.to_owned()));
    }
    let (said, proof) = match (basic, client_secret, assertion) {
        (Some((id, secret)), ..) => {
            let method = AuthMethod::ClientSecretBasic;
            (Some(id), Proof::Secret { secret, method })
        }
        (_, Some(secret), _) => {
            let method = AuthMethod::ClientSecretPost;
            (None, Proof::Secret { secret, method })
        }
        (.., Some(assertion)) => {
            if assertion_type.as_deref() != Some(JWT_BEARER) {
                return Err(refused("unknown client_assertion_type"));
            }
            (
                Some(issuer_of(app, &assertion)?),
                Proof::Assertion(assertion),
            )
        }
        _ => (None, Proof::None),
    };
    match (said, client_id) {
        (Some(one), Some(other)) if one != other => Err(refused("two client ids")),
        (Some(id), _) | (None, Some(id)) => Ok((id, proof)),
        (None, None) => Err(refused("no client credentials")),
    }
}

/// Who an assertion says it is from: to find the client whose keys must have signed it.
fn issuer_of(app: &App, assertion: &str) -> Result<String, Refusal> {
    app.foreign_jwts
        .unverified_issuer(assertion)
        .ok_or(refused("malformed assertion"))
}

async fn check_assertion(
    app: &App,
    tenant: &TenantScope,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let claims = verify(app, tenant, client, assertion).await?;
    let checked = check_claims(&claims, &client.id, |aud| tenant.is_issuer(aud), now)?;
    let key = UseKey::of(&format!("{}\n{}", client.id, checked.jti));
    let end = checked.end + Duration::from_secs(LEEWAY_SECONDS.unsigned_abs());
    let first = app
        .single_use
        .claim(tenant, Purpose::ClientAssertion, key, end, now)
        .await?;
    if first {
        Ok(())
    } else {
        Err(refused("the assertion was used before").into())
    }
}

/// The claims, if one of the client's keys signed them.
async fn verify(
    app: &App,
    tenant: &TenantScope,
    client: &Client,
    assertion: &str,
) -> Result<Map<String, Value>, OAuthError> {
    let one: Option<[ForeignAlgorithm; 1]> = client
        .metadata
        .token_endpoint_auth_signing_alg
        .map(|one| [one]);
    let allowed: &[ForeignAlgorithm] = one.as_ref().map_or(&ForeignAlgorithm::ALL, |one| one);
    let verdict = match (&client.metadata.jwks, &client.metadata.jwks_uri) {
        (Some(keys), _) => app.foreign_jwts.verify(assertion, keys, allowed),
        (None, Some(uri)) => {
            let fetch = async |unknown_kid: Option<&str>| {
                app.client_keys
                    .keys(tenant, uri, unknown_kid)
                    .await
                    .map_err(|_| refused("the keys at jwks_uri can't be had"))
            };
            let keys = fetch(None).await?;
            match app.foreign_jwts.verify(assertion, &keys, allowed) {
                // The client may have a new key (OIDC Core §10.1.1).
                Err(ForeignJwtRefused::UnknownKey) => {
                    let header = app.foreign_jwts.inspect(assertion);
                    let kid = header.and_then(|header| header.kid).unwrap_or_default();
                    let keys = fetch(Some(&kid)).await?;
                    app.foreign_jwts.verify(assertion, &keys, allowed)
                }
                verdict => verdict,
            }
        }
        (None, None) => return Err(refused("the client has no keys").into()),
    };
    verdict.map_err(|why| {
        refused(match why {
            ForeignJwtRefused::Malformed => "malformed assertion",
            ForeignJwtRefused::UnknownKey => "unknown key",
            ForeignJwtRefused::BadSignature => "bad signature",
            ForeignJwtRefused::AlgorithmNotAllowed => "another algorithm",
        })
        .into()
    })
}

/// What is kept of an assertion's claims.
struct Checked {
    jti: String,
    end: Timestamp,
}

/// RFC 7523 §3, with the audience narrowed to the issuer alone (RFC 7523bis; an assertion for one
/// server must not work at another).
fn check_claims(
    claims: &Map<String, Value>,
    client: &ClientId,
    is_issuer: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Result<Checked, Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        // Whole seconds or with a fraction, but a number.
        Some(value) => value
            .as_i64()
            .or_else(|| value.as_f64().filter(|t| t.abs() < 1e12).map(|t| t as i64))
            .map(Some)
            .ok_or(refused("a time in the assertion is no number")),
    };
    let now_seconds = now.as_seconds();
    let longest = i64::try_from(MAX_ASSERTION_LIFETIME.as_secs()).unwrap_or(i64::MAX);
    if text("iss") != Some(client.as_str()) || text("sub") != Some(client.as_str()) {
        return Err(refused("iss and sub must be the client_id"));
    }
    if !text("aud").is_some_and(is_issuer) {
        return Err(refused("aud must be the issuer alone"));
    }
    let end = time("exp")?.ok_or(refused("exp is missing"))?;
    if now_seconds >= end.saturating_add(LEEWAY_SECONDS) {
        return Err(refused("the assertion has expired"));
    }
    if end.saturating_sub(now_seconds) > longest + LEEWAY_SECONDS {
        return Err(refused("the assertion counts for too long"));
    }
    if time("nbf")?.is_some_and(|nbf| nbf > now_seconds + LEEWAY_SECONDS) {
        return Err(refused("the assertion does not count yet"));
    }
    let made = time("iat")?.unwrap_or(now_seconds);
    if made > now_seconds + LEEWAY_SECONDS || made < now_seconds - longest {
        return Err(refused("iat is not about now"));
    }
    let jti = text("jti")
        .filter(|jti| (1..=MAX_JTI).contains(&jti.len()))
        .ok_or(refused("jti is missing"))?;
    Ok(Checked {
        jti: jti.to_owned(),
        end: Timestamp::from_micros(end.saturating_mul(1_000_000)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example/t/a";

    fn check(change: impl Fn(&mut Map<String, Value>)) -> bool {
        let mut claims = json!({
            "iss": "web", "sub": "web", "aud": ISSUER, "exp": 1_060, "iat": 1_000, "jti": "1",
        })
        .as_object()
        .expect("an object")
        .clone();
        change(&mut claims);
        let client = ClientId::parse("web").expect("an id");
        check_claims(
            &claims,
            &client,
            |aud| aud == ISSUER,
            Timestamp::from_micros(1_000_000_000),
        )
        .is_ok()
    }

    /// T45, T48, T49.
    #[test]
    fn an_assertion_is_for_this_issuer_and_for_now() {
        assert!(check(|_| {}));
        let changes = [
            ("iss", json!("other")),
            ("sub", json!("other")),
            ("sub", json!(1)),
            ("aud", json!([ISSUER])),
            ("aud", json!([ISSUER, "https://other.example"])),
            ("aud", json!("https://id.example/t/a/")),
            ("aud", json!("https://id.example/t/a/oauth2/token")),
            ("aud", json!("https://id.example/t/b")),
            ("exp", json!("1060")),
            ("exp", json!(null)),
            ("exp", json!(-1)),
            ("exp", json!(969)),
            ("exp", json!(87_400)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(1e300)),
            ("nbf", json!(1_100)),
            ("nbf", json!("x")),
            ("iat", json!(1_100)),
            ("iat", json!(-5_000)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(513))),
        ];
        for (name, value) in changes {
            assert!(
                !check(|claims| {
                    claims.insert(name.to_owned(), value.clone());
                }),
                "{name} {value}"
            );
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            assert!(
                !check(|claims| {
                    claims.remove(name);
                }),
                "without {name}"
            );
        }
        assert!(check(|claims| {
            claims.remove("iat");
        }));
        assert!(check(|claims| {
            claims.insert("exp".into(), json!(1_060.5));
        }));
    }
}
