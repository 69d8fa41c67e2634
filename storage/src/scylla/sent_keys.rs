//! Which dedup keys open conversations hold, in the memory of the store's owner: nearly every key that is asked for is new,
//! and then the cluster need not be asked. Hashes only: one that is here may be there, one that is not is not. Must not know
//! the cluster.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use switchboard_protocol::model::ConversationId;
use switchboard_protocol::model::limits::CQL_SENT_KEYS_MOST;

/// What is known of one conversation.
#[derive(Debug, Default)]
struct Known {
    hashes: HashSet<u64>,
    /// All keys of the conversation are here; until then, only those that came while the others were read.
    complete: bool,
}

/// The keys of conversations that were asked about.
#[derive(Debug)]
pub(super) struct SentKeys {
    conversations: HashMap<ConversationId, Known>,
    hasher: RandomState,
    total: usize,
    most: usize,
}

impl Default for SentKeys {
    fn default() -> Self {
        Self::with_room_for(CQL_SENT_KEYS_MOST)
    }
}

impl SentKeys {
    fn with_room_for(most: usize) -> Self {
        Self { conversations: HashMap::new(), hasher: RandomState::new(), total: 0, most }
    }

    /// Whether the conversation has no such key for sure.
    pub(super) fn is_new(&self, id: ConversationId, key: &[u8]) -> bool {
        let known = self.conversations.get(&id).filter(|known| known.complete);
        known.is_some_and(|known| !known.hashes.contains(&self.hasher.hash_one(key)))
    }

    /// Begins with a conversation, whose keys somebody is about to read; `false` if it is known or being read already.
    pub(super) fn begin(&mut self, id: ConversationId) -> bool {
        let before = self.conversations.len();
        self.conversations.entry(id).or_default();
        self.conversations.len() > before
    }

    /// All keys that were stored when the conversation began here.
    pub(super) fn complete<'a>(&mut self, id: ConversationId, keys: impl IntoIterator<Item = &'a Vec<u8>>) {
        // Gone again: no more is known.
        let Some(known) = self.conversations.get_mut(&id) else { return };
        let before = known.hashes.len();
        known.hashes.extend(keys.into_iter().map(|key| self.hasher.hash_one(key.as_slice())));
        known.complete = true;
        self.total += known.hashes.len() - before;
        self.make_room(id);
    }

    /// A key that is about to be written.
    pub(super) fn add(&mut self, id: ConversationId, key: &[u8]) {
        let Some(known) = self.conversations.get_mut(&id) else { return };
        self.total += usize::from(known.hashes.insert(self.hasher.hash_one(key)));
        self.make_room(id);
    }

    /// Nothing is known of a conversation any more.
    pub(super) fn forget(&mut self, id: ConversationId) {
        self.total -= self.conversations.remove(&id).map_or(0, |known| known.hashes.len());
    }

    /// Forgets any others but this one: whoever is asked about next is read again.
    fn make_room(&mut self, but: ConversationId) {
        while self.total > self.most {
            let Some(other) = self.conversations.keys().copied().find(|id| *id != but) else {
                return self.forget(but);
            };
            self.forget(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConversationId {
        ConversationId::from_wire(number).expect("an id")
    }

    #[test]
    fn nothing_is_new_before_all_keys_are_known() {
        let mut keys = SentKeys::with_room_for(10);
        assert!(!keys.is_new(id(1), b"a"), "nobody has read them");
        assert!(keys.begin(id(1)));
        assert!(!keys.begin(id(1)), "they are being read");
        assert!(!keys.is_new(id(1), b"a"), "they are not read yet");
        keys.add(id(1), b"came meanwhile");
        keys.complete(id(1), &[b"stored".to_vec()]);
        assert!(keys.is_new(id(1), b"a"));
        assert!(!keys.is_new(id(1), b"stored"));
        assert!(!keys.is_new(id(1), b"came meanwhile"));
        keys.add(id(1), b"a");
        assert!(!keys.is_new(id(1), b"a"));
        keys.forget(id(1));
        assert!(!keys.is_new(id(1), b"b"));
        keys.complete(id(1), &[]);
        assert!(!keys.is_new(id(1), b"b"), "what was forgotten while it was read is not known");
    }

    #[test]
    fn it_holds_no_more_than_it_has_room_for() {
        let mut keys = SentKeys::with_room_for(3);
        for conversation in [1, 2] {
            keys.begin(id(conversation));
            keys.complete(id(conversation), &[b"a".to_vec(), b"b".to_vec()]);
        }
        assert!(!keys.is_new(id(1), b"c"), "it made room for the other");
        assert!(keys.is_new(id(2), b"c"));
        for key in [b"c", b"d"] {
            keys.add(id(2), key);
        }
        assert_eq!((keys.total, keys.conversations.len()), (0, 0), "one alone is too many");
    }
}
