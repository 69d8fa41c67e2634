//! What a scenario acts through: its clients, and what they may do. Every deed on a socket is here.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use switchboard_protocol::frame::handshake::{self, Answer as Upgrade};
use switchboard_protocol::frame::{Incoming, Limits, Opcode, Role as End, write_masked};

use super::client::{Client, Party, Progress};
use super::pending::{Ask, Asked, Pending};
use super::poll::{Interest, Poll, Ready};
use super::schedule::{Agenda, Cue};
use super::socket::Socket;
use crate::measure::{Metric, Nanos, Recorder};
use crate::result::Accounts;
use crate::scenario::Scenario;
use crate::settings::{PingForm, Settings};
use crate::wire::{Heard, Side, Wire};

const READ_BUFFER_BYTES: usize = 256 * 1024;
const LIMITS: Limits = Limits { message_max_bytes: 16 * 1024 * 1024, binary: false, role: End::Client };
/// News dealt with in one turn of a closed loop, where nothing is due and many at once are cheapest.
const CLOSED_BATCH_SOCKETS: usize = 1024;
/// The same of an open loop: what falls due meanwhile waits for them, a few microseconds each.
const OPEN_BATCH_SOCKETS: usize = 32;
/// Of a [`Client::narrow`] one.
const NARROW_RECEIVE_BYTES: usize = 4096;

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
    /// How peers speak.
    pub wire: &'static dyn Wire,
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
    pending: Pending,
    buffer: Vec<u8>,
    payload: Vec<u8>,
    frame: Vec<u8>,
    group: String,
}

/// Pause before a lost connection is opened again.
const BACK_AFTER_NS: Nanos = 1_000_000_000;
/// Faults told in words; more are only counted.
const FAULTS_TOLD: usize = 10;

