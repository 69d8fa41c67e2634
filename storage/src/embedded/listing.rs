//! The index of lists: for each scope and state, conversations by when they were opened. Kept by writes that change
//! state, agent or group, without a look at what was: the place in every other state is taken away blindly, and a
//! place with a former agent stays and is passed over by readers. Must not know who asks.
//!
//! Data written before there was this index gets it when the store is opened; a mark says that it is there.

use std::ops::Bound;

use fjall::{OwnedWriteBatch, PersistMode, Readable, Snapshot};
use switchboard_protocol::model::limits::LISTING_SCAN_MAX_ROWS;
use switchboard_protocol::model::{Conversation, ConversationFilter, Found, ListPosition, Listed, Party, State};

use super::read::{View, failed};
use super::{Spaces, keys};
use crate::layout::{self, STATES, Scope};
use crate::{StoreError, record};

const TABLE: u8 = b'i';
/// The mark in the directory.
const COMPLETE: [u8; 1] = [TABLE];
/// Headers indexed in one batch when an old store is opened.
const BATCH_HEADERS: usize = 1000;

/// What the index has to do about a header that was saved: `put` its own places, `remove` those it may have had.
pub(super) fn places(conversation: &Conversation, opens: bool, mut each: impl FnMut(Vec<u8>, bool)) {
    let former: &[State] = match conversation.state {
        _ if opens => &[],
        State::Robot => &[],
        State::Pending => &[State::Robot, State::Active],
        State::Active => &[State::Robot, State::Pending],
        State::Closed => &[State::Robot, State::Pending, State::Active],
    };
    let at = ListPosition::of(conversation);
    for scope in Scope::of(conversation) {
        each(key(scope, conversation.state, at), true);
        for state in former {
            each(key(scope, *state, at), false);
        }
    }
}

/// Gives places to all conversations of a store from before this index. A second time it does nothing.
pub(super) fn complete(spaces: &Spaces) -> Result<(), StoreError> {
    let opening = |error| StoreError::io("indexing stored conversations", error);
    if spaces.directory.contains_key(COMPLETE).map_err(opening)? {
        return Ok(());
    }
    let new = || OwnedWriteBatch::with_capacity(spaces.database.clone(), 4 * BATCH_HEADERS);
    let mut batch = new();
    let mut indexed = 0;
    let snapshot = spaces.database.snapshot();
    for entry in snapshot.prefix(&spaces.conversations, [keys::HEADER]) {
        let (key, bytes) = entry.into_inner().map_err(failed)?;
        let conversation = record::read_conversation(keys::last_conversation(&key)?, &bytes)?;
        places(&conversation, true, |key, _| batch.insert(&spaces.conversations, key, []));
        indexed += 1;
        if indexed % BATCH_HEADERS == 0 {
            std::mem::replace(&mut batch, new()).commit().map_err(opening)?;
        }
    }
    batch.insert(&spaces.directory, COMPLETE, []);
    batch.durability(Some(PersistMode::SyncData)).commit().map_err(opening)?;
    if indexed > 0 {
        tracing::info!(indexed, "conversations were indexed for lists");
    }
    Ok(())
}

/// Answers `Read::Conversations`: the streams of what the filter asks for most narrowly, merged, newest first.
pub(super) fn page(
    view: &View<'_>,
    filter: &ConversationFilter,
    after: Option<ListPosition>,
    limit: u32,
) -> Result<Found, StoreError> {
    if let Some(customer) = &filter.customer {
        return customers_page(view, customer, filter, after, limit);
    }
    let mut streams = Vec::new();
    for scope in Scope::narrowest(filter) {
        for state in STATES.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
            let mut stream = Stream::new(view.snapshot(), view.spaces(), scope, state, after);
            stream.advance()?;
            streams.push(stream);
        }
    }
    let mut page = Vec::new();
    let mut last = None;
    for _ in 0..LISTING_SCAN_MAX_ROWS {
        let Some(at) = streams.iter().filter_map(|stream| stream.head).max() else {
            return Ok(Found::Conversations { page, next: None });
        };
        for stream in streams.iter_mut().filter(|stream| stream.head == Some(at)) {
            stream.advance()?;
        }
        let conversation = view.indexed(at.conversation)?;
        if filter.admits(&conversation) {
            if page.len() == limit as usize {
                let next = page.last().map(|listed: &Listed| ListPosition::of(&listed.conversation));
                return Ok(Found::Conversations { page, next });
            }
            page.push(view.listed(conversation)?);
        }
        last = Some(at);
    }
    Ok(Found::Conversations { page, next: last })
}

