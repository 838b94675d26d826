//! The import of users: lines of JSON in, a result for each line out (NDJSON).
//!
//! Results are sent while lines are still coming, so whoever reads them sees how far it is. Whoever reads
//! them only at the end must not be kept from sending the rest: results wait in memory, up to a bound in
//! bytes. An import is long and its caller's power may end meanwhile: it is asked for anew for each batch.

pub mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use poem::{Body, web::Data};
use poem_openapi::OpenApi;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::{Instant as Moment, timeout_at};
use tracing::Instrument;

use self::wire::{
    ImportBroken, ImportEnd, ImportResult, ImportStatus, ImportSummary, NdjsonAnswer, NdjsonBody,
};
use super::ndjson::{LineSender, NobodyReads, next_line, results};
use crate::{
    app::App,
    application::{
        admin::{
            administration::{self, Administration},
            user_import::{self, Outcome, violations_of},
        },
        audit,
        error::Error,
    },
    domain::{id::TenantId, violation::Violations},
    http::{
        api::Tag,
        extract::administration::Administered,
        respond::{
            answer::{Refused, refusals},
            problem::{Problem, ViolationView},
        },
    },
};

/// How many lines are written in one unit of work.
const BATCH: usize = 100;
/// Fewer when they are long: what is read of a line takes several times its length.
const BATCH_BYTES: usize = 512 * 1024;
/// How many lines one import may have.
const MAX_LINES: usize = 100_000;
/// How many bytes of results wait for whoever reads them: those of all lines, when nothing is wrong with them.
const WAITING: u32 = 16 * 1024 * 1024;
/// How many imports of one tenant an instance works on at a time.
const AT_A_TIME: usize = 2;
/// How long the next line may take to come, and the next result to be read.
const IDLE: Duration = Duration::from_secs(30);
/// How long an import may take as a whole.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// When to try again that was one import too many.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The import of users.
#[derive(Debug, Default)]
pub struct UserImportApi {
    running: Arc<Running>,
}

refusals! {
    /// Refusals of an import as a whole. What is wrong with a line is said in its result.
    ImportRefusals {
        401 => "No credential that counts for this tenant.",
        403 => "The token lacks the scope `tokenhouse:admin`, or reads only.",
        404 => "No such tenant.",
        415 => "The body is not `application/x-ndjson`.",
        500 => "A fault of the server.",
        503 => "The tenant has two imports under way, or a store does not answer. Try again later.",
    }
}

#[OpenApi(tag = "Tag::Users")]
impl UserImportApi {
    /// Import users
    ///
    /// One user a line, each a JSON object with the members of a new user and an `external_id`: a user whom
    /// the tenant knows by that id is updated, any other is made. The same line again changes nothing, so an
    /// import that broke off is sent once more. A line that is wrong fails alone. A `password_hash` counts for
    /// users that have none. At most 100,000 lines and 15 minutes at a time, and two imports of a tenant.
    ///
    /// The answer has a line for every line, in order and while it works, and at the end one with `summary`.
    /// Without a summary the import broke off: no line came for 30 seconds, more than 16 MiB of results waited
    /// unread, or the token that it began with counts no more.
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
        let slot = Slot::take(&self.running, tenant.tenant().id())?;
        let (results, waiting) = results(WAITING, IDLE);
        let import = Import {
            app: Arc::clone(&app),
            admin: tenant.0,
            results,
            end: Moment::now() + LONGEST,
            started: Instant::now(),
            line: 0,
            summary: ImportSummary::default(),
        };
        // Goes on beside the request, and ends when nobody reads the results any more.
        let in_flight = body.in_flight;
        let work = audit::within(audit::origin(), import.run(body.lines)).in_current_span();
        drop(tokio::spawn(async move {
            work.await;
            drop((slot, in_flight));
        }));
        Ok(NdjsonAnswer(waiting))
    }
}

