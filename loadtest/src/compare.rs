//! Says whether two results differ beyond noise. Repeated runs are compared by Welch's test on logarithms; of one run
//! each only the noise within it can be told, by a bootstrap over its seconds. Knows no file.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::measure;
use crate::report::format::{bytes, change, digits, nanos};
use crate::report::summary::server_rss_bytes;
use crate::result::{Latency, RunResult, Verdict};
use crate::stats::{self, Interval};

/// With fewer runs on a side an interval says more about its own formula than about the runs.
pub const RUNS_MIN: usize = 3;
/// Fewer stretches of a run cannot stand for its noise.
const BLOCKS_MIN: usize = 8;
/// A percentile is told from its neighbours by the values beyond it: with fewer it is chance.
const BEYOND_MIN: f64 = 10.0;
/// Both histograms are right within 0.1 %.
const SMALLEST_CHANGE: f64 = 0.002;
/// Draws of the bootstrap: its interval's ends are the 50th of each side.
const DRAWS: usize = 2_000;
const SEED: u64 = 0x5377_6974_6368;

/// Why results are not compared.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum CompareError {
    /// A side without results.
    #[error("{0} holds no result")]
    Nothing(char),
    /// The generator was late in some.
    #[error(
        "{count} of the runs of {side} are INVALID (the generator was at fault, not the server): {reason}; --even-invalid compares them all the same"
    )]
    Invalid {
        /// `A` or `B`.
        side: char,
        /// So many.
        count: usize,
        /// The first reason of the first.
        reason: String,
    },
    /// A histogram cannot be read.
    #[error("a histogram of `{0}` is damaged")]
    Histogram(String),
}

/// What is known about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Beyond noise.
    Differs,
    /// Within it.
    NoDifference,
    /// Cannot be said.
    TooFewRuns,
}

/// What the intervals rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Several runs a side.
    RepeatedRuns,
    /// One run a side: its seconds. What changes from run to run is not in it.
    WithinOneRun,
    /// Neither.
    TooFewRuns,
}

/// One quantity of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As objectives write it, `p99(push)`, or `server CPU a message`, `server RSS`.
    pub quantity: String,
    /// The median run's value, in nanoseconds, microseconds of CPU, bytes or per second.
    pub a: f64,
    /// The same.
    pub b: f64,
    /// B by A; the interval is missing if it cannot be told.
    pub ratio: f64,
    /// Covers the true ratio with 95 %.
    pub interval: Option<(f64, f64)>,
    /// What follows.
    pub finding: Finding,
    /// B is worse: slower, larger, or less of a rate.
    pub is_worse: bool,
    #[serde(skip)]
    kind: Kind,
}

/// The whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Runs of A and of B.
    pub runs: (usize, usize),
    /// What intervals rest on.
    pub basis: Basis,
    /// What makes the sides less comparable than they should be.
    pub warnings: Vec<String>,
    /// One a quantity.
    pub rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Time,
    Cpu,
    Memory,
    Rate,
}

/// Compares B to A.
pub fn compare(a: &[RunResult], b: &[RunResult], even_invalid: bool) -> Result<Comparison, CompareError> {
    let mut warnings = Vec::new();
    for (side, runs) in [('A', a), ('B', b)] {
        check_side(side, runs, even_invalid, &mut warnings)?;
    }
    warn_of_differences(a, b, &mut warnings);
    let basis = match (a.len(), b.len()) {
        (1, 1) => Basis::WithinOneRun,
        (a, b) if a >= RUNS_MIN && b >= RUNS_MIN => Basis::RepeatedRuns,
        _ => Basis::TooFewRuns,
    };
    let names = |runs: &[RunResult]| -> BTreeSet<String> {
        runs.iter().flat_map(|run| run.latencies.keys().cloned()).collect()
    };
    for only in names(a).symmetric_difference(&names(b)) {
        warnings.push(format!("`{only}` was measured on one side only"));
    }
    let mut rows = Vec::new();
    for metric in names(a).intersection(&names(b)) {
        rows.extend(compare_metric(a, b, metric, basis)?);
    }
    rows.extend(compare_cpu(a, b, basis));
    rows.extend(compare_memory(a, b, basis));
    Ok(Comparison { runs: (a.len(), b.len()), basis, warnings, rows })
}

impl Comparison {
    /// Whether something is worse in B beyond noise.
    pub fn is_worse(&self) -> bool {
        self.rows.iter().any(|row| row.finding == Finding::Differs && row.is_worse)
    }
}

