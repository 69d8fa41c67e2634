//! Customers: made once, known by their identities, found by page. The blocks and lists are those of the embedded engine
//! (`layout::CustomerList`). Writes of customers follow each other, since they count each other; several are looked at
//! together and made durable by one logged batch. Must not know who asked.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use switchboard_protocol::model::{
    CustomerId, CustomerProfile, CustomerQuery, CustomerView, CustomerWritten, Found, Identity, Timestamp, Write,
    Written,
};

use super::cell::{Cell, Statement, big};
use super::cluster::Together;
use super::engine::Engine;
use super::read::unreadable;
use crate::layout::{self, BLOCK_ORDINALS, CustomerList, PageOfBlocks};
use crate::record::Block;
use crate::{StoreError, record};

/// A record with its ordinal.
type Numbered = (CustomerProfile, u64);

/// What some writes have found and are going to change: later ones see what earlier ones leave.
struct Changes<'e> {
    engine: &'e Engine,
    records: HashMap<CustomerId, Option<Numbered>>,
    identities: HashMap<Identity, Option<CustomerId>>,
    blocks: HashMap<(CustomerList, u64), Block>,
    next_ordinal: Option<u64>,
    statements: Vec<Statement>,
}

impl Engine {
    /// Writes of customers, in order; one outcome for each.
    pub(super) async fn put_customers(&self, writes: &[&Write]) -> Result<Vec<Written>, StoreError> {
        let mut changes = Changes {
            engine: self,
            records: HashMap::new(),
            identities: HashMap::new(),
            blocks: HashMap::new(),
            next_ordinal: None,
            statements: Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let written = match write {
                Write::CreateCustomer(profile) => changes.create(profile).await?,
                Write::UpdateCustomer { profile, seen } => changes.update(profile, *seen).await?,
                _ => unreachable!("only customers are written here"),
            };
            outcomes.push(Written::Customer(written));
        }
        self.cluster.write(Together::Logged, &changes.into_statements()).await;
        self.groups(1);
        Ok(outcomes)
    }

    /// The record of a customer.
    pub(super) async fn customer_record(&self, id: CustomerId) -> Result<Option<CustomerView>, StoreError> {
        let Some((profile, _)) = self.numbered(id).await? else { return Ok(None) };
        Ok(Some(CustomerView { profile, last_interaction_at: self.last_interaction(id).await? }))
    }

