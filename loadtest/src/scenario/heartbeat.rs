//! Idle sockets that ping on a schedule: answer latency, memory and CPU a socket.

use super::{Built, Scenario, cast};
use crate::engine::{Client, Ground, Stage};
use crate::measure::Nanos;
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};

/// Logged-in parties that only ping. `silent` of them never do: idle sockets beside busy ones.
struct Heartbeat {
    pinging: u32,
    turn: u32,
}

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (first, count) = cast::share(settings, settings.connections);
    let (_, idle) = cast::share(settings, settings.idle);
    let mut ground = Ground { parties: Vec::new(), clients: Vec::new() };
    for index in 0..count {
        ground.parties.push(cast::peer(settings, tokens, first + index)?);
        ground.clients.push(Client::of(index));
    }
    let pinging = count.saturating_sub(idle).max(1);
    Ok((ground, Box::new(Heartbeat { pinging, turn: 0 })))
}

impl Scenario for Heartbeat {
    fn shows_memory(&self, clients: usize) -> bool {
        clients >= super::MEMORY_MIN_CLIENTS
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        for client in 0..self.pinging {
            for _ in 0..stage.settings.closed_window.unwrap_or(0) {
                stage.ping(client, stage.now);
            }
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        self.turn = (self.turn + 1) % self.pinging;
        if stage.clients[self.turn as usize].is_ready() {
            stage.ping(self.turn, intended);
        } else {
            stage.count("skipped");
        }
    }

    fn ponged(&mut self, stage: &mut Stage<'_>, client: u32) {
        if stage.settings.closed_window.is_some() && stage.is_loaded() {
            stage.ping(client, stage.now);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        stage.come_back(client);
    }
}
