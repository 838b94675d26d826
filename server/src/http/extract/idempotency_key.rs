//! `Idempotency-Key`: the caller's word that a retry is a retry.

use std::future::Future;

use poem::{Body, PathPattern, Request, RequestBody, Result, http::HeaderName};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchema, MetaSchemaRef},
};
use serde::Serialize;

use super::body;
use crate::{
    app::App,
    application::{
        admin::administration::Administration,
        error::Error,
        idempotency::{self, Draft},
    },
    domain::idempotency::{self as domain, Fingerprint, KeyedRequest},
    http::respond::{
        answer::Answer,
        once::Once,
        problem::{Kind, Problem},
    },
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of the request, if it has one, with what the request asks for.
///
/// An operation under `/admin/v1/tenants/{tenant}` that creates something is done once like this:
///
/// ```text
/// async fn create_thing(
///     &self,
///     app: Data<&Arc<App>>,
///     tenant: Administered,
///     /// A retry with the same key gets the same answer, and nothing is made twice.
///     #[oai(name = "Idempotency-Key")]
///     key: IdempotencyKey,               // before the body: its fingerprint is taken on the way
///     body: JsonBody<CreateThingBody>,
/// ) -> Result<Once<201, ThingView>, Refused<CreateThingRefusals>> {   // with a 422
///     let draft = things::create(&app, &tenant, body.0.into(), app.now());
///     Ok(key.once(&app, &tenant, draft, |thing| Answer::new(ThingView::from(thing))).await?)
/// }
/// ```
///
/// where the use case answers a [`Draft`] (`Ok(Draft::new(thing, work, event))`) instead of committing and noting
/// itself. `Idempotency-Key` is in the lists of `tests/it/isolation/operations.rs` already.
#[derive(Debug)]
pub struct IdempotencyKey(pub Option<KeyedRequest>);

impl IdempotencyKey {
    /// Commits what is drafted and answers it, once for each key.
    pub async fn once<const STATUS: u16, T, V: Serialize>(
        &self,
        app: &App,
        admin: &Administration,
        draft: impl Future<Output = Result<Draft<T>, Error>>,
        render: impl FnOnce(&T) -> Answer<STATUS, V>,
    ) -> Result<Once<STATUS, V>, Error> {
        let render = |made: &T| render(made).written();
        idempotency::once(app, admin, self.0.as_ref(), draft, render, app.now())
            .await
            .map(Once::from)
    }
}

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = false;

    type ParamType = Option<String>;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema {
            min_length: Some(1),
            max_length: Some(255),
            ..MetaSchema::new("string")
        };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    /// Reads the body on the way and puts it back.
    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Option<String>>,
    ) -> Result<Self> {
        let mut values = request.headers().get_all(HEADER).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => {
                domain::IdempotencyKey::parse(value.as_bytes()).map_err(malformed)?
            }
            // Which of them did the caller mean?
            (Some(_), Some(_)) => return Err(malformed(domain::NotAnIdempotencyKey).into()),
        };
        let bytes = body::read(request, body).await?;
        let (method, path) = (request.method().as_str(), request.uri().path());
        let fingerprint = Fingerprint::of(&[method.as_bytes(), path.as_bytes(), &bytes]);
        *body = RequestBody::new(Body::from_bytes(bytes));
        let pattern = request.data::<PathPattern>();
        let operation = pattern.map_or(path, |pattern| &*pattern.0);
        Ok(Self(Some(KeyedRequest {
            key,
            operation: format!("{method} {operation}"),
            fingerprint,
        })))
    }
}

fn malformed(error: domain::NotAnIdempotencyKey) -> Problem {
    Problem::new(Kind::InvalidParameter)
        .detail(format!("The header `Idempotency-Key` {error}, once."))
}
