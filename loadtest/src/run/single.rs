//! One generator in this process: the scenario on its stage, driven, and what it measured.

use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use super::{Interrupt, RunError, Tick, judge};
use crate::engine::{Drive, Elapsed, Stage, Watch, clock};
use crate::measure::{Metric, Series, sum_up};
use crate::result::{FORMAT, Generator, Load, RunResult, Verdict};
use crate::settings::{Secret, Settings};
use crate::target::machine;
use crate::target::sample::{Mark, Sampler, Scheduled};
use crate::target::token::Tokens;

/// Tokens outlive any run.
const TOKEN_TTL_S: u64 = 7 * 86_400;

/// Generates load until the end; `may_begin` holds it back when all clients are in place.
pub(super) fn generate(
    settings: &Settings,
    sampler: Option<&Sampler>,
    stop: &Interrupt,
    may_begin: impl FnMut() -> bool,
    progress: &mut dyn FnMut(&Tick),
) -> Result<RunResult, RunError> {
    clock::be_punctual();
    let (ground, mut scenario) = settings.scenario.build(settings, &tokens(settings)?)?;
    let stage = Stage::new(settings, ground, clock::now())?;
    let mut desk = Desk {
        settings,
        sampler,
        stop,
        may_begin,
        progress,
        series: Vec::new(),
        started_unix_ms: unix_ms(),
        cpu_from: 0,
        cpu_ns: 0,
        waited_from: None,
        waited_ns: 0,
    };
    let mut drive = Drive::new(stage, scenario.as_mut(), &mut desk);
    drive.run()?;
    let (stage, lag, turn) = drive.into_parts();
    Ok(desk.result(stage, &lag, &turn))
}

fn tokens(settings: &Settings) -> Result<Tokens, RunError> {
    if let Some(path) = &settings.tokens {
        return Ok(Tokens::from_file(path)?);
    }
    // Where nobody logs in there is no key, and no token is asked for.
    let key = settings.key.as_ref().map_or("", Secret::expose);
    Ok(Tokens::signed(key.as_bytes(), settings.id_base, unix_ms() / 1000 + TOKEN_TTL_S))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Looks on for one generator.
struct Desk<'a, B> {
    settings: &'a Settings,
    sampler: Option<&'a Sampler>,
    stop: &'a Interrupt,
    may_begin: B,
    progress: &'a mut dyn FnMut(&Tick),
    series: Vec<Series>,
    started_unix_ms: u64,
    cpu_from: u64,
    cpu_ns: u64,
    /// Of the driving thread, which is the calling one.
    waited_from: Option<u64>,
    waited_ns: u64,
}

impl<B: FnMut() -> bool> Watch for Desk<'_, B> {
    fn may_begin(&mut self) -> bool {
        (self.may_begin)()
    }

    fn window_begins(&mut self) {
        self.started_unix_ms = unix_ms();
        self.cpu_from = clock::cpu();
        self.waited_from = Scheduled::of_this_thread().map(|times| times.waited_ns);
        if let Some(sampler) = self.sampler {
            sampler.mark(Mark::From);
        }
    }

    fn window_ends(&mut self) {
        self.cpu_ns = clock::cpu() - self.cpu_from;
        let waited = Scheduled::of_this_thread().zip(self.waited_from);
        self.waited_ns = waited.map_or(0, |(times, from)| times.waited_ns.saturating_sub(from));
        if let Some(sampler) = self.sampler {
            sampler.mark(Mark::Until);
        }
    }

    fn second(&mut self, stage: &Stage<'_>, lag: &Histogram<u64>, elapsed: Elapsed, series: Vec<Series>) {
        let tick = self.tick(stage, lag, elapsed, &series);
        (self.progress)(&tick);
        self.series.extend(series);
    }

    fn server_rss(&mut self) -> Option<u64> {
        self.sampler?.read_rss_now()
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.is_set()
    }
}

