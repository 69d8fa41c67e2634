//! What a scenario acts through: its clients, and what they may do. Every deed on a socket is here.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use switchboard_protocol::frame::{Incoming, Limits, Opcode, Role as End, write_masked};

use super::client::{Client, Progress};
use super::line::LINE_BIT;
use super::pending::{Asked, Pending};
use super::poll::{Interest, Poll, Ready};
use super::schedule::{Agenda, Cue};
use crate::measure::{Metric, Nanos, Recorder};
use crate::result::Accounts;
use crate::scenario::Scenario;
use crate::settings::{PingForm, Settings};
use crate::wire::{Ask, CONTENT_MIN_BYTES, Heard, Party, Role, Sheet, Stamp, To, Wire};

const READ_BUFFER_BYTES: usize = 256 * 1024;
const LIMITS: Limits = Limits { message_max_bytes: 16 * 1024 * 1024, binary: false, role: End::Client };
/// News dealt with in one turn of a closed loop, where nothing is due and many at once are cheapest.
const CLOSED_BATCH_SOCKETS: usize = 1024;
/// The same of an open loop: what falls due meanwhile waits for them, a few microseconds each.
const OPEN_BATCH_SOCKETS: usize = 32;

/// What a stage is built on.
#[derive(Debug)]
pub struct Ground {
    /// Who takes part.
    pub parties: Vec<Party>,
    /// Their sockets.
    pub clients: Vec<Client>,
}

/// The world as a scenario sees it.
pub struct Stage<'a> {
    /// What was asked for.
    pub settings: &'a Settings,
    /// Who takes part.
    pub parties: Vec<Party>,
    /// Their sockets.
    pub clients: Vec<Client>,
    /// Now, as of the last look at the clock.
    pub now: Nanos,
    /// All random choices.
    pub rng: fastrand::Rng,
    /// Where measured values go.
    pub recorder: Recorder,
    /// Every message accounted for.
    pub accounts: Accounts,
    /// What else was counted.
    pub counters: BTreeMap<&'static str, u64>,
    /// The scenario's own figures.
    pub figures: BTreeMap<String, f64>,
    /// What happened that must not, in words; the first few.
    pub faults: Vec<String>,
    /// Answers and pushes heard inside the measured window, by when they were heard.
    pub heard_in_window: u64,
    /// Clients that may act.
    pub ready: u32,
    pub(super) agenda: Agenda,
    pub(super) poll: Poll,
    pub(super) pending: Pending,
    pub(super) buffer: Vec<u8>,
    /// By [`Role`]: how it speaks, and what is answered without the number of the request.
    tongues: [(&'static dyn Wire, &'static [Ask]); 2],
    sheet: Sheet,
    pub(super) frame: Vec<u8>,
    pub(super) group: String,
}

/// Pause before a lost connection is opened again.
const BACK_AFTER_NS: Nanos = 1_000_000_000;
/// Faults told in words; more are only counted.
const FAULTS_TOLD: usize = 10;

impl<'a> Stage<'a> {
    /// A stage on which nothing has happened.
    pub fn new(settings: &'a Settings, ground: Ground, now: Nanos) -> io::Result<Self> {
        let batch = if settings.closed_window.is_some() { CLOSED_BATCH_SOCKETS } else { OPEN_BATCH_SOCKETS };
        let mut clients = ground.clients;
        for client in &mut clients {
            client.role = ground.parties[client.party as usize].role;
        }
        let tongue = |role| {
            let wire = settings.wire(role);
            (wire, wire.abilities().unnumbered)
        };
        Ok(Self {
            settings,
            parties: ground.parties,
            clients,
            now,
            rng: fastrand::Rng::with_seed(settings.seed.wrapping_add(u64::from(settings.process))),
            recorder: Recorder::new(Nanos::MAX, Nanos::MAX),
            accounts: Accounts::default(),
            counters: BTreeMap::new(),
            figures: BTreeMap::new(),
            faults: Vec::new(),
            heard_in_window: 0,
            ready: 0,
            agenda: Agenda::default(),
            poll: Poll::new(batch)?,
            pending: Pending::default(),
            buffer: vec![0; READ_BUFFER_BYTES],
            tongues: [tongue(Role::User), tongue(Role::Agent)],
            sheet: Sheet { ids: settings.message_ids, ..Sheet::default() },
            frame: Vec::new(),
            group: crate::scenario::group(settings),
        })
    }

