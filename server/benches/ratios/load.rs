//! The load generator: a fixed number of connections, each with one request at a time.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::http;
use crate::process::{Server, core_microseconds, own_cpu_microseconds};
use crate::{LOAD_CORE, SERVER_CORE};

/// Load before the measured span, so that connections, caches and pools are there.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long answers may be late before the bench gives up.
const LATE: Duration = Duration::from_secs(30);

/// How long a connection waits after its request was refused for overload.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What the connections send, and what they do with the answers.
pub(crate) trait Traffic {
    /// Writes the next request of a connection; false ends the connection.
    fn request(&mut self, connection: usize, buffer: &mut Vec<u8>) -> bool;

    /// Takes the answer. An error ends the bench.
    fn answer(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<Outcome>;
}

pub(crate) enum Outcome {
    Served,
    /// Not counted and not measured: the server has said it is overloaded.
    Refused,
}

/// One row in one round.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) refused: u64,
    /// CPU time of the server for one request, in microseconds.
    pub(crate) server_us: f64,
    /// How much of its core the generator used, 0 to 1.
    pub(crate) generator_busy: f64,
    /// How much of the server's core something else used, 0 to 1.
    pub(crate) beside_server: f64,
    /// How much of its core the generator left to others, the databases among them.
    pub(crate) beside_generator: f64,
}

#[derive(Default)]
struct Counts {
    /// Latencies within the measured span, in microseconds.
    latencies: Vec<u32>,
    refused: u64,
}

/// The measured span. Requests that end outside are sent, but not counted.
struct Span {
    begin: Instant,
    /// Moved forward when the traffic has nothing left to send.
    end: Cell<Instant>,
}

/// Runs `traffic` against `server` and returns it with what was measured.
pub(crate) async fn run<T: Traffic + 'static>(
    server: &Server,
    address: SocketAddr,
    connections: usize,
    length: Duration,
    traffic: T,
) -> Result<(Sample, T)> {
    let begin = Instant::now() + WARM_UP;
    let span = Rc::new(Span {
        begin,
        end: Cell::new(begin + length),
    });
    let counts = Rc::new(RefCell::new(Counts::default()));
    let traffic = Rc::new(RefCell::new(traffic));
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            let (traffic, counts, span) = (traffic.clone(), counts.clone(), span.clone());
            spawn_local(connection(number, address, traffic, counts, span))
        })
        .collect();

    sleep_until(begin).await;
    let before = CpuTimes::read(server)?;
    sleep_until(begin + length).await;
    let used = CpuTimes::read(server)?.since(&before);
    for task in tasks {
        let ended = timeout(LATE, task).await.context("an answer is missing")?;
        let result = ended.context("a connection panicked")?;
        result.with_context(|| format!("the server logged: {}", server.log()))?;
    }

    let counts = Rc::into_inner(counts)
        .context("all connections have ended")?
        .into_inner();
    let traffic = Rc::into_inner(traffic)
        .context("all connections have ended")?
        .into_inner();
    let elapsed = span.end.get().duration_since(begin).as_secs_f64();
    let sample = sample(counts, elapsed, &used);
    Ok((sample, traffic))
}

async fn connection<T: Traffic>(
    number: usize,
    address: SocketAddr,
    traffic: Rc<RefCell<T>>,
    counts: Rc<RefCell<Counts>>,
    span: Rc<Span>,
) -> Result<()> {
    let mut stream = TcpStream::connect(address).await.context("no connection")?;
    stream
        .set_nodelay(true)
        .context("could not set an option of a socket")?;
    let mut request = Vec::with_capacity(2048);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let sent = Instant::now();
        if sent >= span.end.get() {
            return Ok(());
        }
        request.clear();
        if !traffic.borrow_mut().request(number, &mut request) {
            span.end.set(span.end.get().min(sent));
            return Ok(());
        }
        stream.write_all(&request).await.context("could not send")?;
        let mut filled = 0;
        let answer = loop {
            let length = stream
                .read(&mut buffer[filled..])
                .await
                .context("no answer")?;
            ensure!(
                length > 0,
                "the connection ended, or the answer is larger than 64 KiB"
            );
            filled += length;
            if let Some(answer) = http::parse(&buffer[..filled])? {
                break answer;
            }
        };
        let ended = Instant::now();
        let outcome =
            traffic
                .borrow_mut()
                .answer(number, answer.status, &buffer[answer.body.clone()])?;
        let within = ended >= span.begin && ended <= span.end.get();
        match outcome {
            Outcome::Served if within => {
                let micros = ended.duration_since(sent).as_micros();
                counts
                    .borrow_mut()
                    .latencies
                    .push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            Outcome::Served => {}
            Outcome::Refused => {
                counts.borrow_mut().refused += u64::from(within);
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

/// CPU times in microseconds.
struct CpuTimes {
    server: u64,
    generator: u64,
    server_core: u64,
    load_core: u64,
}

impl CpuTimes {
    fn read(server: &Server) -> Result<Self> {
        Ok(Self {
            server: server.cpu_microseconds()?,
            generator: own_cpu_microseconds()?,
            server_core: core_microseconds(SERVER_CORE)?,
            load_core: core_microseconds(LOAD_CORE)?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            server: self.server - before.server,
            generator: self.generator - before.generator,
            server_core: self.server_core - before.server_core,
            load_core: self.load_core - before.load_core,
        }
    }
}

/// A row that was starved is a result too: zeroes, for the caller to judge.
fn sample(counts: Counts, elapsed: f64, used: &CpuTimes) -> Sample {
    let Counts {
        mut latencies,
        refused,
    } = counts;
    if latencies.is_empty() || elapsed <= 0.0 {
        return Sample {
            refused,
            ..Sample::default()
        };
    }
    latencies.sort_unstable();
    let served = latencies.len() as f64;
    let percentile = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
        f64::from(latencies[index]) / 1000.0
    };
    let share = |microseconds: u64| microseconds as f64 / 1e6 / elapsed;
    Sample {
        per_second: served / elapsed,
        p50_ms: percentile(50),
        p99_ms: percentile(99),
        refused,
        server_us: used.server as f64 / served,
        generator_busy: share(used.generator),
        beside_server: share(used.server_core.saturating_sub(used.server)),
        beside_generator: share(used.load_core.saturating_sub(used.generator)),
    }
}
