//! One simulated client: a socket, how far it has come, and what it waits for. Knows no scenario.

use std::collections::VecDeque;

use switchboard_protocol::frame::Assembler;

use super::line::Line;
use super::socket::Socket;
use crate::measure::Nanos;
use crate::wire::{Ask, Role};

/// How far a client has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// It has no socket.
    #[default]
    Away,
    /// TCP.
    Connecting,
    /// It has asked over HTTP for what it needs first: its conversation, or a token.
    Entering,
    /// It has asked for the upgrade.
    Upgrading,
    /// It has sent its token.
    LoggingIn,
    /// It may act.
    Ready,
}

/// A client.
#[derive(Debug, Default)]
pub struct Client {
    /// Index of its party.
    pub party: u32,
    /// Its party's.
    pub(super) role: Role,
    /// How far it has come.
    pub progress: Progress,
    /// Whether it opens its party's conversation when it connects.
    pub opens: bool,
    /// It is there for an HTTP request only: opened, answered, closed.
    pub errand: bool,
    /// Its receive buffer is small, so that what it leaves lying soon is the server's burden.
    pub narrow: bool,
    /// It does not read.
    pub stalled: bool,
    /// When its connect, or what began it, was due.
    pub since: Nanos,
    /// Requests without an answer yet.
    pub asked: u32,
    /// Counts its connections, so that news of an old socket are known as such.
    pub(super) generation: u32,
    pub(super) socket: Option<Socket>,
    pub(super) assembler: Assembler,
    /// What the socket had no room for.
    pub(super) unsent: Vec<u8>,
    /// What came of an HTTP answer.
    pub(super) head: Vec<u8>,
    /// Pings under way, answered in order.
    pub(super) pings: VecDeque<Nanos>,
    /// Requests under way whose answers do not say which they answer: what, in which conversation, and the number it
    /// is known by here.
    pub(super) unnumbered: VecDeque<(Ask, u64, u64)>,
    /// Its second connection, if its dialect says something over HTTP.
    pub(super) line: Option<Box<Line>>,
    pub(super) key: [u8; 16],
}

impl Client {
    /// A socket of a party, not opened yet.
    pub fn of(party: u32) -> Self {
        Self { party, ..Self::default() }
    }

    /// One that is there for an HTTP request only.
    pub fn errand_of(party: u32) -> Self {
        Self { party, opens: true, errand: true, ..Self::default() }
    }

    /// The same, opening its party's conversation or not.
    pub fn opening(self, opens: bool) -> Self {
        Self { opens, ..self }
    }

    /// Whether it may act.
    pub fn is_ready(&self) -> bool {
        self.progress == Progress::Ready
    }

    /// Pings without an answer yet.
    pub fn pings_under_way(&self) -> usize {
        self.pings.len()
    }
}
