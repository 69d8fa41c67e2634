//! An upgrade whose connection begins as a party's: by a token, which the verifier knows (a JWT) or storage has to be
//! asked about (an opaque one). Meanwhile the connection still speaks HTTP, and its request is being answered.

use switchboard_domain::{ConnectionId, Input};
use switchboard_protocol::dialect::{Begins, Context, LoginRefusal, dialect};
use switchboard_protocol::frame::handshake;
use switchboard_protocol::http::{Query, Request, Response, problem};
use switchboard_protocol::model::{Actor, Answer, Bearer, Command, Party, Refusal};

use super::CONGESTED;
use super::websocket::party_of;
use crate::auth::jwt::TokenError;
use crate::auth::opaque;
use crate::observe::metrics::BadInput;
use crate::shard::{Begun, Connection, Join, Kind, Life, ReplyTo, Shard};

impl Shard {
    /// A handshake is in order: begins the dialect's connection, or asks whose it is. `Err`: why it cannot begin.
    pub(super) fn begin(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        request: &Request<'_>,
        begun: Begun,
    ) -> Result<(), Response> {
        let session = dialect(begun.kind).session();
        let token = match session.begins {
            // Of a path it is known already whose it is.
            Begins::ByMessage | Begins::ByPath => {
                self.accept_upgrade(connection, begun);
                return Ok(());
            }
            Begins::ByToken => {
                let query = Query::parse(request.raw_query).unwrap_or_default();
                query.get("token").map(str::to_owned).or_else(|| request.bearer_token().map(str::to_owned))
            }
        };
        let token = token.ok_or_else(|| unauthorized("a token is required: ?token=…"))?;
        if let Some(hash) = opaque::parse(&token) {
            if self.port.is_congested() {
                return Err(unavailable(&CONGESTED));
            }
            let reply = ReplyTo::Upgrade(Box::new(begun));
            let bearer = Box::new(Bearer { hash, workbench: false });
            let request = self.request(id, reply, Actor::Bearer(bearer), Command::Identify);
            if let Kind::Http(http) = &mut connection.kind {
                http.wait();
            }
            self.core.handle(self.clock.wall(), Input::Request(request), &mut self.effects);
            return Ok(());
        }
        let party = match self.shared.verifier.verify(&token, self.clock.wall()) {
            Ok(identity) => party_of(identity),
            Err(TokenError::Expired) => Err(LoginRefusal::Expired),
            Err(_) => Err(LoginRefusal::InvalidToken),
        };
        match party {
            Ok((party, claims)) if session.seats(&party) && self.core.may_log_in(&party) => {
                let kind = begun.kind;
                self.accept_upgrade(connection, begun);
                self.join(id, connection, kind, party, Join { context: Context::default(), claims });
                self.revisit.push_back(id);
                Ok(())
            }
            Ok((party, _)) if !session.seats(&party) => Err(not_here()),
            Err(LoginRefusal::WrongRole) => Err(not_here()),
            Ok(_) | Err(_) => Err(unauthorized("the token is unknown or has expired")),
        }
    }

    /// It is known whose the token of an upgrade is, or that it is nobody's.
    pub(crate) fn identified(&mut self, id: ConnectionId, begun: Begun, result: Result<Answer, Refusal>) {
        let refused = match result {
            Ok(_) if self.is_draining() => unavailable(&Refusal::Busy("the server restarts")),
            Ok(Answer::Bearer(party)) if !dialect(begun.kind).session().seats(&party) => {
                self.figures.login(false);
                self.figures.bad_input(BadInput::Token);
                not_here()
            }
            Ok(Answer::Bearer(party)) if self.core.may_log_in(&party) => {
                return self.begin_identified(id, begun, party);
            }
            Err(refusal @ Refusal::Busy(_)) => unavailable(&refusal),
            Ok(_) | Err(_) => {
                self.figures.login(false);
                self.figures.bad_input(BadInput::Token);
                unauthorized("the token is unknown or has expired")
            }
        };
        if let Some(connection) = self.table.get_mut(id)
            && let Kind::Http(http) = &mut connection.kind
        {
            http.close_after_answer();
        }
        self.respond(id, refused);
    }

    fn begin_identified(&mut self, id: ConnectionId, begun: Begun, party: Party) {
        let Some(mut connection) = self.table.take_out(id) else { return };
        if let (Kind::Http(http), Life::Open) = (&mut connection.kind, connection.life) {
            let rest = http.take_rest();
            let kind = begun.kind;
            connection.outbox.lend(&mut self.spares);
            self.accept_upgrade(&mut connection, begun);
            if !rest.is_empty() {
                connection.unread = Some(rest.into());
            }
            self.join(id, &mut connection, kind, party, Join { context: Context::default(), claims: None });
        }
        self.table.put_back(id, connection);
        self.mark_dirty(id);
        self.revisit.push_back(id);
    }

    pub(super) fn accept_upgrade(&mut self, connection: &mut Connection, begun: Begun) {
        connection.outbox.write(|out| handshake::write_accept(out, &begun.accept));
        self.figures.http(101);
        connection.cancel_deadline(&mut self.wheel);
        connection.kind = Kind::Dialect(begun.kind);
    }
}

/// A good token of somebody who has no business at this path.
fn not_here() -> Response {
    unauthorized("this token is for another path: see the dialects' own")
}

fn unauthorized(detail: &str) -> Response {
    problem(401, "Unauthorized", detail).with_header("WWW-Authenticate", "Bearer")
}

fn unavailable(refusal: &Refusal) -> Response {
    problem(503, "Service Unavailable", &refusal.to_string()).with_header("Retry-After", "1")
}
