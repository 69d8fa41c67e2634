//! How connections end: closed by us, by the peer, or lost.

use switchboard_domain::{ConnectionId, Input};
use switchboard_protocol::frame::{CloseCode, write_close};
use switchboard_protocol::http::problem;
use switchboard_protocol::model::limits;

use super::Next;
use crate::shard::{Connection, Deadline, Kind, Life, Shard};

/// No close frame came (RFC 6455 section 7.1.5); never sent, only counted.
const ABNORMAL_CLOSURE: u16 = 1006;

impl Shard {
    /// Closes a WebSocket: says why, and waits a moment for the peer's close frame.
    pub(crate) fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if !connection.is_websocket() || connection.life != Life::Open {
            return;
        }
        say_close(connection, code, reason);
        connection.life = Life::Closing;
        connection.unread = None;
        self.figures.close(code.get());
        connection.set_deadline(&mut self.wheel, self.clock.now_ms() + limits::CLOSE_TIMEOUT_MS, Deadline::Close(id));
        self.mark_dirty(id);
        self.pause(id, false);
    }

    /// Everything is said to a peer: once it has taken it, we end our half. It gets a bounded time for that.
    pub(super) fn end(&mut self, id: ConnectionId, connection: &mut Connection, within_ms: u64) {
        connection.life = Life::Ending;
        connection.set_deadline(&mut self.wheel, self.clock.now_ms().saturating_add(within_ms), Deadline::Close(id));
    }

    /// As [`Shard::end`], for a connection in its place.
    pub(crate) fn end_here(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.table.take_out(id) else { return };
        let within_ms = u64::try_from(self.shared.config.http_idle_timeout.as_millis()).unwrap_or(u64::MAX);
        self.end(id, &mut connection, within_ms);
        self.table.put_back(id, connection);
        self.mark_dirty(id);
    }

    /// The peer is gone, or waited for long enough: its entry is free again.
    pub(crate) fn lose(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.table.remove(id) else { return };
        connection.cancel_deadline(&mut self.wheel);
        self.outbox_bytes -= connection.counted as usize;
        if connection.is_websocket() && connection.life == Life::Open {
            self.figures.close(ABNORMAL_CLOSURE);
        }
        // A connection that was about to move had not arrived anywhere yet.
        if let (None, Some(party)) = (&connection.moving, connection.session.party()) {
            let input = Input::Left { connection: id, party: party.clone() };
            self.core.handle(self.clock.wall(), input, &mut self.effects);
        }
    }

    /// The peer has ended its half.
    pub(crate) fn ended(&mut self, id: ConnectionId) -> Next {
        let Some(connection) = self.table.get_mut(id) else { return Next::Stay };
        match &mut connection.kind {
            // It has asked and waits for the answer.
            Kind::Http(http) if http.is_busy() => {
                http.close_after_answer();
                self.pause(id, true);
                Next::Stay
            }
            // It reads on: what is said is sent before we end our half too.
            Kind::Http(_) if !connection.outbox.is_empty() => {
                if connection.life == Life::Open {
                    self.end_here(id);
                }
                self.pause(id, true);
                Next::Stay
            }
            Kind::Http(_) | Kind::Dialect(_) | Kind::Echo => Next::Drop,
        }
    }

    /// The server takes no more connections.
    pub(crate) fn turn_away(&mut self, id: ConnectionId) {
        if let Some(Connection { kind: Kind::Http(http), .. }) = self.table.get_mut(id) {
            http.close_after_answer();
        }
        let response = problem(503, "Service Unavailable", "no more connections are taken now; try again later");
        self.respond(id, response.with_header("Retry-After", "5"));
    }
}

/// Appends a close frame.
pub(super) fn say_close(connection: &mut Connection, code: CloseCode, reason: &str) {
    connection.outbox.write(|out| write_close(out, code, reason));
}