    /// How a client speaks.
    pub fn wire(&self, client: u32) -> &'static dyn Wire {
        self.tongues[self.clients[client as usize].role as usize].0
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.counters.entry(what).or_default() += 1;
    }

    /// Notes what must not happen.
    pub fn fault(&mut self, words: impl FnOnce() -> String) {
        self.count("faults");
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(words());
        }
    }

    /// Records a latency that ends now.
    pub fn record(&mut self, metric: Metric, intended: Nanos) {
        self.recorder.record(metric, intended, self.now);
    }

    /// Has the scenario go on with a client at a later moment.
    pub fn act_at(&mut self, at: Nanos, client: u32) {
        self.agenda.add(at, Cue::Act, client);
    }

    /// Has the engine open a client's socket at a later moment.
    pub fn open_at(&mut self, at: Nanos, client: u32) {
        self.agenda.add(at, Cue::Open, client);
    }

    /// Closes a client's socket at once, by a reset; nothing is waited for. The scenario is not told.
    pub fn cut(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        if let Some(socket) = &entry.socket {
            socket.reset_on_close();
        }
        self.forget(client);
    }

    fn forget(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        if entry.is_ready() {
            self.ready -= 1;
        }
        let (asked, pings) = (entry.asked, entry.pings.len() as u64);
        *entry = Client {
            party: entry.party,
            role: entry.role,
            opens: entry.opens,
            errand: entry.errand,
            narrow: entry.narrow,
            generation: entry.generation.wrapping_add(1),
            ..Client::default()
        };
        let taken = if asked > 0 { self.pending.take_of(client) } else { Vec::new() };
        let sends = taken.iter().filter(|asked| asked.ask == Ask::Send).count() as u64;
        if sends + pings > 0 {
            // Their outcome is not known: they are neither due nor missing.
            *self.counters.entry("cut_off").or_default() += sends + pings;
        }
    }

    pub(super) fn lost(&mut self, scenario: &mut dyn Scenario, client: u32, why: &str) {
        self.forget(client);
        if scenario.may_lose(client) {
            self.count("lost_as_expected");
            return scenario.lost(self, client);
        }
        self.count("lost");
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(format!("a connection was lost: {why}"));
        }
        scenario.lost(self, client);
    }

    /// Lets a client read, or not.
    pub fn stall(&mut self, client: u32, stalled: bool) {
        self.clients[client as usize].stalled = stalled;
        self.watch(client);
    }

    pub(super) fn watch(&mut self, client: u32) {
        let entry = &self.clients[client as usize];
        let interest = match (entry.stalled, entry.unsent.is_empty()) {
            (true, _) => Interest::Nothing,
            (false, true) => Interest::Read,
            (false, false) => Interest::ReadWrite,
        };
        if let Some(socket) = &entry.socket {
            // It fails only for a socket that is not in the set, and all are.
            let _ = self.poll.modify(socket, token_of(client, entry.generation), interest);
        }
    }

    /// A heartbeat.
    pub fn ping(&mut self, client: u32, intended: Nanos) {
        self.accounts.sent += 1;
        self.clients[client as usize].pings.push_back(intended);
        let form = self.settings.ping;
        let size = self.settings.payload_bytes as usize;
        let opcode = if form == PingForm::Frame { Opcode::Ping } else { Opcode::Text };
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.clear();
        self.wire(client).ping(form, size, &mut sheet);
        self.say(client, opcode, &sheet.body);
        self.sheet = sheet;
    }

    /// A message; the scenario's `answered` hears of its answer, `about` and all.
    pub fn send(&mut self, client: u32, conversation: u64, content: &str, about: u32, intended: Nanos) {
        self.accounts.sent += 1;
        self.request(Asked { ask: Ask::Send, client, about, intended }, conversation, |wire, from, op, out| {
            wire.send(from, conversation, content, op, out);
        });
    }

    /// A message of a dialect that answers none.
    pub fn publish(&mut self, client: u32, content: &str) {
        self.accounts.sent += 1;
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.clear();
        let party = &self.parties[self.clients[client as usize].party as usize];
        self.wire(client).send(party, 0, content, 0, &mut sheet);
        self.say(client, Opcode::Text, &sheet.body);
        self.sheet = sheet;
    }

    /// Opens a conversation by its first message, which counts as none; the scenario's `opened` hears of it.
    pub fn greet(&mut self, client: u32, intended: Nanos) {
        let mut content = String::new();
        Stamp { number: 0, intended }.write(CONTENT_MIN_BYTES, &mut content);
        let group = std::mem::take(&mut self.group);
        self.request(Asked { ask: Ask::Greet, client, about: 0, intended }, 0, |wire, from, op, out| {
            wire.greet(from, &group, &content, op, out);
        });
        self.group = group;
    }

    /// An agent takes a waiting conversation.
    pub fn pick(&mut self, client: u32, conversation: u64, about: u32, intended: Nanos) {
        self.request(Asked { ask: Ask::Pick, client, about, intended }, conversation, |wire, agent, op, out| {
            wire.pick(agent, conversation, op, out);
        });
    }

    /// A read mark.
    pub fn read(&mut self, client: u32, conversation: u64, about: u32, intended: Nanos) {
        self.request(Asked { ask: Ask::Read, client, about, intended }, conversation, |wire, by, op, out| {
            wire.read(by, conversation, op, out);
        });
    }

    /// Ends a conversation.
    pub fn end(&mut self, client: u32, conversation: u64, about: u32, intended: Nanos) {
        self.request(Asked { ask: Ask::End, client, about, intended }, conversation, |wire, _, op, out| {
            wire.end(conversation, op, out);
        });
    }

    /// Asks for what was missed.
    pub fn sync(&mut self, client: u32, conversation: u64, after_seq: u64, about: u32, intended: Nanos) {
        self.request(Asked { ask: Ask::Sync, client, about, intended }, conversation, |wire, _, op, out| {
            wire.sync(conversation, after_seq, op, out);
        });
    }

    /// Says what a wire writes, with the number by which its answer will be known.
    pub(super) fn request(
        &mut self,
        asked: Asked,
        conversation: u64,
        write: impl FnOnce(&'static dyn Wire, &Party, u64, &mut Sheet),
    ) {
        let client = asked.client;
        let op = self.pending.add(asked);
        let entry = &mut self.clients[client as usize];
        entry.asked += 1;
        let (wire, unnumbered) = self.tongues[entry.role as usize];
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.clear();
        write(wire, &self.parties[entry.party as usize], op, &mut sheet);
        if sheet.post.is_empty() {
            if unnumbered.contains(&asked.ask) {
                entry.unnumbered.push_back((asked.ask, conversation, op));
            }
            self.say(client, Opcode::Text, &sheet.body);
        } else {
            self.post(client, op, &sheet);
        }
        self.sheet = sheet;
    }

    /// Whether scheduled load is under way: after the ramp, before the drain.
    pub fn is_loaded(&self) -> bool {
        self.recorder.is_open(self.now)
    }

    /// Brings a client that was lost back, a second later.
    pub fn come_back(&mut self, client: u32) {
        self.open_at(self.now + BACK_AFTER_NS, client);
    }

    /// Requests that never were answered.
    pub fn unanswered(&self) -> u64 {
        let pings: u64 = self.clients.iter().map(|client| client.pings.len() as u64).sum();
        pings + self.pending.left().filter(|asked| asked.ask == Ask::Send).count() as u64
    }

    /// The group that this process's agents are in.
    pub fn group(&self) -> &str {
        &self.group
    }

    fn say(&mut self, client: u32, opcode: Opcode, payload: &[u8]) {
        self.frame.clear();
        let key = self.rng.u32(..).to_ne_bytes();
        write_masked(&mut self.frame, opcode, true, payload, key);
        let frame = std::mem::take(&mut self.frame);
        self.transmit(client, &frame);
        self.frame = frame;
    }

    /// Sends now, or as soon as there is room. A failure shows when the socket is read.
    pub(super) fn transmit(&mut self, client: u32, bytes: &[u8]) {
        let entry = &mut self.clients[client as usize];
        let Some(socket) = &entry.socket else { return };
        if !entry.unsent.is_empty() {
            entry.unsent.extend_from_slice(bytes);
            return;
        }
        let taken = socket.send(bytes).unwrap_or(0);
        if taken < bytes.len() {
            entry.unsent.extend_from_slice(&bytes[taken..]);
            self.watch(client);
        }
    }

    /// Deals with news of a socket.
    pub(super) fn on_ready(&mut self, scenario: &mut dyn Scenario, ready: Ready) {
        let token = ready.token & !LINE_BIT;
        let client = u32::try_from(token & u64::from(u32::MAX)).expect("masked to 32 bits");
        let Some(entry) = self.clients.get(client as usize) else { return };
        if token_of(client, entry.generation) != token {
            return;
        }
        if token != ready.token {
            return self.on_line(scenario, client, ready);
        }
        if entry.progress == Progress::Connecting {
            return self.connected(scenario, client);
        }
        if ready.writable && !entry.unsent.is_empty() {
            self.send_rest(client);
        }
        // An edge is told once: what is there is read to its end, which is a read that does not fill the buffer, or,
        // of a peer that is gone, the end itself.
        while ready.readable && self.receive(scenario, client, ready.ended) && self.is_same(client, ready.token) {}
    }

    fn is_same(&self, client: u32, token: u64) -> bool {
        token_of(client, self.clients[client as usize].generation) == token
    }

    fn send_rest(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        let Some(socket) = &entry.socket else { return };
        if let Ok(taken) = socket.send(&entry.unsent) {
            entry.unsent.drain(..taken);
        }
        if entry.unsent.is_empty() {
            entry.unsent = Vec::new();
            self.watch(client);
        }
    }

    /// Reads once; whether there may be more.
    fn receive(&mut self, scenario: &mut dyn Scenario, client: u32, to_the_end: bool) -> bool {
        let Some(socket) = &self.clients[client as usize].socket else { return false };
        let mut buffer = std::mem::take(&mut self.buffer);
        let more = match socket.receive(&mut buffer) {
            Ok(0) => {
                self.lost(scenario, client, "the server closed it");
                false
            }
            Ok(count) => {
                self.received(scenario, client, &mut buffer[..count]);
                to_the_end || count == buffer.len()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                self.lost(scenario, client, &error.to_string());
                false
            }
        };
        self.buffer = buffer;
        more
    }

    fn received(&mut self, scenario: &mut dyn Scenario, client: u32, bytes: &mut [u8]) {
        match self.clients[client as usize].progress {
            Progress::LoggingIn | Progress::Ready => self.frames(scenario, client, bytes),
            Progress::Entering => {
                self.clients[client as usize].head.extend_from_slice(bytes);
                self.entrance_answer(scenario, client);
            }
            Progress::Upgrading => {
                self.clients[client as usize].head.extend_from_slice(bytes);
                self.upgrade_answer(scenario, client);
            }
            Progress::Away | Progress::Connecting => {}
        }
    }

    pub(super) fn frames(&mut self, scenario: &mut dyn Scenario, client: u32, bytes: &mut [u8]) {
        let entry = &mut self.clients[client as usize];
        let generation = entry.generation;
        let mut assembler = std::mem::take(&mut entry.assembler);
        let mut closed = None;
        let fed = assembler.feed(bytes, &LIMITS, &mut |incoming| {
            match incoming {
                Incoming::Text(text) => self.text(scenario, client, text),
                Incoming::Ping(payload) => {
                    let mut frame = Vec::new();
                    write_masked(&mut frame, Opcode::Pong, true, payload, self.rng.u32(..).to_ne_bytes());
                    self.transmit(client, &frame);
                }
                Incoming::Pong(_) => self.heard(scenario, client, Heard::Pong),
                Incoming::Binary(_) => {}
                Incoming::Close(frame) => closed = Some(frame.map_or(1005, |frame| frame.code.get())),
            }
            // The scenario may have cut it.
            let same = self.clients[client as usize].generation == generation;
            if same && closed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if self.clients[client as usize].generation != generation {
            return;
        }
        self.clients[client as usize].assembler = assembler;
        match (fed, closed) {
            (Err(violation), _) => self.lost(scenario, client, &format!("bad frame: {}", violation.reason)),
            (Ok(_), Some(code)) => {
                *self.counters.entry(close_counter(code)).or_default() += 1;
                self.lost(scenario, client, &format!("the server closed it with {code}"));
            }
            (Ok(_), None) => {}
        }
    }

    fn text(&mut self, scenario: &mut dyn Scenario, client: u32, text: &[u8]) {
        let wire = self.wire(client);
        let heard = std::str::from_utf8(text).ok().and_then(|text| wire.hear(text));
        match heard {
            Some(heard) => self.heard(scenario, client, heard),
            None => self.fault(|| format!("not understood: {}", String::from_utf8_lossy(text))),
        }
    }

    fn heard(&mut self, scenario: &mut dyn Scenario, client: u32, heard: Heard<'_>) {
        let counts = matches!(heard, Heard::Pong | Heard::Answer { .. } | Heard::Message { .. });
        self.heard_in_window += u64::from(counts && self.recorder.is_measured(self.now));
        match heard {
            Heard::Pong => match self.clients[client as usize].pings.pop_front() {
                Some(intended) => {
                    self.accounts.acknowledged += 1;
                    self.record(Metric::Answer, intended);
                    scenario.ponged(self, client);
                }
                None => self.accounts.doubled += 1,
            },
            Heard::Answer { to, success, data } => match self.asked_by(client, to) {
                Some(asked) if asked.client == client => self.answered(scenario, asked, success, data),
                Some(_) | None => {
                    self.accounts.doubled += 1;
                    self.fault(|| format!("an answer to nothing that was asked: {to:?}"));
                }
            },
            Heard::Message { .. } | Heard::Ended { .. } | Heard::Assigned { .. } => {
                scenario.heard(self, client, heard);
            }
            Heard::Other => {}
        }
    }

    fn asked_by(&mut self, client: u32, to: To) -> Option<Asked> {
        let op = match to {
            To::Number(op) => op,
            To::Oldest { ask, conversation } => {
                let unnumbered = &mut self.clients[client as usize].unnumbered;
                let at = unnumbered.iter().position(|(asked, about, _)| {
                    ask.is_none_or(|ask| ask == *asked) && conversation.is_none_or(|id| id == *about || *about == 0)
                });
                unnumbered.remove(at?)?.2
            }
        };
        self.pending.take(op)
    }

    pub(super) fn answered(&mut self, scenario: &mut dyn Scenario, asked: Asked, success: bool, data: &str) {
        self.clients[asked.client as usize].asked -= 1;
        match (asked.ask, success) {
            (Ask::Login, true) => {
                self.count("logins");
                self.record(Metric::Login, asked.intended);
                return self.became_ready(scenario, asked.client);
            }
            (Ask::Login, false) => {
                self.count("refused_logins");
                return self.lost(scenario, asked.client, "the login was refused");
            }
            (Ask::Greet, true) => match self.wire(asked.client).greeted(data) {
                Some(opened) => scenario.opened(self, asked.client, opened),
                None => self.fault(|| format!("the answer to a first message was not understood: {data}")),
            },
            (Ask::Greet, false) => {
                self.count("refused_openings");
                return self.lost(scenario, asked.client, &format!("no conversation was opened: {data}"));
            }
            // Another may have it; the scenario knows.
            (Ask::Pick, _) => {}
            (Ask::Send, true) => {
                self.accounts.acknowledged += 1;
                self.record(Metric::Answer, asked.intended);
            }
            (Ask::Send, false) => self.accounts.refused += 1,
            (Ask::Read | Ask::End | Ask::Sync, true) => {}
            (Ask::Read | Ask::End | Ask::Sync, false) => {
                self.count("refused_requests");
                self.fault(|| format!("a request was refused: {:?}", asked.ask));
            }
        }
        scenario.answered(self, asked, success, data);
    }
}

pub(super) fn token_of(client: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(client)
}

/// The closes worth a counter of their own.
fn close_counter(code: u16) -> &'static str {
    match code {
        1012 => "closed_1012_restart",
        1013 => "closed_1013_too_slow",
        _ => "closed_otherwise",
    }
}
