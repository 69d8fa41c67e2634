//! What storage tells a shard, from its threads into the shard's turn.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use switchboard_storage::{Completions, Done, StoreError, Ticket};

use crate::runtime::Waker;

/// A shard's end: what was done, by ticket number. Not bounded by itself: it never holds more than the
/// operations that the shard has under way, which `INFLIGHT_MAX_OPS` bounds.
#[derive(Debug)]
pub struct StoredInbox(Receiver<(u64, Done)>);

impl StoredInbox {
    /// The next one.
    pub(crate) fn next(&self) -> Option<(u64, Done)> {
        self.0.try_recv().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Storage's end.
pub struct ShardCompletions {
    shards: Vec<(Sender<(u64, Done)>, Waker)>,
}

/// Both ends, for shards with these wakers.
pub fn completions(wakers: &[Waker]) -> (Arc<ShardCompletions>, Vec<StoredInbox>) {
    let ends = wakers.iter().map(|waker| {
        let (sender, receiver) = unbounded();
        ((sender, waker.clone()), StoredInbox(receiver))
    });
    let (shards, inboxes) = ends.unzip();
    (Arc::new(ShardCompletions { shards }), inboxes)
}

impl Completions for ShardCompletions {
    fn done(&self, ticket: Ticket, done: Done) {
        if let Some((shard, _)) = self.shards.get(usize::from(ticket.shard)) {
            // A shard that has ended waits for nothing any more.
            let _ = shard.send((ticket.number, done));
        }
    }

    fn wake(&self) {
        for (shard, waker) in &self.shards {
            if !shard.is_empty() {
                waker.ring();
            }
        }
    }

    fn condition_changed(&self) {
        for (_, waker) in &self.shards {
            waker.ring();
        }
    }

    fn fatal(&self, error: StoreError) {
        // Nothing that was not confirmed was told to anybody; what was confirmed is there at the next start.
        eprintln!("switchboard: storage failed: {error}; the process ends, everything acknowledged is kept");
        std::process::exit(crate::boot::EXIT_STORAGE_FAILED);
    }
}
