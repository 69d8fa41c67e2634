//! Who waits for an answer. Must not know what for.

use switchboard_protocol::model::Timestamp;

use crate::Origin;

/// Somebody who is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// Where the answer goes.
    pub(crate) origin: Origin,
    /// Since when it waits.
    pub(crate) since: Timestamp,
}
