//! A WebSocket's bytes: frames to messages, messages to what the dialect makes of them.

use std::ops::ControlFlow;

use switchboard_domain::{ConnectionId, Input, Login};
use switchboard_protocol::dialect::{Context, DialectKind, Intent, LoginRefusal, Mistake, Seat, dialect};
use switchboard_protocol::frame::{CloseCode, Incoming, Limits, Opcode, OpenFrame, Role, write_frame, write_pong};
use switchboard_protocol::model::{AgentChange, Command, Party, limits};

use super::life::say_close;
use super::{CONGESTED, Next};
use crate::auth::jwt::{Identity, TokenError};
use crate::observe::metrics::BadInput;
use crate::shard::{Connection, Join, Kind, Life, ReplyTo, Shard};

const DIALECT_LIMITS: Limits =
    Limits { message_max_bytes: limits::MESSAGE_MAX_BYTES, binary: false, role: Role::Server };
const ECHO_LIMITS: Limits =
    Limits { message_max_bytes: limits::ECHO_MESSAGE_MAX_BYTES, binary: true, role: Role::Server };

/// Said by a close frame without a code (RFC 6455 section 7.1.5); never sent, only counted.
const NO_STATUS_RECEIVED: u16 = 1005;

impl Shard {
    pub(super) fn websocket_received(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        bytes: &mut [u8],
    ) -> Next {
        if matches!(connection.life, Life::Ending | Life::Ended) {
            return Next::Stay;
        }
        let limits = if matches!(connection.kind, Kind::Echo) { &ECHO_LIMITS } else { &DIALECT_LIMITS };
        let mut assembler = std::mem::take(&mut connection.assembler);
        let fed = assembler.feed(bytes, limits, &mut |incoming| self.incoming(id, connection, incoming));
        connection.assembler = assembler;
        match fed {
            Ok(consumed) => {
                if consumed < bytes.len() && connection.life == Life::Open {
                    connection.unread = Some(bytes[consumed..].into());
                }
                let full = connection.in_flight >= limits::CONNECTION_INFLIGHT_MAX_REQUESTS;
                if connection.moving.is_some() || connection.unread.is_some() || full {
                    self.revisit.push_back(id);
                }
            }
            Err(violation) if connection.life == Life::Open => {
                self.figures.bad_input(match violation.code {
                    CloseCode::INVALID_PAYLOAD => BadInput::Utf8,
                    CloseCode::MESSAGE_TOO_BIG => BadInput::TooLarge,
                    _ => BadInput::Frame,
                });
                self.figures.close(violation.code.get());
                say_close(connection, violation.code, violation.reason);
                self.end(id, connection, limits::CLOSE_TIMEOUT_MS);
            }
            // After our close frame it hardly matters what the peer breaks.
            Err(_) => self.end(id, connection, limits::CLOSE_TIMEOUT_MS),
        }
        Next::Stay
    }

    /// Goes on with bytes that had to wait, and then with reading; or waits on.
    pub(super) fn resume(&mut self, id: ConnectionId) -> Next {
        let Some(connection) = self.table.get_mut(id) else { return Next::Stay };
        if connection.in_flight >= limits::CONNECTION_INFLIGHT_MAX_REQUESTS {
            self.pause(id, true);
            return Next::Stay;
        }
        let mut next = Next::Stay;
        if let Some(mut unread) = connection.unread.take() {
            next = self.received(id, &mut unread);
        }
        if self.table.get(id).is_some_and(|connection| connection.unread.is_none() && connection.moving.is_none()) {
            self.pause(id, false);
        }
        next
    }

