//! What crosses between shards: one closed enum.

use switchboard_domain::{Letter, Session};
use switchboard_protocol::dialect::{Context, DialectKind};
use switchboard_protocol::frame::Assembler;
use switchboard_protocol::model::AgentChange;

use crate::connection::Outbox;
use crate::runtime::Socket;

/// What one shard sends to another.
#[derive(Debug)]
pub enum Mail {
    /// From core to core.
    Letter(Letter),
    /// A connection whose party lives at the receiver.
    HandOver(Box<MovedConnection>),
}

/// A connection on its way to the home of its party, with everything it has: nothing is read or said twice.
#[derive(Debug)]
pub struct MovedConnection {
    pub(crate) socket: Socket,
    pub(crate) dialect: DialectKind,
    pub(crate) session: Session,
    pub(crate) assembler: Assembler,
    pub(crate) outbox: Outbox,
    /// Bytes that were read and not looked at.
    pub(crate) unread: Box<[u8]>,
    /// It opted in to what the guides do not show.
    pub(crate) ext: bool,
    /// The login or bind that is answered on arrival.
    pub(crate) join: Join,
}

/// A login or bind that succeeded and is to be answered at the party's home.
#[derive(Debug)]
pub struct Join {
    pub(crate) context: Context,
    /// What an agent's token claims.
    pub(crate) claims: Option<Box<AgentChange>>,
}
