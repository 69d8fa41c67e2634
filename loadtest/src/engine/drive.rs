//! The loop: ramp, gate, warm-up, measured window, drain. It does what is due, reads what came, and times itself.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use thiserror::Error;

use super::clock;
use super::poll::Ready;
use super::schedule::{Cue, Schedule};
use super::stage::Stage;
use crate::measure::{Nanos, Series, histogram};
use crate::scenario::Scenario;
use crate::settings::Phase;

/// What looks on while a run goes, and lets it begin.
pub trait Watch {
    /// All clients are in place: may the load begin? Asked again until it may.
    fn may_begin(&mut self) -> bool;
    /// The measured window begins.
    fn window_begins(&mut self);
    /// The measured window has ended.
    fn window_ends(&mut self);
    /// A second has passed: the values of that second, after the ramp.
    fn second(&mut self, stage: &Stage<'_>, lag: &Histogram<u64>, elapsed: Elapsed, series: Vec<Series>);
    /// The server's resident memory, if it can be seen.
    fn server_rss(&mut self) -> Option<u64>;
    /// Whether the user wants it to end.
    fn is_told_to_stop(&self) -> bool;
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elapsed {
    /// Opening sockets.
    Ramp,
    /// Seconds since the start of the measured window; negative in the warm-up.
    Load(f64),
}

/// Why a run did not come to its end.
#[derive(Debug, Error)]
pub enum Stop {
    /// The kernel refused to watch sockets.
    #[error("the generator's sockets cannot be watched: {0}")]
    Poll(#[from] io::Error),
    /// Clients did not get in.
    #[error("only {ready} of {wanted} connections were there {seconds} s after the ramp ({why})")]
    NotReady {
        /// Logged in.
        ready: u32,
        /// Wanted.
        wanted: usize,
        /// Waited for.
        seconds: u64,
        /// The first fault seen.
        why: String,
    },
    /// All are there, and not all have an agent.
    #[error(
        "all {0} connections are there, but not every conversation has an agent: are there enough --agents with \
         enough --capacity, and is no conversation left over from an earlier run?"
    )]
    NoAgent(u32),
    /// The user stopped it.
    #[error("stopped before the load began")]
    Interrupted,
}

/// How long stragglers of the ramp are waited for.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// Memory is read this long after the last socket of a step is in place.
const SETTLE_NS: Nanos = 1_500_000_000;
/// Idle waits are cut so that ticks and signals are seen.
const WAIT_MAX_NS: Nanos = 50_000_000;
const SECOND_NS: Nanos = 1_000_000_000;
/// Sockets being opened at once in the ramp: below any listener's backlog.
const OPENING_MAX: u32 = 512;

/// A generator at work.
pub struct Drive<'a, 's> {
    /// What the scenario acts through.
    pub stage: Stage<'s>,
    scenario: &'a mut dyn Scenario,
    watch: &'a mut dyn Watch,
    ready: Vec<Ready>,
    /// From an action's due time to its being done, of the measured window.
    pub lag: Histogram<u64>,
    /// How long turns took, or how much too late they began if that was more, of the measured window.
    pub turn: Histogram<u64>,
    window: Option<(Nanos, Nanos)>,
    next_second: Nanos,
}

impl<'a, 's> Drive<'a, 's> {
    /// Nothing has happened yet.
    pub fn new(stage: Stage<'s>, scenario: &'a mut dyn Scenario, watch: &'a mut dyn Watch) -> Self {
        let next_second = stage.now + SECOND_NS;
        let (lag, turn) = (histogram(), histogram());
        Self { stage, scenario, watch, ready: Vec::new(), lag, turn, window: None, next_second }
    }

    /// Goes all the way.
    pub fn run(&mut self) -> Result<(), Stop> {
        self.ramp()?;
        while !self.watch.may_begin() {
            self.turn(None)?;
            self.check_interrupted()?;
        }
        self.load()?;
        self.drain()?;
        if self.scenario.shows_memory(self.stage.clients.len())
            && let Some(rss) = self.watch.server_rss()
        {
            self.stage.figures.insert("server_rss_at_end_bytes".to_owned(), rss as f64);
        }
        self.scenario.finish(&mut self.stage);
        self.stage.accounts.unanswered += self.stage.unanswered();
        Ok(())
    }

