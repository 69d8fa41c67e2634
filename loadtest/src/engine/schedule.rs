//! When things are due: the open-loop schedule of actions, fixed before anything is sent, and an agenda for
//! everything else. Neither ever waits for an answer; that is what makes a late server visible.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::measure::Nanos;
use crate::settings::{Arrivals, Phase};

const SECOND_NS: f64 = 1e9;

/// The actions' due times: a rate that is a straight line within each phase, met evenly or as a Poisson process.
#[derive(Debug)]
pub struct Schedule {
    start: Nanos,
    phases: Vec<Stretch>,
    arrivals: Arrivals,
    /// Actions since the start, as the integral of the rate; a due action is one more.
    next: f64,
    due: Option<Nanos>,
}

#[derive(Debug)]
struct Stretch {
    /// Seconds since the start.
    begins: f64,
    seconds: f64,
    rate_from: f64,
    rate_to: f64,
    /// Actions before it.
    before: f64,
}

impl Stretch {
    fn actions(&self) -> f64 {
        (self.rate_from + self.rate_to) / 2.0 * self.seconds
    }

    /// When `actions` of this stretch have been due, in seconds since its start: the root of
    /// `rate_from t + (rate_to - rate_from) t^2 / (2 seconds) = actions`, in the form that is stable for a flat rate.
    fn time_of(&self, actions: f64) -> f64 {
        let slope = (self.rate_to - self.rate_from) / self.seconds;
        let root = (self.rate_from * self.rate_from + 2.0 * slope * actions).max(0.0).sqrt();
        if actions <= 0.0 { 0.0 } else { 2.0 * actions / (self.rate_from + root) }
    }
}

impl Schedule {
    /// The phases one after the other from `start`; this process does `share` of all actions.
    pub fn new(start: Nanos, phases: &[Phase], share: f64, arrivals: Arrivals, rng: &mut fastrand::Rng) -> Self {
        let (mut begins, mut before) = (0.0, 0.0);
        let mut stretches = Vec::with_capacity(phases.len());
        for phase in phases {
            let seconds = phase.duration.as_secs_f64();
            let (rate_from, rate_to) = (phase.rate_from * share, phase.rate_to * share);
            let stretch = Stretch { begins, seconds, rate_from, rate_to, before };
            begins += seconds;
            before += stretch.actions();
            stretches.push(stretch);
        }
        let mut schedule = Self { start, phases: stretches, arrivals, next: 0.0, due: None };
        // Not at a whole step, so that several processes are not in step with each other.
        schedule.next = match arrivals {
            Arrivals::Constant => 1.0 - rng.f64(),
            Arrivals::Poisson => exponential(rng),
        };
        schedule.due = schedule.time_of_next();
        schedule
    }

    /// When the next action is due; `None` after the last.
    pub fn due(&self) -> Option<Nanos> {
        self.due
    }

    /// The next action was taken.
    pub fn advance(&mut self, rng: &mut fastrand::Rng) {
        self.next += match self.arrivals {
            Arrivals::Constant => 1.0,
            Arrivals::Poisson => exponential(rng),
        };
        self.due = self.time_of_next();
    }

    fn time_of_next(&self) -> Option<Nanos> {
        let stretch = self.phases.iter().find(|stretch| self.next < stretch.before + stretch.actions())?;
        let seconds = stretch.begins + stretch.time_of(self.next - stretch.before);
        Some(self.start + (seconds * SECOND_NS) as Nanos)
    }
}

/// A draw from the exponential distribution with mean 1.
pub fn exponential(rng: &mut fastrand::Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

/// What is to be done at a moment of its own, for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cue {
    /// The engine opens its socket.
    Open,
    /// The scenario goes on with it: think time is over, say.
    Act,
}

/// The agenda: cues by time, those of one moment in the order they were made.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<(Nanos, u64, Cue, u32)>>,
    made: u64,
}

impl Agenda {
    /// Adds a cue for a client.
    pub fn add(&mut self, at: Nanos, cue: Cue, client: u32) {
        self.made += 1;
        self.heap.push(Reverse((at, self.made, cue, client)));
    }

    /// When the next is due.
    pub fn due(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next, if it is due.
    pub fn take(&mut self, now: Nanos) -> Option<(Nanos, Cue, u32)> {
        if self.due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, cue, client))| (at, cue, client))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn phase(seconds: u64, rate_from: f64, rate_to: f64) -> Phase {
        Phase { name: String::new(), duration: Duration::from_secs(seconds), rate_from, rate_to }
    }

    fn all(phases: &[Phase], arrivals: Arrivals) -> Vec<Nanos> {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut schedule = Schedule::new(1_000, phases, 1.0, arrivals, &mut rng);
        let mut due = Vec::new();
        while let Some(at) = schedule.due() {
            due.push(at);
            schedule.advance(&mut rng);
        }
        due
    }

    #[test]
    fn a_constant_rate_is_even() {
        let due = all(&[phase(10, 100.0, 100.0)], Arrivals::Constant);
        assert_eq!(due.len(), 1000);
        for pair in due.windows(2) {
            assert!((pair[1] - pair[0]).abs_diff(10_000_000) <= 1, "{pair:?}");
        }
    }

    #[test]
    fn a_rising_rate_follows_its_line() {
        let due = all(&[phase(10, 0.0, 200.0), phase(5, 200.0, 200.0)], Arrivals::Constant);
        assert_eq!(due.len(), 2000);
        // After half the time of a line from zero, a quarter of its actions.
        let half = due.iter().filter(|at| **at < 5_000_001_000).count();
        assert!((249..=251).contains(&half), "{half}");
        assert!(due.is_sorted());
    }

    #[test]
    fn a_poisson_process_has_its_mean_and_its_spread() {
        let due = all(&[phase(100, 100.0, 100.0)], Arrivals::Poisson);
        assert!((9_700..10_300).contains(&due.len()), "{}", due.len());
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential distribution's deviation is its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{}", variance.sqrt() / mean);
    }

    #[test]
    fn the_agenda_is_in_order_of_time_then_of_making() {
        let mut agenda = Agenda::default();
        for (at, client) in [(5, 1), (3, 2), (5, 3), (9, 4)] {
            agenda.add(at, Cue::Act, client);
        }
        let mut taken = Vec::new();
        while let Some((_, _, client)) = agenda.take(5) {
            taken.push(client);
        }
        assert_eq!(taken, [2, 1, 3]);
        assert_eq!(agenda.due(), Some(9));
    }
}
