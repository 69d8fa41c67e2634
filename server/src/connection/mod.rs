//! A connection: bytes of its socket to what its dialect or HTTP makes of them, and back.
//!
//! The socket is read into the shard's one buffer; what is complete is understood in place. What is to be
//! said goes to the outbox and leaves in one gathered send: what a read answers right behind it, the rest at
//! the end of the turn. Nothing here decides what a command leads to.

mod begin;
mod handover;
mod http;
mod life;
mod outbox;
mod send;
mod websocket;

use std::io;
use std::os::fd::AsFd;

use switchboard_domain::ConnectionId;
use switchboard_protocol::model::Refusal;

pub(crate) use http::Http;
pub use outbox::{Outbox, Spares};

use crate::runtime::{Interest, Socket};
use crate::shard::{Connection, Kind, Shard, token_of, wrapping_ms};

/// Other shards do not keep up with the mail of this one: new commands wait outside.
pub(crate) const CONGESTED: Refusal = Refusal::Busy("other shards are behind");

/// What follows when a connection's bytes were dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes on.
    Stay,
    /// The peer is gone, or nobody wants it: it is dropped.
    Drop,
}

impl Shard {
    /// A peer has connected. It speaks HTTP first.
    pub(crate) fn welcome(&mut self, socket: Socket) {
        self.figures.opened();
        if socket.set_nodelay().is_err() {
            return;
        }
        let now_ms = self.clock.now_ms();
        let head_timeout = u64::try_from(self.shared.config.head_timeout.as_millis()).unwrap_or(u64::MAX);
        let http = Http::new(now_ms.saturating_add(head_timeout));
        let connection = Connection::new(socket, Kind::Http(Box::new(http)), wrapping_ms(now_ms));
        let Some(id) = self.admit(connection, interest(false, false)) else { return };
        self.arm_http(id);
        if self.is_full() || self.is_draining() {
            self.turn_away(id);
        }
    }

    /// Whether there are more connections here than the config allows.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.config.connections_max_per_shard.is_some_and(|max| self.table.len() as u64 > max)
    }

    /// Gives a connection its entry and begins to watch its socket.
    pub(crate) fn admit(&mut self, connection: Connection, interest: Interest) -> Option<ConnectionId> {
        let id = self.table.insert(connection);
        let connection = self.table.get(id).expect("just inserted");
        match self.readiness.register(connection.socket.as_fd(), token_of(id), interest) {
            Ok(()) => Some(id),
            Err(error) => {
                tracing::error!(shard = self.id.0, %error, "a socket cannot be watched; it is closed");
                self.table.remove(id);
                None
            }
        }
    }

    /// The socket has bytes, or has ended (`hangup`).
    pub(crate) fn read(&mut self, id: ConnectionId, hangup: bool) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let mut more = false;
        let next = match self.table.get_mut(id) {
            None => Next::Stay,
            Some(connection) if connection.paused => Next::Stay,
            Some(connection) if connection.is_behind() => {
                more = true;
                Next::Stay
            }
            Some(connection) => match connection.socket.recv(&mut buffer) {
                Ok(0) => self.ended(id),
                Ok(count) => {
                    connection.heard_ms = wrapping_ms(self.clock.now_ms());
                    connection.pinged = false;
                    more = hangup || count == buffer.len();
                    self.received(id, &mut buffer[..count])
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Next::Stay,
                Err(_) => Next::Drop,
            },
        };
        self.read_buffer = buffer;
        if next == Next::Drop {
            self.lose(id);
        } else if more {
            // The edge was for all of it: what is left, or the end, is to be told again.
            self.watch(id);
        }
        self.run_effects();
        self.answer_at_once(id);
    }

    /// Deals with bytes of a connection, which is taken out of the table meanwhile: effects that concern it
    /// are done when it is back.
    pub(crate) fn received(&mut self, id: ConnectionId, bytes: &mut [u8]) -> Next {
        let Some(mut connection) = self.table.take_out(id) else { return Next::Stay };
        connection.outbox.lend(&mut self.spares);
        let paused = connection.paused;
        let next = match connection.kind {
            Kind::Http(_) => self.http_received(id, &mut connection, bytes),
            Kind::Dialect(_) | Kind::Echo => self.websocket_received(id, &mut connection, bytes),
        };
        let rewatch = connection.paused != paused;
        self.table.put_back(id, connection);
        if rewatch {
            self.watch(id);
        }
        next
    }

    /// Something that a connection waited for has happened: it goes on with what it has.
    pub(crate) fn revisit(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        let next = match &mut connection.kind {
            Kind::Http(_) => self.received(id, &mut []),
            Kind::Dialect(_) | Kind::Echo => {
                if connection.moving.is_some() {
                    self.move_when_answered(id);
                    Next::Stay
                } else {
                    self.resume(id)
                }
            }
        };
        if next == Next::Drop {
            self.lose(id);
        }
        self.mark_dirty(id);
    }

    /// Watches a connection for what it now needs.
    pub(crate) fn watch(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get(id) else { return };
        let interest = interest(connection.paused, connection.blocked);
        let watched = self.readiness.modify(connection.socket.as_fd(), token_of(id), interest);
        watched.expect("a connection in the table is registered");
    }

    /// Stops or goes on reading a connection.
    pub(crate) fn pause(&mut self, id: ConnectionId, paused: bool) {
        if let Some(connection) = self.table.get_mut(id)
            && connection.paused != paused
        {
            connection.paused = paused;
            // Its silence while we did not read it was ours.
            connection.heard_ms = wrapping_ms(self.clock.now_ms());
            connection.pinged = false;
            self.watch(id);
        }
    }
}

/// What a connection is watched for. On edges: who leaves something unread calls [`Shard::watch`] to hear of it again.
pub(crate) const fn interest(paused: bool, blocked: bool) -> Interest {
    let interest = match (paused, blocked) {
        (false, false) => Interest::READ,
        (false, true) => Interest::READ_WRITE,
        (true, false) => Interest::NOTHING,
        (true, true) => Interest::WRITE,
    };
    interest.on_edge()
}
