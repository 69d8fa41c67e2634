//! HTTP: the route table, and one handler file per noun. A handler turns a request into a response or into
//! a command of the domain with the encoder of its answer; it never waits.

mod agents;
mod bytedesk;
mod conversations;
mod customers;
mod documents;
mod ops;
mod sessions;

use std::borrow::Cow;
use std::net::IpAddr;

use matchit::{InsertError, Router};
use sha2::{Digest, Sha256};
use switchboard_domain::Core;
use switchboard_protocol::dialect::{Begins, DialectKind, Reply, Scratch, dialect};
use switchboard_protocol::http::{Method, Query, Request, Response, percent_decode, problem};
use switchboard_protocol::model::{
    Actor, AgentChange, AgentCode, AgentId, AgentRef, Bearer, Command, Fingerprint, InvalidId, Party, Refusal,
    RequestKey, Timestamp,
};

use crate::auth::jwt::Identity;
use crate::auth::opaque;
use crate::shard::{RestEncoder, Shared};

/// The path of the development switch `--debug-echo`.
const ECHO_PATH: &str = "/ws/echo";

/// What a handler came to.
pub(crate) enum Handled {
    /// It is answered.
    Response(Response),
    /// The domain is to be asked.
    Ask { actor: Actor, command: Command, encode: RestEncoder },
    /// As `Ask`, of what makes something: under the key that the request named, if it did.
    Make { actor: Actor, command: Command, encode: RestEncoder, key: Option<Box<Keyed>> },
    /// Refused before the domain was asked.
    Refused { refusal: Refusal, encode: RestEncoder },
}

/// The key of a request, and what the request is.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: RequestKey,
    pub(crate) fingerprint: Fingerprint,
}

impl Handled {
    /// What a handler says of a request that makes something: it honours `Idempotency-Key`.
    fn making(self) -> Self {
        match self {
            Self::Ask { actor, command, encode } => Self::Make { actor, command, encode, key: None },
            other => other,
        }
    }

    /// With the key that the request named.
    fn under(self, named: Option<Result<Keyed, InvalidId>>) -> Self {
        match (self, named) {
            (Self::Make { encode, .. }, Some(Err(InvalidId))) => {
                Self::Refused { refusal: Refusal::KeyMalformed, encode }
            }
            (Self::Make { actor, command, encode, .. }, Some(Ok(key))) => {
                Self::Make { actor, command, encode, key: Some(Box::new(key)) }
            }
            (other, _) => other,
        }
    }
}

impl From<Reply> for Handled {
    fn from(reply: Reply) -> Self {
        Self::Response(response(reply))
    }
}

/// A dialect's answer as a response.
pub(crate) fn response(reply: Reply) -> Response {
    let response = Response::json(reply.status, reply.body);
    match reply.next {
        Some(next) => response.with_header("Link", format!("<{next}>; rel=\"next\"")),
        None => response,
    }
}

/// What a connection becomes.
#[derive(Debug)]
pub(crate) enum Upgrade {
    /// A dialect's WebSocket.
    Dialect(DialectKind),
    /// A dialect's WebSocket, of this agent from the beginning.
    Agent { kind: DialectKind, agent: AgentId, claims: Option<Box<AgentChange>> },
    /// `/ws/echo`.
    Echo,
}

/// What a handler is given.
pub(crate) struct Call<'r> {
    pub(crate) shared: &'r Shared,
    /// Looks up a header by name.
    pub(crate) header: &'r dyn Fn(&str) -> Option<&'r str>,
    pub(crate) bearer: Option<&'r str>,
    /// The other end's address; `None` if it is gone.
    pub(crate) peer: &'r dyn Fn() -> Option<IpAddr>,
    /// Whether a page asks that may not speak to us (`allowed_origins`).
    pub(crate) foreign_page: &'r dyn Fn() -> bool,
    pub(crate) query: Query<'r>,
    /// The last part of the path, where the route has one.
    pub(crate) id: Cow<'r, str>,
    pub(crate) body: &'r mut [u8],
    pub(crate) now: Timestamp,
    pub(crate) scratch: &'r mut Scratch,
}

impl Call<'_> {
    /// As whom the bearer of the request's token is taken; else why not, to be said with a 401. Of an opaque token the
    /// domain says whose it is.
    pub(crate) fn actor(&self) -> Result<Actor, String> {
        if let Some(hash) = self.bearer.and_then(opaque::parse) {
            return Ok(Actor::Bearer(Box::new(Bearer { hash, workbench: false })));
        }
        self.identity().map(|identity| identity.actor())
    }

    /// Whom the request's token, a JWT, proves its bearer to be; else why not, to be said with a 401.
    pub(crate) fn identity(&self) -> Result<Identity, String> {
        let token = self.bearer.ok_or("a token is required: Authorization: Bearer …")?;
        self.shared.verifier.verify(token, self.now).map_err(|error| error.to_string())
    }
}

