//! The loop with a scenario that does nothing but be late, and nobody to talk to.

use super::*;
use crate::engine::Ground;
use crate::settings::Settings;
use crate::settings::tests::settings;

/// Counts its actions; one of them holds the loop up.
struct Late {
    acts: u32,
    held_up_at: u32,
    for_so_long: Duration,
}

impl Scenario for Late {
    fn act(&mut self, _stage: &mut Stage<'_>, _intended: Nanos) {
        self.acts += 1;
        if self.acts == self.held_up_at {
            std::thread::sleep(self.for_so_long);
        }
    }

    fn lost(&mut self, _stage: &mut Stage<'_>, _client: u32) {}
}

#[derive(Default)]
struct Onlooker {
    windows: [u32; 2],
    stops_after: Option<u32>,
    looked: std::cell::Cell<u32>,
}

impl Watch for Onlooker {
    fn may_begin(&mut self) -> bool {
        true
    }

    fn window_begins(&mut self) {
        self.windows[0] += 1;
    }

    fn window_ends(&mut self) {
        self.windows[1] += 1;
    }

    fn second(&mut self, _stage: &Stage<'_>, _lag: &Histogram<u64>, _elapsed: Elapsed, _series: Vec<Series>) {}

    fn server_rss(&mut self) -> Option<u64> {
        None
    }

    fn is_told_to_stop(&self) -> bool {
        self.looked.set(self.looked.get() + 1);
        self.stops_after.is_some_and(|after| self.looked.get() > after)
    }
}

/// 100 actions a second for 300 ms.
fn short(drain: Duration) -> Settings {
    let phase = Phase { name: String::new(), duration: Duration::from_millis(300), rate_from: 100.0, rate_to: 100.0 };
    Settings { phases: vec![phase], ramp: Duration::ZERO, warm_up: Duration::ZERO, drain, ..settings(0, 1) }
}

/// Actions done, actions whose lag is known, the largest lag, and those not done.
fn driven(drain: Duration, mut scenario: Late) -> (u32, u64, Duration, u64) {
    let settings = short(drain);
    let stage = Stage::new(&settings, Ground { parties: Vec::new(), clients: Vec::new() }, clock::now()).unwrap();
    let mut onlooker = Onlooker::default();
    let mut drive = Drive::new(stage, &mut scenario, &mut onlooker);
    drive.run().unwrap();
    let (stage, lag, _) = drive.into_parts();
    let not_done = stage.counters.get("not_done").copied().unwrap_or(0);
    assert_eq!(onlooker.windows, [1, 1]);
    (scenario.acts, lag.len(), Duration::from_nanos(lag.max()), not_done)
}

#[test]
fn every_action_is_done() {
    let late = Late { acts: 0, held_up_at: 0, for_so_long: Duration::ZERO };
    let (acts, lags, _, not_done) = driven(Duration::from_secs(1), late);
    assert_eq!((acts, lags, not_done), (30, 30, 0));
}

/// The last five are due while the loop is held up past the window's end.
#[test]
fn what_is_late_at_the_end_is_done_and_known_as_late() {
    let late = Late { acts: 0, held_up_at: 25, for_so_long: Duration::from_millis(200) };
    let (acts, lags, longest, not_done) = driven(Duration::from_secs(5), late);
    assert_eq!((acts, lags, not_done), (30, 30, 0));
    assert!(longest >= Duration::from_millis(180), "{longest:?}");
}

#[test]
fn what_is_too_late_to_be_done_is_known_as_late_too() {
    let late = Late { acts: 0, held_up_at: 25, for_so_long: Duration::from_millis(400) };
    let (acts, lags, longest, not_done) = driven(Duration::from_millis(50), late);
    assert_eq!((acts + not_done as u32, lags), (30, 30));
    assert!(not_done >= 1, "{acts} done");
    assert!(longest >= Duration::from_millis(380), "{longest:?}");
}

/// What was not due yet is nobody's fault.
#[test]
fn a_stop_ends_the_window() {
    let settings = short(Duration::ZERO);
    let stage = Stage::new(&settings, Ground { parties: Vec::new(), clients: Vec::new() }, clock::now()).unwrap();
    let mut scenario = Late { acts: 0, held_up_at: 0, for_so_long: Duration::ZERO };
    let mut onlooker = Onlooker { stops_after: Some(10), ..Onlooker::default() };
    let mut drive = Drive::new(stage, &mut scenario, &mut onlooker);
    drive.run().unwrap();
    let (stage, ..) = drive.into_parts();
    assert!(stage.recorder.measured_s() < 0.25 && !stage.is_loaded(), "{} s", stage.recorder.measured_s());
    assert!(!stage.counters.contains_key("not_done"), "what was not due yet is not owed");
    assert!(scenario.acts < 30);
}
