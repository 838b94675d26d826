//! Answers that are given again to a request that comes again.

use std::marker::PhantomData;

use poem::{
    IntoResponse, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};

use super::answer::Answer;
use crate::application::idempotency::{Answered, Told};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer of an operation that is done once for each `Idempotency-Key`.
#[derive(Debug)]
pub struct Once<const STATUS: u16, T>(Told, PhantomData<fn() -> T>);

impl<const STATUS: u16, T> From<Told> for Once<STATUS, T> {
    fn from(told: Told) -> Self {
        Self(told, PhantomData)
    }
}

impl<const STATUS: u16, T: Type> ApiResponse for Once<STATUS, T> {
    fn meta() -> MetaResponses {
        let mut meta = Answer::<STATUS, T>::meta();
        for response in &mut meta.responses {
            response.headers.push(MetaHeader {
                name: "Idempotency-Replayed".to_owned(),
                description: Some(
                    "`true`: this is the answer that the first request with this `Idempotency-Key` got."
                        .to_owned(),
                ),
                required: false,
                deprecated: false,
                schema: MetaSchemaRef::Inline(Box::new(MetaSchema {
                    enum_items: vec!["true".into()],
                    ..MetaSchema::new("string")
                })),
            });
        }
        meta
    }

    fn register(registry: &mut Registry) {
        Answer::<STATUS, T>::register(registry);
    }
}

impl<const STATUS: u16, T: Send> IntoResponse for Once<STATUS, T> {
    fn into_response(self) -> Response {
        let Told { answer, replayed } = self.0;
        let Answered {
            status,
            headers,
            body,
        } = answer;
        let mut response = Response::builder()
            .status(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
            .body(body);
        let out = response.headers_mut();
        out.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(&value))
            {
                out.append(name, value);
            }
        }
        if replayed {
            out.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