type Handler = fn(Call<'_>) -> Handled;

/// A path: what each method does there.
struct Route(&'static [(Method, Handler)]);

/// All paths. A WebSocket's path answers plain HTTP with 426.
const ROUTES: [(&str, Route); 31] = [
    ("/livez", Route(&[(Method::Get, ops::livez)])),
    ("/readyz", Route(&[(Method::Get, ops::readyz)])),
    ("/metrics", Route(&[(Method::Get, ops::metrics)])),
    ("/api/kefu/message/getConversation", Route(&[(Method::Get, conversations::open)])),
    ("/api/kefu/message/list", Route(&[(Method::Get, conversations::messages)])),
    ("/api/kefu/agents/available", Route(&[(Method::Get, conversations::available_agents)])),
    ("/api/v1/agents", Route(&[(Method::Get, agents::list), (Method::Post, agents::create)])),
    (
        "/api/v1/agents/{id}",
        Route(&[(Method::Get, agents::show), (Method::Put, agents::update), (Method::Delete, agents::delete)]),
    ),
    ("/api/v1/agents/{id}/token", Route(&[(Method::Post, customers::agent_token)])),
    ("/api/v1/conversations", Route(&[(Method::Get, bytedesk::conversations), (Method::Post, bytedesk::open)])),
    (
        "/api/v1/conversations/{id}",
        Route(&[
            (Method::Get, bytedesk::conversation),
            (Method::Put, bytedesk::change),
            (Method::Delete, bytedesk::end),
        ]),
    ),
    ("/api/v1/conversations/{id}/messages", Route(&[(Method::Get, bytedesk::messages)])),
    ("/api/v1/messages", Route(&[(Method::Get, bytedesk::messages_by_query), (Method::Post, bytedesk::send)])),
    (
        "/api/v1/messages/{id}",
        Route(&[(Method::Get, bytedesk::message), (Method::Put, bytedesk::edit), (Method::Delete, bytedesk::recall)]),
    ),
    ("/api/v1/public/customer-token", Route(&[(Method::Post, customers::enter)])),
    ("/api/v1/customers", Route(&[(Method::Get, customers::list), (Method::Post, customers::create)])),
    ("/api/v1/customers/{id}", Route(&[(Method::Get, customers::show), (Method::Put, customers::update)])),
    ("/api/v1/customers/{id}/token", Route(&[(Method::Post, customers::token)])),
    ("/api/sessions", Route(&[(Method::Get, sessions::list)])),
    ("/api/sessions/{id}", Route(&[(Method::Get, sessions::show)])),
    ("/api/sessions/{id}/history", Route(&[(Method::Get, sessions::history)])),
    ("/api/sessions/{id}/accept", Route(&[(Method::Post, sessions::accept)])),
    ("/api/sessions/{id}/message", Route(&[(Method::Post, sessions::send)])),
    ("/api/sessions/{id}/close", Route(&[(Method::Post, sessions::close)])),
    ("/openapi.json", Route(&[(Method::Get, documents::openapi)])),
    ("/asyncapi.json", Route(&[(Method::Get, documents::asyncapi)])),
    ("/docs", Route(&[(Method::Get, documents::page)])),
    ("/openapi/multichannel.yaml", Route(&[(Method::Get, sessions::openapi)])),
    ("/ws", Route(&[(Method::Get, upgrade_required)])),
    ("/ws/chat", Route(&[(Method::Get, upgrade_required)])),
    ("/ws/cs/{id}", Route(&[(Method::Get, upgrade_required)])),
];

/// The route table.
pub struct Routes {
    router: Router<Route>,
}

impl Routes {
    /// The table of all paths. Fails if two of them cannot be told apart.
    pub fn new() -> Result<Self, InsertError> {
        let mut router = Router::new();
        for (path, route) in ROUTES {
            router.insert(path, route)?;
        }
        Ok(Self { router })
    }

    /// Finds and calls the handler of a request.
    pub(crate) fn handle(
        &self,
        shared: &Shared,
        request: &Request<'_>,
        body: &mut [u8],
        peer: &dyn Fn() -> Option<IpAddr>,
        now: Timestamp,
        scratch: &mut Scratch,
    ) -> Handled {
        let named = named_key(request, body);
        let Ok(found) = self.router.at(request.path) else { return Handled::Response(not_found()) };
        let asked = if request.method == Method::Head { Method::Get } else { request.method };
        if asked == Method::Options {
            return Handled::Response(Response::empty(204).with_header("Allow", allowed(found.value)));
        }
        let Some((_, handler)) = found.value.0.iter().find(|(method, _)| *method == asked) else {
            let response = problem(405, "Method Not Allowed", "this path does not take this method");
            return Handled::Response(response.with_header("Allow", allowed(found.value)));
        };
        let (query, id) = match (Query::parse(request.raw_query), percent_decode(found.params.get("id").unwrap_or("")))
        {
            (Ok(query), Ok(id)) => (query, id),
            (Err(error), _) | (_, Err(error)) => return Handled::Response(Response::from(error)),
        };
        let foreign_page = &|| !shared.origins.allows(request.header("Origin"), request.header("Host"));
        let header = |name: &str| request.header(name);
        let bearer = request.bearer_token();
        handler(Call { shared, header: &header, bearer, peer, foreign_page, query, id, body, now, scratch })
            .under(named)
    }

    /// What an upgrade request may become, before the handshake itself is looked at.
    pub(crate) fn upgrade(&self, door: &Door<'_>, request: &Request<'_>) -> Result<Upgrade, Response> {
        let shared = door.shared;
        let query = Query::parse(request.raw_query).unwrap_or_default();
        let kind = DialectKind::of_upgrade(request.path, &|name| query.get(name).map(Cow::from));
        match kind {
            Some(_) => {}
            None if request.path == ECHO_PATH && shared.config.debug_echo => {}
            None if self.router.at(request.path).is_ok() => {
                return Err(problem(400, "Bad Request", "no WebSocket is spoken at this path"));
            }
            None => return Err(not_found()),
        }
        if !shared.origins.allows(request.header("Origin"), request.header("Host")) {
            return Err(problem(403, "Forbidden", "this origin is not allowed; see `allowed_origins`"));
        }
        if door.draining {
            return Err(problem(503, "Service Unavailable", "the server restarts").with_header("Retry-After", "1"));
        }
        match kind {
            None => Ok(Upgrade::Echo),
            Some(kind) => match dialect(kind).session().begins {
                Begins::ByMessage | Begins::ByToken => Ok(Upgrade::Dialect(kind)),
                Begins::ByPath => agent_by_path(kind, door, request),
            },
        }
    }
}

/// The key that a request names, and its fingerprint: taken now, because parsing destroys the body. Two keys are none.
fn named_key(request: &Request<'_>, body: &[u8]) -> Option<Result<Keyed, InvalidId>> {
    let mut named = request.header_values("Idempotency-Key");
    let first = named.next()?;
    if named.next().is_some() {
        return Some(Err(InvalidId));
    }
    let digest = Sha256::new()
        .chain_update(request.method.as_str())
        .chain_update([b' '])
        .chain_update(request.path)
        .chain_update([b'?'])
        .chain_update(request.raw_query)
        .chain_update([b'\n'])
        .chain_update(body);
    Some(RequestKey::new(first).map(|key| Keyed { key, fingerprint: Fingerprint(digest.finalize().into()) }))
}

/// What decides about an upgrade besides the request.
pub(crate) struct Door<'d> {
    pub(crate) shared: &'d Shared,
    pub(crate) core: &'d Core,
    pub(crate) now: Timestamp,
    pub(crate) draining: bool,
}

/// The agent that the path names. Without a token it must be known already, and the server open; a token, in the
/// query or a header, must be that agent's own, and makes it if it is first seen in it (dialects.md, "Who exists").
fn agent_by_path(kind: DialectKind, door: &Door<'_>, request: &Request<'_>) -> Result<Upgrade, Response> {
    let raw = dialect(kind).session().parameter(request.path).unwrap_or_default();
    let name = percent_decode(raw).map_err(Response::from)?;
    let name = AgentCode::new(&name).map_err(|_| problem(400, "Bad Request", "no agent can be called that"))?;
    let known = door.core.agent(&AgentRef::Code(name.clone()));
    let query = Query::parse(request.raw_query).map_err(Response::from)?;
    let Some(token) = query.get("token").or(request.bearer_token()) else {
        return match known {
            _ if !door.shared.config.is_open() => Err(unauthorized("a token is required")),
            Some(agent) => Ok(Upgrade::Agent { kind, agent, claims: None }),
            None => Err(problem(404, "Not Found", "there is no such agent; POST /api/v1/agents makes one")),
        };
    };
    let identity = door.shared.verifier.verify(token, door.now);
    let forbidden = |why| Err(problem(403, "Forbidden", why));
    match identity.map_err(|error| unauthorized(&error.to_string()))? {
        Identity::Agent { id, .. } if !door.core.may_log_in(&Party::Agent(id)) => forbidden("this agent was deleted"),
        Identity::Agent { id, claims } if known == Some(id) || known.is_none() && name.as_str() == id.to_string() => {
            Ok(Upgrade::Agent { kind, agent: id, claims: Some(claims) })
        }
        Identity::Agent { .. } => forbidden("this token is another agent's"),
        Identity::User { .. } | Identity::Admin { .. } => forbidden("this token is no agent's"),
    }
}

fn unauthorized(why: &str) -> Response {
    problem(401, "Unauthorized", why).with_header("WWW-Authenticate", "Bearer")
}

fn upgrade_required(_: Call<'_>) -> Handled {
    let response = problem(426, "Upgrade Required", "this path speaks WebSocket");
    Handled::Response(response.with_header("Upgrade", "websocket").with_header("Connection", "Upgrade"))
}

fn not_found() -> Response {
    problem(404, "Not Found", "there is nothing at this path")
}

fn allowed(route: &Route) -> String {
    let methods: Vec<_> = route.0.iter().map(|(method, _)| method.as_str()).collect();
    format!("{}, HEAD, OPTIONS", methods.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_websocket_has_a_route_that_asks_for_an_upgrade() {
        let routes = Routes::new().unwrap();
        for kind in DialectKind::ALL {
            assert!(routes.router.at(dialect(kind).session().path).is_ok());
        }
    }
}