impl<'a> Stage<'a> {
    /// A stage on which nothing has happened.
    pub fn new(settings: &'a Settings, ground: Ground, now: Nanos) -> io::Result<Self> {
        let batch = if settings.closed_window.is_some() { CLOSED_BATCH_SOCKETS } else { OPEN_BATCH_SOCKETS };
        Ok(Self {
            settings,
            wire: settings.dialect.wire(),
            parties: ground.parties,
            clients: ground.clients,
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
            payload: Vec::new(),
            frame: Vec::new(),
            group: crate::scenario::group(settings),
        })
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

    fn source_of(&self, client: u32) -> Option<IpAddr> {
        let addresses = &self.settings.source_addrs;
        (!addresses.is_empty()).then(|| addresses[client as usize % addresses.len()])
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

    fn lost(&mut self, scenario: &mut dyn Scenario, client: u32, why: &str) {
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

    fn watch(&mut self, client: u32) {
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
        self.say(client, opcode, |wire, out| wire.ping(form, size, out));
    }

    /// A message; the scenario's `answered` hears of its answer, `about` and all.
    pub fn send(&mut self, client: u32, conversation: u64, by: Side, content: &str, about: u32, intended: Nanos) {
        self.accounts.sent += 1;
        let op = self.ask(Asked { ask: Ask::Send, client, about, intended });
        self.say(client, Opcode::Text, |wire, out| wire.send(conversation, by, content, op, out));
    }

    /// A message of a dialect that answers none.
    pub fn publish(&mut self, client: u32, content: &str) {
        self.accounts.sent += 1;
        self.say(client, Opcode::Text, |wire, out| wire.send(0, Side::Agent, content, 0, out));
    }

    /// A read mark.
    pub fn read(&mut self, client: u32, conversation: u64, by: Side, about: u32, intended: Nanos) {
        let op = self.ask(Asked { ask: Ask::Read, client, about, intended });
        self.say(client, Opcode::Text, |wire, out| wire.read(conversation, by, op, out));
    }

    /// Ends a conversation.
    pub fn end(&mut self, client: u32, conversation: u64, about: u32, intended: Nanos) {
        let op = self.ask(Asked { ask: Ask::End, client, about, intended });
        self.say(client, Opcode::Text, |wire, out| wire.end(conversation, op, out));
    }

    /// Asks for what was missed.
    pub fn sync(&mut self, client: u32, conversation: u64, after_seq: u64, about: u32, intended: Nanos) {
        let op = self.ask(Asked { ask: Ask::Sync, client, about, intended });
        self.say(client, Opcode::Text, |wire, out| wire.sync(conversation, after_seq, op, out));
    }

    fn ask(&mut self, asked: Asked) -> u64 {
        self.clients[asked.client as usize].asked += 1;
        self.pending.add(asked)
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

    fn say(&mut self, client: u32, opcode: Opcode, write: impl FnOnce(&'static dyn Wire, &mut Vec<u8>)) {
        self.payload.clear();
        write(self.wire, &mut self.payload);
        self.frame.clear();
        let key = self.rng.u32(..).to_ne_bytes();
        write_masked(&mut self.frame, opcode, true, &self.payload, key);
        let frame = std::mem::take(&mut self.frame);
        self.transmit(client, &frame);
        self.frame = frame;
    }

    /// Sends now, or as soon as there is room. A failure shows when the socket is read.
    fn transmit(&mut self, client: u32, bytes: &[u8]) {
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
        let client = u32::try_from(ready.token & u64::from(u32::MAX)).expect("masked to 32 bits");
        let Some(entry) = self.clients.get(client as usize) else { return };
        if token_of(client, entry.generation) != ready.token {
            return;
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

    fn connected(&mut self, scenario: &mut dyn Scenario, client: u32) {
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
        let entry = &mut self.clients[client as usize];
        let party = &self.parties[entry.party as usize];
        let opening = if entry.opens { self.wire.opening_path(&self.group) } else { None };
        let mut request = Vec::new();
        match opening {
            Some(path) => {
                entry.progress = Progress::Opening;
                let (host, token) = (&self.settings.target.host, &party.token);
                request.extend_from_slice(
                    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes(),
                );
            }
            None => self.write_upgrade(client, &mut request),
        }
        request
    }

    fn write_upgrade(&mut self, client: u32, request: &mut Vec<u8>) {
        let entry = &mut self.clients[client as usize];
        entry.progress = Progress::Upgrading;
        self.rng.fill(&mut entry.key);
        let target = &self.settings.target;
        let path = target.path.as_deref().unwrap_or(self.wire.path());
        handshake::write_request(request, &target.host, path, &BASE64.encode(entry.key), &[]);
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
            Progress::Opening => {
                self.clients[client as usize].head.extend_from_slice(bytes);
                self.opening_answer(scenario, client);
            }
            Progress::Upgrading => {
                self.clients[client as usize].head.extend_from_slice(bytes);
                self.upgrade_answer(scenario, client);
            }
            Progress::Away | Progress::Connecting => {}
        }
    }

    fn opening_answer(&mut self, scenario: &mut dyn Scenario, client: u32) {
        let entry = &mut self.clients[client as usize];
        let Some((status, body)) = http_answer(&entry.head) else { return };
        let opened = if status == 200 { self.wire.opened(body) } else { None };
        let Some(opened) = opened else {
            self.count("refused_openings");
            return self.lost(scenario, client, &format!("no conversation was opened: HTTP {status}"));
        };
        entry.head = Vec::new();
        scenario.opened(self, client, opened);
        if self.clients[client as usize].errand {
            return self.cut(client);
        }
        let mut request = Vec::new();
        self.write_upgrade(client, &mut request);
        self.transmit(client, &request);
    }

    fn upgrade_answer(&mut self, scenario: &mut dyn Scenario, client: u32) {
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
        let party = self.clients[client as usize].party as usize;
        let token = std::mem::take(&mut self.parties[party].token);
        if self.wire.has_desk() {
            self.clients[client as usize].progress = Progress::LoggingIn;
            let op = self.ask(Asked { ask: Ask::Login, client, about: 0, intended: self.now });
            self.say(client, Opcode::Text, |wire, out| {
                wire.login(&token, op, out);
            });
        } else {
            self.became_ready(scenario, client);
        }
        self.parties[party].token = token;
        if open < head.len() {
            let mut rest = head[open..].to_vec();
            self.frames(scenario, client, &mut rest);
        }
    }

    fn became_ready(&mut self, scenario: &mut dyn Scenario, client: u32) {
        self.clients[client as usize].progress = Progress::Ready;
        self.ready += 1;
        scenario.ready(self, client);
    }

    fn frames(&mut self, scenario: &mut dyn Scenario, client: u32, bytes: &mut [u8]) {
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
        let heard = std::str::from_utf8(text).ok().and_then(|text| self.wire.hear(text));
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
            Heard::Answer { op, success, data } => match self.pending.take(op) {
                Some(asked) if asked.client == client => self.answered(scenario, asked, success, data),
                Some(_) | None => {
                    self.accounts.doubled += 1;
                    self.fault(|| format!("an answer to nothing that was asked: op {op}"));
                }
            },
            Heard::Message { .. } | Heard::Ended { .. } | Heard::Assigned { .. } => {
                scenario.heard(self, client, heard);
            }
            Heard::Other => {}
        }
    }

    fn answered(&mut self, scenario: &mut dyn Scenario, asked: Asked, success: bool, data: &str) {
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

fn token_of(client: u32, generation: u32) -> u64 {
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

/// Status and body of a whole HTTP answer with a length; `None` if more is to come.
fn http_answer(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).ok()? else { return None };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let length: usize = std::str::from_utf8(length.value).ok()?.trim().parse().ok()?;
    let body = bytes.get(head..head + length)?;
    Some((response.code?, body))
}
