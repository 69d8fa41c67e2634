//! The text at the end of a run: the verdict first, then what it rests on. Reads a result only.

use std::fmt::{self, Write};

use crate::report::format::{bytes, digits, moment, nanos, whole};
use crate::result::{Latency, Load, RunResult, ServerSide, SloOutcome};
use crate::slo::Slo;

/// The summary, several lines, each ended.
pub fn summary(result: &RunResult) -> String {
    let mut text = String::new();
    write_summary(&mut text, result).expect("a string takes everything");
    text
}

/// What was asked for, in one line.
pub fn load_line(load: &Load) -> String {
    let pace = match load.closed_window {
        Some(window) => format!("closed loop, {window} in flight each"),
        None => format!("{}/s open loop", digits(load.rate_per_s)),
    };
    let processes = if load.processes > 1 { format!(", {} processes", load.processes) } else { String::new() };
    format!("{} sockets, {pace}{processes}", whole(load.connections))
}

/// What an objective's figure was, with its unit.
pub fn measured_text(outcome: &SloOutcome) -> String {
    let Some(measured) = outcome.measured else { return "nothing measured".to_owned() };
    let unit = outcome.objective.parse::<Slo>().map(|slo| slo.unit()).unwrap_or_default();
    let space = if unit.is_empty() || unit == "/s" { "" } else { " " };
    format!("{}{space}{unit}", digits(measured))
}

/// The server's CPU time as a part of one CPU, 0 to the number of CPUs.
pub fn server_cpus(result: &RunResult) -> Option<f64> {
    let cpu_s = result.server.as_ref()?.cpu_s?;
    (result.measured_s > 0.0).then(|| cpu_s / result.measured_s)
}

/// The largest resident memory seen of the server, bytes.
pub fn server_rss_bytes(server: &ServerSide) -> Option<u64> {
    server.samples.iter().filter_map(|sample| sample.rss_bytes).max()
}

/// Who was ready to run in the measured window while others had the CPU, and how long: what a latency owes to a
/// machine that is too full. The generator's processes first, as one; of the server threads those that show.
pub fn waits(result: &RunResult) -> Vec<(String, String)> {
    if result.measured_s <= 0.0 {
        return Vec::new();
    }
    let text = |waited_s: f64, threads: f64| {
        let share = waited_s / result.measured_s / threads * 100.0;
        format!("{share:.1} % ({} ms)", digits(waited_s * 1000.0))
    };
    let generator = result.generator.waited_s;
    let own =
        (generator > 0.0).then(|| ("generator".to_owned(), text(generator, f64::from(result.load.processes.max(1)))));
    let threads = result.server.iter().flat_map(|server| &server.waited_by_thread_s);
    let shown = threads.filter(|(_, waited_s)| **waited_s / result.measured_s >= WAIT_SHOWN_MIN);
    own.into_iter().chain(shown.map(|(name, waited_s)| (name.clone(), text(*waited_s, 1.0)))).collect()
}

/// A part of the window that a thread must have waited to be named.
const WAIT_SHOWN_MIN: f64 = 0.000_5;

fn write_summary(to: &mut String, result: &RunResult) -> fmt::Result {
    writeln!(
        to,
        "{}  {} over {}, {}, {:.1} s measured",
        result.verdict.word(),
        result.scenario,
        result.dialect,
        load_line(&result.load),
        result.measured_s
    )?;
    for reason in result.verdict.reasons() {
        writeln!(to, "  - {reason}")?;
    }
    writeln!(to, "target {} at {}\n", result.load.target, moment(result.started_unix_ms))?;
    write_accounts(to, result)?;
    write_latencies(to, result)?;
    write_objectives(to, &result.slos)?;
    write_sides(to, result)
}

fn write_accounts(to: &mut String, result: &RunResult) -> fmt::Result {
    let accounts = &result.accounts;
    let list = |pairs: &[(&str, u64)]| {
        pairs.iter().map(|(name, count)| format!("{name} {}", whole(*count))).collect::<Vec<_>>().join(", ")
    };
    writeln!(
        to,
        "messages    {}",
        list(&[
            ("sent", accounts.sent),
            ("acknowledged", accounts.acknowledged),
            ("refused", accounts.refused),
            ("unanswered", accounts.unanswered)
        ])
    )?;
    writeln!(
        to,
        "deliveries  {}",
        list(&[
            ("due", accounts.due),
            ("pushed", accounts.pushed),
            ("missing", accounts.missing),
            ("doubled", accounts.doubled),
            ("out of order", accounts.out_of_order)
        ])
    )?;
    if !result.counters.is_empty() {
        let counters: Vec<(&str, u64)> = result.counters.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        writeln!(to, "counted     {}", list(&counters))?;
    }
    writeln!(to)
}

