//! A connection while it speaks HTTP: one request at a time, each with a deadline, until it upgrades.

use std::time::{Duration, SystemTime};

use switchboard_domain::{ConnectionId, Input};
use switchboard_protocol::dialect::{Context, Reply as RestReply, opts_in};
use switchboard_protocol::frame::handshake;
use switchboard_protocol::http::{
    BodyFraming, BodyReader, CONTINUE, HeadScan, HttpError, Method, Query, Request, Response, parse_request, problem,
};
use switchboard_protocol::model::{Party, limits};

use super::{CONGESTED, Next};
use crate::http::{Door, Handled, Upgrade, response};
use crate::observe::metrics::BadInput;
use crate::shard::{Begun, Connection, Deadline, Join, Kind, Life, ReplyTo, Shard};

/// What is kept of a connection that speaks HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    /// What was received of the request at hand and those behind it.
    buffer: Vec<u8>,
    /// Bytes at the start of the buffer that are dealt with.
    used: usize,
    scan: HeadScan,
    body: Option<Body>,
    /// A request is being answered; the next waits.
    busy: bool,
    keep_alive: bool,
    head_only: bool,
    /// The CORS headers of the answer at hand.
    cors: Vec<(&'static str, String)>,
    deadline_ms: u64,
    /// When the wheel will ask next.
    armed_ms: u64,
}

/// A body on its way.
#[derive(Debug)]
struct Body {
    head_len: usize,
    reader: BodyReader,
    fed: usize,
}

impl Http {
    pub(super) fn new(deadline_ms: u64) -> Self {
        Self {
            buffer: Vec::new(),
            used: 0,
            scan: HeadScan::default(),
            body: None,
            busy: false,
            keep_alive: true,
            head_only: false,
            cors: Vec::new(),
            deadline_ms,
            armed_ms: u64::MAX,
        }
    }

    /// Whether a request is being answered.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Gives back what is dealt with. Of a body on its way, what the reader took is not kept twice: chunks may
    /// carry much that is not body.
    fn compact(&mut self) {
        self.buffer.drain(..std::mem::take(&mut self.used));
        if let Some(body) = &mut self.body {
            self.buffer.drain(body.head_len..body.head_len + std::mem::take(&mut body.fed));
        }
    }

    /// Whether it may go on with what it has.
    fn has_more(&self) -> bool {
        !self.busy && self.used < self.buffer.len()
    }

    /// The request at hand waits for an answer.
    pub(super) fn wait(&mut self) {
        self.busy = true;
    }

    /// What came behind the request at hand, which is no HTTP any more.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        self.buffer.split_off(std::mem::take(&mut self.used))
    }

    pub(super) fn close_after_answer(&mut self) {
        self.keep_alive = false;
    }
}

/// What a look at the buffer came to.
enum Step {
    /// More bytes are needed, or the answer at hand is.
    Wait,
    /// A request is dealt with; there may be another.
    Again,
    /// It is a WebSocket now; these bytes are its first.
    Upgraded(Vec<u8>),
}

impl Shard {
    pub(super) fn http_received(&mut self, id: ConnectionId, connection: &mut Connection, bytes: &[u8]) -> Next {
        if connection.life != Life::Open {
            return Next::Stay;
        }
        let Kind::Http(http) = &mut connection.kind else { unreachable!("the caller has looked") };
        let first = http.buffer.is_empty() && !bytes.is_empty();
        http.buffer.extend_from_slice(bytes);
        if first && !http.busy {
            http.deadline_ms = self.clock.now_ms() + millis(self.shared.config.head_timeout);
            self.arm(id, connection);
        }
        loop {
            match self.http_step(id, connection) {
                Step::Again => {}
                Step::Wait => break,
                Step::Upgraded(mut rest) => {
                    return if connection.moving.is_some() {
                        // What it says is for its agent's home to hear.
                        connection.unread = (!rest.is_empty()).then(|| rest.into());
                        self.revisit.push_back(id);
                        Next::Stay
                    } else if rest.is_empty() {
                        Next::Stay
                    } else {
                        self.websocket_received(id, connection, &mut rest)
                    };
                }
            }
        }
        let Kind::Http(http) = &mut connection.kind else { return Next::Stay };
        http.compact();
        // A client that pipelines without waiting, or without reading, fills the kernel's buffers, not ours.
        let too_much = http.buffer.len() > limits::HTTP_HEAD_MAX_BYTES + limits::HTTP_BODY_MAX_BYTES;
        connection.paused = (http.busy && too_much) || connection.outbox.len() > limits::HTTP_UNSENT_MAX_BYTES;
        Next::Stay
    }