    fn incoming(&mut self, id: ConnectionId, connection: &mut Connection, incoming: Incoming<'_>) -> ControlFlow<()> {
        if let Incoming::Close(frame) = &incoming {
            return self.peer_closes(id, connection, frame.as_ref().map(|frame| frame.code));
        }
        if connection.life != Life::Open {
            return ControlFlow::Continue(());
        }
        match (incoming, &connection.kind) {
            (Incoming::Text(text), Kind::Dialect(kind)) => self.text(id, connection, *kind, text),
            (Incoming::Text(text), Kind::Echo) => connection.outbox.write(|out| write_frame(out, Opcode::Text, text)),
            (Incoming::Binary(data), _) => connection.outbox.write(|out| write_frame(out, Opcode::Binary, data)),
            (Incoming::Ping(payload), _) => connection.outbox.write(|out| write_pong(out, payload)),
            (Incoming::Pong(_), _) => {}
            (Incoming::Close(_), _) | (Incoming::Text(_), Kind::Http(_)) => unreachable!("dealt with above"),
        }
        let wait = connection.moving.is_some()
            || connection.life != Life::Open
            || connection.in_flight >= limits::CONNECTION_INFLIGHT_MAX_REQUESTS;
        if wait { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn peer_closes(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        code: Option<CloseCode>,
    ) -> ControlFlow<()> {
        if connection.life == Life::Open {
            self.figures.close(code.map_or(NO_STATUS_RECEIVED, CloseCode::get));
            match code {
                Some(code) => say_close(connection, code, ""),
                None => connection.outbox.write(|out| write_frame(out, Opcode::Close, b"")),
            }
        }
        self.end(id, connection, limits::CLOSE_TIMEOUT_MS);
        ControlFlow::Break(())
    }

    /// One message of a dialect.
    fn text(&mut self, id: ConnectionId, connection: &mut Connection, kind: DialectKind, text: &mut [u8]) {
        let seat = Seat::of(connection.session.party());
        let scratch = &mut self.scratch;
        let intent = connection.outbox.write(|out| {
            let frame = OpenFrame::begin(out);
            let intent = dialect(kind).decode(text, seat, scratch, out);
            frame.finish_unless_empty(out, Opcode::Text);
            intent
        });
        match intent {
            Intent::Answered => {}
            Intent::Mistaken(Mistake::Json) => self.figures.bad_input(BadInput::Json),
            Intent::Mistaken(Mistake::Field) => self.figures.bad_input(BadInput::Field),
            Intent::Login { token, context } => self.log_in(id, connection, kind, &token, context),
            Intent::Bind { visitor, context } => {
                let party = Party::Visitor(visitor);
                self.join(id, connection, kind, party, Join { context, claims: None });
            }
            Intent::Command { command, context, extension } => {
                connection.ext |= extension;
                self.command(id, connection, kind, command, context);
            }
        }
    }

    fn command(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        kind: DialectKind,
        command: Command,
        context: Context,
    ) {
        let congested = if self.port.is_congested() { Err(CONGESTED) } else { Ok(()) };
        match congested.and_then(|()| connection.session.actor(&command)) {
            Ok(actor) => {
                connection.in_flight += 1;
                let request = self.request(id, ReplyTo::Socket(context), actor, command);
                self.core.handle(self.clock.wall(), Input::Request(request), &mut self.effects);
            }
            Err(refusal) => {
                let settings = &self.dialects;
                say(connection, |out| dialect(kind).encode_answer(&context, Err(&refusal), settings, out));
            }
        }
    }

    fn log_in(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        kind: DialectKind,
        token: &str,
        context: Context,
    ) {
        let party = match self.shared.verifier.verify(token, self.clock.wall()) {
            Ok(identity) => party_of(identity),
            Err(TokenError::Expired) => Err(LoginRefusal::Expired),
            Err(_) => Err(LoginRefusal::InvalidToken),
        };
        let allowed = party.and_then(|(party, claims)| {
            if self.core.may_log_in(&party) { Ok((party, claims)) } else { Err(LoginRefusal::AgentDeleted) }
        });
        match allowed {
            Ok((party, claims)) => self.join(id, connection, kind, party, Join { context, claims }),
            Err(refusal) => self.refuse_login(id, connection, kind, &context, refusal),
        }
    }

    fn refuse_login(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        kind: DialectKind,
        context: &Context,
        refusal: LoginRefusal,
    ) {
        self.figures.login(false);
        self.figures.bad_input(BadInput::Token);
        say(connection, |out| dialect(kind).encode_login(context, Err(refusal), out));
        if refusal.counts_as_try() && connection.session.login_failed() {
            let close = dialect(kind).session().login_failed;
            let code = CloseCode::new(close.code).expect("a dialect closes with a code that may be sent");
            self.figures.close(close.code);
            say_close(connection, code, close.reason);
            self.end(id, connection, limits::CLOSE_TIMEOUT_MS);
        }
    }

    /// A connection is to be a party's: here, or at the party's home.
    pub(super) fn join(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        kind: DialectKind,
        party: Party,
        join: Join,
    ) {
        match connection.session.admit(&party) {
            Ok(Login::Same) => say_joined(connection, kind, &join.context),
            Ok(Login::New) => {
                let home = self.shared.placement.home(&party);
                connection.session.become_party(party.clone());
                if home != self.id {
                    connection.moving = Some(Box::new(join));
                    return;
                }
                say_joined(connection, kind, &join.context);
                self.arrived(id, kind, party, join.claims);
            }
            Err(_) => match &party {
                Party::Visitor(_) => {
                    let own = matches!(connection.session.party(), Some(Party::Visitor(_)));
                    let refusal = if own { LoginRefusal::OtherParty } else { LoginRefusal::AlreadyLoggedIn };
                    say(connection, |out| dialect(kind).encode_bound(&join.context, Err(refusal), out));
                }
                Party::User(_) | Party::Agent(_) | Party::Customer(_) => {
                    let bound = matches!(connection.session.party(), Some(Party::Visitor(_)));
                    let refusal = if bound { LoginRefusal::AlreadyVisitor } else { LoginRefusal::OtherParty };
                    self.refuse_login(id, connection, kind, &join.context, refusal);
                }
            },
        }
    }

    /// A connection is at its party's home: the core shall know.
    pub(super) fn arrived(
        &mut self,
        id: ConnectionId,
        kind: DialectKind,
        party: Party,
        claims: Option<Box<AgentChange>>,
    ) {
        if !matches!(party, Party::Visitor(_)) {
            self.figures.login(true);
        }
        let session = dialect(kind).session();
        let (accept, statuses) = (session.accept, session.statuses);
        let input = Input::Arrived { connection: id, party, accept, statuses, claims };
        self.core.handle(self.clock.wall(), input, &mut self.effects);
    }
}

/// Says that a login or bind succeeded.
pub(super) fn say_joined(connection: &mut Connection, kind: DialectKind, context: &Context) {
    let Some(party) = connection.session.party().cloned() else { return };
    say(connection, |out| match &party {
        Party::Visitor(_) => dialect(kind).encode_bound(context, Ok(()), out),
        Party::User(_) | Party::Agent(_) | Party::Customer(_) => dialect(kind).encode_login(context, Ok(&party), out),
    });
}

/// Where a guide shows no answer, nothing is written and nothing said.
fn say(connection: &mut Connection, write: impl FnOnce(&mut Vec<u8>)) {
    connection.outbox.write(|out| {
        let frame = OpenFrame::begin(out);
        write(out);
        frame.finish_unless_empty(out, Opcode::Text);
    });
}

pub(super) fn party_of(identity: Identity) -> Result<(Party, Option<Box<AgentChange>>), LoginRefusal> {
    match identity {
        Identity::User { id, .. } => Ok((Party::User(id), None)),
        Identity::Agent { id, claims } => Ok((Party::Agent(id), Some(claims))),
        Identity::Admin { .. } => Err(LoginRefusal::WrongRole),
    }
}
