//! What a run leaves behind: `result.json`. Everything that reads results (report, compare, merge, plan) goes by
//! these types, so a field is added here and nowhere else. Times are seconds or nanoseconds, as their names say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Series;

/// The form of `result.json` that this version writes and reads.
pub const FORMAT: u32 = 1;

/// One run, or several merged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// [`FORMAT`].
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The dialect's name.
    pub dialect: String,
    /// The command as it was given, argument by argument; no token or key is ever an argument.
    pub command: Vec<String>,
    /// Unix time of the start of the measured window, milliseconds.
    pub started_unix_ms: u64,
    /// Length of the measured window, seconds; ramp and warm-up are before it.
    pub measured_s: f64,
    /// What was asked for.
    pub load: Load,
    /// Where it ran.
    pub machine: Machine,
    /// What came out.
    pub verdict: Verdict,
    /// Each objective and whether it was kept.
    pub slos: Vec<SloOutcome>,
    /// Whether the generator itself was in time.
    pub generator: Generator,
    /// Every message accounted for.
    pub accounts: Accounts,
    /// Other things counted in the measured window, by name (`opened`, `logins`, `refused`, …).
    pub counters: BTreeMap<String, u64>,
    /// Latencies by metric name.
    pub latencies: BTreeMap<String, Latency>,
    /// One entry a second and metric, from the start of the ramp on.
    pub series: Vec<Series>,
    /// The server's side, if it could be seen.
    pub server: Option<ServerSide>,
    /// What happened that must not, in words: connections lost, messages that came to somebody else. The first few;
    /// any fails the run.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Figures that only one scenario has, by name with its unit last (`socket_slope_bytes`).
    pub figures: BTreeMap<String, f64>,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Where to.
    pub target: String,
    /// Sockets of all processes.
    pub connections: u64,
    /// Intended actions a second of all processes; 0 in a closed loop.
    pub rate_per_s: f64,
    /// In flight per connection in a closed loop; `None` in an open one.
    pub closed_window: Option<u32>,
    /// Generator processes.
    pub processes: u32,
    /// The seed of all random choices.
    pub seed: u64,
}

/// Where a run took place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The host's name.
    pub host: String,
    /// The CPU's model.
    pub cpu: String,
    /// CPUs online.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Version of the harness.
    pub loadtest: String,
    /// Version of the server, if it says.
    pub server: Option<String>,
}

/// What came out; the exit code follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reasons", rename_all = "snake_case")]
pub enum Verdict {
    /// Objectives kept, every message accounted for. Exit 0.
    Kept,
    /// An objective was broken, or a message was not answered, lost, doubled or out of order. Exit 1.
    Broken(Vec<String>),
    /// The generator, not the server, was late or wrong: nothing may be concluded. Exit 3.
    Invalid(Vec<String>),
}

impl Verdict {
    /// What follows from the generator's faults, the accounts and the objectives, with a reason for each: faults before
    /// all else, since a late generator's figures prove nothing.
    pub fn of(faults: &[String], accounts: &Accounts, slos: &[SloOutcome]) -> Self {
        if !faults.is_empty() {
            return Self::Invalid(faults.to_vec());
        }
        let counts = [
            (accounts.unanswered, "messages never answered"),
            (accounts.missing, "deliveries missing"),
            (accounts.doubled, "deliveries that came twice"),
            (accounts.out_of_order, "deliveries out of order"),
        ];
        let mut reasons: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what}: {count}"))
            .collect();
        reasons.extend(slos.iter().filter(|slo| !slo.kept).map(|slo| match slo.measured {
            Some(measured) => format!("{} is broken: measured {measured:.4}", slo.objective),
            None => format!("{} is broken: nothing was measured", slo.objective),
        }));
        if reasons.is_empty() { Self::Kept } else { Self::Broken(reasons) }
    }

    /// The same, with further reasons for which it is broken.
    pub fn and(self, further: &[String]) -> Self {
        match self {
            Self::Kept if further.is_empty() => Self::Kept,
            Self::Kept => Self::Broken(further.to_vec()),
            Self::Broken(mut reasons) => {
                reasons.extend_from_slice(further);
                Self::Broken(reasons)
            }
            Self::Invalid(reasons) => Self::Invalid(reasons),
        }
    }

    /// The word that reports show.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Kept => "KEPT",
            Self::Broken(_) => "BROKEN",
            Self::Invalid(_) => "INVALID",
        }
    }

    /// Why; empty if kept.
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Kept => &[],
            Self::Broken(reasons) | Self::Invalid(reasons) => reasons,
        }
    }

    /// The exit code of the process that made the run: 0 kept, 1 broken, 3 INVALID.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::Broken(_) => 1,
            Self::Invalid(_) => 3,
        }
    }
}

