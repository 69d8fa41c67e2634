//! `loadtest search`: runs at one load after another, and prints the table of what each came to. Knows nothing of
//! how the next load is chosen.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};

use super::prepare::{Prepared, fresh_id_base, options, prepare, settings};
use super::room::room;
use super::run::conduct_shown;
use super::{BROKEN, INVALID, KEPT, Problem};
use crate::report::files::write_all;
use crate::result::{RunResult, Verdict};
use crate::run::RunError;
use crate::script::Options;
use crate::search::{Bound, Found, Plan, Trial, search};
use crate::settings::Settings;

/// No rate is beyond this.
const RATE_MAX_PER_S: f64 = 1e8;

/// What is searched for.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// A scenario of `loadtest list`, or a TOML file.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    scenario: String,
    /// What is raised.
    #[arg(long, value_enum, default_value = "rate", help_heading = "Search")]
    by: By,
    /// The first load tried [default: the run's own rate or connections].
    #[arg(long, value_name = "LOAD", help_heading = "Search")]
    from: Option<f64>,
    /// No load above is tried [default: what this machine has room for].
    #[arg(long, value_name = "LOAD", help_heading = "Search")]
    to: Option<f64>,
    /// The search ends when what failed is below this many times what was kept.
    #[arg(long, value_name = "RATIO", default_value_t = 1.05, help_heading = "Search")]
    precision: f64,
    /// Further runs that have to keep the load that was found.
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Search")]
    confirm: u32,
    #[command(flatten)]
    options: Options,
}

/// What a search raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Actions a second.
    Rate,
    /// Sockets; agents grow with them unless `--agents` says how many.
    Connections,
}

/// One run of a search.
struct Step {
    load: f64,
    result: RunResult,
}

/// Searches, writes each run's result, and prints the table.
pub fn run(args: &SearchArgs, arguments: &[String]) -> Result<ExitCode, Problem> {
    let options = options(&args.scenario, &args.options)?;
    if options.slo.is_empty() {
        return Err(Problem::NoObjective);
    }
    let plan = args.plan(&settings(&options)?)?;
    let prepared = prepare(&args.at(&options, plan.from.min(plan.to)), arguments)?;
    let interrupted = interrupted()?;
    let mut steps: Vec<Step> = Vec::new();
    let found = search(&plan, |load| -> Result<Trial, Problem> {
        let settings = args.settings_at(&options, &prepared, load)?;
        if settings.check(&room()).is_err() {
            // The first load was checked: so this one is only too large for this machine.
            return Ok(Trial::Invalid);
        }
        let title = format!("{} {}", args.by.name(), shown(load));
        let result = conduct_shown(&settings, &title, prepared.quiet)?;
        write_all(&prepared.out.join(format!("{:02}-{}", steps.len() + 1, shown(load))), &result)?;
        let trial = trial(&result.verdict);
        if !prepared.quiet {
            eprintln!("{title}: {}", verdict(&result.verdict));
        }
        steps.push(Step { load, result });
        // A run that was cut short says nothing of its load.
        if interrupted.load(Ordering::Relaxed) { Err(Problem::Interrupted) } else { Ok(trial) }
    })?;
    if !prepared.quiet {
        print!("{}", table(args.by, &steps, &found));
        println!("written to {}", prepared.out.display());
    }
    Ok(ExitCode::from(match found {
        Found { load: Some(_), .. } => KEPT,
        Found { bound: Bound::Generator, .. } => INVALID,
        Found { .. } => BROKEN,
    }))
}

/// Set by SIGINT and SIGTERM, which end the run at hand, and with this the whole search.
fn interrupted() -> Result<Arc<AtomicBool>, Problem> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(RunError::Generator)?;
    }
    Ok(flag)
}

impl SearchArgs {
    fn plan(&self, settings: &Settings) -> Result<Plan, Problem> {
        let highest_rate =
            settings.phases.iter().fold(0.0, |high: f64, phase| high.max(phase.rate_from.max(phase.rate_to)));
        let (from, to) = match self.by {
            By::Rate => (highest_rate, RATE_MAX_PER_S),
            By::Connections => (f64::from(settings.connections), f64::from(u32::MAX)),
        };
        let (from, to) = (self.from.unwrap_or(from), self.to.unwrap_or(to));
        let is_sound = from > 0.0 && to >= from && to.is_finite() && self.precision > 1.0 && self.precision < 10.0;
        if !is_sound {
            return Err(Problem::SearchRange);
        }
        let whole = self.by == By::Connections;
        Ok(Plan { from, to, precision: self.precision, confirmations: self.confirm, whole })
    }

    /// The run with that load.
    fn at(&self, options: &Options, load: f64) -> Options {
        let mut options = options.clone();
        match self.by {
            By::Rate => options.rate = Some(load),
            // Saturates: what is too large is refused by the check.
            By::Connections => options.connections = Some(load as u32),
        }
        options
    }