fn check_side(
    side: char,
    runs: &[RunResult],
    even_invalid: bool,
    warnings: &mut Vec<String>,
) -> Result<(), CompareError> {
    if runs.is_empty() {
        return Err(CompareError::Nothing(side));
    }
    let invalid: Vec<&Vec<String>> = runs
        .iter()
        .filter_map(|run| if let Verdict::Invalid(reasons) = &run.verdict { Some(reasons) } else { None })
        .collect();
    if let Some(reasons) = invalid.first() {
        let (count, reason) = (invalid.len(), reasons.first().cloned().unwrap_or_default());
        if !even_invalid {
            return Err(CompareError::Invalid { side, count, reason });
        }
        warnings.push(format!("{count} of the runs of {side} are INVALID: their figures may be the generator's own"));
    }
    let broken = runs.iter().filter(|run| matches!(run.verdict, Verdict::Broken(_))).count();
    if broken > 0 {
        warnings.push(format!("{broken} of the runs of {side} broke an objective or lost messages"));
    }
    Ok(())
}

/// A name, and how a run says it; a side of several values says them all.
type Trait = (&'static str, fn(&RunResult) -> String);

fn warn_of_differences(a: &[RunResult], b: &[RunResult], warnings: &mut Vec<String>) {
    let traits: [Trait; 12] = [
        ("scenario", |run| run.scenario.clone()),
        ("dialect", |run| run.dialect.clone()),
        ("connections", |run| run.load.connections.to_string()),
        ("rate", |run| digits(run.load.rate_per_s)),
        ("loop", |run| {
            run.load.closed_window.map_or("open".to_owned(), |window| format!("closed, {window} in flight"))
        }),
        ("processes", |run| run.load.processes.to_string()),
        ("measured window", |run| format!("{:.0} s", run.measured_s)),
        ("host", |run| run.machine.host.clone()),
        ("CPU", |run| run.machine.cpu.clone()),
        ("CPUs", |run| run.machine.cpus.to_string()),
        ("kernel", |run| run.machine.kernel.clone()),
        ("loadtest version", |run| run.machine.loadtest.clone()),
    ];
    for (name, say) in traits {
        let values = |runs: &[RunResult]| runs.iter().map(say).collect::<BTreeSet<String>>();
        let (of_a, of_b) = (values(a), values(b));
        if of_a.len() > 1 || of_a != of_b {
            let list = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(", ");
            warnings.push(format!("{name} is not the same: A {}; B {}", list(of_a), list(of_b)));
        }
    }
}

fn compare_metric(a: &[RunResult], b: &[RunResult], metric: &str, basis: Basis) -> Result<Vec<Row>, CompareError> {
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
    let mut rows = Vec::new();
    let blocks = match basis {
        Basis::WithinOneRun => Some((Blocks::of(&a[0], metric)?, Blocks::of(&b[0], metric)?)),
        Basis::RepeatedRuns | Basis::TooFewRuns => None,
    };
    for (name, quantile) in quantiles {
        let values = |runs: &[RunResult]| -> Result<Vec<f64>, CompareError> {
            let each = runs.iter().filter_map(|run| run.latencies.get(metric)).filter(|latency| latency.count > 0);
            each.map(|latency| quantile_of(latency, quantile, metric)).collect()
        };
        let interval = |a: &[f64], b: &[f64]| match &blocks {
            Some((a, b)) => ratio_of_blocks(a, b, quantile),
            None => repeated(a, b, basis),
        };
        let quantity = format!("{name}({metric})");
        rows.extend(row(quantity, Kind::Time, &values(a)?, &values(b)?, interval));
    }
    let maxima = |runs: &[RunResult]| values_of(runs, |run| run.latencies.get(metric).map(|it| it.max_ns as f64));
    // A maximum has no noise within a run that could be told.
    rows.extend(row(format!("max({metric})"), Kind::Time, &maxima(a), &maxima(b), |a, b| repeated(a, b, basis)));
    let rates = |runs: &[RunResult]| {
        values_of(runs, |run| run.latencies.get(metric).map(|latency| latency.count as f64 / run.measured_s))
    };
    rows.extend(row(format!("rate({metric})"), Kind::Rate, &rates(a), &rates(b), |a, b| match &blocks {
        Some((a, b)) => ratio_of_means(&a.totals(), &b.totals()),
        None => repeated(a, b, basis),
    }));
    Ok(rows)
}

fn quantile_of(latency: &Latency, quantile: f64, metric: &str) -> Result<f64, CompareError> {
    let histogram = measure::histogram_of(latency).ok_or_else(|| CompareError::Histogram(metric.to_owned()))?;
    Ok(histogram.value_at_quantile(quantile) as f64)
}

fn compare_cpu(a: &[RunResult], b: &[RunResult], basis: Basis) -> Option<Row> {
    let values = |runs: &[RunResult]| values_of(runs, |run| run.server.as_ref()?.cpu_us_per_message);
    row("server CPU a message".to_owned(), Kind::Cpu, &values(a), &values(b), |of_a, of_b| match basis {
        Basis::WithinOneRun => {
            // The seconds' noise around the whole run's figure.
            let ratio = ratio_of_means(&cpu_by_block(&a[0])?, &cpu_by_block(&b[0])?)?;
            let scale = of_b[0] / of_a[0] / ratio.value;
            Some(Interval { value: of_b[0] / of_a[0], low: ratio.low * scale, high: ratio.high * scale })
        }
        Basis::RepeatedRuns | Basis::TooFewRuns => repeated(of_a, of_b, basis),
    })
}

fn compare_memory(a: &[RunResult], b: &[RunResult], basis: Basis) -> Option<Row> {
    let values =
        |runs: &[RunResult]| values_of(runs, |run| server_rss_bytes(run.server.as_ref()?).map(|size| size as f64));
    row("server RSS".to_owned(), Kind::Memory, &values(a), &values(b), |a, b| repeated(a, b, basis))
}

fn values_of(runs: &[RunResult], value: impl Fn(&RunResult) -> Option<f64>) -> Vec<f64> {
    runs.iter().filter_map(value).filter(|value| value.is_finite() && *value > 0.0).collect()
}

fn repeated(a: &[f64], b: &[f64], basis: Basis) -> Option<Interval> {
    let is_enough = basis == Basis::RepeatedRuns && a.len() >= RUNS_MIN && b.len() >= RUNS_MIN;
    if is_enough { stats::ratio_of_runs(a, b) } else { None }
}

fn row(
    quantity: String,
    kind: Kind,
    a: &[f64],
    b: &[f64],
    interval: impl FnOnce(&[f64], &[f64]) -> Option<Interval>,
) -> Option<Row> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        stats::quantile_of_sorted(&sorted, 0.5)
    };
    let interval = interval(a, b);
    let ratio = interval.map_or_else(|| median(b) / median(a), |interval| interval.value);
    let finding = match interval {
        None => Finding::TooFewRuns,
        Some(interval) if interval.covers(1.0) || (ratio - 1.0).abs() < SMALLEST_CHANGE => Finding::NoDifference,
        Some(_) => Finding::Differs,
    };
    Some(Row {
        quantity,
        a: median(a),
        b: median(b),
        ratio,
        interval: interval.map(|interval| (interval.low, interval.high)),
        finding,
        is_worse: if kind == Kind::Rate { ratio < 1.0 } else { ratio > 1.0 },
        kind,
    })
}

