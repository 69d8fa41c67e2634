//! For operators: is it alive, is it ready, what are its numbers.

use switchboard_protocol::http::Response;

use super::{Call, Handled};
use crate::observe::metrics::METRICS_CONTENT_TYPE;

/// `GET /livez`
pub(super) fn livez(call: Call<'_>) -> Handled {
    let (status, text) = call.shared.health.livez();
    Handled::Response(Response::text(status, text))
}

/// `GET /readyz`: 503 while starting, while draining, and while storage cannot write.
pub(super) fn readyz(call: Call<'_>) -> Handled {
    let (status, text) = call.shared.health.readyz(call.shared.store.condition());
    Handled::Response(Response::text(status, text))
}

/// `GET /metrics`
pub(super) fn metrics(call: Call<'_>) -> Handled {
    let mut response = Response::text(200, call.shared.metrics.render());
    response.content_type = Some(METRICS_CONTENT_TYPE);
    Handled::Response(response)
}