/// How many imports each tenant has under way.
#[derive(Debug, Default)]
struct Running(Mutex<HashMap<TenantId, usize>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        // Nothing panics while it is held, and each entry is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a tenant's imports.
struct Slot {
    running: Arc<Running>,
    tenant: TenantId,
}

impl Slot {
    fn take(running: &Arc<Running>, tenant: TenantId) -> Result<Self, Error> {
        let mut all = running.lock();
        let count = all.entry(tenant).or_default();
        if *count >= AT_A_TIME {
            let retry_after = RETRY_AFTER;
            return Err(Error::Overloaded { retry_after });
        }
        *count += 1;
        drop(all);
        Ok(Self {
            running: Arc::clone(running),
            tenant,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut all = self.running.lock();
        if let Some(count) = all.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.tenant);
            }
        }
    }
}

/// One import under way.
struct Import {
    app: Arc<App>,
    admin: Administration,
    results: LineSender,
    end: Moment,
    started: Instant,
    line: usize,
    summary: ImportSummary,
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    lines: Vec<Result<Map<String, Value>, Violations>>,
    bytes: usize,
}

/// There is no use in going on: it was said why, or nobody listens.
struct Over;

impl From<NobodyReads> for Over {
    fn from(_: NobodyReads) -> Self {
        Self
    }
}

impl Import {
    async fn run(mut self, body: Body) {
        if self.lines(body).await.is_ok() {
            self.finish().await;
        }
    }

    async fn lines(&mut self, body: Body) -> Result<(), Over> {
        let mut reader = tokio::io::BufReader::new(body.into_async_read());
        let mut batch = Batch::default();
        loop {
            let idle = Moment::now() + IDLE;
            let line = match timeout_at(idle.min(self.end), next_line(&mut reader)).await {
                Ok(Ok(Some(line))) => line,
                Ok(Ok(None)) => return self.flush(&mut batch).await,
                // The sender went away: what is complete is written, and there is nobody to tell.
                Ok(Err(_)) => {
                    self.flush(&mut batch).await?;
                    return Err(Over);
                }
                Err(_elapsed) => {
                    self.flush(&mut batch).await?;
                    let why = if idle < self.end {
                        "No line came for 30 seconds"
                    } else {
                        "It takes longer than 15 minutes"
                    };
                    return Err(self.break_off(why).await);
                }
            };
            if self.line + batch.lines.len() == MAX_LINES {
                let detail = "is one line too many: send the rest in an import of its own";
                batch.lines.push(Err(Violations::one("", detail)));
                return self.flush(&mut batch).await;
            }
            batch.bytes += line.bytes;
            batch.lines.push(line.members);
            if batch.lines.len() == BATCH || batch.bytes >= BATCH_BYTES {
                self.flush(&mut batch).await?;
            }
        }
    }

    /// Writes a batch, if its sender still may, and tells what became of it.
    async fn flush(&mut self, batch: &mut Batch) -> Result<(), Over> {
        if batch.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(batch).lines;
        let now = self.app.now();
        self.admin = match administration::renew(&self.app, &self.admin, now).await {
            Ok(admin) => admin,
            Err(error) => return Err(self.break_off(Problem::from(error).title()).await),
        };
        let imported = user_import::import(&self.app, &self.admin, lines, now).await;
        for outcome in &imported.outcomes {
            self.tell(outcome).await?;
        }
        match imported.broken_off {
            None => Ok(()),
            Some(error) => Err(self.break_off(Problem::from(error).title()).await),
        }
    }

    /// Says why the answer ends without a summary. Of a line that was under way nobody knows.
    async fn break_off(&self, why: &str) -> Over {
        let broken_off = format!(
            "Line {} and those behind it may not have been imported: {}. Send them again.",
            self.line + 1,
            why.trim_end_matches('.')
        );
        // Whoever went away meanwhile needs it no more.
        let _gone = self.send(&ImportBroken { broken_off }).await;
        Over
    }

    async fn tell(&mut self, outcome: &Outcome) -> Result<(), NobodyReads> {
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
        .await
    }

    async fn finish(mut self) {
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
        let _gone = self.send(&ImportEnd { summary }).await;
    }

    async fn send(&self, line: &(impl Serialize + Sync)) -> Result<(), NobodyReads> {
        let mut bytes = serde_json::to_vec(line).map_err(|_| NobodyReads)?;
        bytes.push(b'\n');
        self.results.send(bytes).await
    }
}
