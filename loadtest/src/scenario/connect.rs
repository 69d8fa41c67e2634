//! Handshakes and logins per second: on a schedule connections come, stay for the think time, and go.

use super::{Built, Scenario, cast};
use crate::engine::{Client, Ground, Stage};
use crate::measure::Nanos;
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};

/// `connections` is how many may be there at once; whoever comes takes a place that is free.
struct Connect {
    free: Vec<u32>,
    due: Vec<Nanos>,
}

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (first, count) = cast::share(settings, settings.connections);
    let mut ground = Ground { parties: Vec::new(), clients: Vec::new() };
    for index in 0..count {
        ground.parties.push(cast::peer(settings, tokens, first + index)?);
        ground.clients.push(Client::of(index));
    }
    Ok((ground, Box::new(Connect { free: (0..count).collect(), due: vec![0; count as usize] })))
}

impl Connect {
    fn come(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        match self.free.pop() {
            Some(client) => {
                self.due[client as usize] = intended;
                stage.open_at(intended, client);
            }
            None => stage.count("no_place_free"),
        }
    }

    fn gone(&mut self, stage: &mut Stage<'_>, client: u32) {
        self.free.push(client);
        if stage.settings.closed_window.is_some() && stage.is_loaded() {
            self.come(stage, stage.now);
        }
    }
}

impl Scenario for Connect {
    fn ramp(&self, _stage: &Stage<'_>) -> Vec<u32> {
        Vec::new()
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        for _ in 0..stage.settings.closed_window.unwrap_or(0) {
            self.come(stage, stage.now);
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        self.come(stage, intended);
    }

    fn ready(&mut self, stage: &mut Stage<'_>, client: u32) {
        stage.count("connections");
        let stay = u64::try_from(stage.settings.think.as_nanos()).unwrap_or(u64::MAX);
        stage.act_at(stage.now.saturating_add(stay), client);
    }

    fn cue(&mut self, stage: &mut Stage<'_>, client: u32, _intended: Nanos) {
        if stage.clients[client as usize].is_ready() {
            stage.cut(client);
            self.gone(stage, client);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        self.gone(stage, client);
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        self.free.len() == stage.clients.len()
    }
}
