//! What exports ask and imports write, in the embedded engine: tables in the order of their keys. A cursor is what the
//! last row's key has behind its table's beginning. Must not know files.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::Bound;

use fjall::{Keyspace, Readable, Slice};
use switchboard_protocol::model::{
    ConversationId, Cursor, Page, Restore, Scan, Scanned, SentKey, StoredToken, TokenHash, VShard, Written,
};

use super::group::Group;
use super::read::{View, failed};
use super::{CUSTOMERS, customers, keys};
use crate::{Outcome, StoreError, layout, record};

/// Answers a scan.
pub(super) fn answer(view: &View<'_>, scan: &Scan) -> Result<Scanned, StoreError> {
    let spaces = view.spaces;
    Ok(match scan {
        Scan::Leases => Scanned::Leases(leases(view)?),
        Scan::Conversations { after, limit } => {
            let row = |key: &[u8], value: &[u8]| record::read_conversation(keys::last_conversation(key)?, value);
            Scanned::Conversations(page(view, &spaces.conversations, &[keys::HEADER], after.as_ref(), *limit, row)?)
        }
        Scan::SentKeys { conversation, after, limit } => {
            let prefix = keys::sent_of(*conversation);
            let row = |key: &[u8], value: &[u8]| sent_key(*conversation, key, value);
            Scanned::SentKeys(page(view, &spaces.lookups, &prefix, after.as_ref(), *limit, row)?)
        }
        Scan::Tokens { after, limit } => {
            let prefix = [customers::TOKEN];
            Scanned::Tokens(page(view, &spaces.customers, &prefix, after.as_ref(), *limit, token)?)
        }
        Scan::Answers { after, limit } => {
            let row = |_: &[u8], value: &[u8]| record::read_answer(value);
            Scanned::Answers(page(view, &spaces.answers, &keys::answer(&[]), after.as_ref(), *limit, row)?)
        }
    })
}

/// Stages what an import restores.
pub(super) fn restore(group: &mut Group, restore: &Restore) -> Outcome {
    match restore {
        Restore::Leases(leases) => {
            let mut next = HashMap::with_capacity(leases.len());
            for (vshard, least) in leases {
                raise(&mut next, *vshard, *least, || group.next_counter(*vshard))?;
            }
            next.into_iter().for_each(|(vshard, next)| group.put_lease(vshard, next));
        }
        Restore::Messages(messages) => messages.iter().for_each(|message| group.put_message(message)),
        Restore::SentKeys(sent) => {
            sent.iter().for_each(|key| group.put_sent(key.sender, &key.client_msg_id, key.sent));
        }
        Restore::Interactions(interactions) => {
            let mut last = HashMap::with_capacity(interactions.len());
            for (id, at) in interactions {
                raise(&mut last, *id, *at, || {
                    let stored = group.get(CUSTOMERS, &keys::interaction(*id))?;
                    Ok(stored.map(|bytes| record::read_interaction(&bytes)).transpose()?.unwrap_or(*at))
                })?;
            }
            last.into_iter().for_each(|(id, at)| group.put_interaction(id, at));
        }
    }
    Ok(Written::Durable)
}

/// Keeps the highest that is said of a key, which `stored` is asked for once.
fn raise<K: Eq + Hash, V: Copy + Ord>(
    highest: &mut HashMap<K, V>,
    key: K,
    least: V,
    stored: impl FnOnce() -> Result<V, StoreError>,
) -> Result<(), StoreError> {
    match highest.entry(key) {
        Entry::Occupied(mut known) => *known.get_mut() = least.max(*known.get()),
        Entry::Vacant(unknown) => _ = unknown.insert(stored()?.max(least)),
    }
    Ok(())
}

/// The rows of the keys that begin with `prefix`.
fn page<T>(
    view: &View<'_>,
    space: &Keyspace,
    prefix: &[u8],
    after: Option<&Cursor>,
    limit: u32,
    mut row: impl FnMut(&[u8], &[u8]) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let first = match after {
        Some(cursor) => Bound::Excluded([prefix, &cursor.0].concat()),
        None => Bound::Included(prefix.to_vec()),
    };
    let mut rows = Vec::new();
    let mut last: Option<Slice> = None;
    for entry in view.snapshot.range::<Vec<u8>, _>(space, (first, Bound::Unbounded)) {
        let (key, value) = entry.into_inner().map_err(failed)?;
        if !key.starts_with(prefix) {
            break;
        }
        if rows.len() == limit as usize {
            let next = last.map(|key| Cursor(key[prefix.len()..].to_vec()));
            return Ok(Page { rows, next });
        }
        rows.push(row(&key, &value)?);
        last = Some(key);
    }
    Ok(Page { rows, next: None })
}

fn leases(view: &View<'_>) -> Result<Vec<(VShard, u64)>, StoreError> {
    let damaged = || StoreError::corrupt("a key names no virtual shard");
    let mut leases = Vec::new();
    for entry in view.snapshot.prefix(&view.spaces.directory, [keys::LEASE]) {
        let (key, value) = entry.into_inner().map_err(failed)?;
        let index = u16::from_be_bytes(*key.last_chunk().ok_or_else(damaged)?);
        leases.push((VShard::new(index).map_err(|_| damaged())?, record::read_lease(&value)?));
    }
    Ok(leases)
}

fn sent_key(conversation: ConversationId, key: &[u8], value: &[u8]) -> Result<SentKey, StoreError> {
    let (sender, client_msg_id) = layout::sent_parts(key.get(keys::sent_of(conversation).len()..).unwrap_or_default())?;
    Ok(SentKey { sender, client_msg_id, sent: record::read_sent(conversation, value)? })
}

fn token(key: &[u8], value: &[u8]) -> Result<StoredToken, StoreError> {
    let hash = key.last_chunk().ok_or_else(|| StoreError::corrupt("a token's key is too short"))?;
    let (bearer, expires_at) = record::read_token(value)?;
    Ok(StoredToken { hash: TokenHash(*hash), bearer, expires_at })
}
