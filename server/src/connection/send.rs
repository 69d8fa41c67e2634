//! The end of a turn: one send for each socket that has something to say.

use std::io;
use std::net::Shutdown;

use switchboard_domain::ConnectionId;
use switchboard_protocol::frame::CloseCode;
use switchboard_protocol::model::limits;

use crate::shard::{Connection, Deadline, Kind, Life, Shard};

impl Shard {
    /// Notes that a connection has something to send.
    pub(crate) fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push_back(id);
        }
    }

    /// Sends for those that have something to say, oldest first and up to a bound; the others' turn is the next.
    pub(crate) fn send_all(&mut self) {
        for _ in 0..limits::SEND_BATCH_SOCKETS {
            let Some(id) = self.dirty.pop_front() else { return };
            self.send(id);
            // A peer found gone may lead to words for others.
            self.run_effects();
        }
    }

    /// Sends the answers to what was just read, while the kernel's part of the socket is still in the CPU's cache;
    /// a connection with more to come in this turn waits for its end.
    pub(crate) fn answer_at_once(&mut self, id: ConnectionId) {
        if self.table.get(id).is_some_and(|connection| !connection.dirty) {
            self.send(id);
            self.run_effects();
        }
    }

    fn send(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.dirty = false;
        let sent = connection.outbox.send(&connection.socket, &mut self.spares);
        let unsent = connection.outbox.len();
        // Of an outbox beyond 4 GiB (one HTTP answer, then) the sum includes 4 GiB.
        let counted = u32::try_from(unsent).unwrap_or(u32::MAX);
        self.outbox_bytes = self.outbox_bytes - connection.counted as usize + counted as usize;
        connection.counted = counted;
        match sent {
            Ok(()) => {
                let unblocked = std::mem::replace(&mut connection.blocked, false);
                // Its further requests waited for the answers to be taken.
                if connection.paused && matches!(&connection.kind, Kind::Http(http) if !http.is_busy()) {
                    self.revisit.push_back(id);
                }
                let ending = connection.life == Life::Ending;
                if unblocked {
                    self.watch(id);
                }
                if ending {
                    self.everything_said(id);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let too_slow = unsent > outbox_limit(connection, self.shared.config.outbox_max_bytes);
                if !std::mem::replace(&mut connection.blocked, true) {
                    self.watch(id);
                }
                if too_slow {
                    // It has what it has; it comes back and resumes by id or seq.
                    self.close(id, CloseCode::TRY_AGAIN_LATER, "too slow; reconnect and resume");
                }
            }
            Err(_) => self.lose(id),
        }
    }

    /// The outbox of a connection on its way out is empty: we end our half.
    fn everything_said(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.life = Life::Ended;
        if connection.socket.shutdown(Shutdown::Write).is_err() {
            return self.lose(id);
        }
        connection.set_deadline(&mut self.wheel, self.clock.now_ms() + limits::CLOSE_TIMEOUT_MS, Deadline::Close(id));
        // Now its input is read and thrown away until its end: closing with unread input would reset the
        // connection, and our last words with it.
        self.pause(id, false);
    }
}

/// A WebSocket's outbox is bounded; an HTTP answer is one at a time, and as large as it is.
fn outbox_limit(connection: &Connection, max_bytes: usize) -> usize {
    match (&connection.kind, connection.life) {
        (Kind::Dialect(_), Life::Open) => max_bytes,
        (Kind::Echo, Life::Open) => max_bytes + limits::ECHO_MESSAGE_MAX_BYTES,
        (Kind::Http(_) | Kind::Dialect(_) | Kind::Echo, _) => usize::MAX,
    }
}
