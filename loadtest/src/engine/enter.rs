//! How a client gets in: it connects, asks over HTTP for what it needs first, upgrades, logs in, and says its first
//! message, as far as its dialect has that. Knows no scenario but to tell it.

use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use switchboard_protocol::frame::handshake::{self, Answer as Upgrade};

use super::client::Progress;
use super::line::{http_answer, write_request};
use super::pending::Asked;
use super::poll::Interest;
use super::socket::Socket;
use super::stage::{Stage, token_of};
use crate::measure::{Metric, Nanos};
use crate::scenario::Scenario;
use crate::wire::{Ask, Entered};

/// Of a [`super::Client::narrow`] one.
const NARROW_RECEIVE_BYTES: usize = 4096;

impl Stage<'_> {
    /// Opens a client's socket, which was due at `intended`. The scenario hears of it when it may act, or when it
    /// is lost.
    pub fn open(&mut self, scenario: &mut dyn Scenario, client: u32, intended: Nanos) {
        let source = self.source_of(client);
        let entry = &mut self.clients[client as usize];
        if entry.progress != Progress::Away {
            return;
        }
        entry.since = intended;
        entry.progress = Progress::Connecting;
        let receive = entry.narrow.then_some(NARROW_RECEIVE_BYTES);
        let token = token_of(client, entry.generation);
        self.count("opened");
        let opened = Socket::connect(self.settings.target.address, source, receive).and_then(|socket| {
            let interest = self.begin(client, &socket)?;
            self.poll.add(&socket, token, interest).map(|()| socket)
        });
        match opened {
            Ok(socket) => self.clients[client as usize].socket = Some(socket),
            Err(error) => self.lost(scenario, client, &format!("connect: {error}")),
        }
    }

    /// Sends the first request of a socket, which a near server has often accepted before connect(2) comes back: that
    /// saves a turn and two calls a connection. What it is to be watched for from now on.
    fn begin(&mut self, client: u32, socket: &Socket) -> io::Result<Interest> {
        let request = self.first_request(client);
        match socket.send(&request) {
            Ok(taken) if taken == request.len() => Ok(Interest::Read),
            Ok(taken) => {
                self.clients[client as usize].unsent.extend_from_slice(&request[taken..]);
                Ok(Interest::ReadWrite)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clients[client as usize].progress = Progress::Connecting;
                Ok(Interest::ReadWrite)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn source_of(&self, client: u32) -> Option<IpAddr> {
        let addresses = &self.settings.source_addrs;
        (!addresses.is_empty()).then(|| addresses[client as usize % addresses.len()])
    }

    pub(super) fn connected(&mut self, scenario: &mut dyn Scenario, client: u32) {
        let entry = &mut self.clients[client as usize];
        let Some(socket) = &entry.socket else { return };
        if let Err(error) = socket.connected() {
            return self.lost(scenario, client, &format!("connect: {error}"));
        }
        let request = self.first_request(client);
        self.watch(client);
        self.transmit(client, &request);
    }

    fn first_request(&mut self, client: u32) -> Vec<u8> {
        let wire = self.wire(client);
        let entry = &mut self.clients[client as usize];
        let party = &self.parties[entry.party as usize];
        let mut request = Vec::new();
        match wire.entrance(party, entry.opens, &self.group) {
            Some(call) => {
                entry.progress = Progress::Entering;
                let token = call.signed.then_some(party.token.as_str());
                write_request(&call.path, &self.settings.target.host, token, call.body.as_deref(), &mut request);
            }
            None => self.write_upgrade(client, &mut request),
        }
        request
    }

    fn write_upgrade(&mut self, client: u32, request: &mut Vec<u8>) {
        let wire = self.wire(client);
        let entry = &mut self.clients[client as usize];
        entry.progress = Progress::Upgrading;
        self.rng.fill(&mut entry.key);
        let target = &self.settings.target;
        let named = || wire.path(&self.parties[entry.party as usize]);
        let path = target.path.clone().unwrap_or_else(named);
        handshake::write_request(request, &target.host, &path, &BASE64.encode(entry.key), &[]);
    }

    pub(super) fn entrance_answer(&mut self, scenario: &mut dyn Scenario, client: u32) {
        let wire = self.wire(client);
        let entry = &mut self.clients[client as usize];
        let Some((status, body, _)) = http_answer(&entry.head) else { return };
        let entered = if matches!(status, 200 | 201) { wire.entered(body) } else { None };
        let Some(entered) = entered else {
            self.count("refused_openings");
            let hint = if status == 429 { " (webchat.token_rate_per_minute)" } else { "" };
            return self.lost(scenario, client, &format!("it was not let in: HTTP {status}{hint}"));
        };
        entry.head = Vec::new();
        match entered {
            Entered::Opened(opened) => scenario.opened(self, client, opened),
            Entered::Token(token) => {
                let party = entry.party as usize;
                self.parties[party].token = token;
            }
        }
        if self.clients[client as usize].errand {
            return self.cut(client);
        }
        let mut request = Vec::new();
        self.write_upgrade(client, &mut request);
        self.transmit(client, &request);
    }

    pub(super) fn upgrade_answer(&mut self, scenario: &mut dyn Scenario, client: u32) {
        let entry = &mut self.clients[client as usize];
        let open = match handshake::check_answer(&entry.head, &BASE64.encode(entry.key)) {
            Ok(Upgrade::Incomplete) => return,
            Ok(Upgrade::Open(head)) => head,
            Ok(Upgrade::Refused(status)) => {
                self.count("refused_upgrades");
                return self.lost(scenario, client, &format!("the upgrade was refused: HTTP {status}"));
            }
            Err(error) => return self.lost(scenario, client, &format!("the upgrade's answer: {error}")),
        };
        let head = std::mem::take(&mut entry.head);
        let since = entry.since;
        self.record(Metric::Connect, since);
        let abilities = self.wire(client).abilities();
        if abilities.desk && !abilities.named_paths {
            self.clients[client as usize].progress = Progress::LoggingIn;
            let asked = Asked { ask: Ask::Login, client, about: 0, intended: self.now };
            self.request(asked, 0, |wire, party, op, out| wire.login(&party.token, op, out));
        } else {
            if abilities.desk {
                self.count("logins");
            }
            self.became_ready(scenario, client);
        }
        if open < head.len() && self.clients[client as usize].progress != Progress::Away {
            let mut rest = head[open..].to_vec();
            self.frames(scenario, client, &mut rest);
        }
    }

    pub(super) fn became_ready(&mut self, scenario: &mut dyn Scenario, client: u32) {
        let greets = self.wire(client).abilities().greets;
        let entry = &mut self.clients[client as usize];
        entry.progress = Progress::Ready;
        let greets = greets && entry.opens;
        self.ready += 1;
        scenario.ready(self, client);
        if greets {
            self.greet(client, self.now);
        }
    }
}
