//! Histograms of what was measured, as a whole and by the second. Percentiles are only ever taken of histograms,
//! never averaged. Knows no clock: times are handed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::result::Latency;

/// Nanoseconds of CLOCK_MONOTONIC.
pub type Nanos = u64;

/// Values above are recorded as this: ten minutes.
pub const HIGHEST_NS: u64 = 600_000_000_000;
/// Significant digits of a histogram: a value is right within 0.1 %.
const DIGITS: u8 = 3;

/// What is measured; each scenario uses some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From the intended connect to the upgrade's 101.
    Connect,
    /// From the login's being sent to its answer.
    Login,
    /// From the intended send to the answer.
    Answer,
    /// From the intended send to the delivery at one listener.
    Push,
    /// From the intended send to the first delivery of a fan-out.
    First,
    /// From the intended send to the last delivery of a fan-out.
    Last,
    /// From a customer's arrival to being told of the assignment.
    Wait,
    /// From the end of a conversation being sent to the next visitor's being told of its agent.
    Refill,
    /// From the cut to being logged in and having everything that was missed.
    Resume,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Login,
        Self::Answer,
        Self::Push,
        Self::First,
        Self::Last,
        Self::Wait,
        Self::Refill,
        Self::Resume,
    ];

    /// As results, objectives and files name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Answer => "answer",
            Self::Push => "push",
            Self::First => "first",
            Self::Last => "last",
            Self::Wait => "wait",
            Self::Refill => "refill",
            Self::Resume => "resume",
        }
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// One second of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The metric.
    pub metric: String,
    /// Whole seconds since the start of the measured window, negative before it.
    pub second: i64,
    /// The values of that second.
    pub latency: Latency,
}

/// An empty histogram of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS).expect("the bounds are in order and 3 digits are allowed")
}

/// Sums up a histogram.
pub fn sum_up(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).expect("a vector takes everything");
    Latency {
        count: histogram.len(),
        min_ns: histogram.min(),
        mean_ns: histogram.mean(),
        p50_ns: histogram.value_at_quantile(0.5),
        p90_ns: histogram.value_at_quantile(0.9),
        p99_ns: histogram.value_at_quantile(0.99),
        p999_ns: histogram.value_at_quantile(0.999),
        max_ns: histogram.max(),
        histogram: BASE64.encode(bytes),
    }
}

/// The histogram inside a latency; `None` if it is damaged. An empty text is an empty histogram.
pub fn histogram_of(latency: &Latency) -> Option<Histogram<u64>> {
    if latency.histogram.is_empty() {
        return Some(histogram());
    }
    let bytes = BASE64.decode(&latency.histogram).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

/// Where measured values go. Only what was *intended* inside the measured window counts for the whole; every value
/// counts for its second.
#[derive(Debug)]
pub struct Recorder {
    from: Nanos,
    until: Nanos,
    /// By metric.
    whole: Vec<Option<Histogram<u64>>>,
    second: Vec<Option<Histogram<u64>>>,
    seconds_told: i64,
}

impl Recorder {
    /// The window measured is `from..until`.
    pub fn new(from: Nanos, until: Nanos) -> Self {
        let empty = || Metric::ALL.iter().map(|_| None).collect();
        Self { from, until, whole: empty(), second: empty(), seconds_told: i64::MIN }
    }

    /// The window to be measured is known now: `from..until`.
    pub fn open(&mut self, from: Nanos, until: Nanos) {
        (self.from, self.until) = (from, until);
    }

    /// The window ends now, before its time.
    pub fn close(&mut self, now: Nanos) {
        self.until = self.until.min(now.max(self.from));
    }

    /// Length of the measured window, seconds.
    pub fn measured_s(&self) -> f64 {
        self.until.saturating_sub(self.from) as f64 / 1e9
    }

    /// When the measured window begins, if that is known.
    pub fn begins(&self) -> Option<Nanos> {
        (self.from != Nanos::MAX).then_some(self.from)
    }

    /// Whether load is under way: the window is known and not over.
    pub fn is_open(&self, now: Nanos) -> bool {
        self.begins().is_some() && now < self.until
    }

    /// Whether what was intended at this moment is measured.
    pub fn is_measured(&self, intended: Nanos) -> bool {
        (self.from..self.until).contains(&intended)
    }

    /// Records what was intended at `intended` and happened at `now`.
    pub fn record(&mut self, metric: Metric, intended: Nanos, now: Nanos) {
        let value = now.saturating_sub(intended).max(1);
        if self.is_measured(intended) {
            self.whole[metric as usize].get_or_insert_with(histogram).saturating_record(value);
        }
        self.second[metric as usize].get_or_insert_with(histogram).saturating_record(value);
    }

    /// The seconds that ended since the last call, at most one entry a metric; times in between count for the latest.
    pub fn tick(&mut self, now: Nanos) -> Vec<Series> {
        if self.begins().is_none() {
            return Vec::new();
        }
        let second = (i128::from(now) - i128::from(self.from)).div_euclid(1_000_000_000) as i64 - 1;
        if second <= self.seconds_told {
            return Vec::new();
        }
        self.seconds_told = second;
        let mut series = Vec::new();
        for metric in Metric::ALL {
            let Some(histogram) = &mut self.second[metric as usize] else { continue };
            if !histogram.is_empty() {
                series.push(Series { metric: metric.name().to_owned(), second, latency: sum_up(histogram) });
                histogram.reset();
            }
        }
        series
    }

    /// The whole window's histogram of a metric, if anything was recorded.
    pub fn whole(&self, metric: Metric) -> Option<&Histogram<u64>> {
        self.whole[metric as usize].as_ref()
    }
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
