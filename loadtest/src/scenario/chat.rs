//! Customers and agents talk: from the intended send to the answer, and to the other side's screen.

use super::talk::Talk;
use super::{Built, Scenario};
use crate::engine::{Asked, Stage, schedule};
use crate::measure::Nanos;
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened, Side};

/// Customers write on the schedule; with a think time, agents answer each message that long after they saw it.
struct Chat {
    talk: Talk,
}

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (ground, talk) = Talk::build(settings, tokens)?;
    Ok((ground, Box::new(Chat { talk })))
}

impl Scenario for Chat {
    fn hosts(&self) -> u32 {
        self.talk.hosts()
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun && (begun < stage.clients.len() as u32 || self.talk.is_assigned())
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        let size = stage.settings.payload_bytes as usize;
        for _ in 0..stage.settings.closed_window.unwrap_or(0) {
            for conversation in 0..self.talk.len() {
                self.talk.say(stage, conversation, Side::Customer, size, stage.now);
            }
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        let conversation = self.talk.next();
        self.talk.say(stage, conversation, Side::Customer, stage.settings.payload_bytes as usize, intended);
    }

    fn cue(&mut self, stage: &mut Stage<'_>, conversation: u32, intended: Nanos) {
        if !stage.is_loaded() {
            return;
        }
        self.talk.say(stage, conversation, Side::Agent, stage.settings.payload_bytes as usize, intended);
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        self.talk.opened(stage, client, opened);
    }

    fn ready(&mut self, stage: &mut Stage<'_>, client: u32) {
        // Back after a loss: what was missed is asked for.
        if stage.is_loaded() {
            self.talk.sync(stage, client, stage.now);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        stage.come_back(client);
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        self.talk.answered(stage, asked, success, data);
        let closed = stage.settings.closed_window.is_some() && stage.is_loaded();
        if closed && let Some(conversation) = self.talk.written_by_customer(asked) {
            self.talk.say(stage, conversation, Side::Customer, stage.settings.payload_bytes as usize, stage.now);
        }
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        let Some(word) = self.talk.heard(stage, client, heard) else { return };
        if word.by == Side::Customer
            && client < self.talk.agents()
            && !stage.settings.think.is_zero()
            && stage.is_loaded()
        {
            let think = stage.settings.think.as_nanos() as f64 * schedule::exponential(&mut stage.rng);
            stage.act_at(stage.now + think as Nanos, word.conversation);
        }
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        self.talk.is_settled(stage)
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        self.talk.finish(stage);
    }
}
