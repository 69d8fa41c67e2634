//! Who owns what: virtual shard -> shard. Later the table comes from leases; the callers will not notice.

use std::sync::Arc;

use switchboard_protocol::model::{ConversationId, Party, VShard, limits::VSHARDS};

/// A shard, by index: one pinned thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// The table from virtual shard to shard, shared by all shards.
#[derive(Clone, Debug)]
pub struct Placement {
    table: Arc<[ShardId]>,
    shards: u16,
}

impl Placement {
    /// Spreads the virtual shards evenly: `shard = vshard mod shards`. `shards` is 1 to 4096.
    pub fn even(shards: u16) -> Self {
        assert!((1..=VSHARDS).contains(&shards), "a shard must own at least one virtual shard");
        Self { table: (0..VSHARDS).map(|vshard| ShardId(vshard % shards)).collect(), shards }
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The shard that owns a virtual shard.
    pub fn shard_of(&self, vshard: VShard) -> ShardId {
        self.table[usize::from(vshard.index())]
    }

    /// The home of a party.
    pub fn home(&self, party: &Party) -> ShardId {
        self.shard_of(party.vshard())
    }

    /// The owner of a conversation, read off its id.
    pub fn owner(&self, conversation: ConversationId) -> ShardId {
        self.shard_of(conversation.vshard())
    }

    /// The shard that owns the desk: the owner of virtual shard 0.
    pub fn desk(&self) -> ShardId {
        self.table[0]
    }

    /// The virtual shards of a shard, ascending.
    pub fn vshards_of(&self, shard: ShardId) -> impl Iterator<Item = VShard> + '_ {
        self.table
            .iter()
            .zip(0..VSHARDS)
            .filter(move |(owner, _)| **owner == shard)
            .map(|(_, index)| VShard::new(index).expect("the table has one entry per virtual shard"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_protocol::model::UserId;

    /// `ops/bench` wants a load that is uniform: as many of its users on each of two shards.
    #[test]
    fn row_10_is_even() {
        let placement = Placement::even(2);
        let home = |id| placement.home(&Party::User(UserId::new(id).unwrap()));
        assert_eq!((20_000_000..20_000_400).filter(|id| home(*id) == ShardId(0)).count(), 200);
    }

    /// Users with ids in a row spread as chance would: 100,000 of them over 8 shards, each within 2 % of its eighth.
    #[test]
    fn many_users_spread_evenly() {
        let placement = Placement::even(8);
        let mut of_shard = [0_u32; 8];
        for id in 1..=100_000 {
            of_shard[usize::from(placement.home(&Party::User(UserId::new(id).unwrap())).0)] += 1;
        }
        assert!(of_shard.iter().all(|count| (12_250..=12_750).contains(count)), "{of_shard:?}");
    }
}
