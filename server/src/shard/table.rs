//! The connections of a shard: one entry each, a few hundred bytes and no buffer while idle.

use switchboard_domain::{ConnectionId, Session};
use switchboard_protocol::dialect::DialectKind;
use switchboard_protocol::frame::Assembler;

use super::deadlines::Deadline;
use super::mail::Join;
use crate::connection::{Http, Outbox};
use crate::runtime::{Chunks, DeadlineKey, Key, Socket, Wheel};

/// What a connection speaks.
#[derive(Debug)]
pub(crate) enum Kind {
    /// HTTP, until it upgrades or ends.
    Http(Box<Http>),
    /// A dialect over WebSocket.
    Dialect(DialectKind),
    /// `/ws/echo` (`--debug-echo`).
    Echo,
}

/// How far a connection is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is served.
    Open,
    /// We sent a close frame and wait for the peer's, or its end; what it says meanwhile is not looked at.
    Closing,
    /// Everything is said: when the outbox is empty we end our half and wait for the peer's.
    Ending,
    /// Our half is ended.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) kind: Kind,
    pub(crate) session: Session,
    pub(crate) assembler: Assembler,
    pub(crate) outbox: Outbox,
    /// Bytes that were read and must wait.
    pub(crate) unread: Option<Box<[u8]>>,
    /// A hand-over that waits for answers under way.
    pub(crate) moving: Option<Box<Join>>,
    /// When the peer was heard last: the shard's milliseconds, wrapping.
    pub(crate) heard_ms: u32,
    /// Requests of this connection that are not answered yet.
    pub(crate) in_flight: u16,
    /// Bytes of its outbox that the shard's sum includes.
    pub(crate) counted: u32,
    /// Its one deadline on the shard's wheel, if it has or had one.
    deadline: Option<DeadlineKey>,
    pub(crate) life: Life,
    /// It opted in to what the guides do not show.
    pub(crate) ext: bool,
    /// It is dismissed when its last answer is given.
    pub(crate) leaving: bool,
    /// It was pinged and not heard since.
    pub(crate) pinged: bool,
    /// Its input waits: it is not watched for reading.
    pub(crate) paused: bool,
    /// The outbox could not be emptied: it is watched for writing.
    pub(crate) blocked: bool,
    /// It is in the shard's list of those with something to send.
    pub(crate) dirty: bool,
}

impl Connection {
    pub(crate) fn new(socket: Socket, kind: Kind, heard_ms: u32) -> Self {
        Self {
            socket,
            kind,
            session: Session::default(),
            assembler: Assembler::default(),
            outbox: Outbox::default(),
            unread: None,
            moving: None,
            heard_ms,
            in_flight: 0,
            counted: 0,
            deadline: None,
            life: Life::Open,
            ext: false,
            leaving: false,
            pinged: false,
            paused: false,
            blocked: false,
            dirty: false,
        }
    }

    /// Lets the wheel fire `deadline` at `at_ms`, in place of the one this connection had.
    pub(crate) fn set_deadline(&mut self, wheel: &mut Wheel<Deadline>, at_ms: u64, deadline: Deadline) {
        self.cancel_deadline(wheel);
        self.deadline = Some(wheel.insert(at_ms, deadline));
    }

    /// Takes this connection's deadline off the wheel. Whoever removes a connection from the table does so.
    pub(crate) fn cancel_deadline(&mut self, wheel: &mut Wheel<Deadline>) {
        if let Some(key) = self.deadline.take() {
            wheel.cancel(key);
        }
    }

    /// Whether something that came before is still to be dealt with, at the end of the turn, here or at another shard:
    /// what comes now must not overtake it.
    pub(crate) fn is_behind(&self) -> bool {
        self.life == Life::Open && (self.unread.is_some() || self.moving.is_some())
    }

    /// Whether it is a WebSocket.
    pub(crate) fn is_websocket(&self) -> bool {
        match self.kind {
            Kind::Http(_) => false,
            Kind::Dialect(_) | Kind::Echo => true,
        }
    }
}

/// The connections, by slot; a slot's generation tells a new holder from an old one.
#[derive(Debug, Default)]
pub(crate) struct Table(Chunks<Connection>);

impl Table {
    /// Puts a connection in.
    pub(crate) fn insert(&mut self, connection: Connection) -> ConnectionId {
        id_of(self.0.insert(connection))
    }

    /// The connection, unless it is gone.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.0.get(key_of(id))
    }

    /// The connection, unless it is gone.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.0.get_mut(key_of(id))
    }

    /// Takes a connection out to work on it beside the table; [`Table::put_back`] follows.
    pub(crate) fn take_out(&mut self, id: ConnectionId) -> Option<Connection> {
        self.0.take_out(key_of(id))
    }

    /// Puts back what [`Table::take_out`] took.
    pub(crate) fn put_back(&mut self, id: ConnectionId, connection: Connection) {
        self.0.put_back(key_of(id), connection);
    }

    /// Removes a connection; its id names nobody any more. Its deadline, if it has one, is the caller's to cancel.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.0.remove(key_of(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids in `slots`, of those that are taken.
    pub(crate) fn ids_in(&self, slots: std::ops::Range<usize>) -> impl Iterator<Item = ConnectionId> + '_ {
        self.0.keys_in(slots).map(id_of)
    }

    /// How many slots there are, taken or free.
    pub(crate) fn slots(&self) -> usize {
        self.0.slots()
    }
}

const fn key_of(id: ConnectionId) -> Key {
    Key { slot: id.slot, generation: id.generation }
}

const fn id_of(key: Key) -> ConnectionId {
    ConnectionId { slot: key.slot, generation: key.generation }
}

/// A connection's token in the readiness set.
pub(crate) fn token_of(id: ConnectionId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.slot)
}

/// The connection a token stands for.
pub(crate) fn connection_of(token: u64) -> ConnectionId {
    let slot = u32::try_from(token & u64::from(u32::MAX)).expect("masked to 32 bits");
    let generation = u32::try_from(token >> 32).expect("the upper half of 64 bits");
    ConnectionId { slot, generation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    fn connection() -> Connection {
        let (socket, _) = UnixStream::pair().unwrap();
        Connection::new(Socket::from(OwnedFd::from(socket)), Kind::Echo, 0)
    }

    #[test]
    fn an_old_id_never_names_a_new_holder() {
        let mut table = Table::default();
        let old = table.insert(connection());
        assert!(table.remove(old).is_some());
        let new = table.insert(connection());
        assert_eq!((new.slot, table.len()), (old.slot, 1));
        assert!(table.get(old).is_none() && table.get_mut(old).is_none() && table.remove(old).is_none());
        assert!(table.get(new).is_some());
        assert_eq!(connection_of(token_of(new)), new);
        assert_eq!(table.ids_in(0..10).collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn an_idle_connection_is_small() {
        let bytes = Chunks::<Connection>::slot_bytes();
        assert!(bytes <= 128, "{bytes} bytes");
    }
}
