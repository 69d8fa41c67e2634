//! bytedesk's REST (guide 1, section 1.2): conversations and messages, for users, agents and admins.

use std::borrow::Cow;

use switchboard_protocol::dialect::bytedesk::{decode, encode};
use switchboard_protocol::dialect::{Rejection, Reply};
use switchboard_protocol::model::{Actor, Bearer, Command};

use super::{Call, Handled};
use crate::auth::jwt::Identity;
use crate::auth::opaque;

/// `GET /api/v1/conversations`
pub(super) fn conversations(call: Call<'_>) -> Handled {
    let command = decode::conversations(&|name| call.query.get(name).map(Cow::from));
    ask(bearer(&call), command)
}

/// `POST /api/v1/conversations`: an admin must say whose.
pub(super) fn open(call: Call<'_>) -> Handled {
    let actor = bearer(&call);
    match (actor, decode::open(call.body, call.scratch)) {
        (Ok(Actor::Workbench(None)), Ok(Command::Open { user: None, .. })) => encode::required("user_id").into(),
        (actor, command) => ask(actor, command).making(),
    }
}

/// `GET /api/v1/conversations/{id}`
pub(super) fn conversation(call: Call<'_>) -> Handled {
    ask(bearer(&call), decode::show_conversation(&call.id))
}

/// `PUT /api/v1/conversations/{id}`
pub(super) fn change(call: Call<'_>) -> Handled {
    let actor = bearer(&call);
    ask(actor, decode::change_conversation(&call.id, call.body, call.scratch))
}

/// `DELETE /api/v1/conversations/{id}`
pub(super) fn end(call: Call<'_>) -> Handled {
    ask(bearer(&call), decode::end_conversation(&call.id))
}

/// `GET /api/v1/conversations/{id}/messages`
pub(super) fn messages(call: Call<'_>) -> Handled {
    let command = decode::messages(&call.id, &|name| call.query.get(name).map(Cow::from));
    ask(bearer(&call), command)
}

/// `GET /api/v1/messages?conversation_id=`
pub(super) fn messages_by_query(call: Call<'_>) -> Handled {
    let command = decode::messages_by_query(&|name| call.query.get(name).map(Cow::from));
    ask(bearer(&call), command)
}

/// `POST /api/v1/messages`
pub(super) fn send(call: Call<'_>) -> Handled {
    let actor = bearer(&call);
    ask(actor, decode::send_message(call.body, call.scratch)).making()
}

/// `GET /api/v1/messages/{id}`
pub(super) fn message(call: Call<'_>) -> Handled {
    ask(bearer(&call), decode::show_message(&call.id))
}

/// `PUT /api/v1/messages/{id}`
pub(super) fn edit(call: Call<'_>) -> Handled {
    let actor = bearer(&call);
    ask(actor, decode::edit_message(&call.id, call.body, call.scratch))
}

/// `DELETE /api/v1/messages/{id}`
pub(super) fn recall(call: Call<'_>) -> Handled {
    ask(bearer(&call), decode::recall_message(&call.id))
}

/// As whom a request is taken: a user as itself, an agent as one at its workbench, which is told the truth about what it
/// sees; an admin sees all and acts as each conversation's own agent. Of an opaque token the domain says whose it is.
fn bearer(call: &Call<'_>) -> Result<Actor, Reply> {
    if let Some(hash) = call.bearer.and_then(opaque::parse) {
        return Ok(Actor::Bearer(Box::new(Bearer { hash, workbench: true })));
    }
    match call.identity() {
        Ok(Identity::User { id, .. }) => Ok(Actor::User(id)),
        Ok(Identity::Agent { id, .. }) => Ok(Actor::Workbench(Some(id))),
        Ok(Identity::Admin { .. }) => Ok(Actor::Workbench(None)),
        Err(message) => Err(encode::error(401, &message)),
    }
}

fn ask(actor: Result<Actor, Reply>, command: Result<Command, Rejection>) -> Handled {
    match (actor, command) {
        (Err(reply), _) => reply.into(),
        (Ok(_), Err(rejection)) => encode::rejected(&rejection).into(),
        (Ok(actor), Ok(command)) => Handled::Ask { actor, command, encode: |result, _| encode::answered(result) },
    }
}
