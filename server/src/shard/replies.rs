//! Answers that are awaited: whom to give them to, and how to say them.

use switchboard_domain::{ConnectionId, Origin, Request};
use switchboard_protocol::dialect::{Context, DialectKind, Reply as RestReply, Settings};
use switchboard_protocol::model::{Actor, Answer, Command, Refusal};

use super::Shard;
use super::keyed::Keeping;

/// How a REST answer is said.
pub(crate) type RestEncoder = fn(Result<&Answer, &Refusal>, &Settings) -> RestReply;

/// An answer that is awaited.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) connection: ConnectionId,
    pub(crate) to: ReplyTo,
}

/// How it will be said.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// By the connection's dialect.
    Socket(Context),
    /// By going on with an upgrade, or refusing it.
    Upgrade(Box<Begun>),
    /// As a REST answer.
    Rest(RestEncoder),
    /// As a REST answer that is kept under a key.
    Kept(Box<Keeping>),
}

/// An upgrade that waits until it is known whose its token is.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) kind: DialectKind,
    /// The handshake's `Sec-WebSocket-Accept`.
    pub(crate) accept: String,
}

impl Shard {
    /// The request of a connection of this shard, with its answer noted as awaited.
    pub(crate) fn request(&mut self, connection: ConnectionId, to: ReplyTo, actor: Actor, command: Command) -> Request {
        self.figures.command();
        let reply = self.replies.insert(Reply { connection, to });
        let reply = u32::try_from(reply).expect("answers awaited are bounded by connections");
        Request { origin: Origin { shard: self.id, connection, reply }, actor, command }
    }
}
