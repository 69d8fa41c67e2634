//! One message to all sockets of a party, a customer's devices or an agent's screens: the first delivery, the last,
//! and each.

use std::collections::VecDeque;

use super::stream::Stream;
use super::talk::Talk;
use super::{Built, Scenario, cast};
use crate::engine::{Asked, Client, Ground, Stage};
use crate::measure::{Metric, Nanos};
use crate::settings::{Fan, Settings};
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Heard, Opened, Side, Stamp};

/// One client writes, all others hear: an agent and one customer's many devices, a customer and one agent's many
/// screens, or the clients of a bare WebSocket that gives every text to all others.
struct Fanout {
    talk: Option<Talk>,
    by: Side,
    /// Without conversations: what each listener heard, and what was sent.
    streams: Vec<Stream>,
    sent: u32,
    listeners: u32,
    /// Messages not heard by everybody yet, by number.
    flights: VecDeque<Flight>,
}

struct Flight {
    number: u32,
    intended: Nanos,
    heard: u32,
}

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (first, listeners) = cast::share(settings, settings.connections);
    let (ground, talk) = if settings.has_desk() {
        // One agent and one customer a process.
        let each = settings.connections / settings.processes;
        let (devices, screens) = match settings.fan {
            Fan::Devices => (each, 1),
            Fan::Screens => (1, each),
        };
        let one_each = Settings {
            devices,
            agents: settings.processes,
            connections: devices * settings.processes,
            ..settings.clone()
        };
        let (ground, talk) = Talk::with_screens(&one_each, tokens, screens)?;
        (ground, Some(talk))
    } else {
        let mut ground = Ground { parties: Vec::new(), clients: Vec::new() };
        for index in 0..=listeners {
            ground.parties.push(cast::user(settings, tokens, first + index)?);
            ground.clients.push(Client::of(index));
        }
        (ground, None)
    };
    let listeners = ground.clients.len() as u32 - 1;
    let streams = if talk.is_some() { Vec::new() } else { vec![Stream::default(); listeners as usize + 1] };
    let by = match settings.fan {
        Fan::Devices => Side::Agent,
        Fan::Screens => Side::Customer,
    };
    Ok((ground, Box::new(Fanout { talk, by, streams, sent: 0, listeners, flights: VecDeque::new() })))
}

impl Fanout {
    fn write(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        let size = stage.settings.payload_bytes as usize;
        match &mut self.talk {
            Some(talk) => {
                if !talk.say(stage, 0, self.by, size, intended) {
                    return;
                }
            }
            None => {
                let mut content = String::new();
                Stamp { number: self.sent + 1, intended }.write(size, &mut content);
                stage.publish(0, &content);
            }
        }
        self.sent += 1;
        self.flights.push_back(Flight { number: self.sent, intended, heard: 0 });
    }

    fn delivered(&mut self, stage: &mut Stage<'_>, number: u32) {
        let Some(first) = self.flights.front().map(|flight| flight.number) else { return };
        let Some(flight) = number.checked_sub(first).and_then(|at| self.flights.get_mut(at as usize)) else { return };
        flight.heard += 1;
        let intended = flight.intended;
        let (is_first, is_last) = (flight.heard == 1, flight.heard == self.listeners);
        if is_first {
            stage.record(Metric::First, intended);
        }
        if is_last {
            stage.record(Metric::Last, intended);
            while self.flights.front().is_some_and(|flight| flight.heard == self.listeners) {
                self.flights.pop_front();
            }
            if stage.settings.closed_window.is_some() && stage.is_loaded() {
                self.write(stage, stage.now);
            }
        }
    }

    fn overheard(&mut self, stage: &mut Stage<'_>, client: u32, content: &str) -> Option<Stamp> {
        let stamp = Stamp::read(content)?;
        let take = self.streams[client as usize].take(stamp.number);
        take.account(stage, stamp.intended).then_some(stamp)
    }
}

impl Scenario for Fanout {
    fn hosts(&self) -> u32 {
        self.talk.as_ref().map_or(0, Talk::hosts)
    }

    fn is_in_place(&self, stage: &Stage<'_>, begun: u32) -> bool {
        let all = begun == stage.clients.len() as u32;
        stage.ready >= begun && (!all || self.talk.as_ref().is_none_or(Talk::is_assigned))
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        for _ in 0..stage.settings.closed_window.unwrap_or(0) {
            self.write(stage, stage.now);
        }
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        self.write(stage, intended);
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        if let Some(talk) = &mut self.talk {
            talk.opened(stage, client, opened);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        stage.come_back(client);
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        if let Some(talk) = &mut self.talk {
            talk.answered(stage, asked, success, data);
        }
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        let stamp = match (&mut self.talk, heard) {
            (Some(talk), heard) => talk.heard(stage, client, heard).map(|word| word.stamp),
            (None, Heard::Message { content, .. }) => self.overheard(stage, client, content),
            (None, _) => None,
        };
        if let Some(stamp) = stamp {
            self.delivered(stage, stamp.number);
        }
    }

    fn is_settled(&self, stage: &Stage<'_>) -> bool {
        stage.unanswered() == 0 && self.flights.is_empty()
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        match &self.talk {
            Some(talk) => talk.finish(stage),
            None => {
                let heard: u64 = self.streams.iter().map(|stream| u64::from(stream.distinct())).sum();
                let accounts = &mut stage.accounts;
                accounts.acknowledged = accounts.sent;
                accounts.due += accounts.sent * u64::from(self.listeners);
                accounts.missing += accounts.due.saturating_sub(heard);
            }
        }
    }
}
