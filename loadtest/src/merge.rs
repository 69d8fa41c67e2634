//! Makes one result of several: of the processes of one run, or of runs on several hosts against one target.
//! Histograms are added and percentiles taken of the sum; no percentile is ever averaged. Knows no file.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use thiserror::Error;

use crate::measure::{self, Series};
use crate::result::{
    Accounts, FORMAT, Generator, Latency, Load, Machine, RunResult, ServerSample, ServerSide, SloOutcome, Verdict,
};
use crate::slo::{Slo, SloError};

/// How the results hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Processes of one run on one host: each names the load of all of them.
    Processes,
    /// Runs that went on at the same time on several hosts: their loads add up.
    Hosts,
    /// The same, but not at the same time (or by clocks that disagree): laid on each other by their starts.
    HostsApart,
}

/// Why results cannot be made one.
#[derive(Debug, Error)]
pub enum MergeError {
    /// None given.
    #[error("there is nothing to merge")]
    Nothing,
    /// They are not of one kind.
    #[error("results differ in their {what}: `{first}` and `{other}`")]
    Differ {
        /// What differs.
        what: &'static str,
        /// In the first.
        first: String,
        /// In another.
        other: String,
    },
    /// Their windows do not overlap enough.
    #[error(
        "the runs did not go on at the same time: only {overlap_s:.0} s of {measured_s:.0} s are common; \
         if the hosts' clocks are to blame, say --even-apart"
    )]
    Apart {
        /// What is common to all, seconds.
        overlap_s: f64,
        /// The measured window, seconds.
        measured_s: f64,
    },
    /// A histogram cannot be read.
    #[error("the histogram of `{0}` is damaged")]
    Histogram(String),
    /// An objective cannot be read again.
    #[error("objective `{text}`: {error}")]
    Objective {
        /// As it stands in the result.
        text: String,
        /// Why not.
        error: SloError,
    },
}

/// Merges; a single result comes back as it is.
///
/// Accounts and counters are summed, histograms added, the generators' lags too. Objectives are judged again on the
/// sum. The verdict is the worst: INVALID if one part is, then broken if one part is for another reason than an
/// objective, or if the sum breaks one. Figures ending in `_per_s` are summed; of others the largest stays, which is
/// the cautious one for sizes and times. A server seen by several parts (same process, same host) counts once, several
/// servers are summed.
pub fn merge(mut runs: Vec<RunResult>, parts: Parts) -> Result<RunResult, MergeError> {
    if runs.len() <= 1 {
        return runs.pop().ok_or(MergeError::Nothing);
    }
    check(&runs, parts)?;
    let started_unix_ms = runs.iter().map(|run| run.started_unix_ms).min().ok_or(MergeError::Nothing)?;
    let latencies = merge_latencies(&runs)?;
    let series = merge_series(&runs)?;
    let accounts = runs.iter().fold(Accounts::default(), |sum, run| add_accounts(sum, &run.accounts));
    let mut counters = BTreeMap::new();
    for (name, count) in runs.iter().flat_map(|run| &run.counters) {
        *counters.entry(name.clone()).or_default() += count;
    }
    let mut merged = RunResult {
        format: FORMAT,
        scenario: runs[0].scenario.clone(),
        dialect: runs[0].dialect.clone(),
        command: runs[0].command.clone(),
        started_unix_ms,
        measured_s: runs.iter().map(|run| run.measured_s).fold(0.0, f64::max),
        load: merge_load(&runs, parts),
        machine: merge_machine(&runs),
        verdict: Verdict::Kept,
        slos: Vec::new(),
        generator: merge_generator(&runs)?,
        accounts,
        counters,
        latencies,
        series,
        server: merge_server(&runs, &accounts),
        faults: runs.iter().flat_map(|run| run.faults.iter().cloned()).collect(),
        figures: merge_figures(&runs),
    };
    merged.slos = judge_again(&runs, &merged)?;
    merged.verdict = worst(&runs, &merged);
    Ok(merged)
}

