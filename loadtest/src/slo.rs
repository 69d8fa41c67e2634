//! Service level objectives: what a run must keep, written `p99(push)<5ms`. Parsed once, judged on a result. Knows
//! nothing of how a run is made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::measure::{self, Metric};
use crate::result::{Accounts, Latency, RunResult, SloOutcome};

/// One objective. The forms:
///
/// | form | what is compared |
/// | --- | --- |
/// | `p99(push)<5ms` | a percentile (`p50`, `p99.9`, `p99.99`, …) of a metric; with `ns`, `us`, `ms` or `s` |
/// | `max(push)<1s`, `min(…)`, `mean(…)` | the extreme or the mean of a metric |
/// | `rate(push)>=40000/s` | values of a metric, or messages of an account, per second of the measured window |
/// | `count(missing)==0` | a field of the accounts, or a counter |
/// | `share(refused)<0.1%` | a field of the accounts or a counter as a part of what it is a part of, see [`Slo::judge`] |
/// | `figure(socket_slope_bytes)<=320` | a figure of the scenario, or `cpu_us_per_message` of the server |
///
/// with `<`, `<=`, `>`, `>=` or `==`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slo {
    text: String,
    subject: Subject,
    relation: Relation,
    /// In `unit`.
    limit: f64,
    unit: Unit,
}