    /// When a customer last wrote.
    pub(super) async fn last_interaction(&self, id: CustomerId) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.interaction, [Cell::of_customer(id)])).await?;
        let row = rows.maybe_first_row::<(i64,)>().map_err(unreadable)?;
        Ok(row.map(|(at,)| Timestamp::from_millis(at.cast_unsigned())))
    }

    async fn numbered(&self, id: CustomerId) -> Result<Option<Numbered>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.customer, [Cell::of_customer(id)])).await?;
        let row = rows.maybe_first_row::<(&[u8],)>().map_err(unreadable)?;
        row.map(|(bytes,)| record::read_profile(id, bytes)).transpose()
    }

    /// The customer who is known by an identity.
    pub(super) async fn customer_known_by(&self, identity: &Identity) -> Result<Option<CustomerView>, StoreError> {
        match self.owner_of(identity).await? {
            Some(id) => self.customer_record(id).await,
            None => Ok(None),
        }
    }

    async fn owner_of(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.identity, identity_cells(identity))).await?;
        let row = rows.maybe_first_row::<(uuid::Uuid,)>().map_err(unreadable)?;
        Ok(row.map(|(id,)| CustomerId::from_bytes(id.into_bytes())))
    }

    /// A page of the customers, found by adding up blocks.
    pub(super) async fn customers_page(&self, query: &CustomerQuery) -> Result<Found, StoreError> {
        let list = CustomerList::new(query.name.as_deref(), query.channel);
        let rows = self.cluster.rows(Statement::new(|s| &s.blocks, [Cell::Blob(list.0.clone())])).await?;
        let mut found = PageOfBlocks::new(query);
        for row in rows.rows::<(i64, i32, i32)>().map_err(unreadable)? {
            let (number, all, active) = row.map_err(unreadable)?;
            found.add(number.cast_unsigned(), Block { all: all.cast_unsigned(), active: active.cast_unsigned() });
        }
        let mut ids = Vec::with_capacity(query.size as usize);
        for (block, skip) in found.touched {
            let left = query.size as usize - ids.len();
            let entries = self.entries(&list, block, query.active).await?;
            ids.extend(entries.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(left));
        }
        let records = try_join_all(ids.into_iter().map(|id| self.customer_record(id))).await?;
        Ok(Found::Customers { customers: records.into_iter().flatten().collect(), total: found.total })
    }

    /// The entries of a block that are meant, ascending.
    async fn entries(
        &self,
        list: &CustomerList,
        block: u64,
        active: Option<bool>,
    ) -> Result<Vec<CustomerId>, StoreError> {
        let values = [Cell::Blob(list.0.clone()), big(block)];
        let rows = self.cluster.rows(Statement::new(|s| &s.listed, values)).await?;
        let mut found = Vec::new();
        for row in rows.rows::<(i64, bool, uuid::Uuid)>().map_err(unreadable)? {
            let (_, is_active, id) = row.map_err(unreadable)?;
            if active.is_none_or(|active| active == is_active) {
                found.push(CustomerId::from_bytes(id.into_bytes()));
            }
        }
        Ok(found)
    }

    async fn next_ordinal(&self) -> Result<u64, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.ordinal, [])).await?;
        let row = rows.maybe_first_row::<(i64,)>().map_err(unreadable)?;
        Ok(row.map_or(0, |(next,)| next.cast_unsigned()))
    }

    async fn block(&self, list: &CustomerList, block: u64) -> Result<Block, StoreError> {
        let values = [Cell::Blob(list.0.clone()), big(block)];
        let rows = self.cluster.rows(Statement::new(|s| &s.block, values)).await?;
        let row = rows.maybe_first_row::<(i32, i32)>().map_err(unreadable)?;
        Ok(row.map_or_else(Block::default, |(all, active)| Block {
            all: all.cast_unsigned(),
            active: active.cast_unsigned(),
        }))
    }
}

