//! The import of users: lines of JSON in, a result for each line out (NDJSON).
//!
//! Results are sent while lines are still coming, so whoever reads them sees how far it is. Whoever reads
//! them only at the end must not be kept from sending the rest: results wait in memory, and the number of
//! lines of one import is bounded.

use std::{sync::Arc, time::Instant};

use futures_util::StreamExt;
use poem::{
    Body, IntoResponse, Request, RequestBody, Response,
    http::{StatusCode, header},
    web::Data,
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi,
    registry::{
        MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef,
        Registry,
    },
    types::{Example, Type},
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::{io::AsyncBufReadExt, sync::mpsc};
use tracing::Instrument;

use super::users::CreateUserBody;
use crate::{
    app::App,
    application::{
        admin::{
            administration::Administration,
            user_import::{self, Done, Outcome, violations_of},
        },
        audit,
    },
    domain::violation::Violations,
    http::{
        api::Tag,
        extract::administration::Administered,
        respond::{
            answer::{Refused, refusals},
            problem::{Kind, Problem, ViolationView},
        },
    },
};

/// How many lines are written in one unit of work.
const BATCH: usize = 100;
/// The longest line, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// Results of so many lines may wait in memory: some 30 MiB.
const MAX_LINES: usize = 100_000;

const NDJSON: &str = "application/x-ndjson";

/// The import of users.
#[derive(Debug)]
pub struct UserImportApi;

refusals! {
    /// Refusals of an import as a whole. What is wrong with a line is said in its result.
    ImportRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        415 => "The body is not `application/x-ndjson`.",
        500 => "A fault of the server.",
        503 => "A store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Users")]
impl UserImportApi {
    /// Import users
    ///
    /// One user a line, each a JSON object with the members of a new user and an `external_id`: a user whom
    /// the tenant knows by that id is updated, any other is made. The same line again changes nothing, so an
    /// import that broke off is sent once more. A line that is wrong fails alone. A `password_hash` counts for
    /// users that have none. At most 100,000 lines at a time.
    ///
    /// The answer has a line for every line, in order and while it works, and at the end one with `summary`.
    /// Without a summary the import broke off.
    #[oai(
        path = "/admin/v1/tenants/:tenant/users/import",
        method = "post",
        operation_id = "import_users"
    )]
    async fn import_users(
        &self,
        app: Data<&Arc<App>>,
        /// The tenant's slug.
        tenant: Administered,
        body: NdjsonBody,
    ) -> Result<NdjsonAnswer, Refused<ImportRefusals>> {
        let (results, waiting) = mpsc::unbounded_channel();
        let import = Import {
            app: Arc::clone(&app),
            admin: tenant.0,
            results,
            started: Instant::now(),
            line: 0,
            summary: ImportSummary::default(),
        };
        // Goes on beside the request, and ends when nobody reads the results any more.
        let work = audit::within(audit::origin(), import.run(body.0)).in_current_span();
        drop(tokio::spawn(work));
        Ok(NdjsonAnswer(waiting))
    }
}

/// One import under way.
struct Import {
    app: Arc<App>,
    admin: Administration,
    results: mpsc::UnboundedSender<Vec<u8>>,
    started: Instant,
    line: usize,
    summary: ImportSummary,
}

type Line = Result<Map<String, Value>, Violations>;

impl Import {
    async fn run(mut self, body: Body) {
        let mut reader = tokio::io::BufReader::new(body.into_async_read());
        let mut batch: Vec<Line> = Vec::new();
        loop {
            let line = match next_line(&mut reader).await {
                Ok(Some(line)) => line,
                Ok(None) => break,
                // The sender went away: what is complete is written, and there is nobody to tell.
                Err(_) => {
                    let _told = self.flush(&mut batch).await;
                    return;
                }
            };
            batch.push(line);
            let too_many = self.line + batch.len() > MAX_LINES;
            if too_many {
                batch.pop();
                batch.push(Err(Violations::one(
                    "",
                    "is one line too many: send the rest in an import of its own",
                )));
            }
            if (too_many || batch.len() == BATCH) && self.flush(&mut batch).await.is_err() {
                return;
            }
            if too_many {
                break;
            }
        }
        if self.flush(&mut batch).await.is_ok() {
            self.finish();
        }
    }

    /// Writes a batch and tells what became of it; an error when there is no use in going on.
    async fn flush(&mut self, batch: &mut Vec<Line>) -> Result<(), ()> {
        if batch.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(batch);
        let now = self.app.now();
        match user_import::import(&self.app, &self.admin, lines, now).await {
            Ok(outcomes) => outcomes.iter().try_for_each(|outcome| self.tell(outcome)),
            Err(error) => {
                // Nothing of this batch was written. The answer ends without a summary.
                let problem = Problem::from(error);
                let broken = ImportBroken {
                    broken_off: format!(
                        "Line {} and those behind it were not imported: {} Send them again.",
                        self.line + 1,
                        problem.title()
                    ),
                };
                self.send(&broken).and(Err(()))
            }
        }
    }

