//! The table, and what a row should and must reach.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::load::Sample;
use crate::scale::Scaled;

/// All rows of one round.
pub(crate) struct Round {
    pub(crate) hello: Sample,
    pub(crate) refresh_redis: Sample,
    pub(crate) refresh_sqlite: Sample,
    pub(crate) refresh_postgres: Sample,
    pub(crate) current_user: Sample,
    pub(crate) current_user_again: Sample,
    pub(crate) jwks: Sample,
    pub(crate) discovery: Sample,
    pub(crate) login: Sample,
    /// Argon2 hashes a second, without a server around them.
    pub(crate) bare_hashes: f64,
    pub(crate) flood: Sample,
    pub(crate) beside_flood: Sample,
}

pub(crate) struct StartUp {
    pub(crate) name: &'static str,
    pub(crate) ready_after: Duration,
    pub(crate) idle_bytes: u64,
}

/// Everything a run has found.
pub(crate) struct Measured {
    pub(crate) scaled: Scaled,
    pub(crate) rounds: Vec<Round>,
    pub(crate) start_ups: Vec<StartUp>,
    pub(crate) loaded_bytes: u64,
    pub(crate) binary_bytes: u64,
}

impl Measured {
    /// When nothing else was asked for.
    pub(crate) fn of_scale(scaled: Scaled) -> Self {
        Self {
            scaled,
            rounds: Vec::new(),
            start_ups: Vec::new(),
            loaded_bytes: 0,
            binary_bytes: 0,
        }
    }
}

/// One line of the table.
struct Row {
    name: &'static str,
    sample: fn(&Round) -> &Sample,
    /// What the row is compared with, a second.
    base: fn(&Round) -> f64,
    /// What we aim for, and what `--check` insists on. A floor leaves room for noise of some
    /// 10 %, except where the target is far below what is usual.
    target: Option<f64>,
    floor: Option<f64>,
    /// Whether the databases, which share the generator's core, have work to do.
    uses_stores: bool,
}

impl Row {
    /// A row that is compared with the static answer.
    const fn new(name: &'static str, sample: fn(&Round) -> &Sample) -> Self {
        Self {
            name,
            sample,
            base: |round| round.hello.per_second,
            target: None,
            floor: None,
            uses_stores: false,
        }
    }

    const fn on_stores(self) -> Self {
        Self {
            uses_stores: true,
            ..self
        }
    }

    const fn bounds(self, target: f64, floor: f64) -> Self {
        Self {
            target: Some(target),
            floor: Some(floor),
            ..self
        }
    }

    const fn of(self, base: fn(&Round) -> f64) -> Self {
        Self { base, ..self }
    }
}

/// Targets and floors, in one place.
const ROWS: [Row; 9] = [
    Row::new("static answer", |round| &round.hello),
    Row::new("refresh on Redis", |round| &round.refresh_redis)
        .on_stores()
        .bounds(0.20, 0.20),
    Row::new("refresh on SQLite", |round| &round.refresh_sqlite).on_stores(),
    Row::new("refresh on Postgres", |round| &round.refresh_postgres).on_stores(),
    Row::new("current user, new token", |round| &round.current_user)
        .on_stores()
        .bounds(0.16, 0.16),
    Row::new("current user, same token", |round| {
        &round.current_user_again
    })
    .on_stores()
    .bounds(0.40, 0.36),
    Row::new("JWKS", |round| &round.jwks).bounds(0.85, 0.75),
    Row::new("discovery", |round| &round.discovery).bounds(0.85, 0.75),
    Row::new("login, of bare argon2", |round| &round.login)
        .on_stores()
        .of(|round| round.bare_hashes)
        .bounds(0.90, 0.80),
];

/// These are sizes, so they can be insisted on; times of a shared machine can't.
const IDLE_LIMIT: u64 = 40 << 20;
const BINARY_LIMIT: u64 = 40 << 20;

/// Beyond this share of a core in other hands, a rate says little.
const FOREIGN_LIMIT: f64 = 0.10;

const READY_TARGET: Duration = Duration::from_millis(300);
const BESIDE_FLOOD_TARGET_MS: f64 = 20.0;

impl Row {
    fn over<T>(&self, measured: &Measured, value: impl Fn(&Round) -> T) -> Vec<T> {
        measured.rounds.iter().map(value).collect()
    }

    fn ratios(&self, measured: &Measured) -> Vec<f64> {
        self.over(measured, |round| {
            (self.sample)(round).per_second / (self.base)(round)
        })
    }

    fn median(&self, measured: &Measured, value: fn(&Sample) -> f64) -> f64 {
        median(self.over(measured, |round| value((self.sample)(round))))
    }