impl<B> Desk<'_, B> {
    fn tick(&self, stage: &Stage<'_>, lag: &Histogram<u64>, elapsed: Elapsed, series: &[Series]) -> Tick {
        let metric = self.settings.scenario.metric().name();
        let newest = series.iter().rev().find(|series| series.metric == metric).map(|series| &series.latency);
        let counter = |name| stage.counters.get(name).copied().unwrap_or(0);
        let accounts = &stage.accounts;
        let refused = counter("refused_logins") + counter("refused_openings") + counter("refused_upgrades");
        Tick {
            at_s: match elapsed {
                Elapsed::Ramp => 0.0,
                Elapsed::Load(seconds) => seconds,
            },
            phase: self.phase(elapsed),
            open: u64::from(stage.ready),
            rate: newest.map_or(0.0, |latency| latency.count as f64),
            p50_ns: newest.map_or(0, |latency| latency.p50_ns),
            p99_ns: newest.map_or(0, |latency| latency.p99_ns),
            max_ns: newest.map_or(0, |latency| latency.max_ns),
            errors: accounts.refused
                + accounts.doubled
                + accounts.out_of_order
                + refused
                + counter("lost")
                + counter("faults"),
            lag_p99_ns: lag.value_at_quantile(0.99),
        }
    }

    fn phase(&self, elapsed: Elapsed) -> String {
        let mut left = match elapsed {
            Elapsed::Ramp => return "ramp".to_owned(),
            Elapsed::Load(seconds) if seconds < 0.0 => return "warm-up".to_owned(),
            Elapsed::Load(seconds) => seconds,
        };
        for phase in &self.settings.phases {
            left -= phase.duration.as_secs_f64();
            if left < 0.0 {
                return phase.name.clone();
            }
        }
        "drain".to_owned()
    }

    fn result(self, mut stage: Stage<'_>, lag: &Histogram<u64>, turn: &Histogram<u64>) -> RunResult {
        let settings = self.settings;
        let whole =
            |metric: &Metric| stage.recorder.whole(*metric).map(|whole| (metric.name().to_owned(), sum_up(whole)));
        let latencies = Metric::ALL.iter().filter_map(whole).collect();
        let measured_s = stage.recorder.measured_s();
        let mut generator = Generator {
            cpu_s: self.cpu_ns as f64 / 1e9,
            waited_s: self.waited_ns as f64 / 1e9,
            rss_peak_bytes: judge::own_peak_rss(),
            lag: sum_up(lag),
            turn: sum_up(turn),
            faults: Vec::new(),
        };
        generator.faults = judge::generator_faults(settings, &generator, measured_s);
        let wanted_s = settings.measured().as_secs_f64();
        if measured_s + 1e-3 < wanted_s {
            generator.faults.push(format!("it was stopped after {measured_s:.1} s of {wanted_s:.1} s"));
        }
        let mut counters: std::collections::BTreeMap<String, u64> =
            std::mem::take(&mut stage.counters).into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        counters.insert("heard_in_window".to_owned(), stage.heard_in_window);
        RunResult {
            format: FORMAT,
            scenario: settings.scenario.name().to_owned(),
            dialect: settings.dialects(),
            command: settings.command.clone(),
            started_unix_ms: self.started_unix_ms,
            measured_s,
            load: load(settings, &stage),
            machine: machine::describe(None),
            verdict: Verdict::Kept,
            slos: Vec::new(),
            generator,
            accounts: stage.accounts,
            counters,
            latencies,
            series: self.series,
            server: None,
            figures: std::mem::take(&mut stage.figures),
            faults: std::mem::take(&mut stage.faults),
        }
    }
}

/// This process's part of what was asked for.
fn load(settings: &Settings, stage: &Stage<'_>) -> Load {
    let actions: f64 = settings
        .phases
        .iter()
        .map(|phase| (phase.rate_from + phase.rate_to) / 2.0 * phase.duration.as_secs_f64())
        .sum();
    let rate = actions / settings.measured().as_secs_f64().max(1e-9) / f64::from(settings.processes);
    Load {
        target: settings.target.url.clone(),
        connections: stage.clients.iter().filter(|client| !client.errand).count() as u64,
        rate_per_s: if settings.closed_window.is_some() { 0.0 } else { rate },
        closed_window: settings.closed_window,
        processes: 1,
        seed: settings.seed,
    }
}