/// A customer's own conversations have an index: by id, which is by when they were opened, because all come from one
/// virtual shard.
fn customers_page(
    view: &View<'_>,
    customer: &Party,
    filter: &ConversationFilter,
    after: Option<ListPosition>,
    limit: u32,
) -> Result<Found, StoreError> {
    let first = Bound::Included(keys::customers_conversations(customer));
    let end = match after {
        Some(at) => Bound::Excluded(keys::customers_conversation(customer, at.conversation)),
        None => {
            let mut end = keys::customers_conversations(customer);
            end.extend_from_slice(&[u8::MAX; 8]);
            Bound::Included(end)
        }
    };
    let mut page: Vec<Listed> = Vec::new();
    let mut before = None;
    let index = view.snapshot().range(&view.spaces().conversations, (first, end)).rev();
    for (looked_at, entry) in index.enumerate() {
        let conversation = view.indexed(keys::last_conversation(&entry.key().map_err(failed)?)?)?;
        if looked_at >= LISTING_SCAN_MAX_ROWS {
            // Behind the one before it; this one is looked at again.
            return Ok(Found::Conversations { page, next: before });
        }
        before = Some(ListPosition::of(&conversation));
        if !filter.admits(&conversation) {
            continue;
        }
        if page.len() == limit as usize {
            let next = page.last().map(|listed| ListPosition::of(&listed.conversation));
            return Ok(Found::Conversations { page, next });
        }
        page.push(view.listed(conversation)?);
    }
    Ok(Found::Conversations { page, next: None })
}

/// The places of one scope and state, newest first.
struct Stream {
    rest: fjall::Iter,
    head: Option<ListPosition>,
}

impl Stream {
    fn new(snapshot: &Snapshot, spaces: &Spaces, scope: Scope<'_>, state: State, after: Option<ListPosition>) -> Self {
        let first = Bound::Included(prefix(scope, state));
        let end = match after {
            Some(at) => Bound::Excluded(key(scope, state, at)),
            None => {
                let mut end = prefix(scope, state);
                end.extend_from_slice(&[u8::MAX; 16]);
                Bound::Included(end)
            }
        };
        Self { rest: snapshot.range(&spaces.conversations, (first, end)), head: None }
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        let place = match self.rest.next_back() {
            None => None,
            Some(entry) => Some(layout::last_position(&entry.key().map_err(failed)?)?),
        };
        self.head = place;
        Ok(())
    }
}

fn prefix(scope: Scope<'_>, state: State) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    key.push(TABLE);
    scope.prefix(state, &mut key);
    key
}

fn key(scope: Scope<'_>, state: State, at: ListPosition) -> Vec<u8> {
    let mut key = prefix(scope, state);
    layout::position(at, &mut key);
    key
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::model::{Group, Read, Side, Write};

    use super::*;
    use crate::conformance::samples;
    use crate::{Embedded, Engine};

    fn ids(engine: &Embedded) -> Vec<u64> {
        let read = Read::Conversations { filter: ConversationFilter::default(), after: None, limit: 100 };
        match engine.read(&read).unwrap() {
            Found::Conversations { page, .. } => page.iter().map(|listed| listed.conversation.id.get()).collect(),
            other => panic!("no list: {other:?}"),
        }
    }

    /// A store from before this index, as its writers left it: headers and no places.
    #[test]
    fn an_old_store_is_indexed_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Embedded::open(dir.path()).unwrap();
        for id in [2, 1, 3] {
            let mut conversation = samples::conversation(id, samples::user(id));
            engine.commit(&[samples::append(&mut conversation, id, Side::Customer, None).0]).unwrap();
            conversation.state = State::Closed;
            engine.commit(&[Write::SaveConversation { conversation, opens: false }]).unwrap();
        }
        // A read waits until all is in the tables.
        assert_eq!(ids(&engine), [3, 2, 1]);
        let all: Vec<_> = engine.spaces.database.snapshot().prefix(&engine.spaces.conversations, [TABLE]).collect();
        for entry in all {
            engine.spaces.conversations.remove(entry.key().unwrap()).unwrap();
        }
        engine.spaces.directory.remove(COMPLETE).unwrap();
        assert!(ids(&engine).is_empty());
        drop(engine);
        let engine = Embedded::open(dir.path()).unwrap();
        assert_eq!(ids(&engine), [3, 2, 1]);
        assert!(engine.spaces.directory.contains_key(COMPLETE).unwrap());
    }

    /// Conditions that no index has together end a page early, and it says where to go on.
    #[test]
    fn a_page_ends_where_looking_would_take_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Embedded::open(dir.path()).unwrap();
        let wanted = LISTING_SCAN_MAX_ROWS as u64 + 2;
        let save = |id: u64, group: &str| {
            let mut conversation = samples::conversation(wanted + 1 - id, samples::user(1));
            conversation.group = Group::new(group).unwrap();
            conversation.agent = Some(samples::agent_id(1));
            Write::SaveConversation { conversation, opens: true }
        };
        let mut writes: Vec<_> = (1..wanted).map(|id| save(id, "other")).collect();
        writes.push(save(wanted, "mine"));
        for writes in writes.chunks(1000) {
            engine.commit(writes).unwrap();
        }
        let viewer = switchboard_protocol::model::Viewer {
            agent: samples::agent_id(2),
            groups: vec![Group::new("mine").unwrap()],
        };
        let agent = Some(samples::agent_id(1));
        let filter = ConversationFilter { agent, viewer: Some(viewer), ..ConversationFilter::default() };
        let read = |after| match engine.read(&Read::Conversations { filter: filter.clone(), after, limit: 10 }).unwrap()
        {
            Found::Conversations { page, next } => (page, next),
            other => panic!("no list: {other:?}"),
        };
        let (page, next) = read(None);
        assert!(page.is_empty() && next.is_some(), "{page:?} {next:?}");
        let (page, next) = read(next);
        assert_eq!((page.len(), next), (1, None));
    }
}
