//! The agents' directory (guide 1, section 1.2); for admins.

use std::borrow::Cow;

use switchboard_protocol::dialect::Rejection;
use switchboard_protocol::dialect::bytedesk::{decode, encode};
use switchboard_protocol::model::{Actor, Command};

use super::{Call, Handled};

/// `GET /api/v1/agents`
pub(super) fn list(call: Call<'_>) -> Handled {
    let command = decode::list(&|name| call.query.get(name).map(Cow::from));
    for_admins(call.actor(), command)
}

/// `POST /api/v1/agents`
pub(super) fn create(call: Call<'_>) -> Handled {
    for_admins(call.actor(), decode::create(call.body, call.scratch)).making()
}

/// `GET /api/v1/agents/{id}`
pub(super) fn show(call: Call<'_>) -> Handled {
    for_admins(call.actor(), decode::get(&call.id))
}

/// `PUT /api/v1/agents/{id}`
pub(super) fn update(call: Call<'_>) -> Handled {
    for_admins(call.actor(), decode::update(&call.id, call.body, call.scratch))
}

/// `DELETE /api/v1/agents/{id}`
pub(super) fn delete(call: Call<'_>) -> Handled {
    for_admins(call.actor(), decode::delete(&call.id))
}

/// That the bearer is an admin is the domain's to check; here only that it is somebody.
fn for_admins(actor: Result<Actor, String>, command: Result<Command, Rejection>) -> Handled {
    match (actor, command) {
        (Err(message), _) => encode::error(401, &message).into(),
        (Ok(_), Err(rejection)) => encode::rejected(&rejection).into(),
        (Ok(actor), Ok(command)) => Handled::Ask { actor, command, encode: |result, _| encode::answered(result) },
    }
}