    fn http_step(&mut self, id: ConnectionId, connection: &mut Connection) -> Step {
        let Kind::Http(http) = &mut connection.kind else { return Step::Wait };
        let unread = connection.outbox.len() > limits::HTTP_UNSENT_MAX_BYTES;
        if http.busy || unread || connection.life != Life::Open {
            return Step::Wait;
        }
        let mut buffer = std::mem::take(&mut http.buffer);
        let mut used = http.used;
        let step = match self.http_request(id, connection, &buffer[used..]) {
            Ok((more, step)) => {
                used += more;
                step
            }
            Err(error) => {
                self.figures.bad_input(if error.status() == 431 || error.status() == 413 {
                    BadInput::TooLarge
                } else {
                    BadInput::Http
                });
                self.finish(id, connection, Response::from(error), false);
                if let Kind::Http(http) = &mut connection.kind {
                    http.body = None;
                }
                used = buffer.len();
                Step::Wait
            }
        };
        match (&mut connection.kind, step) {
            (Kind::Http(http), step) => {
                if matches!(step, Step::Again) && used < buffer.len() {
                    // The next request has begun already.
                    http.deadline_ms = self.clock.now_ms() + millis(self.shared.config.head_timeout);
                }
                (http.buffer, http.used) = (buffer, used);
                step
            }
            (Kind::Dialect(_) | Kind::Echo, _) => Step::Upgraded(buffer.split_off(used)),
        }
    }

    /// Looks for a whole request at the start of the buffer; says how many bytes are dealt with.
    fn http_request(
        &mut self,
        id: ConnectionId,
        connection: &mut Connection,
        buffer: &[u8],
    ) -> Result<(usize, Step), HttpError> {
        let Kind::Http(http) = &mut connection.kind else { unreachable!("the caller has looked") };
        if let Some(body) = &mut http.body {
            body.fed += body.reader.feed(&buffer[body.head_len + body.fed..])?;
            if !body.reader.is_done() {
                return Ok((0, Step::Wait));
            }
            let Some(Body { head_len, reader, fed }) = http.body.take() else { unreachable!("matched above") };
            let request = parse_request(buffer, &mut HeadScan::default())?.expect("the head was complete before");
            self.http_handle(id, connection, &request, &mut reader.into_bytes());
            return Ok((head_len + fed, Step::Again));
        }
        let Some(request) = parse_request(buffer, &mut http.scan)? else { return Ok((0, Step::Wait)) };
        let head_len = request.head_len;
        if request.is_upgrade() {
            self.upgrade(id, connection, &request);
            return Ok((head_len, Step::Again));
        }
        if request.body == BodyFraming::None {
            self.http_handle(id, connection, &request, &mut []);
            return Ok((head_len, Step::Again));
        }
        http.body = Some(Body { head_len, reader: BodyReader::new(request.body), fed: 0 });
        if request.expects_continue() {
            connection.outbox.write(|out| out.extend_from_slice(CONTINUE));
        }
        Ok((0, Step::Again))
    }

    /// A whole request.
    fn http_handle(&mut self, id: ConnectionId, connection: &mut Connection, request: &Request<'_>, body: &mut [u8]) {
        let Kind::Http(http) = &mut connection.kind else { unreachable!("the caller has looked") };
        http.keep_alive &= !request.wants_close();
        http.head_only = request.method == Method::Head;
        let preflight = request.method == Method::Options;
        http.cors = self.shared.origins.cors(request.header("Origin"), request.header("Host"), preflight);
        let shared = self.shared.clone();
        let socket = &connection.socket;
        let peer = || socket.peer_address();
        match shared.routes.handle(&shared, request, body, &peer, self.clock.wall(), &mut self.scratch) {
            Handled::Response(response) => {
                let keep_alive = http.keep_alive;
                self.finish(id, connection, response, keep_alive);
            }
            Handled::Make { actor, command, encode, key: None } | Handled::Ask { actor, command, encode }
                if !self.port.is_congested() =>
            {
                http.busy = true;
                let request = self.request(id, ReplyTo::Rest(encode), actor, command);
                self.core.handle(self.clock.wall(), Input::Request(request), &mut self.effects);
            }
            Handled::Make { actor, command, encode, key: Some(key) } if !self.port.is_congested() => {
                http.busy = true;
                self.make_under(id, (actor, command), encode, *key);
            }
            Handled::Refused { refusal, encode } => {
                let reply = encode(Err(&refusal), &self.dialects);
                let keep_alive = http.keep_alive;
                self.finish(id, connection, response(reply), keep_alive);
            }
            Handled::Ask { encode, .. } | Handled::Make { encode, .. } => {
                let reply = encode(Err(&CONGESTED), &self.dialects);
                let keep_alive = http.keep_alive;
                self.finish(id, connection, response(reply), keep_alive);
            }
        }
    }