/// Why a text is no objective.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SloError {
    /// Not of the form at all.
    #[error("`{0}` is no objective: write STATISTIC(NAME)<LIMIT, for example p99(push)<5ms")]
    Form(String),
    /// No such statistic.
    #[error("`{0}` is no statistic: known are p50 to p100 (p99.9 too), min, mean, max, rate, count, share, figure")]
    Statistic(String),
    /// A percentile outside of its range.
    #[error("`{0}` is no percentile: it must be above 0 and at most 100")]
    Percentile(String),
    /// No such metric.
    #[error("`{name}` is not measured: known are {known}")]
    Metric {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The name of a counter or figure is not made of `a-z`, `0-9` and `_`.
    #[error("`{0}` is no name: letters a-z, digits and _")]
    Name(String),
    /// The limit is not a number.
    #[error("`{0}` is not a number of at least 0")]
    Number(String),
    /// The limit has not the unit that the statistic has.
    #[error("`{limit}` has not the unit of `{statistic}`: expected {expected}")]
    Unit {
        /// The limit as written.
        limit: String,
        /// The statistic as written.
        statistic: String,
        /// What it should be.
        expected: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Subject {
    Latency(Statistic, Timed),
    Rate(Counted),
    Count(Counted),
    Share(Counted),
    Figure(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    /// 0 to 1.
    Quantile(f64),
    Min,
    Mean,
    Max,
}

/// What has a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timed {
    Metric(Metric),
    /// The generator's own.
    Lag,
}

/// What can be counted.
#[derive(Clone, Debug, PartialEq)]
enum Counted {
    /// The values of a metric.
    Metric(Metric),
    /// A field of the accounts, else a counter. Which counters there are, only the scenario knows.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Ns,
    Us,
    Ms,
    S,
    PerSecond,
    Percent,
    One,
}

impl Slo {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The unit of its limit and of what is measured: `ms`, `/s`, `%`, or nothing.
    pub fn unit(&self) -> &'static str {
        match self.unit {
            Unit::Ns => "ns",
            Unit::Us => "us",
            Unit::Ms => "ms",
            Unit::S => "s",
            Unit::PerSecond => "/s",
            Unit::Percent => "%",
            Unit::One => "",
        }
    }

    /// The metric whose latency or rate this is about, if it is about one.
    pub fn metric(&self) -> Option<Metric> {
        match &self.subject {
            Subject::Latency(_, Timed::Metric(metric))
            | Subject::Rate(Counted::Metric(metric))
            | Subject::Count(Counted::Metric(metric)) => Some(*metric),
            Subject::Latency(_, Timed::Lag)
            | Subject::Rate(_)
            | Subject::Count(_)
            | Subject::Share(_)
            | Subject::Figure(_) => None,
        }
    }

    /// Holds the objective against a result. What was not measured at all does not keep it.
    ///
    /// A share is of what the thing is a part of: `missing`, `doubled`, `out_of_order` and `pushed` of the deliveries
    /// due; everything else of the messages sent.
    pub fn judge(&self, result: &RunResult) -> SloOutcome {
        let measured = self.subject.measure(result).map(|value| value / self.unit.factor());
        let kept = measured.is_some_and(|measured| self.relation.holds(measured, self.limit));
        SloOutcome { objective: self.text.clone(), measured, kept }
    }
}

impl Subject {
    /// In nanoseconds, per second, or as a plain number.
    fn measure(&self, result: &RunResult) -> Option<f64> {
        match self {
            Self::Latency(statistic, timed) => {
                let latency = match timed {
                    Timed::Metric(metric) => result.latencies.get(metric.name())?,
                    Timed::Lag => &result.generator.lag,
                };
                statistic.of(latency)
            }
            Self::Rate(counted) => {
                (result.measured_s > 0.0).then_some(())?;
                counted.count(result).map(|count| count as f64 / result.measured_s)
            }
            Self::Count(counted) => counted.count(result).map(|count| count as f64),
            Self::Share(counted) => {
                let whole = counted.whole(&result.accounts);
                (whole > 0).then_some(())?;
                counted.count(result).map(|count| count as f64 / whole as f64)
            }
            Self::Figure(name) if name == "cpu_us_per_message" => result.server.as_ref()?.cpu_us_per_message,
            Self::Figure(name) => result.figures.get(name).copied(),
        }
    }
}

impl Statistic {
    fn of(self, latency: &Latency) -> Option<f64> {
        (latency.count > 0).then_some(())?;
        Some(match self {
            Self::Quantile(quantile) => measure::histogram_of(latency)?.value_at_quantile(quantile) as f64,
            Self::Min => latency.min_ns as f64,
            Self::Mean => latency.mean_ns,
            Self::Max => latency.max_ns as f64,
        })
    }
}

impl Counted {
    fn count(&self, result: &RunResult) -> Option<u64> {
        match self {
            // A metric of which nothing came was asked for all the same: its rate is 0, and an upper limit on it is kept.
            Self::Metric(metric) => Some(result.latencies.get(metric.name()).map_or(0, |latency| latency.count)),
            Self::Named(name) => account(&result.accounts, name).or_else(|| result.counters.get(name).copied()),
        }
    }

    fn whole(&self, accounts: &Accounts) -> u64 {
        match self {
            Self::Named(name) if matches!(name.as_str(), "missing" | "doubled" | "out_of_order" | "pushed") => {
                accounts.due
            }
            Self::Named(_) | Self::Metric(_) => accounts.sent,
        }
    }
}

/// The names of the accounts' fields, in their order.
pub const ACCOUNTS: [&str; 9] =
    ["sent", "acknowledged", "refused", "unanswered", "due", "pushed", "missing", "doubled", "out_of_order"];

/// A field of the accounts by its name.
pub fn account(accounts: &Accounts, name: &str) -> Option<u64> {
    Some(match name {
        "sent" => accounts.sent,
        "acknowledged" => accounts.acknowledged,
        "refused" => accounts.refused,
        "unanswered" => accounts.unanswered,
        "due" => accounts.due,
        "pushed" => accounts.pushed,
        "missing" => accounts.missing,
        "doubled" => accounts.doubled,
        "out_of_order" => accounts.out_of_order,
        _ => return None,
    })
}

impl Relation {
    /// Longest first, so that `<=` is not read as `<`.
    const ALL: [(&'static str, Self); 5] =
        [("<=", Self::AtMost), (">=", Self::AtLeast), ("==", Self::Equal), ("<", Self::Below), (">", Self::Above)];

    fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::Below => measured < limit,
            Self::AtMost => measured <= limit,
            Self::Above => measured > limit,
            Self::AtLeast => measured >= limit,
            Self::Equal => measured == limit,
        }
    }
}

impl Unit {
    fn factor(self) -> f64 {
        match self {
            Self::Ns | Self::PerSecond | Self::One => 1.0,
            Self::Us => 1e3,
            Self::Ms => 1e6,
            Self::S => 1e9,
            Self::Percent => 0.01,
        }
    }
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let compact: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let form = || SloError::Form(text.to_owned());
        let (statistic, rest) = compact.split_once('(').ok_or_else(form)?;
        let (name, rest) = rest.split_once(')').ok_or_else(form)?;
        let (relation, limit) = Relation::ALL
            .into_iter()
            .find_map(|(sign, relation)| rest.strip_prefix(sign).map(|limit| (relation, limit)))
            .ok_or_else(form)?;
        if statistic.is_empty() || name.is_empty() || limit.is_empty() {
            return Err(form());
        }
        let subject = parse_subject(statistic, name)?;
        let (limit, unit) = parse_limit(&subject, statistic, limit)?;
        Ok(Self { text: compact, subject, relation, limit, unit })
    }
}

