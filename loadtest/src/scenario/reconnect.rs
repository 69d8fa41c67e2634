//! All sockets cut at once: back, logged in, resumed, nothing missing.

use super::talk::Talk;
use super::{Built, Scenario};
use crate::engine::{Asked, Stage};
use crate::measure::{Metric, Nanos};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Ask, Heard, Opened, Side};

/// Every customer's socket is cut; while they are away the agents write to some of them; all come back at once, log
/// in and ask for what they missed. When all are back it happens again at the next moment that is the same for all
/// processes, until the window ends: a storm is of all sockets, whoever holds them.
struct Reconnect {
    talk: Talk,
    cut_at: Nanos,
    /// Clients on their way back that were not opened yet.
    outside: Vec<u32>,
    opening: u32,
    /// Clients that have not resumed yet.
    away: u32,
}

/// Agents of all processes write to so many customers while these are away.
const WRITTEN_TO: u32 = 1000;
/// Sockets being opened at once by all processes: more would overflow the listener's backlog, whose answer is a second's silence.
const OPENING_MAX: u32 = 1024;
/// Sockets are cut at this time after the start of the window, and again at whole multiples of [`EVERY_NS`] later.
const FIRST_NS: Nanos = 500_000_000;
const EVERY_NS: Nanos = 4_000_000_000;
/// All are back for so long before they are cut again.
const REST_NS: Nanos = 1_000_000_000;

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (ground, talk) = Talk::build(settings, tokens)?;
    Ok((ground, Box::new(Reconnect { talk, cut_at: 0, outside: Vec::new(), opening: 0, away: 0 })))
}

impl Reconnect {
    fn open_some(&mut self, stage: &mut Stage<'_>) {
        while self.opening < (OPENING_MAX / stage.settings.processes).max(1) {
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

    fn hosts(&self) -> u32 {
        self.talk.hosts()
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        stage.ready >= begun && (begun < stage.clients.len() as u32 || self.talk.is_assigned())
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        if let Some(from) = stage.recorder.begins() {
            stage.act_at(from + FIRST_NS, 0);
        }
    }

    fn act(&mut self, _stage: &mut Stage<'_>, _intended: Nanos) {}

    fn cue(&mut self, stage: &mut Stage<'_>, _about: u32, intended: Nanos) {
        // Nobody would wait for the last of a storm that begins after the window.
        if !stage.is_loaded() {
            return;
        }
        self.cut_at = intended;
        if stage.settings.process == 0 {
            stage.count("storms");
        }
        let customers: Vec<u32> = (self.talk.agents()..stage.clients.len() as u32).collect();
        for client in &customers {
            // A client that comes back knows its conversation.
            stage.clients[*client as usize].opens = false;
            stage.cut(*client);
        }
        for conversation in 0..WRITTEN_TO.div_ceil(stage.settings.processes).min(self.talk.len()) {
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
                    stage.act_at(next_storm(self.cut_at, stage.now), 0);
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

/// The storm after the one of `cut_at`, whose last client was back at `back_at`.
fn next_storm(cut_at: Nanos, back_at: Nanos) -> Nanos {
    let rested = (back_at + REST_NS).saturating_sub(cut_at);
    cut_at + rested.div_ceil(EVERY_NS).max(1) * EVERY_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_are_back_at_different_times_are_cut_together() {
        let cut_at = 7 + FIRST_NS;
        for back_after in [1, 900_000_000, 1_500_000_000, EVERY_NS - REST_NS] {
            assert_eq!(next_storm(cut_at, cut_at + back_after), cut_at + EVERY_NS, "{back_after}");
        }
        // Too late for the rest: the one after, still in step.
        assert_eq!(next_storm(cut_at, cut_at + EVERY_NS - REST_NS + 1), cut_at + 2 * EVERY_NS);
    }
}
