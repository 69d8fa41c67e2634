//! Who hears: the devices of the parties whose home this shard is.

use std::collections::HashMap;

use switchboard_protocol::model::Party;

use crate::{ConnectionId, Listeners};

/// The connections of each party here.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    of: HashMap<Party, Listeners>,
}

impl Devices {
    /// Adds a device; true if it is the party's first.
    pub(crate) fn add(&mut self, party: Party, connection: ConnectionId) -> bool {
        let devices = self.of.entry(party).or_default();
        if devices.contains(&connection) {
            return false;
        }
        devices.push(connection);
        devices.len() == 1
    }

    /// Removes a device; true if it was the party's last.
    pub(crate) fn remove(&mut self, party: &Party, connection: ConnectionId) -> bool {
        let Some(devices) = self.of.get_mut(party) else {
            return false;
        };
        let before = devices.len();
        devices.retain(|device| *device != connection);
        let last = devices.is_empty() && before > 0;
        if devices.is_empty() {
            self.of.remove(party);
        }
        last
    }

    /// Forgets all devices of a party that may not be here any more; returns them.
    pub(crate) fn expel(&mut self, party: &Party) -> Listeners {
        self.of.remove(party).unwrap_or_default()
    }

    /// How many devices a party has here.
    pub(crate) fn count(&self, party: &Party) -> usize {
        self.of.get(party).map_or(0, Listeners::len)
    }

    /// The devices of a party, without the one that gets an answer instead.
    pub(crate) fn listeners(&self, party: &Party, except: Option<ConnectionId>) -> Listeners {
        let devices = self.of.get(party).map(Listeners::as_slice).unwrap_or_default();
        devices.iter().copied().filter(|device| Some(*device) != except).collect()
    }
}
