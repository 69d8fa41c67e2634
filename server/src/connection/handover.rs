//! A connection moves to the home of its party: out of one shard's readiness set and table, by mail, into
//! the other's, with everything it has.

use std::os::fd::AsFd;

use switchboard_domain::{ConnectionId, Session};
use switchboard_protocol::frame::CloseCode;

use super::interest;
use super::websocket::say_joined;
use crate::shard::{Connection, Kind, Life, Mail, MovedConnection, Shard, wrapping_ms};

impl Shard {
    /// Sends a connection home once everything it asked for here is answered; until then it is not read.
    pub(super) fn move_when_answered(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        if connection.in_flight > 0 {
            return self.pause(id, true);
        }
        let gone = self.readiness.deregister(connection.socket.as_fd());
        gone.expect("a connection in the table is registered");
        let mut connection = self.table.remove(id).expect("looked up above");
        connection.cancel_deadline(&mut self.wheel);
        self.outbox_bytes -= connection.counted as usize;
        let Kind::Dialect(dialect) = connection.kind else { unreachable!("only a dialect logs in") };
        let party = connection.session.party().expect("it moves because it has a party");
        let home = self.shared.placement.home(party);
        let moved = MovedConnection {
            socket: connection.socket,
            dialect,
            assembler: connection.assembler,
            outbox: connection.outbox,
            unread: connection.unread.unwrap_or_default(),
            ext: connection.ext,
            join: *connection.moving.expect("the caller has looked"),
            session: connection.session,
        };
        self.figures.handover();
        self.port.send(usize::from(home.0), Mail::HandOver(Box::new(moved)));
    }

    /// A connection has come home.
    pub(crate) fn arrive(&mut self, moved: MovedConnection) {
        let MovedConnection { socket, dialect, session, assembler, outbox, unread, ext, join } = moved;
        let now_ms = wrapping_ms(self.clock.now_ms());
        let mut connection = Connection::new(socket, Kind::Dialect(dialect), now_ms);
        connection.session = session;
        connection.assembler = assembler;
        connection.outbox = outbox;
        connection.ext = ext;
        if !unread.is_empty() {
            connection.unread = Some(unread);
        }
        let party = connection.session.party().expect("it moved because it has a party").clone();
        let allowed = self.core.may_log_in(&party);
        if allowed {
            say_joined(&mut connection, dialect, &join.context);
        } else {
            // It was deleted while the connection was on its way; nobody has arrived.
            connection.session = Session::default();
        }
        let Some(id) = self.admit(connection, interest(false, false)) else { return };
        if !allowed {
            return self.close(id, CloseCode::POLICY_VIOLATION, "this account was deleted");
        }
        self.arrived(id, dialect, party, join.claims);
        if self.is_full() {
            self.close(id, CloseCode::TRY_AGAIN_LATER, "no more connections are taken now");
        }
        self.mark_dirty(id);
        self.revisit.push_back(id);
        self.run_effects();
        if self.is_draining() {
            self.dismiss(id);
        }
    }
}