    /// The stage with all that was measured, the lag and the turns.
    pub fn into_parts(self) -> (Stage<'s>, Histogram<u64>, Histogram<u64>) {
        (self.stage, self.lag, self.turn)
    }

    fn check_interrupted(&self) -> Result<(), Stop> {
        if self.watch.is_told_to_stop() { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// Opens the scenario's sockets, evenly over the ramp; a first part of them, a pause, and the rest, if the
    /// server's memory can be seen: two points make a slope.
    fn ramp(&mut self) -> Result<(), Stop> {
        let order = self.scenario.ramp(&self.stage);
        let first = if self.scenario.shows_memory(self.stage.clients.len()) { order.len() / 9 } else { 0 };
        let empty = self.watch.server_rss();
        self.ramp_step(&order[..first])?;
        let low = if first > 0 { self.settled_rss()? } else { None };
        self.ramp_step(&order[first..])?;
        if let (Some(empty), Some(low), Some(high)) = (empty, low, self.settled_rss()?) {
            let sockets = (order.len() - first) as f64;
            let figures = &mut self.stage.figures;
            figures.insert("server_rss_empty_bytes".to_owned(), empty as f64);
            figures.insert("server_rss_first_step_bytes".to_owned(), low as f64);
            figures.insert("server_rss_all_open_bytes".to_owned(), high as f64);
            figures.insert("socket_slope_bytes".to_owned(), (high as f64 - low as f64) / sockets);
        }
        Ok(())
    }

    fn settled_rss(&mut self) -> Result<Option<u64>, Stop> {
        if !self.scenario.shows_memory(self.stage.clients.len()) || self.watch.server_rss().is_none() {
            return Ok(None);
        }
        let until = self.stage.now + SETTLE_NS;
        while self.stage.now < until {
            self.turn(None)?;
        }
        Ok(self.watch.server_rss())
    }

    fn ramp_step(&mut self, order: &[u32]) -> Result<(), Stop> {
        let started = self.stage.now;
        let span = Nanos::try_from(self.stage.settings.ramp.as_nanos()).unwrap_or(Nanos::MAX);
        let already = self.stage.ready;
        let mut begun = 0;
        let patience = Nanos::try_from(READY_PATIENCE.as_nanos()).unwrap_or(Nanos::MAX);
        while begun < order.len() || !self.scenario.is_in_place(&self.stage, already + begun as u32) {
            while begun < order.len() {
                let due = started + span.saturating_mul(begun as u64) / order.len() as u64;
                let opening = (already + begun as u32).saturating_sub(self.stage.ready);
                let hosts = self.scenario.hosts();
                let is_early = order[begun] >= hosts && self.stage.ready < hosts;
                if due > self.stage.now || opening >= OPENING_MAX || is_early {
                    break;
                }
                self.stage.open(self.scenario, order[begun], due.max(self.stage.now));
                begun += 1;
            }
            self.turn(Some(started + span.saturating_mul(begun as u64) / order.len().max(1) as u64))?;
            self.check_interrupted()?;
            if self.stage.now > started + span + patience {
                if self.stage.ready as usize >= order.len() + already as usize {
                    return Err(Stop::NoAgent(self.stage.ready));
                }
                let why = self.stage.faults.first().cloned().unwrap_or_else(|| "no answer".to_owned());
                let (ready, wanted) = (self.stage.ready, order.len() + already as usize);
                return Err(Stop::NotReady { ready, wanted, seconds: READY_PATIENCE.as_secs(), why });
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), Stop> {
        let settings = self.stage.settings;
        let nanos = |duration: Duration| Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX);
        let start = clock::now();
        let from = start + nanos(settings.warm_up);
        let until = from + nanos(settings.measured());
        self.stage.now = start;
        self.stage.recorder.open(from, until);
        self.next_second = from - (from - start) / SECOND_NS * SECOND_NS;
        let mut schedule = self.schedule(start);
        self.scenario.begin(&mut self.stage);
        loop {
            let now = self.stage.now;
            if self.window.is_none() && now >= from {
                self.window = Some((from, until));
                self.watch.window_begins();
            }
            if self.watch.is_told_to_stop() {
                // What was measured until now is told, as what it is.
                self.stage.recorder.close(now);
                schedule = None;
                break;
            }
            // What was due in the window is done, however late: left out, it would make a late generator look punctual.
            let owes = schedule.as_ref().is_some_and(|schedule| schedule.due().is_some());
            if (now >= until && !owes) || now >= until.saturating_add(nanos(settings.drain)) {
                break;
            }
            let mut next = if self.window.is_none() { from } else { until };
            if let Some(schedule) = &mut schedule {
                while let Some(due) = schedule.due() {
                    if due > self.stage.now {
                        next = next.min(due);
                        break;
                    }
                    schedule.advance(&mut self.stage.rng);
                    self.stage.now = clock::now();
                    self.note_lag(due);
                    self.scenario.act(&mut self.stage, due);
                    // What came is not kept waiting by a schedule that is behind.
                    if self.stage.now - now > 1_000_000 {
                        next = 0;
                        break;
                    }
                }
            }
            self.turn(Some(next))?;
        }
        while let Some(due) = schedule.as_ref().and_then(Schedule::due) {
            // Too late even for that: the lag tells.
            self.note_lag(due);
            self.stage.count("not_done");
            schedule.as_mut().expect("it had one due").advance(&mut self.stage.rng);
        }
        self.watch.window_ends();
        self.window = None;
        Ok(())
    }

    fn schedule(&mut self, start: Nanos) -> Option<Schedule> {
        let settings = self.stage.settings;
        if settings.closed_window.is_some() {
            return None;
        }
        let rate = settings.phases.first().map_or(0.0, |phase| phase.rate_from);
        let warm_up = Phase { name: String::new(), duration: settings.warm_up, rate_from: rate, rate_to: rate };
        let phases: Vec<Phase> = std::iter::once(warm_up).chain(settings.phases.iter().cloned()).collect();
        let share = 1.0 / f64::from(settings.processes);
        Some(Schedule::new(start, &phases, share, settings.arrivals, &mut self.stage.rng))
    }

    fn drain(&mut self) -> Result<(), Stop> {
        let drain = Nanos::try_from(self.stage.settings.drain.as_nanos()).unwrap_or(Nanos::MAX);
        let until = self.stage.now.saturating_add(drain);
        while self.stage.now < until && !self.scenario.is_settled(&self.stage) {
            self.turn(None)?;
        }
        // A delivery too many may still be on its way.
        let until = self.stage.now + SECOND_NS / 4;
        while self.stage.now < until {
            self.turn(None)?;
        }
        Ok(())
    }

    fn note_lag(&mut self, due: Nanos) {
        if self.window.is_some_and(|(from, _)| due >= from) {
            self.lag.saturating_record((self.stage.now - due).max(1));
        }
    }

    /// One turn: what is due on the agenda, then what came; at most until `next`.
    fn turn(&mut self, next: Option<Nanos>) -> Result<(), Stop> {
        while let Some((due, cue, client)) = self.stage.agenda.take(self.stage.now) {
            match cue {
                Cue::Open => self.stage.open(self.scenario, client, due),
                Cue::Act => {
                    self.note_lag(due);
                    self.scenario.cue(&mut self.stage, client, due);
                }
            }
        }
        let next = [next, self.stage.agenda.due()].into_iter().flatten().min().unwrap_or(Nanos::MAX);
        let before = clock::now();
        let wait = next.saturating_sub(before).min(WAIT_MAX_NS);
        let mut ready = std::mem::take(&mut self.ready);
        self.stage.poll.wait(&mut ready, wait)?;
        let woke = clock::now();
        self.stage.now = woke;
        for (index, ready) in ready.iter().enumerate() {
            // A time stamp must not be older than the work that came before it in a long turn.
            if index % 16 == 15 {
                self.stage.now = clock::now();
            }
            self.stage.on_ready(self.scenario, *ready);
        }
        self.ready = ready;
        self.stage.now = clock::now();
        if self.window.is_some() {
            // Woken later than it asked for, it did not read what came meanwhile.
            let overslept = woke.saturating_sub(before + wait);
            self.turn.saturating_record(overslept.max(self.stage.now - woke).max(1));
        }
        self.tell_second();
        Ok(())
    }

    fn tell_second(&mut self) {
        if self.stage.now < self.next_second {
            return;
        }
        self.next_second += SECOND_NS;
        let series = self.stage.recorder.tick(self.stage.now);
        let elapsed = match self.stage.recorder.begins() {
            Some(from) => Elapsed::Load((self.stage.now as f64 - from as f64) / SECOND_NS as f64),
            None => Elapsed::Ramp,
        };
        self.watch.second(&self.stage, &self.lag, elapsed, series);
    }
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
