//! Counters of the virtual shards, out of leased blocks: a restart skips and never repeats.

use std::ops::Range;

use switchboard_protocol::model::{ConversationId, CustomerNumber, MessageId, VShard, limits};

/// The leased counters of a shard.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    blocks: Vec<Block>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    now: Range<u64>,
    spare: Range<u64>,
    asking: bool,
}

impl Ids {
    /// Takes a block that storage leased.
    pub(crate) fn lease(&mut self, vshard: VShard, block: Range<u64>) {
        let slot = self.block(vshard);
        slot.asking = false;
        if slot.now.is_empty() {
            slot.now = block;
        } else {
            slot.spare = block;
        }
    }

    /// Storage leased nothing; the next mint asks again.
    pub(crate) fn lease_failed(&mut self, vshard: VShard) {
        self.block(vshard).asking = false;
    }

    /// Whether it is time to lease another block for a virtual shard; says so once until it came.
    pub(crate) fn wants_lease(&mut self, vshard: VShard) -> bool {
        let slot = self.block(vshard);
        let low = slot.spare.is_empty() && slot.now.end - slot.now.start <= limits::ID_LEASE_BLOCK_IDS / 2;
        let ask = low && !slot.asking;
        slot.asking |= ask;
        ask
    }

    /// The next message id; `None` if the leases have run out.
    pub(crate) fn message(&mut self, vshard: VShard) -> Option<MessageId> {
        let counter = self.next(vshard)?;
        MessageId::mint(counter, vshard).ok()
    }

    /// The next conversation id; `None` if the leases have run out.
    pub(crate) fn conversation(&mut self, vshard: VShard) -> Option<ConversationId> {
        let counter = self.next(vshard)?;
        ConversationId::mint(counter, vshard).ok()
    }

    /// The next visitor's number; `None` if the leases have run out.
    pub(crate) fn visitor(&mut self, vshard: VShard) -> Option<CustomerNumber> {
        let counter = self.next(vshard)?;
        CustomerNumber::mint(counter, vshard).ok()
    }

    fn next(&mut self, vshard: VShard) -> Option<u64> {
        let slot = self.block(vshard);
        if slot.now.is_empty() {
            slot.now = std::mem::take(&mut slot.spare);
        }
        slot.now.next()
    }

    fn block(&mut self, vshard: VShard) -> &mut Block {
        let index = usize::from(vshard.index());
        if self.blocks.len() <= index {
            self.blocks.resize(index + 1, Block::default());
        }
        &mut self.blocks[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_up_before_the_spare_and_nothing_repeats() {
        let vshard = VShard::new(3).unwrap();
        let mut ids = Ids::default();
        assert_eq!(ids.message(vshard), None);
        ids.lease(vshard, 1..3);
        ids.lease(vshard, 10..11);
        let minted: Vec<u64> = std::iter::from_fn(|| ids.message(vshard)).map(|id| id.get() / 4096).collect();
        assert_eq!(minted, [1, 2, 10]);
    }

    #[test]
    fn a_lease_is_asked_for_once_at_half() {
        let vshard = VShard::new(0).unwrap();
        let mut ids = Ids::default();
        ids.lease(vshard, 1..limits::ID_LEASE_BLOCK_IDS + 1);
        assert!(!ids.wants_lease(vshard));
        for _ in 0..limits::ID_LEASE_BLOCK_IDS / 2 {
            ids.message(vshard).unwrap();
        }
        assert!(ids.wants_lease(vshard));
        assert!(!ids.wants_lease(vshard));
    }
}