/// An objective and how it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SloOutcome {
    /// As it was written, `p99(push)<5ms`.
    pub objective: String,
    /// What was measured, in the objective's own unit; `None` if nothing was, which breaks it.
    pub measured: Option<f64>,
    /// Whether it held.
    pub kept: bool,
}

/// The generator's own side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generator {
    /// CPU time of all generator processes in the measured window, seconds.
    pub cpu_s: f64,
    /// How long all generator processes were ready to run in the measured window while others had the CPU (the
    /// scheduler's run-queue wait), seconds; 0 in results of versions that did not measure it.
    #[serde(default)]
    pub waited_s: f64,
    /// Largest resident memory of one generator process, bytes.
    pub rss_peak_bytes: u64,
    /// From the intended time of an action to its being done.
    pub lag: Latency,
    /// How long one turn of the generator took: what was read in it may be that much older than its time stamp.
    pub turn: Latency,
    /// Why the run is INVALID; empty if it is not.
    pub faults: Vec<String>,
}

/// Every message accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Messages sent (pings, too, in heartbeat).
    pub sent: u64,
    /// Answered with success.
    pub acknowledged: u64,
    /// Answered with an error. An objective says how many may be: `share(refused)<0.1%`.
    pub refused: u64,
    /// Never answered. Fails the run.
    pub unanswered: u64,
    /// Deliveries that were due: acknowledged messages times their listeners.
    pub due: u64,
    /// Deliveries that came.
    pub pushed: u64,
    /// Deliveries that never came. Fails the run.
    pub missing: u64,
    /// Deliveries that came more than once. Fails the run.
    pub doubled: u64,
    /// Deliveries that came after a later one of the same sender. Fails the run.
    pub out_of_order: u64,
}

/// A distribution of times, and its whole histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Values recorded.
    pub count: u64,
    /// Nanoseconds.
    pub min_ns: u64,
    /// Nanoseconds.
    pub mean_ns: f64,
    /// Nanoseconds.
    pub p50_ns: u64,
    /// Nanoseconds.
    pub p90_ns: u64,
    /// Nanoseconds.
    pub p99_ns: u64,
    /// Nanoseconds.
    pub p999_ns: u64,
    /// Nanoseconds.
    pub max_ns: u64,
    /// The histogram (HdrHistogram V2, base64), from which any percentile, also of merged runs, can be had.
    pub histogram: String,
}

/// The server as it was seen from outside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServerSide {
    /// Its process, if on this host.
    pub pid: Option<u32>,
    /// One a second, from the start of the ramp on.
    pub samples: Vec<ServerSample>,
    /// CPU time of all its threads in the measured window by the scheduler's clock, seconds.
    pub cpu_s: Option<f64>,
    /// The same by thread name.
    pub cpu_by_thread_s: BTreeMap<String, f64>,
    /// By thread name, how long threads were ready to run in the measured window while others had the CPU (the
    /// scheduler's run-queue wait), seconds; empty in results of versions that did not measure it.
    #[serde(default)]
    pub waited_by_thread_s: BTreeMap<String, f64>,
    /// CPU time per answer and push, microseconds; which of both the scenario says.
    pub cpu_us_per_message: Option<f64>,
}

/// The server at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServerSample {
    /// Seconds since the start of the measured window; negative in ramp and warm-up.
    pub at_s: f64,
    /// CPU time since its start, seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory, bytes.
    pub rss_bytes: Option<u64>,
    /// Selected series of `/metrics`, summed over their labels.
    pub metrics: BTreeMap<String, f64>,
}
