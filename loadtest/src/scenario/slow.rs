//! A few of the readers (`--stalled`) stall half-way: the others' latency, and the server's memory.
//!
//! The load is the same in both halves, or the ratio would be the load's.

use hdrhistogram::Histogram;

use super::talk::Talk;
use super::{Built, Scenario};
use crate::engine::{Asked, Stage};
use crate::measure::{Nanos, histogram};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened, Role, Side};

/// Agents write to the customers in turn; each fourth message goes to one of a few of them and is large. From the middle
/// of the window on these few do not read, so that their ways fill up; in the control they read on.
struct Slow {
    talk: Talk,
    half: Nanos,
    few: Vec<u32>,
    /// Every how many customers one of the few is.
    one_in: u32,
    turn: u32,
    /// Pushes to those that read, before and after the half.
    pushes: [Histogram<u64>; 2],
}

const LARGE_BYTES: usize = 8 * 1024;

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (mut ground, talk) = Talk::build(settings, tokens)?;
    let one_in = 100 / u32::from(settings.stalled_percent.max(1));
    let few: Vec<u32> = (0..talk.len()).step_by(one_in as usize).collect();
    for conversation in &few {
        ground.clients[talk.customer(*conversation, 0) as usize].narrow = true;
    }
    let pushes = [histogram(), histogram()];
    Ok((ground, Box::new(Slow { talk, half: Nanos::MAX, few, one_in, turn: 0, pushes })))
}

impl Scenario for Slow {
    fn hosts(&self) -> u32 {
        self.talk.hosts()
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun && (begun < stage.clients.len() as u32 || self.talk.is_assigned())
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        if let Some(from) = stage.recorder.begins() {
            self.half = from + stage.settings.measured().as_nanos() as Nanos / 2;
            stage.act_at(self.half, 0);
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn.is_multiple_of(4) {
            let conversation = self.few[(self.turn / 4) as usize % self.few.len()];
            let most = stage.settings.wire(Role::Agent).abilities().content_max_bytes;
            self.talk.say(stage, conversation, Side::Agent, LARGE_BYTES.min(most as usize), intended);
            return;
        }
        let conversation = self.talk.next();
        self.talk.say(stage, conversation, Side::Agent, stage.settings.payload_bytes as usize, intended);
    }

    fn cue(&mut self, stage: &mut Stage<'_>, _about: u32, _intended: Nanos) {
        if stage.settings.stalled_percent == 0 {
            return;
        }
        for conversation in &self.few {
            stage.stall(self.talk.customer(*conversation, 0), true);
            stage.count("stalled");
        }
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        self.talk.opened(stage, client, opened);
    }

    fn may_lose(&self, client: u32) -> bool {
        self.talk.seat(client).is_some_and(|(conversation, _)| conversation.is_multiple_of(self.one_in))
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        if !self.may_lose(client) {
            stage.come_back(client);
        }
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        self.talk.answered(stage, asked, success, data);
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        let Some(word) = self.talk.heard(stage, client, heard) else { return };
        let intended = word.stamp.intended;
        if stage.recorder.is_measured(intended) && !self.may_lose(client) {
            let half = usize::from(intended >= self.half);
            self.pushes[half].saturating_record(stage.now.saturating_sub(intended).max(1));
        }
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        self.talk.is_settled(stage)
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        self.talk.finish(stage);
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let [before, after] =
                self.pushes.each_ref().map(|pushes| pushes.value_at_quantile(quantile) as f64 / 1000.0);
            stage.figures.insert(format!("push_{name}_before_us"), before);
            stage.figures.insert(format!("push_{name}_stalled_us"), after);
            if before > 0.0 {
                stage.figures.insert(format!("push_{name}_ratio"), after / before);
            }
        }
    }
}