/// The seconds of a run in stretches, whose noise is nearly independent, as counts over all values that came.
struct Blocks {
    /// Distinct values in ascending order.
    values: Vec<u64>,
    /// By stretch: (index of the value, how often).
    counts: Vec<Vec<(u32, u64)>>,
    /// So many seconds each.
    seconds: usize,
}

impl Blocks {
    fn of(run: &RunResult, metric: &str) -> Result<Self, CompareError> {
        let measured = run
            .series
            .iter()
            .filter(|entry| entry.metric == metric && entry.second >= 0 && (entry.second as f64) < run.measured_s);
        let mut seconds = Vec::new();
        for entry in measured {
            let histogram = measure::histogram_of(&entry.latency);
            seconds.push((entry.second, histogram.ok_or_else(|| CompareError::Histogram(metric.to_owned()))?));
        }
        seconds.sort_by_key(|(second, _)| *second);
        let values: BTreeSet<u64> = seconds
            .iter()
            .flat_map(|(_, histogram)| histogram.iter_recorded().map(|step| step.value_iterated_to()))
            .collect();
        let values: Vec<u64> = values.into_iter().collect();
        let length = block_length(seconds.len());
        let counts = seconds
            .chunks_exact(length)
            .map(|stretch| {
                let steps = stretch.iter().flat_map(|(_, histogram)| histogram.iter_recorded());
                steps
                    .map(|step| {
                        let index = values.binary_search(&step.value_iterated_to()).expect("all values are listed");
                        (index as u32, step.count_since_last_iteration())
                    })
                    .collect()
            })
            .collect();
        Ok(Self { values, counts, seconds: length })
    }