/// Adds the histogram of a latency to a sum; `name` is for the error.
pub fn add_latency(sum: &mut Histogram<u64>, latency: &Latency, name: &str) -> Result<(), MergeError> {
    let damaged = || MergeError::Histogram(name.to_owned());
    let histogram = measure::histogram_of(latency).ok_or_else(damaged)?;
    sum.add(&histogram).map_err(|_| damaged())
}

fn check(runs: &[RunResult], parts: Parts) -> Result<(), MergeError> {
    let first = &runs[0];
    for run in &runs[1..] {
        let same = |what, first: String, other: String| {
            if first == other { Ok(()) } else { Err(MergeError::Differ { what, first, other }) }
        };
        same("scenario", first.scenario.clone(), run.scenario.clone())?;
        same("dialect", first.dialect.clone(), run.dialect.clone())?;
        let window =
            |closed: Option<u32>| closed.map_or("open loop".to_owned(), |window| format!("closed loop {window}"));
        same("loop", window(first.load.closed_window), window(run.load.closed_window))?;
        // Processes of one run go by one clock, and may be stopped early together.
        let apart = (run.measured_s / first.measured_s - 1.0).abs() > 0.05;
        if apart && parts != Parts::Processes {
            let seconds = |run: &RunResult| format!("{:.1} s", run.measured_s);
            return Err(MergeError::Differ { what: "measured window", first: seconds(first), other: seconds(run) });
        }
    }
    if matches!(parts, Parts::Processes | Parts::HostsApart) {
        return Ok(());
    }
    let ends = |run: &RunResult| run.started_unix_ms as f64 / 1e3 + run.measured_s;
    let last_start = runs.iter().map(|run| run.started_unix_ms as f64 / 1e3).fold(0.0, f64::max);
    let overlap_s = (runs.iter().map(ends).fold(f64::INFINITY, f64::min) - last_start).max(0.0);
    if overlap_s < first.measured_s / 2.0 {
        return Err(MergeError::Apart { overlap_s, measured_s: first.measured_s });
    }
    Ok(())
}

fn merge_latencies(runs: &[RunResult]) -> Result<BTreeMap<String, Latency>, MergeError> {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.latencies.keys()).collect();
    let mut merged = BTreeMap::new();
    for name in names {
        let parts = runs.iter().filter_map(|run| run.latencies.get(name));
        merged.insert(name.clone(), sum_of(parts, name)?);
    }
    Ok(merged)
}

fn sum_of<'a>(parts: impl Iterator<Item = &'a Latency>, name: &str) -> Result<Latency, MergeError> {
    let mut sum = measure::histogram();
    for latency in parts {
        add_latency(&mut sum, latency, name)?;
    }
    Ok(measure::sum_up(&sum))
}

/// By second of the window; the windows are laid on each other by their starts, as each counts its own.
fn merge_series(runs: &[RunResult]) -> Result<Vec<Series>, MergeError> {
    let mut by_second: BTreeMap<(i64, &str), Vec<&Latency>> = BTreeMap::new();
    for entry in runs.iter().flat_map(|run| &run.series) {
        by_second.entry((entry.second, &entry.metric)).or_default().push(&entry.latency);
    }
    by_second
        .into_iter()
        .map(|((second, metric), parts)| {
            let latency = match parts.as_slice() {
                [only] => (*only).clone(),
                several => sum_of(several.iter().copied(), metric)?,
            };
            Ok(Series { metric: metric.to_owned(), second, latency })
        })
        .collect()
}

fn add_accounts(sum: Accounts, part: &Accounts) -> Accounts {
    Accounts {
        sent: sum.sent + part.sent,
        acknowledged: sum.acknowledged + part.acknowledged,
        refused: sum.refused + part.refused,
        unanswered: sum.unanswered + part.unanswered,
        due: sum.due + part.due,
        pushed: sum.pushed + part.pushed,
        missing: sum.missing + part.missing,
        doubled: sum.doubled + part.doubled,
        out_of_order: sum.out_of_order + part.out_of_order,
    }
}