    /// How much of a core something used that has no part in the row.
    fn foreign(&self, measured: &Measured) -> f64 {
        let beside_server = self.median(measured, |sample| sample.beside_server);
        if self.uses_stores {
            return beside_server;
        }
        beside_server.max(self.median(measured, |sample| sample.beside_generator))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What `--check` objects to, a line each.
pub(crate) fn objections(measured: &Measured) -> Vec<String> {
    let mut lines = measured.scaled.objections();
    if measured.rounds.is_empty() {
        return lines;
    }
    let foreign = best(&ROWS.map(|row| row.foreign(measured)));
    if foreign > FOREIGN_LIMIT {
        // The ratios may be wrong in either direction, so nothing is proved by them.
        let percent = 100.0 * foreign;
        lines.push(format!(
            "a core was shared with other work ({percent:.0} %): measure again alone"
        ));
    }
    for row in &ROWS {
        let ratio = median(row.ratios(measured));
        if let Some(floor) = row.floor.filter(|floor| ratio < *floor) {
            lines.push(format!(
                "{}: ratio {ratio:.3} is below its floor {floor:.2}",
                row.name
            ));
        }
    }
    for start_up in measured
        .start_ups
        .iter()
        .filter(|it| it.idle_bytes > IDLE_LIMIT)
    {
        lines.push(format!(
            "{}: {:.1} MiB while idle",
            start_up.name,
            mebibytes(start_up.idle_bytes)
        ));
    }
    if measured.binary_bytes > BINARY_LIMIT {
        lines.push(format!(
            "binary: {:.1} MiB",
            mebibytes(measured.binary_bytes)
        ));
    }
    lines
}

/// The whole report. Rates and times are medians over the rounds, unless they say `best`.
pub(crate) fn table(measured: &Measured) -> String {
    // Writing to a `String` cannot fail.
    let mut out = measured.scaled.table();
    if measured.rounds.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "\n{:<25}{:>10}{:>10}{:>9}{:>8}{:>8}{:>8}{:>9}{:>9}{:>11}{:>6}{:>7}",
        "",
        "req/s",
        "best",
        "ratio",
        "best",
        "target",
        "floor",
        "p50 ms",
        "p99 ms",
        "server us",
        "load",
        "other"
    );
    for row in &ROWS {
        let rates = row.over(measured, |round| (row.sample)(round).per_second);
        let ratios = row.ratios(measured);
        let _ = writeln!(
            out,
            "{:<25}{:>10.0}{:>10.0}{:>9.3}{:>8.3}{:>8}{:>8}{:>9.2}{:>9.2}{:>11.1}{:>5.0}%{:>6.0}%",
            row.name,
            median(rates.clone()),
            best(&rates),
            median(ratios.clone()),
            best(&ratios),
            bound(row.target),
            bound(row.floor),
            row.median(measured, |sample| sample.p50_ms),
            row.median(measured, |sample| sample.p99_ms),
            row.median(measured, |sample| sample.server_us),
            100.0 * row.median(measured, |sample| sample.generator_busy),
            100.0 * row.foreign(measured),
        );
    }
    let over = |value: fn(&Round) -> f64| median(measured.rounds.iter().map(value).collect());
    let _ = writeln!(
        out,
        "\nratio: to the static answer of the same round, where nothing else is said\n\
         server us: CPU time of a request; load: of its core, by the generator; other: of a \
         core, by what has no part in it\n\
         bare argon2: {:.1} hashes/s on one thread\n\
         beside a login flood: refresh {:.0}/s, p50 {:.2} ms, p99 {:.2} ms (target {:.0} ms); \
         logins {:.1}/s, refused {:.0} a round",
        over(|round| round.bare_hashes),
        over(|round| round.beside_flood.per_second),
        over(|round| round.beside_flood.p50_ms),
        over(|round| round.beside_flood.p99_ms),
        BESIDE_FLOOD_TARGET_MS,
        over(|round| round.flood.per_second),
        over(|round| round.flood.refused as f64),
    );
    for start_up in &measured.start_ups {
        let _ = writeln!(
            out,
            "{}: ready after {} ms (target {} ms), idle {:.1} MiB (limit {:.0} MiB)",
            start_up.name,
            start_up.ready_after.as_millis(),
            READY_TARGET.as_millis(),
            mebibytes(start_up.idle_bytes),
            mebibytes(IDLE_LIMIT),
        );
    }
    let _ = writeln!(
        out,
        "after the load: {:.1} MiB; binary: {:.1} MiB (limit {:.0} MiB)",
        mebibytes(measured.loaded_bytes),
        mebibytes(measured.binary_bytes),
        mebibytes(BINARY_LIMIT),
    );
    out
}

/// Fails when a row of the table has nothing to show.
pub(crate) fn expect_complete(round: &Round) -> Result<()> {
    for row in &ROWS {
        ensure!(
            (row.sample)(round).per_second > 0.0,
            "{}: no request ended in time",
            row.name
        );
    }
    Ok(())
}

fn bound(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}
