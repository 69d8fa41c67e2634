//! Customers and tokens in the embedded engine: conditional writes, and lists of which any page is found quickly.
//!
//! Every customer has an ordinal, ascending as customers are made, and stands in four lists: of all, of its channel, of
//! its name, and of both. A list keeps, beside its entries, how many of them each block of 1024 ordinals has and how many
//! are active: a page is found by adding up blocks (a thousand for a million customers) and reading one or two.
//! Must not know who asked.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use fjall::Readable;
use switchboard_protocol::model::{
    Channel, CustomerId, CustomerProfile, CustomerQuery, CustomerView, CustomerWritten, Identity, Party, Timestamp,
    TokenHash, Written,
};

use super::group::Group;
use super::read::{View, failed};
use super::{CUSTOMERS, keys};
use crate::layout::{self, BLOCK_ORDINALS, CustomerList, PageOfBlocks};
use crate::record::Block;
use crate::{Outcome, StoreError, record};

const NEXT_ORDINAL: [u8; 1] = [b'o'];
/// The table of tokens.
pub(super) const TOKEN: u8 = b'k';

/// A list of customers, as its keys have it.
struct List(CustomerList);

impl List {
    fn new(name: Option<&str>, channel: Option<Channel>) -> Self {
        Self(CustomerList::new(name, channel))
    }

    /// The lists that a customer stands in.
    fn of(profile: &CustomerProfile) -> [Self; 4] {
        CustomerList::of(profile).map(Self)
    }

    /// Active ones and others apart, so that few among many are found as quickly.
    fn entry(&self, ordinal: u64, active: bool) -> Vec<u8> {
        self.key(if active { b'e' } else { b'f' }, ordinal)
    }

    fn block(&self, block: u64) -> Vec<u8> {
        self.key(b'b', block)
    }

    fn key(&self, table: u8, number: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(9 + self.0.0.len());
        key.push(table);
        key.extend_from_slice(&self.0.0);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    fn entries_of(&self, block: u64, active: bool) -> RangeInclusive<Vec<u8>> {
        let first = block * BLOCK_ORDINALS;
        self.entry(first, active)..=self.entry(first + BLOCK_ORDINALS - 1, active)
    }
}

fn identity_key(identity: &Identity) -> Vec<u8> {
    let mut key = vec![b'i', layout::identity_byte(identity.kind())];
    key.extend_from_slice(identity.value().as_bytes());
    key
}

fn token_key(hash: &TokenHash) -> [u8; 33] {
    let mut key = [TOKEN; 33];
    key[1..].copy_from_slice(&hash.0);
    key
}

fn expiry_key(expires_at: Timestamp, hash: &TokenHash) -> [u8; 41] {
    let mut key = [b'x'; 41];
    key[1..9].copy_from_slice(&expires_at.as_millis().to_be_bytes());
    key[9..].copy_from_slice(&hash.0);
    key
}

/// What a write is going to change: nothing of it is staged before all of it is known to be possible.
struct Changes<'g> {
    group: &'g mut Group,
    entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: Vec<u8>,
}

impl<'g> Changes<'g> {
    fn new(group: &'g mut Group) -> Self {
        Self { group, entries: HashMap::new(), bytes: Vec::new() }
    }

