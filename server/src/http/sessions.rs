//! multichannel's REST (guide 4): the conversations as agents' workbenches see them, and its OpenAPI document.

use std::borrow::Cow;

use switchboard_protocol::dialect::multichannel::{OPENAPI, decode, encode};
use switchboard_protocol::dialect::{Rejection, Reply};
use switchboard_protocol::http::Response;
use switchboard_protocol::model::{Actor, Command};

use super::{Call, Handled};
use crate::auth::jwt::Identity;

/// `GET /api/sessions`
pub(super) fn list(call: Call<'_>) -> Handled {
    let command = decode::list(&|name| call.query.get(name).map(Cow::from));
    at_workbench(workbench(&call), command)
}

/// `GET /api/sessions/{id}`
pub(super) fn show(call: Call<'_>) -> Handled {
    at_workbench(workbench(&call), decode::show(&call.id))
}

/// `GET /api/sessions/{id}/history`
pub(super) fn history(call: Call<'_>) -> Handled {
    let command = decode::history(&call.id, &|name| call.query.get(name).map(Cow::from));
    at_workbench(workbench(&call), command)
}

/// `POST /api/sessions/{id}/accept`
pub(super) fn accept(call: Call<'_>) -> Handled {
    let actor = workbench(&call);
    at_workbench(actor, decode::accept(&call.id, call.body, call.scratch))
}

/// `POST /api/sessions/{id}/message`
pub(super) fn send(call: Call<'_>) -> Handled {
    let actor = workbench(&call);
    at_workbench(actor, decode::send(&call.id, call.body, call.scratch)).making()
}

/// `POST /api/sessions/{id}/close`
pub(super) fn close(call: Call<'_>) -> Handled {
    at_workbench(workbench(&call), decode::close(&call.id))
}

/// `GET /openapi/multichannel.yaml`
pub(super) fn openapi(_: Call<'_>) -> Handled {
    // RFC 9512.
    Handled::Response(Response { content_type: Some("application/yaml"), ..Response::text(200, OPENAPI) })
}

/// As whom a request is taken: an agent by its token; with an admin's token, or without any on an open server, the
/// workbench itself.
fn workbench(call: &Call<'_>) -> Result<Actor, Reply> {
    if call.bearer.is_none() && call.shared.config.is_open() {
        // A browser sends such requests for any page, and would only hide the answer from it.
        let own = !(call.foreign_page)();
        return if own { Ok(Actor::Workbench(None)) } else { Err(encode::error(403, "this origin is not allowed")) };
    }
    match call.identity() {
        Ok(Identity::Agent { id, .. }) => Ok(Actor::Workbench(Some(id))),
        Ok(Identity::Admin { .. }) => Ok(Actor::Workbench(None)),
        Ok(Identity::User { .. }) => Err(encode::error(403, "无权操作")),
        Err(message) => Err(encode::error(401, &message)),
    }
}

fn at_workbench(actor: Result<Actor, Reply>, command: Result<Command, Rejection>) -> Handled {
    match (actor, command) {
        (Err(reply), _) => reply.into(),
        (Ok(_), Err(rejection)) => encode::rejected(&rejection).into(),
        (Ok(actor), Ok(command)) => Handled::Ask { actor, command, encode: encode::answered },
    }
}
