//! What goes over the wire: lines of users in, lines of results out.

use futures_util::StreamExt;
use poem::{
    Body, IntoResponse, Request, RequestBody, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object,
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry},
    types::{Example, Type},
};
use serde::Serialize;

use crate::{
    application::admin::user_import::Done,
    http::{
        api::admin::{ndjson::Lines, users::CreateUserBody},
        respond::problem::{Kind, Problem, ViolationView},
        serve::InFlight,
    },
};

const NDJSON: &str = "application/x-ndjson";

/// A body of lines.
#[derive(Debug)]
pub struct NdjsonBody {
    pub(super) lines: Body,
    /// Kept as long as the work goes on. Absent where the endpoint is called without a connection.
    pub(super) in_flight: Option<InFlight>,
}

impl<'a> ApiExtractor<'a> for NdjsonBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        CreateUserBody::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: Some("One user a line, each a `CreateUserBody`."),
            // Of a line: `spec/shapes.rs` says that the whole is bytes.
            content: vec![MetaMediaType {
                content_type: NDJSON,
                schema: CreateUserBody::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let kind = request.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(NDJSON) {
            let problem = Problem::new(Kind::UnsupportedMediaType);
            return Err(problem
                .detail("Send one user a line, as `Content-Type: application/x-ndjson`.")
                .into());
        }
        Ok(Self {
            lines: body.take()?,
            in_flight: request.extensions().get().cloned(),
        })
    }
}

/// Lines that are sent as they come.
pub struct NdjsonAnswer(pub(super) Lines);

impl std::fmt::Debug for NdjsonAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NdjsonAnswer")
    }
}

impl ApiResponse for NdjsonAnswer {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "An `ImportLine` for each line, and at the end one with the summary.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: NDJSON,
                    schema: ImportLine::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ImportLine::register(registry);
    }
}

impl IntoResponse for NdjsonAnswer {
    fn into_response(self) -> Response {
        let lines = futures_util::stream::unfold(self.0, async |mut lines| {
            lines.next().await.map(|line| (line, lines))
        });
        Response::builder()
            .status(StatusCode::OK)
            .header(header::CONTENT_TYPE, NDJSON)
            .body(Body::from_bytes_stream(lines.map(Ok::<_, std::io::Error>)))
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, poem_openapi::Enum, Serialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    Created,
    Updated,
    Unchanged,
    Failed,
}

impl From<Done> for ImportStatus {
    fn from(done: Done) -> Self {
        match done {
            Done::Created => Self::Created,
            Done::Updated => Self::Updated,
            Done::Unchanged => Self::Unchanged,
        }
    }
}

/// The result of one line.
#[derive(Debug, Serialize)]
pub(super) struct ImportResult {
    pub(super) line: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    pub(super) status: ImportStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errors: Option<Vec<ViolationView>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ImportEnd {
    pub(super) summary: ImportSummary,
}

#[derive(Debug, Serialize)]
pub(super) struct ImportBroken {
    pub(super) broken_off: String,
}

/// One line of the answer: a result, the summary at the end, or why it broke off.
#[derive(Debug, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub struct ImportLine {
    /// Of which line of the import this is the result; empty lines don't count.
    line: Option<i32>,
    external_id: Option<String>,
    status: Option<ImportStatus>,
    user_id: Option<uuid::Uuid>,
    /// What is wrong with the line.
    errors: Option<Vec<ViolationView>>,
    /// On the last line alone.
    summary: Option<ImportSummary>,
    /// Instead of the summary, when the server could not go on.
    broken_off: Option<String>,
}

impl Example for ImportLine {
    fn example() -> Self {
        Self {
            line: Some(1),
            external_id: Some("4711".to_owned()),
            status: Some(ImportStatus::Created),
            user_id: Some(uuid::uuid!("01a1f6b2-5f00-7a3c-8d4e-0f1a2b3c4d5e")),
            errors: None,
            summary: None,
            broken_off: None,
        }
    }
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, Object, Serialize)]
pub struct ImportSummary {
    pub(super) created: i32,
    pub(super) updated: i32,
    pub(super) unchanged: i32,
    pub(super) failed: i32,
    pub(super) seconds: f64,
    pub(super) users_per_second: f64,
}

impl ImportSummary {
    pub(super) fn count(&mut self, status: ImportStatus) {
        *match status {
            ImportStatus::Created => &mut self.created,
            ImportStatus::Updated => &mut self.updated,
            ImportStatus::Unchanged => &mut self.unchanged,
            ImportStatus::Failed => &mut self.failed,
        } += 1;
    }
}