    /// The same server, other parties: no run meets the conversations of another.
    fn settings_at(&self, options: &Options, prepared: &Prepared, load: f64) -> Result<Settings, Problem> {
        let first = &prepared.settings;
        Ok(Settings {
            target: first.target.clone(),
            key: first.key.clone(),
            server_pid: first.server_pid,
            command: first.command.clone(),
            id_base: fresh_id_base(),
            ..settings(&self.at(options, load))?
        })
    }
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Connections => "connections",
        }
    }
}

fn trial(verdict: &Verdict) -> Trial {
    match verdict {
        Verdict::Kept => Trial::Kept,
        Verdict::Broken(_) => Trial::Broken,
        Verdict::Invalid(_) => Trial::Invalid,
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict.reasons() {
        [] => verdict.word().to_owned(),
        reasons => format!("{}: {}", verdict.word(), reasons.join("; ")),
    }
}

/// The capacity table: every load that was run, ascending, and what was found.
fn table(by: By, steps: &[Step], found: &Found) -> String {
    let mut steps: Vec<&Step> = steps.iter().collect();
    steps.sort_by(|a, b| a.load.total_cmp(&b.load));
    let metric = |result: &RunResult| {
        let latency = result.latencies.get(result_metric(result))?;
        Some((latency.p50_ns as f64 / 1e6, latency.p99_ns as f64 / 1e6, latency.max_ns as f64 / 1e6))
    };
    let mut text = format!(
        "{:>12} {:>10} {:>10} {:>10} {:>9} {:>10}  verdict\n",
        by.name(),
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPUs",
        "us/message"
    );
    for Step { load, result } in steps {
        let server = result.server.as_ref();
        let cpus = server.and_then(|side| side.cpu_s).map(|cpu| cpu / result.measured_s.max(f64::MIN_POSITIVE));
        let message = server.and_then(|side| side.cpu_us_per_message);
        let (p50, p99, max) = metric(result).map_or((None, None, None), |(a, b, c)| (Some(a), Some(b), Some(c)));
        text += &format!(
            "{:>12} {:>10} {:>10} {:>10} {:>9} {:>10}  {}\n",
            shown(*load),
            cell(p50),
            cell(p99),
            cell(max),
            cell(cpus),
            cell(message),
            verdict(&result.verdict)
        );
    }
    text + &conclusion(by, found)
}

/// What the scenario watches first.
fn result_metric(result: &RunResult) -> &str {
    let kind = crate::scenario::ScenarioKind::ALL.iter().find(|kind| kind.name() == result.scenario);
    kind.map_or("answer", |kind| kind.metric().name())
}

fn conclusion(by: By, found: &Found) -> String {
    let name = by.name();
    match (found.load, found.bound) {
        (Some(load), Bound::Server) => format!("highest {name} kept and confirmed: {}\n", shown(load)),
        (Some(load), Bound::Generator) => format!(
            "highest {name} kept and confirmed: {}; above it the generator was the limit, so the server may carry more \
             (--processes, or generators on other hosts with `loadtest merge`)\n",
            shown(load)
        ),
        (Some(load), Bound::Range) => {
            format!("kept and confirmed up to the highest {name} asked for: {}\n", shown(load))
        }
        (None, Bound::Server) => format!("no {name} was found that keeps the objectives\n"),
        (None, Bound::Generator) => "no valid run: the generator was the limit\n".to_owned(),
        (None, Bound::Range) => format!("no {name} in the range was confirmed\n"),
    }
}

/// Whole if it is whole.
fn shown(load: f64) -> String {
    if load.fract() == 0.0 { format!("{load:.0}") } else { format!("{load:.2}") }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Latency, ServerSide};

    fn step(load: f64, p99_ns: u64, verdict: Verdict) -> Step {
        let mut result = crate::result_samples::chat();
        result.scenario = "chat".to_owned();
        result.measured_s = 10.0;
        let latency = Latency { p50_ns: p99_ns / 2, p99_ns, max_ns: p99_ns * 2, ..Latency::default() };
        let metric = result_metric(&result).to_owned();
        result.latencies.insert(metric, latency);
        result.server = Some(ServerSide { cpu_s: Some(5.0), cpu_us_per_message: Some(12.5), ..ServerSide::default() });
        result.verdict = verdict;
        Step { load, result }
    }

    #[test]
    fn the_table_is_ascending_and_ends_with_what_was_found() {
        let broken = Verdict::Broken(vec!["p99(push) is 9 ms".to_owned()]);
        let steps = [step(2000.0, 9_000_000, broken), step(1000.0, 3_000_000, Verdict::Kept)];
        let text = table(By::Rate, &steps, &Found { load: Some(1000.0), bound: Bound::Server });
        let lines: Vec<&str> = text.lines().collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[1]), ["1000", "1.500", "3.000", "6.000", "0.500", "12.500", "KEPT"]);
        assert!(lines[2].trim_start().starts_with("2000") && lines[2].ends_with("BROKEN: p99(push) is 9 ms"));
        assert_eq!(lines[3], "highest rate kept and confirmed: 1000");
    }

    #[test]
    fn a_limit_of_the_generator_is_told_as_one() {
        let found = Found { load: Some(12.5), bound: Bound::Generator };
        let text = conclusion(By::Connections, &found);
        assert!(text.contains("12.50; above it the generator was the limit"), "{text}");
    }
}