    fn tell(&mut self, outcome: &Outcome) -> Result<(), ()> {
        self.line += 1;
        let (status, user_id) = match &outcome.result {
            Ok((done, id)) => (ImportStatus::from(*done), Some(id.as_uuid())),
            Err(_) => (ImportStatus::Failed, None),
        };
        self.summary.count(status);
        let violations = violations_of(outcome);
        self.send(&ImportResult {
            line: i32::try_from(self.line).unwrap_or(i32::MAX),
            external_id: outcome.external_id.clone(),
            status,
            user_id,
            errors: (!violations.is_empty())
                .then(|| violations.iter().map(ViolationView::from).collect()),
        })
    }

    fn finish(mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let lines = u32::try_from(self.line).unwrap_or(u32::MAX);
        self.summary.seconds = (seconds * 1_000.0).round() / 1_000.0;
        self.summary.users_per_second = (f64::from(lines) / seconds.max(0.001)).round();
        let summary = self.summary;
        tracing::info!(
            tenant = %self.admin.tenant().slug(),
            lines,
            created = summary.created,
            updated = summary.updated,
            failed = summary.failed,
            seconds = summary.seconds,
            users_per_second = summary.users_per_second,
            "users imported"
        );
        // The last line: whoever went away meanwhile needs it no more.
        let _gone = self.send(&ImportEnd { summary });
    }

    /// An error when nobody reads any more.
    fn send(&self, line: &impl Serialize) -> Result<(), ()> {
        let mut bytes = serde_json::to_vec(line).map_err(|_| ())?;
        bytes.push(b'\n');
        self.results.send(bytes).map_err(|_| ())
    }
}

/// The next line that isn't empty, read; none at the end.
async fn next_line(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin + Send),
) -> std::io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let available = reader.fill_buf().await?;
            if available.is_empty() {
                break;
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            // The rest of a line that is too long is passed over, not kept.
            too_long |= line.len() + part.len() > MAX_LINE;
            if !too_long {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                if line.is_empty() && !too_long {
                    // Passed over, so that it isn't taken for the end.
                    line.push(b' ');
                }
                break;
            }
        }
        if too_long {
            return Ok(Some(Err(Violations::one("", "is longer than 64 KiB"))));
        }
        if line.is_empty() {
            return Ok(None);
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        return Ok(Some(match serde_json::from_slice(text) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Violations::one("", "must be a JSON object")),
            // Not the error's own text: it may repeat parts of the line.
            Err(_) => Err(Violations::one("", "is not valid JSON")),
        }));
    }
}

/// Lines are no JSON value: to clients that are generated they are bytes, with a schema for one line.
fn lines() -> MetaSchemaRef {
    let schema = MetaSchema::new_with_format("string", "binary");
    MetaSchemaRef::Inline(Box::new(schema))
}

/// A body of lines.
#[derive(Debug)]
pub struct NdjsonBody(Body);

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
            content: vec![MetaMediaType {
                content_type: NDJSON,
                schema: lines(),
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
        Ok(Self(body.take()?))
    }
}

/// Lines that are sent as they come.
pub struct NdjsonAnswer(mpsc::UnboundedReceiver<Vec<u8>>);

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
                    schema: lines(),
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
            lines.recv().await.map(|line| (line, lines))
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
struct ImportResult {
    line: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    status: ImportStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<uuid::Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<ViolationView>>,
}

#[derive(Debug, Serialize)]
struct ImportEnd {
    summary: ImportSummary,
}

#[derive(Debug, Serialize)]
struct ImportBroken {
    broken_off: String,
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
    created: i32,
    updated: i32,
    unchanged: i32,
    failed: i32,
    seconds: f64,
    users_per_second: f64,
}

impl ImportSummary {
    fn count(&mut self, status: ImportStatus) {
        *match status {
            ImportStatus::Created => &mut self.created,
            ImportStatus::Updated => &mut self.updated,
            ImportStatus::Unchanged => &mut self.unchanged,
            ImportStatus::Failed => &mut self.failed,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<bool> {
        // A buffer of three bytes: lines come in parts.
        let mut reader = tokio::io::BufReader::with_capacity(3, text);
        let mut read = Vec::new();
        while let Some(line) = next_line(&mut reader).await.expect("memory") {
            read.push(line.is_ok());
        }
        read
    }

    #[tokio::test]
    async fn lines_are_told_apart() {
        assert_eq!(lines(b"").await, [true; 0]);
        assert_eq!(lines(b"\n\n \r\n").await, [true; 0]);
        assert_eq!(
            lines(b"{\"a\":1}\r\n\n{}\n[]\nx\n{}").await,
            [true, true, false, false, true]
        );
        let long = [b"{}\n", vec![b'x'; MAX_LINE + 1].as_slice(), b"\n{}"].concat();
        assert_eq!(lines(&long).await, [true, false, true]);
    }
}
