//! The signing keys of a tenant.

use std::sync::Arc;

use poem::{Request, web::Data};
use poem_openapi::{Enum, Object, OpenApi, param::Query, types::Example};
use serde::Serialize;

use super::page::{self, Search, default_limit};
use crate::{
    app::App,
    application::{
        admin::keys::{self, KeyPosition},
        page::Page,
    },
    domain::{
        key_rotation::{KeyRecord, KeyState},
        signing_key::{KeyId, SigningAlgorithm},
        timestamp::Timestamp,
    },
    http::{
        api::{Tag, discovery::Jwk},
        extract::{
            administration::Administered,
            body::{FromMembers, JsonBody, Members},
            idempotency_key::IdempotencyKey,
            tenant::Segment,
        },
        respond::{
            answer::{Answer, NoContent, Refused, refusals},
            json::{DateTime, Nullable},
            once::Once,
        },
    },
};

/// Operations on signing keys.
#[derive(Debug)]
pub struct KeysApi;

refusals! {
    /// Refusals of the list of keys.
    ListKeysRefusals {
        400 => "A parameter is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of reading a key.
    ReadKeyRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin:read`.",
        404 => "No such tenant or key.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a rotation.
    RotateKeyRefusals {
        400 => "The body is not valid.",
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        409 => "The key set is full: `too-many-keys`.",
        413 => "The body is too large.",
        415 => "The body is not JSON.",
        422 => "Another request had this `Idempotency-Key`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

refusals! {
    /// Refusals of a change to a key.
    ChangeKeyRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant or key.",
        409 => "The key's state does not allow it: `key-not-ready`, `key-not-next` or `key-in-use`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Keys")]
impl KeysApi {
    /// List signing keys
    ///
    /// A page of keys, the latest first: those that are over too, for ninety days.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys",
        method = "get",
        operation_id = "list_signing_keys"
    )]
    async fn list_signing_keys(
        &self,
        request: &Request,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// How many keys at most.
        #[oai(
            validator(minimum(value = "1"), maximum(value = "200")),
            default = "default_limit"
        )]
        limit: Query<i32>,
        /// Where to go on: `next_cursor` of the page before.
        #[oai(validator(max_length = 128))]
        cursor: Query<Option<String>>,
        /// Only those in this state.
        state: Query<Option<KeyStateName>>,
    ) -> Result<Answer<200, SigningKeyPage>, Refused<ListKeysRefusals>> {
        let search = Search::of(request, &["state"])?;
        let after = search.read_cursor(cursor.0.as_deref(), read_position)?;
        let state = state.0.map(KeyState::from);
        let limit = page::limit(limit.0);
        let Page { items, next } = keys::page(&app, &tenant, state, after.as_ref(), limit).await?;
        Ok(Answer::new(SigningKeyPage {
            items: items.iter().map(SigningKeyView::from).collect(),
            next_cursor: Nullable(next.map(|(at, kid)| {
                search.write_cursor(&format!("{}.{}", at.as_micros(), kid.as_str()))
            })),
        }))
    }

    /// Read a signing key
    ///
    /// Its public half and where it is in its life; nobody ever gets the private half.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys/:kid",
        method = "get",
        operation_id = "get_signing_key"
    )]
    async fn get_signing_key(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The key's id.
        kid: Segment<6>,
    ) -> Result<Answer<200, SigningKeyView>, Refused<ReadKeyRefusals>> {
        let key = keys::find(&app, &tenant, &kid.0).await?;
        Ok(Answer::new(SigningKeyView::from(&key)))
    }

    /// Rotate a signing key
    ///
    /// Publishes the next key of an algorithm, unless one is published already, and answers it. It begins to
    /// sign at `until`, by itself: when every verifier that keeps to the key set's freshness knows it. The
    /// key before it stays published until the last token that it signed has ended.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys",
        method = "post",
        operation_id = "rotate_signing_key"
    )]
    async fn rotate_signing_key(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// Any text of the caller's own, such as a UUID. A retry with the same key, within 24 hours, gets the same
        /// answer, and nothing is made twice.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<RotateKeyBody>,
    ) -> Result<Once<201, SigningKeyView>, Refused<RotateKeyRefusals>> {
        let algorithm = match body.0.alg {
            Some(name) => name.into(),
            None => tenant.tenant().policy().access_token_alg,
        };
        let render = |key: &KeyRecord| Answer::<201, _>::new(SigningKeyView::from(key)).written();
        let request = key.0.as_ref();
        let told = keys::rotate(&app, &tenant, algorithm, request, render, app.now()).await?;
        Ok(told.into())
    }

    /// Activate the next signing key
    ///
    /// Now instead of at its time; 409 `key-not-ready` while verifiers may still use a key set without it.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys/:kid/activate",
        method = "post",
        operation_id = "activate_signing_key"
    )]
    async fn activate_signing_key(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The key's id.
        kid: Segment<6>,
    ) -> Result<Answer<200, SigningKeyView>, Refused<ChangeKeyRefusals>> {
        let key = keys::activate(&app, &tenant, &kid.0, app.now()).await?;
        Ok(Answer::new(SigningKeyView::from(&key)))
    }

    /// Revoke a signing key
    ///
    /// For a key that got into wrong hands. Nothing that it signed counts any more, on every instance within
    /// a second; its private half is destroyed. If it was the one that signs, the next one does at once, or a
    /// fresh one: verifiers that don't know it yet read the key set again. Refresh tokens go on.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys/:kid/revoke",
        method = "post",
        operation_id = "revoke_signing_key"
    )]
    async fn revoke_signing_key(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The key's id.
        kid: Segment<6>,
    ) -> Result<Answer<200, SigningKeyView>, Refused<ChangeKeyRefusals>> {
        let key = keys::revoke(&app, &tenant, &kid.0, app.now()).await?;
        Ok(Answer::new(SigningKeyView::from(&key)))
    }

    /// Delete a signing key
    ///
    /// One that does not sign yet, or that is over; 409 `key-in-use` for any other.
    #[oai(
        path = "/admin/v1/tenants/:tenant/keys/:kid",
        method = "delete",
        operation_id = "delete_signing_key"
    )]
    async fn delete_signing_key(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        /// The key's id.
        kid: Segment<6>,
    ) -> Result<NoContent, Refused<ChangeKeyRefusals>> {
        keys::delete(&app, &tenant, &kid.0, app.now()).await?;
        Ok(NoContent::default())
    }
}

fn read_position(text: &str) -> Result<KeyPosition, ()> {
    let (at, kid) = text.split_once('.').ok_or(())?;
    let at = at.parse().map(Timestamp::from_micros).map_err(|_| ())?;
    Ok((at, KeyId::from_thumbprint(kid.to_owned())))
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "SigningKeyState", rename_all = "lowercase")]
pub enum KeyStateName {
    /// Published, so that verifiers know it when it begins to sign.
    Next,
    /// Signs.
    Active,
    /// Signs no more; published until the last token that it signed has ended.
    Retiring,
    /// Over.
    Retired,
    /// Over at once: nothing that it signed counts.
    Revoked,
}

impl From<KeyStateName> for KeyState {
    fn from(name: KeyStateName) -> Self {
        match name {
            KeyStateName::Next => Self::Next,
            KeyStateName::Active => Self::Active,
            KeyStateName::Retiring => Self::Retiring,
            KeyStateName::Retired => Self::Retired,
            KeyStateName::Revoked => Self::Revoked,
        }
    }
}

/// How a key signs (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "SigningAlgorithm")]
pub enum AlgorithmName {
    #[oai(rename = "RS256")]
    Rs256,
    #[oai(rename = "ES256")]
    Es256,
    #[oai(rename = "PS256")]
    Ps256,
    #[oai(rename = "EdDSA")]
    EdDsa,
}

impl From<AlgorithmName> for SigningAlgorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::Rs256 => Self::Rs256,
            AlgorithmName::Es256 => Self::Es256,
            AlgorithmName::Ps256 => Self::Ps256,
            AlgorithmName::EdDsa => Self::EdDsa,
        }
    }
}

/// A rotation.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct RotateKeyBody {
    /// Whose next key; that of access tokens, when missing.
    alg: Option<AlgorithmName>,
}

impl Example for RotateKeyBody {
    fn example() -> Self {
        Self {
            alg: Some(AlgorithmName::Es256),
        }
    }
}

impl FromMembers for RotateKeyBody {
    const STRICT: bool = true;

    fn from_members(members: &mut Members) -> Option<Self> {
        let alg = members.choice(
            "alg",
            &[
                ("RS256", AlgorithmName::Rs256),
                ("ES256", AlgorithmName::Es256),
                ("PS256", AlgorithmName::Ps256),
                ("EdDSA", AlgorithmName::EdDsa),
            ],
        );
        Some(Self { alg })
    }
}

/// A signing key: its public half, and where it is in its life.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "SigningKey", example)]
pub struct SigningKeyView {
    /// Its id: the thumbprint of its public half (RFC 7638).
    kid: String,
    /// The only algorithm that it signs with.
    alg: String,
    /// `next`, `active`, `retiring`, `retired` or `revoked`.
    state: String,
    /// The public half, as the key set has it.
    public_key: Jwk,
    created_at: DateTime,
    /// Since when it is in its state.
    since: DateTime,
    /// When it goes on to the next state by itself; null when it doesn't.
    until: Nullable<DateTime>,
}

impl From<&KeyRecord> for SigningKeyView {
    fn from(key: &KeyRecord) -> Self {
        Self {
            kid: key.public.id.as_str().to_owned(),
            alg: key.public.algorithm.name().to_owned(),
            state: key.state.name().to_owned(),
            public_key: Jwk::from(&key.public),
            created_at: DateTime(key.created_at),
            since: DateTime(key.since),
            until: Nullable(key.until.map(DateTime)),
        }
    }
}

impl Example for SigningKeyView {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_micros(1_795_000_000_000_000));
        let public_key = Jwk::example();
        Self {
            kid: public_key.kid().to_owned(),
            alg: "ES256".to_owned(),
            state: KeyState::Active.name().to_owned(),
            public_key,
            created_at: at,
            since: at,
            until: Nullable(None),
        }
    }
}

/// A page of signing keys.
#[derive(Debug, Object, Serialize)]
pub struct SigningKeyPage {
    items: Vec<SigningKeyView>,
    /// Null at the end.
    next_cursor: Nullable<String>,
}