    fn upgrade(&mut self, id: ConnectionId, connection: &mut Connection, request: &Request<'_>) {
        let (now, draining) = (self.clock.wall(), self.is_draining());
        let door = Door { shared: &self.shared, core: &self.core, now, draining };
        let upgrade = self.shared.routes.upgrade(&door, request);
        let accepted = match upgrade {
            Ok(upgrade) => handshake::check(request).map(|accept| (upgrade, accept)).map_err(Response::from),
            Err(response) => Err(response),
        };
        match accepted {
            Ok((upgrade, accept)) => {
                let query = Query::parse(request.raw_query).unwrap_or_default();
                connection.ext = opts_in(&|name| query.get(name).map(Into::into));
                match upgrade {
                    Upgrade::Dialect(kind) => {
                        if let Err(response) = self.begin(id, connection, request, Begun { kind, accept }) {
                            // Or too much is asked for just now, which is not the peer's doing.
                            if response.status == 401 {
                                self.figures.bad_input(BadInput::Token);
                            }
                            self.finish(id, connection, response, false);
                        }
                    }
                    Upgrade::Agent { kind, agent, claims } => {
                        self.accept_upgrade(connection, Begun { kind, accept });
                        let join = Join { context: Context::default(), claims };
                        self.join(id, connection, kind, Party::Agent(agent), join);
                    }
                    Upgrade::Echo => {
                        connection.outbox.write(|out| handshake::write_accept(out, &accept));
                        self.figures.http(101);
                        connection.cancel_deadline(&mut self.wheel);
                        connection.kind = Kind::Echo;
                    }
                }
            }
            Err(response) => {
                let kind = if response.status == 403 { BadInput::Origin } else { BadInput::Handshake };
                self.figures.bad_input(kind);
                self.finish(id, connection, response, false);
            }
        }
    }

    /// Answers the request at hand of a connection.
    pub(crate) fn respond(&mut self, id: ConnectionId, response: Response) {
        let Some(mut connection) = self.table.take_out(id) else { return };
        let keep_alive = matches!(&connection.kind, Kind::Http(http) if http.keep_alive);
        self.finish(id, &mut connection, response, keep_alive);
        let more = matches!(&connection.kind, Kind::Http(http) if http.has_more());
        self.arm(id, &mut connection);
        self.table.put_back(id, connection);
        self.mark_dirty(id);
        if more {
            self.revisit.push_back(id);
        }
    }

    /// Answers the request at hand of a connection by REST.
    pub(crate) fn respond_rest(&mut self, id: ConnectionId, reply: RestReply) {
        self.respond(id, response(reply));
    }

    fn finish(&mut self, id: ConnectionId, connection: &mut Connection, response: Response, keep_alive: bool) {
        self.figures.http(response.status);
        let Kind::Http(http) = &mut connection.kind else { return };
        let keep_alive = keep_alive && !self.is_draining();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.wall().as_millis());
        let mut response = response.with_header("Date", httpdate::fmt_http_date(now));
        for (name, value) in std::mem::take(&mut http.cors) {
            response = response.with_header(name, value);
        }
        let head_only = std::mem::take(&mut http.head_only);
        connection.outbox.write(|out| response.write_to(out, keep_alive, head_only));
        http.busy = false;
        http.deadline_ms = self.clock.now_ms() + millis(self.shared.config.http_idle_timeout);
        if !keep_alive {
            self.end(id, connection, millis(self.shared.config.http_idle_timeout));
        }
    }

    /// Sees to it that the wheel asks about an HTTP connection.
    pub(super) fn arm_http(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.table.take_out(id) else { return };
        self.arm(id, &mut connection);
        self.table.put_back(id, connection);
    }

    /// The wheel asks at the earliest deadline; one that moved away since is looked at again then. Nothing changes for a
    /// connection on its way out: it has its deadline already.
    fn arm(&mut self, id: ConnectionId, connection: &mut Connection) {
        let Connection { kind: Kind::Http(http), life: Life::Open, .. } = connection else { return };
        if http.deadline_ms < http.armed_ms {
            let at_ms = http.deadline_ms;
            http.armed_ms = at_ms;
            connection.set_deadline(&mut self.wheel, at_ms, Deadline::Http(id));
        }
    }

    /// The wheel asks: is this HTTP connection late?
    pub(crate) fn http_late(&mut self, id: ConnectionId) {
        let now_ms = self.clock.now_ms();
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        let Kind::Http(http) = &mut connection.kind else { return };
        if http.armed_ms > now_ms {
            return;
        }
        http.armed_ms = u64::MAX;
        if http.busy {
            // We are late, not the peer.
            http.deadline_ms = now_ms + millis(self.shared.config.head_timeout);
        }
        if http.deadline_ms > now_ms {
            return self.arm_http(id);
        }
        if http.buffer.is_empty() {
            return self.lose(id);
        }
        self.figures.bad_input(BadInput::Timeout);
        http.close_after_answer();
        self.respond(id, problem(408, "Request Timeout", "the request took too long to arrive"));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