fn write_latencies(to: &mut String, result: &RunResult) -> fmt::Result {
    if result.latencies.is_empty() {
        return writeln!(to, "no latency was measured\n");
    }
    let origin = if result.load.closed_window.is_some() {
        "closed loop: from the send; says nothing of a load that does not wait"
    } else {
        "from the intended moment"
    };
    writeln!(
        to,
        "{:<10}{:>13}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}   ({origin})",
        "latency", "count", "per second", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (metric, latency) in &result.latencies {
        let rate = if result.measured_s > 0.0 { latency.count as f64 / result.measured_s } else { 0.0 };
        write!(to, "{metric:<10}{:>13}{:>11}", whole(latency.count), digits(rate))?;
        write_percentiles(to, latency)?;
    }
    writeln!(to)
}

fn write_percentiles(to: &mut String, latency: &Latency) -> fmt::Result {
    for value in [latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns, latency.max_ns] {
        write!(to, "{:>11}", nanos(value as f64))?;
    }
    writeln!(to)
}

fn write_objectives(to: &mut String, slos: &[SloOutcome]) -> fmt::Result {
    if slos.is_empty() {
        return Ok(());
    }
    writeln!(to, "{:<34}{:>18}", "objective", "measured")?;
    for outcome in slos {
        let word = if outcome.kept { "kept" } else { "BROKEN" };
        writeln!(to, "{:<34}{:>18}  {word}", outcome.objective, measured_text(outcome))?;
    }
    writeln!(to)
}

fn write_sides(to: &mut String, result: &RunResult) -> fmt::Result {
    let generator = &result.generator;
    let lag = &generator.lag;
    let share = if result.measured_s > 0.0 { generator.cpu_s / result.measured_s * 100.0 } else { 0.0 };
    writeln!(
        to,
        "generator   lag p50 {}, p99 {}, max {}; turn p99 {}; CPU {share:.0} % of one; {} resident",
        nanos(lag.p50_ns as f64),
        nanos(lag.p99_ns as f64),
        nanos(lag.max_ns as f64),
        nanos(generator.turn.p99_ns as f64),
        bytes(generator.rss_peak_bytes as f64)
    )?;
    if let Some(server) = &result.server {
        let mut parts = Vec::new();
        parts.extend(server.cpu_us_per_message.map(|micros| format!("CPU {} us a message", digits(micros))));
        parts.extend(server_cpus(result).map(|cpus| format!("{:.0} % of one CPU", cpus * 100.0)));
        parts.extend(server_rss_bytes(server).map(|size| format!("{} resident at most", bytes(size as f64))));
        if parts.is_empty() {
            parts.push("not on this host: neither its CPU time nor its memory could be seen".to_owned());
        }
        writeln!(to, "server      {}", parts.join(", "))?;
    }
    let waits: Vec<String> = waits(result).into_iter().map(|(who, wait)| format!("{who} {wait}")).collect();
    if !waits.is_empty() {
        writeln!(to, "waited for a CPU: {}", waits.join(", "))?;
    }
    for (name, value) in &result.figures {
        writeln!(to, "figure      {name} {}", digits(*value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Verdict;
    use crate::result_samples::chat;

    #[test]
    fn verdict_comes_first_and_nothing_is_left_out() {
        let mut result = chat();
        result.verdict = Verdict::Invalid(vec!["generator lag p99 of 40 ms".to_owned()]);
        let text = summary(&result);
        assert!(
            text.starts_with("INVALID  chat over kefu, 400 sockets, 1,000/s open loop, 10.0 s measured\n"),
            "{text}"
        );
        for part in [
            "  - generator lag p99 of 40 ms\n",
            "sent 10,000, acknowledged 9,990, refused 10, unanswered 0",
            "due 9,990, pushed 9,990, missing 0, doubled 0, out of order 0",
            "logins 400",
            "p99(push)<5ms                                0.99 ms  kept",
            "CPU 125 us a message, 25 % of one CPU, 20.0 MB resident at most",
            "waited for a CPU: generator 0.3 % (30.0 ms), shard-0 1.2 % (120 ms)\n",
            "socket_slope_bytes 312",
            "2026-05-28 20:26:40 UTC",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let row = text.lines().find(|line| line.starts_with("push")).expect("a row");
        assert!(row.contains("10,000") && row.contains("1,000") && row.ends_with("ms"), "{row}");
    }

    #[test]
    fn a_run_that_measured_nothing_can_be_summed_up() {
        let mut result = chat();
        result.latencies.clear();
        result.slos[0].measured = None;
        result.server = None;
        result.measured_s = 0.0;
        let text = summary(&result);
        assert!(text.contains("no latency was measured") && text.contains("nothing measured"), "{text}");
    }

    #[test]
    fn a_closed_loop_says_so() {
        let mut result = chat();
        result.load.closed_window = Some(8);
        let text = summary(&result);
        assert!(
            text.contains("closed loop, 8 in flight each") && text.contains("closed loop: from the send"),
            "{text}"
        );
    }

    #[test]
    fn waits_are_told_by_the_process_and_only_where_they_show() {
        let mut result = chat();
        (result.load.processes, result.generator.waited_s) = (2, 0.5);
        let waited = &mut result.server.as_mut().expect("a server").waited_by_thread_s;
        waited.insert("store-read-0".to_owned(), 0.004);
        let told = |who: &str, wait: &str| (who.to_owned(), wait.to_owned());
        assert_eq!(waits(&result), [told("generator", "2.5 % (500 ms)"), told("shard-0", "1.2 % (120 ms)")]);
        // A result of a version that did not measure it.
        (result.generator.waited_s, result.server) = (0.0, None);
        assert_eq!(waits(&result), []);
        assert!(!summary(&result).contains("waited"));
    }
}