    fn get<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match self.entries.get(key) {
            Some(changed) => changed.as_deref().map(read).transpose(),
            None => self.group.get(CUSTOMERS, key)?.map(|bytes| read(&bytes)).transpose(),
        }
    }

    fn put(&mut self, key: Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.entries.insert(key, Some(std::mem::take(&mut self.bytes)));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.entries.insert(key, None);
    }

    /// The identity of a customer that is another one's.
    fn taken(&self, profile: &CustomerProfile) -> Result<Option<CustomerWritten>, StoreError> {
        for identity in &profile.identities {
            let owner = self.get(&identity_key(identity), record::read_owner)?;
            if let Some(by) = owner.filter(|by| *by != profile.id) {
                return Ok(Some(CustomerWritten::Taken { kind: identity.kind(), by }));
            }
        }
        Ok(None)
    }

    fn count(&mut self, list: &List, ordinal: u64, change: impl FnOnce(&mut Block)) -> Result<(), StoreError> {
        let key = list.block(ordinal / BLOCK_ORDINALS);
        let mut block = self.get(&key, record::read_block)?.unwrap_or_default();
        change(&mut block);
        if block.all == 0 {
            self.remove(key);
        } else {
            self.put(key, |out| record::write_block(block, out));
        }
        Ok(())
    }

    /// Puts a customer's record, its identities and its entries.
    fn enter(&mut self, profile: &CustomerProfile, ordinal: u64) -> Result<(), StoreError> {
        self.put(keys::profile(profile.id).into(), |out| record::write_profile(profile, ordinal, out));
        for identity in &profile.identities {
            self.put(identity_key(identity), |out| record::write_owner(profile.id, out));
        }
        let active = u32::from(profile.active);
        for list in List::of(profile) {
            self.put(list.entry(ordinal, profile.active), |out| record::write_owner(profile.id, out));
            self.count(&list, ordinal, |block| {
                block.all += 1;
                block.active += active;
            })?;
        }
        Ok(())
    }

    /// Takes out what [`Changes::enter`] has put, but for the record.
    fn leave(&mut self, profile: &CustomerProfile, ordinal: u64) -> Result<(), StoreError> {
        for identity in &profile.identities {
            self.remove(identity_key(identity));
        }
        let active = u32::from(profile.active);
        for list in List::of(profile) {
            self.remove(list.entry(ordinal, profile.active));
            self.count(&list, ordinal, |block| {
                block.all = block.all.saturating_sub(1);
                block.active = block.active.saturating_sub(active);
            })?;
        }
        Ok(())
    }

    fn stage(self) -> CustomerWritten {
        for (key, value) in self.entries {
            match value {
                Some(value) => self.group.put_value(CUSTOMERS, key, &value),
                None => self.group.remove(CUSTOMERS, key),
            }
        }
        CustomerWritten::Saved
    }
}

pub(super) fn create(group: &mut Group, profile: &CustomerProfile) -> Outcome {
    let mut changes = Changes::new(group);
    if changes.get(&keys::profile(profile.id), |_| Ok(()))?.is_some() {
        return Ok(Written::Customer(CustomerWritten::Stale));
    }
    if let Some(taken) = changes.taken(profile)? {
        return Ok(Written::Customer(taken));
    }
    let ordinal = changes.get(&NEXT_ORDINAL, record::read_lease)?.unwrap_or(0);
    changes.put(NEXT_ORDINAL.into(), |out| record::write_lease(ordinal + 1, out));
    changes.enter(profile, ordinal)?;
    Ok(Written::Customer(changes.stage()))
}

pub(super) fn update(group: &mut Group, profile: &CustomerProfile, seen: Timestamp) -> Outcome {
    let mut changes = Changes::new(group);
    let before = changes.get(&keys::profile(profile.id), |bytes| record::read_profile(profile.id, bytes))?;
    let Some((before, ordinal)) = before.filter(|(before, _)| before.updated_at == seen) else {
        return Ok(Written::Customer(CustomerWritten::Stale));
    };
    if let Some(taken) = changes.taken(profile)? {
        return Ok(Written::Customer(taken));
    }
    changes.leave(&before, ordinal)?;
    changes.enter(profile, ordinal)?;
    Ok(Written::Customer(changes.stage()))
}

pub(super) fn save_token(group: &mut Group, hash: &TokenHash, bearer: &Party, expires_at: Timestamp) -> Written {
    let mut bytes = Vec::new();
    record::write_token(bearer, expires_at, &mut bytes);
    group.put_value(CUSTOMERS, token_key(hash), &bytes);
    group.put_value(CUSTOMERS, expiry_key(expires_at, hash), &[]);
    Written::Durable
}

/// Their records are not read: a damaged one goes like any other.
pub(super) fn remove_tokens(group: &mut Group, tokens: &[(TokenHash, Timestamp)]) -> Written {
    for (hash, expires_at) in tokens {
        group.remove(CUSTOMERS, token_key(hash));
        group.remove(CUSTOMERS, expiry_key(*expires_at, hash));
    }
    Written::Durable
}

