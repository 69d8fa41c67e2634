//! Pings, messages both ways, read marks, syncs and reconnects, by weight.

use super::talk::Talk;
use super::{Built, Scenario};
use crate::engine::{Asked, Stage};
use crate::measure::Nanos;
use crate::settings::{Mix, Settings};
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened, Side};

/// Each action is drawn by its weight and done in a conversation drawn at random.
struct Mixed {
    talk: Talk,
}

#[derive(Clone, Copy)]
enum Action {
    Ping,
    Customer,
    Agent,
    Read,
    Sync,
    Reconnect,
}

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (ground, talk) = Talk::build(settings, tokens)?;
    Ok((ground, Box::new(Mixed { talk })))
}

fn draw(mix: &Mix, rng: &mut fastrand::Rng) -> Action {
    let weights = [
        (mix.ping, Action::Ping),
        (mix.customer, Action::Customer),
        (mix.agent, Action::Agent),
        (mix.read, Action::Read),
        (mix.sync, Action::Sync),
        (mix.reconnect, Action::Reconnect),
    ];
    let mut left = rng.f64() * weights.iter().map(|(weight, _)| weight).sum::<f64>();
    for (weight, action) in weights {
        if left < weight {
            return action;
        }
        left -= weight;
    }
    Action::Ping
}

impl Scenario for Mixed {
    fn hosts(&self) -> u32 {
        self.talk.hosts()
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun && (begun < stage.clients.len() as u32 || self.talk.is_assigned())
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        let conversation = stage.rng.u32(0..self.talk.len());
        let client = self.talk.customer(conversation, 0);
        let action = draw(&stage.settings.mix, &mut stage.rng);
        if !stage.clients[client as usize].is_ready() {
            return stage.count("skipped");
        }
        let size = stage.settings.payload_bytes as usize;
        match action {
            Action::Ping => stage.ping(client, intended),
            Action::Customer => {
                self.talk.say(stage, conversation, Side::Customer, size, intended);
            }
            Action::Agent => {
                self.talk.say(stage, conversation, Side::Agent, size, intended);
            }
            Action::Read => self.talk.read(stage, conversation, intended),
            Action::Sync => self.talk.sync(stage, client, intended),
            Action::Reconnect => {
                stage.count("reconnects");
                stage.cut(client);
                stage.open_at(intended, client);
            }
        }
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        self.talk.opened(stage, client, opened);
    }

    fn ready(&mut self, stage: &mut Stage<'_>, client: u32) {
        if stage.recorder.begins().is_some() {
            self.talk.sync(stage, client, stage.now);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        stage.come_back(client);
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        self.talk.answered(stage, asked, success, data);
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        self.talk.heard(stage, client, heard);
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        self.talk.is_settled(stage)
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        self.talk.finish(stage);
    }
}
