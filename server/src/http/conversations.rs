//! kefu's REST (guide 2): the conversation of a user, its messages, and the agents to choose from.

use std::borrow::Cow;

use switchboard_protocol::dialect::Rejection;
use switchboard_protocol::dialect::kefu::{decode, encode};
use switchboard_protocol::model::{Actor, Command};

use super::{Call, Handled};

/// `GET /api/kefu/message/getConversation`
pub(super) fn open(call: Call<'_>) -> Handled {
    with_token(&call, decode::get_conversation(&|name| call.query.get(name).map(Cow::from)))
}

/// `GET /api/kefu/message/list`
pub(super) fn messages(call: Call<'_>) -> Handled {
    with_token(&call, decode::list(&|name| call.query.get(name).map(Cow::from)))
}

/// `GET /api/kefu/agents/available`: for visitors, who have no token.
pub(super) fn available_agents(_: Call<'_>) -> Handled {
    Handled::Ask { actor: Actor::Anonymous, command: decode::available_agents(), encode: encode::answered }
}

fn with_token(call: &Call<'_>, command: Result<Command, Rejection>) -> Handled {
    match (call.actor(), command) {
        (Err(message), _) => encode::error(401, &message).into(),
        (Ok(_), Err(rejection)) => encode::rejected(&rejection).into(),
        (Ok(actor), Ok(command)) => Handled::Ask { actor, command, encode: encode::answered },
    }
}