/// The record of a customer.
pub(super) fn record(view: &View<'_>, id: CustomerId) -> Result<Option<CustomerView>, StoreError> {
    let space = &view.spaces.customers;
    let Some(bytes) = view.snapshot.get(space, keys::profile(id)).map_err(failed)? else { return Ok(None) };
    let (profile, _) = record::read_profile(id, &bytes)?;
    let interaction = view.snapshot.get(space, keys::interaction(id)).map_err(failed)?;
    let last_interaction_at = interaction.map(|bytes| record::read_interaction(&bytes)).transpose()?;
    Ok(Some(CustomerView { profile, last_interaction_at }))
}

/// The customer who is known by an identity.
pub(super) fn known_by(view: &View<'_>, identity: &Identity) -> Result<Option<CustomerView>, StoreError> {
    match view.snapshot.get(&view.spaces.customers, identity_key(identity)).map_err(failed)? {
        Some(bytes) => record(view, record::read_owner(&bytes)?),
        None => Ok(None),
    }
}

/// A page of the customers, and how many the query means.
pub(super) fn page(view: &View<'_>, query: &CustomerQuery) -> Result<(Vec<CustomerView>, u64), StoreError> {
    let list = List::new(query.name.as_deref(), query.channel);
    let space = &view.spaces.customers;
    let mut found = PageOfBlocks::new(query);
    for entry in view.snapshot.range(space, list.block(0)..=list.block(u64::MAX)) {
        let (key, bytes) = entry.into_inner().map_err(failed)?;
        found.add(keys::last_integer(&key)?, record::read_block(&bytes)?);
    }
    let mut ids = Vec::with_capacity(query.size as usize);
    for (block, skip) in found.touched {
        let left = query.size as usize - ids.len();
        let entries = entries(view, &list, block, query.active)?;
        ids.extend(entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(left));
    }
    let customers = ids.into_iter().map(|(_, id)| {
        record(view, id)?.ok_or_else(|| StoreError::corrupt(format!("customer {id} is in a list but has no record")))
    });
    Ok((customers.collect::<Result<_, _>>()?, found.total))
}

/// The entries of a block that are meant, ascending.
fn entries(
    view: &View<'_>,
    list: &List,
    block: u64,
    active: Option<bool>,
) -> Result<Vec<(u64, CustomerId)>, StoreError> {
    let mut found = Vec::new();
    for kind in [true, false].into_iter().filter(|kind| active.is_none_or(|active| active == *kind)) {
        for entry in view.snapshot.range(&view.spaces.customers, list.entries_of(block, kind)) {
            let (key, bytes) = entry.into_inner().map_err(failed)?;
            found.push((keys::last_integer(&key)?, record::read_owner(&bytes)?));
        }
    }
    found.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    Ok(found)
}

/// Whose a token is, and until when.
pub(super) fn token(view: &View<'_>, hash: &TokenHash) -> Result<Option<(Party, Timestamp)>, StoreError> {
    let bytes = view.snapshot.get(&view.spaces.customers, token_key(hash)).map_err(failed)?;
    bytes.map(|bytes| record::read_token(&bytes)).transpose()
}

/// Tokens that expired before an instant, the oldest first.
pub(super) fn expired_tokens(
    view: &View<'_>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<(TokenHash, Timestamp)>, StoreError> {
    let (none, end) = (TokenHash([0; 32]), expiry_key(before, &TokenHash([0; 32])));
    let range = expiry_key(Timestamp::from_millis(0), &none)..end;
    let expired = view.snapshot.range(&view.spaces.customers, range).take(limit as usize);
    expired
        .map(|entry| {
            let key = entry.key().map_err(failed)?;
            let wrong = || StoreError::corrupt("a token's key is too short");
            let (rest, hash) = key.split_last_chunk().ok_or_else(wrong)?;
            let expires_at = u64::from_be_bytes(*rest.last_chunk().ok_or_else(wrong)?);
            Ok((TokenHash(*hash), Timestamp::from_millis(expires_at)))
        })
        .collect()
}