fn merge_load(runs: &[RunResult], parts: Parts) -> Load {
    let mut load = runs[0].load.clone();
    if parts != Parts::Processes {
        load.connections = runs.iter().map(|run| run.load.connections).sum();
        load.rate_per_s = runs.iter().map(|run| run.load.rate_per_s).sum();
        load.processes = runs.iter().map(|run| run.load.processes).sum();
        load.target = distinct(runs.iter().map(|run| &run.load.target));
    }
    load
}

fn merge_machine(runs: &[RunResult]) -> Machine {
    let mut hosts: Vec<&Machine> = Vec::new();
    for run in runs {
        if hosts.iter().all(|machine| machine.host != run.machine.host) {
            hosts.push(&run.machine);
        }
    }
    Machine {
        host: distinct(hosts.iter().map(|machine| &machine.host)),
        cpu: distinct(hosts.iter().map(|machine| &machine.cpu)),
        cpus: hosts.iter().map(|machine| machine.cpus).sum(),
        memory_bytes: hosts.iter().map(|machine| machine.memory_bytes).sum(),
        kernel: distinct(hosts.iter().map(|machine| &machine.kernel)),
        loadtest: distinct(hosts.iter().map(|machine| &machine.loadtest)),
        server: runs.iter().find_map(|run| run.machine.server.clone()),
    }
}

/// Different texts in the order they came.
fn distinct<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        if !seen.contains(&text.as_str()) {
            seen.push(text);
        }
    }
    seen.join(", ")
}

fn merge_generator(runs: &[RunResult]) -> Result<Generator, MergeError> {
    let mut faults = Vec::new();
    for fault in runs.iter().flat_map(|run| &run.generator.faults) {
        if !faults.contains(fault) {
            faults.push(fault.clone());
        }
    }
    Ok(Generator {
        cpu_s: runs.iter().map(|run| run.generator.cpu_s).sum(),
        waited_s: runs.iter().map(|run| run.generator.waited_s).sum(),
        rss_peak_bytes: runs.iter().map(|run| run.generator.rss_peak_bytes).max().unwrap_or_default(),
        lag: sum_of(runs.iter().map(|run| &run.generator.lag), "lag")?,
        turn: sum_of(runs.iter().map(|run| &run.generator.turn), "turn")?,
        faults,
    })
}

fn merge_figures(runs: &[RunResult]) -> BTreeMap<String, f64> {
    let mut merged: BTreeMap<String, f64> = BTreeMap::new();
    for (name, value) in runs.iter().flat_map(|run| &run.figures) {
        merged
            .entry(name.clone())
            .and_modify(|sum| *sum = if name.ends_with("_per_s") { *sum + value } else { sum.max(*value) })
            .or_insert(*value);
    }
    merged
}

/// What a part's CPU per message was computed of; each generator knows its own messages only, while the server's CPU
/// time is that of all of them.
fn messages_of(server: &ServerSide) -> Option<f64> {
    let per_message = server.cpu_us_per_message.filter(|micros| *micros > 0.0)?;
    Some(server.cpu_s? * 1e6 / per_message)
}

fn merge_server(runs: &[RunResult], accounts: &Accounts) -> Option<ServerSide> {
    let seen = runs.iter().filter_map(|run| run.server.as_ref().map(|server| (run, server)));
    let mut servers: BTreeMap<(&str, Option<u32>), &ServerSide> = BTreeMap::new();
    let (mut messages, mut answered) = (0.0, 0);
    for (run, server) in seen {
        if let Some(own) = messages_of(server) {
            messages += own;
            answered += run.accounts.acknowledged + run.accounts.pushed;
        }
        let best = servers.entry((&run.machine.host, server.pid)).or_insert(server);
        if server.samples.len() > best.samples.len() {
            *best = server;
        }
    }
    if servers.len() <= 1 && messages == 0.0 {
        return servers.into_values().next().cloned();
    }
    // Parts that did not see the server sent it messages all the same.
    if answered > 0 {
        messages *= (accounts.acknowledged + accounts.pushed) as f64 / answered as f64;
    }
    let mut merged = add_servers(servers.into_values().collect());
    merged.cpu_us_per_message = merged.cpu_s.filter(|_| messages > 0.0).map(|cpu_s| cpu_s * 1e6 / messages);
    Some(merged)
}

