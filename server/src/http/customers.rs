//! Customers of channels (guide 3): their tokens, and the agents' API for their records.

use std::borrow::Cow;

use switchboard_protocol::dialect::bytedesk::decode::agent;
use switchboard_protocol::dialect::webchat::{decode, encode};
use switchboard_protocol::dialect::{Rejection, Reply};
use switchboard_protocol::model::{Actor, Command, CustomerCommand, NewToken};

use super::{Call, Handled, response};
use crate::auth::opaque::{self, Kind};
use crate::auth::signed::is_signed;

/// `POST /api/v1/public/customer-token`: for everybody, so often a minute from one address.
pub(super) fn enter(call: Call<'_>) -> Handled {
    if let Some(address) = (call.peer)()
        && let Err(seconds) = call.shared.token_rate.take(address, call.now.as_millis())
    {
        let reply = encode::error(429, "Too many tokens from this address, please try again later");
        return Handled::Response(response(reply).with_header("Retry-After", seconds.to_string()));
    }
    let entrance = match decode::enter(call.body, call.scratch) {
        Ok(entrance) => entrance,
        Err(rejection) => return encode::rejected(&rejection).into(),
    };
    let (config, channel) = (&call.shared.config, entrance.channel);
    if config.webchat_signed.contains(&channel) {
        let key = config.webchat_signing_key.as_deref().unwrap_or_default();
        let given = entrance.signature.as_deref().unwrap_or_default();
        if key.is_empty() || !is_signed(key, channel.name(), &entrance.channel_id, given) {
            return encode::error(401, "signature is not the one of this channel and channelId").into();
        }
    }
    let token = match new_token(&call, Kind::Customer) {
        Ok(token) => token,
        Err(reply) => return reply.into(),
    };
    let (identity, name) = (entrance.identity, entrance.name);
    let command = decode::customers(CustomerCommand::Enter { channel, identity, name, token });
    ask(Actor::Anonymous, command)
}

/// `GET /api/v1/customers`
pub(super) fn list(call: Call<'_>) -> Handled {
    let command = decode::list(&|name| call.query.get(name).map(Cow::from));
    for_agents(call.actor(), command)
}

/// `POST /api/v1/customers`
pub(super) fn create(call: Call<'_>) -> Handled {
    for_agents(call.actor(), decode::create(call.body, call.scratch)).making()
}

/// `GET /api/v1/customers/{id}`
pub(super) fn show(call: Call<'_>) -> Handled {
    for_agents(call.actor(), decode::get(&call.id))
}

/// `PUT /api/v1/customers/{id}`
pub(super) fn update(call: Call<'_>) -> Handled {
    for_agents(call.actor(), decode::update(&call.id, call.body, call.scratch))
}

/// `POST /api/v1/customers/{id}/token`
pub(super) fn token(call: Call<'_>) -> Handled {
    let token = match new_token(&call, Kind::Customer) {
        Ok(token) => token,
        Err(reply) => return reply.into(),
    };
    let command =
        decode::customer(&call.id).map(|customer| decode::customers(CustomerCommand::IssueToken { customer, token }));
    for_agents(call.actor(), command)
}

/// `POST /api/v1/agents/{id}/token`: for admins.
pub(super) fn agent_token(call: Call<'_>) -> Handled {
    let token = match new_token(&call, Kind::Agent) {
        Ok(token) => token,
        Err(reply) => return reply.into(),
    };
    let command = agent(&call.id).map(|agent| Command::IssueAgentToken { agent, token: Box::new(token) });
    for_agents(call.actor(), command.map_err(Rejection::from))
}

fn new_token(call: &Call<'_>, kind: Kind) -> Result<NewToken, Reply> {
    opaque::issue(kind, call.now, call.shared.config.webchat_token_ttl).map_err(|error| {
        tracing::error!(%error, "the kernel gave no random bytes for a token");
        encode::error(500, "No token can be made now")
    })
}

/// That the bearer's role may do it is the domain's to check; here only that it is somebody.
fn for_agents(actor: Result<Actor, String>, command: Result<Command, Rejection>) -> Handled {
    match (actor, command) {
        (Err(message), _) => encode::error(401, &message).into(),
        (Ok(_), Err(rejection)) => encode::rejected(&rejection).into(),
        (Ok(actor), Ok(command)) => ask(actor, command),
    }
}

fn ask(actor: Actor, command: Command) -> Handled {
    Handled::Ask { actor, command, encode: |result, _| encode::answered(result) }
}
