//! The connections of a shard: one entry each, a few hundred bytes and no buffer while idle.

use switchboard_domain::{ConnectionId, Session};
use switchboard_protocol::dialect::DialectKind;
use switchboard_protocol::frame::Assembler;

use super::mail::Join;
use crate::connection::{Http, Outbox};
use crate::runtime::Socket;

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
    pub(crate) counted: usize,
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
            life: Life::Open,
            ext: false,
            leaving: false,
            pinged: false,
            paused: false,
            blocked: false,
            dirty: false,
        }
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
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// Tokens of the readiness set above any connection's are the shard's own: generations stay below.
const GENERATION_END: u32 = u32::MAX - 1;

impl Table {
    /// Puts a connection in.
    pub(crate) fn insert(&mut self, connection: Connection) -> ConnectionId {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.slots[slot as usize];
            entry.connection = Some(connection);
            return ConnectionId { slot, generation: entry.generation };
        }
        let slot = u32::try_from(self.slots.len()).expect("descriptors are fewer than 2^32");
        self.slots.push(Slot { generation: 0, connection: Some(connection) });
        ConnectionId { slot, generation: 0 }
    }

    /// The connection, unless it is gone.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.slot as usize)?;
        (slot.generation == id.generation).then_some(slot.connection.as_ref()).flatten()
    }

    /// The connection, unless it is gone.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        (slot.generation == id.generation).then_some(slot.connection.as_mut()).flatten()
    }

    /// Takes a connection out to work on it beside the table; [`Table::put_back`] follows.
    pub(crate) fn take_out(&mut self, id: ConnectionId) -> Option<Connection> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.connection.take() } else { None }
    }

    /// Puts back what [`Table::take_out`] took.
    pub(crate) fn put_back(&mut self, id: ConnectionId, connection: Connection) {
        self.slots[id.slot as usize].connection = Some(connection);
    }

    /// Removes a connection; its id names nobody any more.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.take_out(id)?;
        let slot = &mut self.slots[id.slot as usize];
        slot.generation = (slot.generation + 1) % GENERATION_END;
        self.free.push(id.slot);
        self.len -= 1;
        if self.len == 0 {
            // Everybody left: what a crowd has taken is given back.
            self.free.shrink_to(1024);
        }
        Some(connection)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The ids in `slots`, of those that are taken.
    pub(crate) fn ids_in(&self, slots: std::ops::Range<usize>) -> impl Iterator<Item = ConnectionId> + '_ {
        let end = slots.end.min(self.slots.len());
        let taken = self.slots[slots.start.min(end)..end].iter().zip(slots.start..);
        taken.filter(|(slot, _)| slot.connection.is_some()).map(|(slot, index)| ConnectionId {
            slot: u32::try_from(index).expect("slots are counted in 32 bits"),
            generation: slot.generation,
        })
    }

    /// How many slots there are, taken or free.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }
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
        assert!(size_of::<Slot>() <= 128, "{} bytes", size_of::<Slot>());
    }
}
