//! All sockets cut at once: back, logged in, resumed, nothing missing.

use super::talk::Talk;
use super::{Built, Scenario};
use crate::engine::{Ask, Asked, Stage};
use crate::measure::{Metric, Nanos};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened, Side};

/// Every customer's socket is cut; while they are away the agents write to some of them; all come back at once, log
/// in and ask for what they missed. When all are back it happens again, until the window ends.
struct Reconnect {
    talk: Talk,
    cut_at: Nanos,
    /// Clients on their way back that were not opened yet.
    outside: Vec<u32>,
    opening: u32,
    /// Clients that have not resumed yet.
    away: u32,
}

/// Agents write to so many customers while these are away.
const WRITTEN_TO: u32 = 1000;
/// Sockets being opened at once: more would overflow the listener's backlog, whose answer is a second's silence.
const OPENING_MAX: u32 = 1024;
const PAUSE_NS: Nanos = 2_000_000_000;

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (ground, talk) = Talk::build(settings, tokens)?;
    Ok((ground, Box::new(Reconnect { talk, cut_at: 0, outside: Vec::new(), opening: 0, away: 0 })))
}

impl Reconnect {
    fn open_some(&mut self, stage: &mut Stage<'_>) {
        while self.opening < OPENING_MAX {
            let Some(client) = self.outside.pop() else { return };
            self.opening += 1;
            stage.open_at(self.cut_at, client);
        }
    }
}

impl Scenario for Reconnect {
    fn shows_memory(&self, clients: usize) -> bool {
        clients >= super::MEMORY_MIN_CLIENTS
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun && (begun < stage.clients.len() as u32 || self.talk.is_assigned())
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        if let Some(from) = stage.recorder.begins() {
            stage.act_at(from + PAUSE_NS / 4, 0);
        }
    }

    fn act(&mut self, _stage: &mut Stage<'_>, _intended: Nanos) {}

    fn cue(&mut self, stage: &mut Stage<'_>, _about: u32, intended: Nanos) {
        self.cut_at = intended;
        stage.count("storms");
        let customers: Vec<u32> = (self.talk.agents()..stage.clients.len() as u32).collect();
        for client in &customers {
            // A client that comes back knows its conversation.
            stage.clients[*client as usize].opens = false;
            stage.cut(*client);
        }
        for conversation in 0..WRITTEN_TO.min(self.talk.len()) {
            self.talk.say(stage, conversation, Side::Agent, stage.settings.payload_bytes as usize, intended);
        }
        self.away = customers.len() as u32;
        self.outside = customers;
        self.open_some(stage);
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        self.talk.opened(stage, client, opened);
    }

    fn ready(&mut self, stage: &mut Stage<'_>, client: u32) {
        if self.cut_at != 0 && client >= self.talk.agents() {
            self.opening = self.opening.saturating_sub(1);
            self.talk.sync(stage, client, self.cut_at);
            self.open_some(stage);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        self.opening = self.opening.saturating_sub(1);
        stage.come_back(client);
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        if asked.ask != Ask::Sync || !success {
            return self.talk.answered(stage, asked, success, data);
        }
        if self.talk.synced(stage, asked, data) {
            stage.record(Metric::Resume, asked.intended);
            self.away = self.away.saturating_sub(1);
            if self.away == 0 {
                stage.record(Metric::Last, self.cut_at);
                if stage.is_loaded() {
                    stage.act_at(stage.now + PAUSE_NS, 0);
                }
            }
        }
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        self.talk.heard(stage, client, heard);
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        self.away == 0 && self.talk.is_settled(stage)
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        if self.away > 0 {
            let away = self.away;
            stage.fault(|| format!("{away} clients were not back and resumed at the end"));
        }
        self.talk.finish(stage);
    }
}
