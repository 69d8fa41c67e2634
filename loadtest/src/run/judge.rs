//! What follows from what was measured: whether the generator was in time, what a message cost the server, and the
//! verdict.

use crate::result::{Generator, RunResult, ServerSide, Verdict};
use crate::scenario::ScenarioKind;
use crate::settings::Settings;
use crate::stats;

/// A single stall of the generator longer than this many times the permitted lag makes a run INVALID, however rare.
const STALL_FACTOR: u32 = 20;
/// In a closed loop nothing is due, so only a stall that shows in every latency counts.
const CLOSED_STALL_NS: u64 = 200_000_000;
/// A generator that used more of its CPU than this had no time to be punctual.
const BUSY_MAX: f64 = 0.97;
/// Blocks of samples for a slope of memory: neighbouring samples are nearly the same one.
const SLOPE_BLOCKS: usize = 20;

/// Why the generator, and not the server, is to blame; empty if it is not.
pub(super) fn generator_faults(settings: &Settings, generator: &Generator, measured_s: f64) -> Vec<String> {
    let mut faults = Vec::new();
    let limit = u64::try_from(settings.max_lag.as_nanos()).unwrap_or(u64::MAX);
    let ms = |nanos: u64| nanos as f64 / 1e6;
    if settings.closed_window.is_some() {
        let stall = limit.saturating_mul(u64::from(STALL_FACTOR)).max(CLOSED_STALL_NS);
        if generator.turn.max_ns > stall {
            let longest = ms(generator.turn.max_ns);
            faults.push(format!("the generator stood still for {longest:.0} ms, {:.0} ms is permitted", ms(stall)));
        }
        return faults;
    }
    if generator.lag.p99_ns > limit {
        let lag = ms(generator.lag.p99_ns);
        faults.push(format!("the generator was late: its lag's p99 is {lag:.1} ms, {:.1} ms is permitted", ms(limit)));
    }
    let stall = limit.saturating_mul(u64::from(STALL_FACTOR));
    let longest = generator.lag.max_ns.max(generator.turn.max_ns);
    if longest > stall {
        let longest = ms(longest);
        faults.push(format!("the generator stood still for {longest:.0} ms, {:.0} ms is permitted", ms(stall)));
    }
    if generator.turn.p99_ns > limit {
        let turn = ms(generator.turn.p99_ns);
        faults.push(format!("the generator's turns took {turn:.1} ms at p99: what it read was older than it says"));
    }
    let busy = generator.cpu_s / measured_s.max(1e-9);
    if busy > BUSY_MAX {
        faults
            .push(format!("the generator used {:.0} % of a CPU: it was the limit; use more --processes", busy * 100.0));
    }
    faults
}

/// Memory's slope over less than this is the allocator's mood.
const SLOPE_MIN_S: f64 = 60.0;

/// What the server's CPU time came to for one message, and the slope of its memory.
pub(super) fn server_figures(settings: &Settings, server: &mut ServerSide, result: &mut RunResult) {
    let count = match settings.scenario {
        ScenarioKind::Connect => result.latencies.get("login").or_else(|| result.latencies.get("connect")),
        ScenarioKind::Fanout => result.latencies.get("push"),
        ScenarioKind::Queue => result.latencies.get("wait"),
        ScenarioKind::Reconnect => result.latencies.get("resume"),
        ScenarioKind::Heartbeat
        | ScenarioKind::Chat
        | ScenarioKind::Slow
        | ScenarioKind::Soak
        | ScenarioKind::Mixed => result.latencies.get("answer"),
    };
    let count = count.map_or(0, |latency| latency.count);
    if count > 0 {
        server.cpu_us_per_message = server.cpu_s.map(|seconds| seconds * 1e6 / count as f64);
        result.figures.insert("generator_cpu_us_per_message".to_owned(), result.generator.cpu_s * 1e6 / count as f64);
    }
    if result.measured_s < SLOPE_MIN_S {
        return;
    }
    let points: Vec<(f64, f64)> = server
        .samples
        .iter()
        .filter(|sample| sample.at_s >= 0.0 && sample.at_s <= result.measured_s)
        .filter_map(|sample| Some((sample.at_s / 3600.0, sample.rss_bytes? as f64)))
        .collect();
    if let Some(line) = stats::line_in_blocks(&points, SLOPE_BLOCKS) {
        let figures = &mut result.figures;
        figures.insert("server_rss_slope_bytes_per_hour".to_owned(), line.slope.value);
        figures.insert("server_rss_slope_low_bytes_per_hour".to_owned(), line.slope.low);
        figures.insert("server_rss_slope_high_bytes_per_hour".to_owned(), line.slope.high);
    }
}

/// The verdict of a whole run.
pub(super) fn verdict(result: &RunResult) -> Verdict {
    Verdict::of(&result.generator.faults, &result.accounts, &result.slos).and(&result.faults)
}

/// The most memory this process ever had, bytes.
pub(super) fn own_peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