fn parse_subject(statistic: &str, name: &str) -> Result<Subject, SloError> {
    Ok(match statistic {
        "rate" => Subject::Rate(parse_counted(name)?),
        "count" => Subject::Count(parse_counted(name)?),
        "share" => Subject::Share(parse_counted(name)?),
        "figure" => Subject::Figure(parse_name(name)?),
        "min" => Subject::Latency(Statistic::Min, parse_timed(name)?),
        "mean" => Subject::Latency(Statistic::Mean, parse_timed(name)?),
        "max" => Subject::Latency(Statistic::Max, parse_timed(name)?),
        _ => {
            let digits = statistic
                .strip_prefix('p')
                .filter(|digits| digits.starts_with(|first: char| first.is_ascii_digit()))
                .ok_or_else(|| SloError::Statistic(statistic.to_owned()))?;
            Subject::Latency(Statistic::Quantile(parse_quantile(digits)?), parse_timed(name)?)
        }
    })
}

/// `99.9` is 0.999. The exponent is moved in the text: 99.9 / 100.0 is slightly more than 0.999 in binary, which would
/// be the next value of a histogram of 1,000.
fn parse_quantile(digits: &str) -> Result<f64, SloError> {
    let refuse = || SloError::Percentile(format!("p{digits}"));
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(refuse());
    }
    let quantile: f64 = format!("{digits}e-2").parse().map_err(|_| refuse())?;
    if quantile > 0.0 && quantile <= 1.0 { Ok(quantile) } else { Err(refuse()) }
}

fn parse_timed(name: &str) -> Result<Timed, SloError> {
    if name == "lag" {
        return Ok(Timed::Lag);
    }
    Metric::named(name).map(Timed::Metric).ok_or_else(|| {
        let known: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).chain(["lag"]).collect();
        SloError::Metric { name: name.to_owned(), known: known.join(", ") }
    })
}

fn parse_counted(name: &str) -> Result<Counted, SloError> {
    match Metric::named(name) {
        Some(metric) => Ok(Counted::Metric(metric)),
        None => parse_name(name).map(Counted::Named),
    }
}

fn parse_name(name: &str) -> Result<String, SloError> {
    if name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        Ok(name.to_owned())
    } else {
        Err(SloError::Name(name.to_owned()))
    }
}

fn parse_limit(subject: &Subject, statistic: &str, limit: &str) -> Result<(f64, Unit), SloError> {
    let end =
        limit.find(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == '_')).unwrap_or(limit.len());
    let (digits, unit) = limit.split_at(end);
    let number: f64 = digits.replace('_', "").parse().map_err(|_| SloError::Number(limit.to_owned()))?;
    let (unit, expected) = match subject {
        Subject::Latency(..) => (
            match unit {
                "ns" => Some(Unit::Ns),
                "us" | "µs" => Some(Unit::Us),
                "ms" => Some(Unit::Ms),
                "s" => Some(Unit::S),
                _ => None,
            },
            "ns, us, ms or s",
        ),
        Subject::Rate(_) => (matches!(unit, "" | "/s").then_some(Unit::PerSecond), "a number per second, as 40000/s"),
        Subject::Share(_) => (
            match unit {
                "%" => Some(Unit::Percent),
                "" => Some(Unit::One),
                _ => None,
            },
            "a percentage, as 0.1%, or a fraction, as 0.001",
        ),
        Subject::Count(_) | Subject::Figure(_) => (unit.is_empty().then_some(Unit::One), "a number without a unit"),
    };
    let unit =
        unit.ok_or_else(|| SloError::Unit { limit: limit.to_owned(), statistic: statistic.to_owned(), expected })?;
    Ok((number, unit))
}

impl fmt::Display for Slo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TryFrom<String> for Slo {
    type Error = SloError;

    fn try_from(text: String) -> Result<Self, SloError> {
        text.parse()
    }
}

impl From<Slo> for String {
    fn from(slo: Slo) -> Self {
        slo.text
    }
}

#[cfg(test)]
#[path = "slo_tests.rs"]
mod tests;
