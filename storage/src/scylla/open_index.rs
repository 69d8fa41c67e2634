//! The open conversations, in the memory of the store's owner: their headers, and their places in lists. So that lists of
//! what comes and goes all day leave no tombstones behind. Must not know the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use switchboard_protocol::model::{Conversation, ConversationFilter, ConversationId, ListPosition, State};

use crate::StoreError;
use crate::layout::{self, STATES, Scope};

/// Headers by id, and places by scope, state and time.
#[derive(Debug, Default)]
pub(super) struct OpenIndex {
    headers: BTreeMap<ConversationId, Conversation>,
    places: BTreeSet<Vec<u8>>,
}

impl OpenIndex {
    /// A header that is durable. One that was never opened here is not taken in, and a closed one leaves.
    pub(super) fn put(&mut self, header: &Conversation, opens: bool) {
        let known = self.take(header.id);
        if header.is_open() && (known || opens) {
            self.places.extend(places(header));
            self.headers.insert(header.id, header.clone());
        }
    }

    /// Takes one out; whether it was there.
    fn take(&mut self, id: ConversationId) -> bool {
        let Some(before) = self.headers.remove(&id) else { return false };
        for place in places(&before) {
            self.places.remove(&place);
        }
        true
    }

    /// The header of an open conversation.
    pub(super) fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.headers.get(&id)
    }

    /// By ascending id.
    pub(super) fn page(&self, after: Option<ConversationId>, limit: usize) -> Vec<Conversation> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.headers.range((from, Bound::Unbounded)).take(limit).map(|(_, header)| header.clone()).collect()
    }

    /// Those that a filter admits, newest first, behind a place; from no list more than `limit`.
    pub(super) fn listed(
        &self,
        filter: &ConversationFilter,
        after: Option<ListPosition>,
        limit: usize,
    ) -> Result<BTreeSet<ListPosition>, StoreError> {
        let mut found = BTreeSet::new();
        for scope in Scope::narrowest(filter) {
            for state in STATES.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
                let mut admitted = 0;
                for place in self.places.range(range(scope, state, after)).rev() {
                    let at = layout::last_position(place)?;
                    if admitted < limit && self.get(at.conversation).is_some_and(|header| filter.admits(header)) {
                        found.insert(at);
                        admitted += 1;
                    }
                }
            }
        }
        Ok(found)
    }
}

fn places(header: &Conversation) -> impl Iterator<Item = Vec<u8>> {
    let at = ListPosition::of(header);
    Scope::of(header).map(move |scope| {
        let mut key = Vec::with_capacity(32);
        scope.prefix(header.state, &mut key);
        layout::position(at, &mut key);
        key
    })
}

/// The keys of a scope and state, as far as `after`.
fn range(scope: Scope<'_>, state: State, after: Option<ListPosition>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut first = Vec::with_capacity(16);
    scope.prefix(state, &mut first);
    let mut end = first.clone();
    match after {
        Some(at) => layout::position(at, &mut end),
        // Above every place: no time is so late.
        None => end.extend_from_slice(&[u8::MAX; 16]),
    }
    (Bound::Included(first), Bound::Excluded(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::samples;

    #[test]
    fn places_follow_the_header() {
        let mut index = OpenIndex::default();
        let mut header = samples::conversation(5, samples::user(1));
        let listed = |index: &OpenIndex, state| {
            let filter = ConversationFilter { state: Some(state), ..ConversationFilter::default() };
            index.listed(&filter, None, 9).unwrap().len()
        };
        index.put(&header, false);
        assert!(index.get(header.id).is_none(), "it was never opened");
        index.put(&header, true);
        assert_eq!((listed(&index, State::Pending), listed(&index, State::Active)), (1, 0));
        header.state = State::Active;
        index.put(&header, false);
        assert_eq!((listed(&index, State::Pending), listed(&index, State::Active)), (0, 1));
        header.state = State::Closed;
        index.put(&header, false);
        assert!(index.get(header.id).is_none() && index.places.is_empty());
    }
}