fn add_servers(servers: Vec<&ServerSide>) -> ServerSide {
    if let [only] = servers.as_slice() {
        return (*only).clone();
    }
    let mut sum = ServerSide { pid: None, ..ServerSide::default() };
    let add =
        |sum: &mut Option<f64>, part: Option<f64>| *sum = part.map(|part| sum.unwrap_or_default() + part).or(*sum);
    let mut by_second: BTreeMap<i64, (usize, ServerSample)> = BTreeMap::new();
    for server in &servers {
        add(&mut sum.cpu_s, server.cpu_s);
        for (thread, cpu_s) in &server.cpu_by_thread_s {
            *sum.cpu_by_thread_s.entry(thread.clone()).or_default() += cpu_s;
        }
        for (thread, waited_s) in &server.waited_by_thread_s {
            *sum.waited_by_thread_s.entry(thread.clone()).or_default() += waited_s;
        }
        for sample in &server.samples {
            let (parts, second) = by_second.entry(sample.at_s.round() as i64).or_default();
            *parts += 1;
            second.at_s = sample.at_s;
            add(&mut second.cpu_s, sample.cpu_s);
            second.rss_bytes = sample.rss_bytes.map(|bytes| second.rss_bytes.unwrap_or_default() + bytes);
            for (name, value) in &sample.metrics {
                *second.metrics.entry(name.clone()).or_default() += value;
            }
        }
    }
    // A second that one of the servers lacks would show as a dip.
    sum.samples =
        by_second.into_values().filter(|(parts, _)| *parts == servers.len()).map(|(_, second)| second).collect();
    sum
}

fn judge_again(runs: &[RunResult], merged: &RunResult) -> Result<Vec<SloOutcome>, MergeError> {
    let mut outcomes: Vec<SloOutcome> = Vec::new();
    for outcome in runs.iter().flat_map(|run| &run.slos) {
        let text = &outcome.objective;
        if outcomes.iter().any(|known| known.objective == *text) {
            continue;
        }
        let slo: Slo = text.parse().map_err(|error| MergeError::Objective { text: text.clone(), error })?;
        outcomes.push(slo.judge(merged));
    }
    Ok(outcomes)
}

fn worst(runs: &[RunResult], merged: &RunResult) -> Verdict {
    let mut invalid: Vec<String> = merged.generator.faults.clone();
    let mut broken = Vec::new();
    let of_sum = Verdict::of(&[], &merged.accounts, &merged.slos);
    if let Verdict::Broken(reasons) = of_sum {
        broken = reasons;
    }
    let add = |list: &mut Vec<String>, reason: &String| {
        if !list.contains(reason) {
            list.push(reason.clone());
        }
    };
    for run in runs {
        match &run.verdict {
            Verdict::Kept => {}
            Verdict::Invalid(reasons) => reasons.iter().for_each(|reason| add(&mut invalid, reason)),
            Verdict::Broken(reasons) => {
                // Objectives and accounts are judged on the sum; other reasons stand.
                let own = Verdict::of(&[], &run.accounts, &run.slos);
                let known = |reason: &String| match &own {
                    Verdict::Broken(own) => own.contains(reason),
                    Verdict::Kept | Verdict::Invalid(_) => false,
                };
                reasons.iter().filter(|reason| !known(reason)).for_each(|reason| add(&mut broken, reason));
            }
        }
    }
    let is_invalid = runs.iter().any(|run| matches!(run.verdict, Verdict::Invalid(_)));
    if !invalid.is_empty() || is_invalid {
        Verdict::Invalid(invalid)
    } else if broken.is_empty() {
        Verdict::Kept
    } else {
        Verdict::Broken(broken)
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
