//! The counters themselves. Each has one writer; readers are whoever asks for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the durable latency's buckets, microseconds: 50 us to 5 s, three a decade.
pub(super) const LATENCY_BOUNDS_MICROS: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000,
];

/// Close codes counted by name (RFC 6455, section 7.4, and the private ones in use); others are `other`.
pub(super) const CLOSE_CODES: [u16; 14] =
    [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 4401];

/// HTTP statuses counted by name; others are `other`.
pub(super) const HTTP_STATUSES: [u16; 24] = [
    101, 200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 411, 413, 414, 415, 426, 429, 431, 500, 501, 503,
    505,
];

/// What was wrong with what a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum BadInput {
    /// Not HTTP, or HTTP that is refused.
    Http,
    /// No proper WebSocket handshake.
    Handshake,
    /// A frame that RFC 6455 forbids.
    Frame,
    /// Text that is not UTF-8.
    Utf8,
    /// Larger than its limit.
    TooLarge,
    /// Not JSON, or nested too deeply.
    Json,
    /// A field missing, of the wrong type or out of range; or an unknown action.
    Field,
    /// A token that proves nothing.
    Token,
    /// A page that may not speak to us.
    Origin,
    /// Slower than its deadline.
    Timeout,
}

impl BadInput {
    pub(super) const ALL: [Self; 10] = [
        Self::Http,
        Self::Handshake,
        Self::Frame,
        Self::Utf8,
        Self::TooLarge,
        Self::Json,
        Self::Field,
        Self::Token,
        Self::Origin,
        Self::Timeout,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Handshake => "handshake",
            Self::Frame => "frame",
            Self::Utf8 => "utf8",
            Self::TooLarge => "too_large",
            Self::Json => "json",
            Self::Field => "field",
            Self::Token => "token",
            Self::Origin => "origin",
            Self::Timeout => "timeout",
        }
    }
}

/// A number with one writer at a time.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    /// Not `fetch_add`: with one writer a plain store loses nothing and locks no bus.
    fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one shard counts. Only that shard may write; 128 bytes are the two lines that a CPU fetches
/// together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardFigures {
    pub(super) connections: Figure,
    pub(super) opened: Figure,
    pub(super) logins_ok: Figure,
    pub(super) logins_refused: Figure,
    pub(super) messages: Figure,
    pub(super) commands: Figure,
    pub(super) pushes: Figure,
    pub(super) handovers: Figure,
    pub(super) mail_depth: Figure,
    pub(super) mail_overflow: Figure,
    pub(super) outbox_bytes: Figure,
    pub(super) deadlines: Figure,
    pub(super) durable_sum_micros: Figure,
    /// Not cumulated; the last is for what is above every bound.
    pub(super) durable: [Figure; LATENCY_BOUNDS_MICROS.len() + 1],
    /// The last is `other`, as below.
    pub(super) closes: [Figure; CLOSE_CODES.len() + 1],
    pub(super) http: [Figure; HTTP_STATUSES.len() + 1],
    pub(super) bad_input: [Figure; BadInput::ALL.len()],
}

impl ShardFigures {
    /// A connection was accepted here.
    pub fn opened(&self) {
        self.opened.add(1);
    }

    /// Connections that live here now.
    pub fn set_connections(&self, count: u64) {
        self.connections.set(count);
    }

    /// A WebSocket ended with this close code: sent or received, 1006 if there was none.
    pub fn close(&self, code: u16) {
        count_in(&self.closes, &CLOSE_CODES, code);
    }

    /// A login, by frame or by token at the upgrade.
    pub fn login(&self, ok: bool) {
        if ok { &self.logins_ok } else { &self.logins_refused }.add(1);
    }

    /// A message was acknowledged, so it is durable.
    pub fn message(&self) {
        self.messages.add(1);
    }

    /// A peer asked for something, by WebSocket or REST.
    pub fn command(&self) {
        self.commands.add(1);
    }

    /// Events were said to `connections` connections.
    pub fn pushes(&self, connections: u64) {
        self.pushes.add(connections);
    }

    /// A write was durable this many microseconds after it was asked for.
    pub fn durable(&self, micros: u64) {
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.durable[bucket].add(1);
        self.durable_sum_micros.add(micros);
    }

    /// A connection moved to its party's home, counted where it leaves.
    pub fn handover(&self) {
        self.handovers.add(1);
    }

    /// An HTTP answer, the upgrade's 101 included.
    pub fn http(&self, status: u16) {
        count_in(&self.http, &HTTP_STATUSES, status);
    }

    /// A peer sent what it should not.
    pub fn bad_input(&self, kind: BadInput) {
        self.bad_input[kind as usize].add(1);
    }

    /// Mail that waits for this shard.
    pub fn set_mail_depth(&self, count: u64) {
        self.mail_depth.set(count);
    }

    /// Mail of this shard that waits for room in others' queues.
    pub fn set_mail_overflow(&self, count: u64) {
        self.mail_overflow.set(count);
    }

    /// Deadlines on this shard's timer wheel.
    pub fn set_deadlines(&self, count: u64) {
        self.deadlines.set(count);
    }

    /// Bytes that wait for slow peers.
    pub fn set_outbox_bytes(&self, bytes: u64) {
        self.outbox_bytes.set(bytes);
    }
}

fn count_in(figures: &[Figure], known: &[u16], value: u16) {
    figures[known.binary_search(&value).unwrap_or(known.len())].add(1);
}

/// What the desk counts; its owner shard alone writes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct DeskFigures {
    pub(super) waiting: Figure,
    pub(super) assigned: Figure,
    pub(super) agents_online: Figure,
    pub(super) assignments: Figure,
    pub(super) violations: Figure,
}

impl DeskFigures {
    /// What is so now: conversations waiting, conversations with an agent, agents online.
    pub fn set_state(&self, waiting: u64, assigned: u64, agents_online: u64) {
        self.waiting.set(waiting);
        self.assigned.set(assigned);
        self.agents_online.set(agents_online);
    }

    /// Sets the total of assignments instead, where the desk itself counts.
    pub fn set_assignments(&self, total: u64) {
        self.assignments.set(total);
    }

    /// Sets the total of broken rules of the desk (architecture.md, invariant 5); any but 0 is a bug.
    pub fn set_violations(&self, total: u64) {
        self.violations.set(total);
    }
}

/// What the storage engine counts itself, as plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageFigures {
    /// Writes that wait for the storage thread.
    pub queue_depth: u64,
    /// Reads that wait for a reader.
    pub read_queue_depth: u64,
    /// Writes that are durable.
    pub writes: u64,
    /// Groups of writes that shared one sync.
    pub groups: u64,
    /// Reads answered.
    pub reads: u64,
    /// Operations that failed alone (a damaged record, say); any but 0 is worth a look.
    pub failed: u64,
    /// Whether writes would be durable soon.
    pub writable: bool,
}

const _: () = {
    assert!(ascending(&CLOSE_CODES) && ascending(&HTTP_STATUSES), "searched by halves");
};

const fn ascending(values: &[u16]) -> bool {
    let mut at = 1;
    while at < values.len() {
        if values[at - 1] >= values[at] {
            return false;
        }
        at += 1;
    }
    true
}