    /// The quantile of the stretches, each taken so often.
    fn quantile(&self, drawn: &[u32], quantile: f64, sums: &mut [u64]) -> Option<f64> {
        sums.fill(0);
        for (stretch, times) in self.counts.iter().zip(drawn) {
            for (index, count) in stretch.iter().filter(|_| *times > 0) {
                sums[*index as usize] += count * u64::from(*times);
            }
        }
        let total: u64 = sums.iter().sum();
        let rank = (quantile * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let index = sums.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(self.values[index] as f64)
    }

    /// Values a second, by stretch.
    fn totals(&self) -> Vec<f64> {
        let sum = |stretch: &Vec<(u32, u64)>| stretch.iter().map(|(_, count)| count).sum::<u64>() as f64;
        self.counts.iter().map(|stretch| sum(stretch) / self.seconds as f64).collect()
    }
}

/// Seconds of a stretch: the cube root, as is usual for a block bootstrap, but enough stretches must remain.
fn block_length(seconds: usize) -> usize {
    let root = (seconds as f64).cbrt().round() as usize;
    root.min(seconds / BLOCKS_MIN).max(1)
}

fn ratio_of_blocks(a: &Blocks, b: &Blocks, quantile: f64) -> Option<Interval> {
    let beyond = |blocks: &Blocks| blocks.totals().iter().sum::<f64>() * blocks.seconds as f64 * (1.0 - quantile);
    if a.counts.len().min(b.counts.len()) < BLOCKS_MIN || beyond(a).min(beyond(b)) < BEYOND_MIN {
        return None;
    }
    let (mut sums_a, mut sums_b) = (vec![0; a.values.len()], vec![0; b.values.len()]);
    stats::bootstrap_ratio(
        a.counts.len(),
        b.counts.len(),
        DRAWS,
        SEED,
        |drawn| a.quantile(drawn, quantile, &mut sums_a),
        |drawn| b.quantile(drawn, quantile, &mut sums_b),
    )
}

fn ratio_of_means(a: &[f64], b: &[f64]) -> Option<Interval> {
    if a.len().min(b.len()) < BLOCKS_MIN {
        return None;
    }
    let mean = |values: &[f64], drawn: &[u32]| {
        let sum: f64 = values.iter().zip(drawn).map(|(value, times)| value * f64::from(*times)).sum();
        Some(sum / f64::from(drawn.iter().sum::<u32>()))
    };
    stats::bootstrap_ratio(a.len(), b.len(), DRAWS, SEED, |drawn| mean(a, drawn), |drawn| mean(b, drawn))
}

/// CPU seconds a second in the measured window, by stretch.
fn cpu_by_block(run: &RunResult) -> Option<Vec<f64>> {
    let server = run.server.as_ref()?;
    let seconds: Vec<f64> = server
        .samples
        .windows(2)
        .filter(|pair| pair[0].at_s > -0.5 && pair[1].at_s < run.measured_s + 0.5)
        .filter_map(|pair| Some((pair[1].cpu_s? - pair[0].cpu_s?) / (pair[1].at_s - pair[0].at_s)))
        .filter(|share| share.is_finite())
        .collect();
    let length = block_length(seconds.len());
    Some(seconds.chunks_exact(length).map(|stretch| stretch.iter().sum::<f64>() / length as f64).collect())
}

impl Kind {
    fn text(self, value: f64) -> String {
        match self {
            Self::Time => nanos(value),
            Self::Cpu => format!("{} us", digits(value)),
            Self::Memory => bytes(value),
            Self::Rate => format!("{}/s", digits(value)),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(to, "warning: {warning}")?;
        }
        writeln!(to, "{:<22}{:>12}{:>12}{:>9}  {:<18}", "", "A", "B", "B/A", "95 % interval")?;
        for row in &self.rows {
            let interval = row.interval.map_or("-".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"));
            let finding = match row.finding {
                Finding::Differs if row.is_worse => format!("differs: {}, worse", change(row.ratio)),
                Finding::Differs => format!("differs: {}, better", change(row.ratio)),
                Finding::NoDifference => "no difference beyond noise".to_owned(),
                Finding::TooFewRuns => "too few runs to say".to_owned(),
            };
            let (a, b) = (row.kind.text(row.a), row.kind.text(row.b));
            writeln!(to, "{:<22}{a:>12}{b:>12}{:>9.3}  {interval:<18}  {finding}", row.quantity, row.ratio)?;
        }
        let (a, b) = self.runs;
        match self.basis {
            Basis::RepeatedRuns => writeln!(
                to,
                "{a} runs of A, {b} of B: Welch's test on logarithms; A and B show the median run. One interval in twenty \
                 misses by chance; here are {}.",
                self.rows.len()
            ),
            Basis::WithinOneRun => writeln!(
                to,
                "One run each: the intervals know the noise within the run only, not what changes from run to run. \
                 Repeat each at least {RUNS_MIN} times, in turn, to be sure."
            ),
            Basis::TooFewRuns => {
                writeln!(
                    to,
                    "{a} runs of A, {b} of B: at least {RUNS_MIN} of each are needed to tell noise from difference."
                )
            }
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