impl Changes<'_> {
    async fn create(&mut self, profile: &CustomerProfile) -> Result<CustomerWritten, StoreError> {
        if self.record(profile.id).await?.is_some() {
            return Ok(CustomerWritten::Stale);
        }
        if let Some(taken) = self.taken(profile).await? {
            return Ok(taken);
        }
        let ordinal = match self.next_ordinal {
            Some(next) => next,
            None => self.engine.cluster.needed(async || self.engine.next_ordinal().await).await?,
        };
        self.next_ordinal = Some(ordinal + 1);
        self.enter(profile, ordinal).await?;
        Ok(CustomerWritten::Saved)
    }

    async fn update(&mut self, profile: &CustomerProfile, seen: Timestamp) -> Result<CustomerWritten, StoreError> {
        let Some((before, ordinal)) = self.record(profile.id).await?.filter(|(before, _)| before.updated_at == seen)
        else {
            return Ok(CustomerWritten::Stale);
        };
        if let Some(taken) = self.taken(profile).await? {
            return Ok(taken);
        }
        self.leave(&before, ordinal).await?;
        self.enter(profile, ordinal).await?;
        Ok(CustomerWritten::Saved)
    }

    async fn record(&mut self, id: CustomerId) -> Result<Option<Numbered>, StoreError> {
        if let Some(known) = self.records.get(&id) {
            return Ok(known.clone());
        }
        let known = self.engine.cluster.needed(async || self.engine.numbered(id).await).await?;
        self.records.insert(id, known.clone());
        Ok(known)
    }

    /// The identity of a customer that is another one's.
    async fn taken(&mut self, profile: &CustomerProfile) -> Result<Option<CustomerWritten>, StoreError> {
        for identity in &profile.identities {
            let owner = match self.identities.get(identity) {
                Some(known) => *known,
                None => self.engine.cluster.needed(async || self.engine.owner_of(identity).await).await?,
            };
            self.identities.insert(identity.clone(), owner);
            if let Some(by) = owner.filter(|by| *by != profile.id) {
                return Ok(Some(CustomerWritten::Taken { kind: identity.kind(), by }));
            }
        }
        Ok(None)
    }

    async fn count(
        &mut self,
        list: &CustomerList,
        ordinal: u64,
        change: impl FnOnce(&mut Block),
    ) -> Result<(), StoreError> {
        let number = ordinal / BLOCK_ORDINALS;
        let key = (list.clone(), number);
        let mut block = match self.blocks.get(&key) {
            Some(block) => *block,
            None => self.engine.cluster.needed(async || self.engine.block(list, number).await).await?,
        };
        change(&mut block);
        self.blocks.insert(key, block);
        Ok(())
    }

    /// Puts a customer's record, its identities and its entries.
    async fn enter(&mut self, profile: &CustomerProfile, ordinal: u64) -> Result<(), StoreError> {
        let id = Cell::of_customer(profile.id);
        let mut bytes = Vec::with_capacity(256);
        record::write_profile(profile, ordinal, &mut bytes);
        self.push(Statement::new(|s| &s.put_customer, [id.clone(), Cell::Blob(bytes), self.engine.timestamp()]));
        for identity in &profile.identities {
            let [kind, value] = identity_cells(identity);
            let values = [kind, value, id.clone(), self.engine.timestamp()];
            self.push(Statement::new(|s| &s.put_identity, values));
            self.identities.insert(identity.clone(), Some(profile.id));
        }
        let active = u32::from(profile.active);
        for list in CustomerList::of(profile) {
            let place = [Cell::Blob(list.0.clone()), big(ordinal / BLOCK_ORDINALS), big(ordinal)];
            let values = [&place[..], &[Cell::Bool(profile.active), id.clone(), self.engine.timestamp()]].concat();
            self.push(Statement::new(|s| &s.put_listed, values));
            self.count(&list, ordinal, |block| {
                block.all += 1;
                block.active += active;
            })
            .await?;
        }
        self.records.insert(profile.id, Some((profile.clone(), ordinal)));
        Ok(())
    }

    /// Takes out what [`Changes::enter`] has put, but for the record.
    async fn leave(&mut self, profile: &CustomerProfile, ordinal: u64) -> Result<(), StoreError> {
        for identity in &profile.identities {
            let [kind, value] = identity_cells(identity);
            self.push(Statement::new(|s| &s.remove_identity, [self.engine.timestamp(), kind, value]));
            self.identities.insert(identity.clone(), None);
        }
        let active = u32::from(profile.active);
        for list in CustomerList::of(profile) {
            let place = [Cell::Blob(list.0.clone()), big(ordinal / BLOCK_ORDINALS), big(ordinal)];
            let values = [&[self.engine.timestamp()], &place[..]].concat();
            self.push(Statement::new(|s| &s.remove_listed, values));
            self.count(&list, ordinal, |block| {
                block.all = block.all.saturating_sub(1);
                block.active = block.active.saturating_sub(active);
            })
            .await?;
        }
        Ok(())
    }

    fn push(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    fn into_statements(mut self) -> Vec<Statement> {
        for ((list, number), block) in std::mem::take(&mut self.blocks) {
            let counts = [Cell::Int(block.all.cast_signed()), Cell::Int(block.active.cast_signed())];
            let values = [&[Cell::Blob(list.0), big(number)], &counts[..], &[self.engine.timestamp()]].concat();
            self.push(Statement::new(|s| &s.put_block, values));
        }
        if let Some(next) = self.next_ordinal {
            self.push(Statement::new(|s| &s.put_ordinal, [big(next), self.engine.timestamp()]));
        }
        self.statements
    }
}

fn identity_cells(identity: &Identity) -> [Cell; 2] {
    let kind = layout::identity_byte(identity.kind());
    [Cell::Tiny(kind.cast_signed()), Cell::Text(identity.value().to_owned())]
}
