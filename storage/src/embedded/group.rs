//! Turns writes into one group. What is staged is kept by key, so that a later write of the group sees an
//! earlier one, and a header written many times in a group is stored once. Must not know who asked.

use std::collections::HashMap;
use std::sync::Arc;

use fjall::Slice;
use switchboard_protocol::model::limits::ID_LEASE_BLOCK_IDS;
use switchboard_protocol::model::{
    AgentId, AgentProfile, ClientMsgId, Conversation, ConversationId, CustomerId, Message, MessageId, Party, Sender,
    Sent, Seq, Side, Timestamp, VShard, Write, Written,
};

use super::pending::{Entries, Pending};
use super::{CONVERSATIONS, CUSTOMERS, DIRECTORY, LOOKUPS, MESSAGES, Spaces, answers, customers, keys, listing, scan};
use crate::{Outcome, StoreError, record};

/// The writes of one group, staged.
pub(super) struct Group {
    spaces: Spaces,
    /// The groups before this one that are not in the tables yet.
    pending: Arc<Pending>,
    entries: Entries,
    /// The record being written; kept for its memory.
    bytes: Vec<u8>,
}

impl Group {
    pub fn new(spaces: Spaces, pending: Arc<Pending>) -> Self {
        Self { spaces, pending, entries: Entries::default(), bytes: Vec::new() }
    }

    /// Adds a write. One that fails has staged nothing: whatever must be read is read before.
    pub fn stage(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Append { conversation, opens, message, client_msg_id } => {
                self.save(conversation, *opens);
                if *opens {
                    self.list(conversation, true);
                }
                self.append(message, client_msg_id.as_ref());
                if let (Party::Customer(id), Side::Customer) = (&conversation.customer, message.sender.side) {
                    self.put_interaction(*id, message.created_at);
                }
                Ok(Written::Durable)
            }
            Write::SaveConversation { conversation, opens } => {
                self.save(conversation, *opens);
                self.list(conversation, *opens);
                Ok(Written::Durable)
            }
            Write::MarkRead { conversation, messages, of, at } => {
                let unread = self.unread(conversation.id, messages, *of)?;
                self.save(conversation, false);
                Ok(Written::Marked(self.mark_read(unread, *at)))
            }
            Write::Revise { conversation, seq, revision, at } => {
                let mut message = self.message(conversation.id, *seq)?;
                message.revise(revision, *at);
                self.save(conversation, false);
                record::write_message(&message, &mut self.bytes);
                self.put(MESSAGES, keys::message(message.conversation, message.seq));
                Ok(Written::Revised(Box::new(message)))
            }
            Write::SaveAgent(profile) => Ok(self.save_agent(profile.id, Some(profile))),
            Write::DeleteAgent(id) => Ok(self.save_agent(*id, None)),
            Write::LeaseIds(vshards) => self.lease(vshards),
            Write::CreateCustomer(profile) => customers::create(self, profile),
            Write::UpdateCustomer { profile, seen } => customers::update(self, profile, *seen),
            Write::SaveToken { hash, bearer, expires_at } => Ok(customers::save_token(self, hash, bearer, *expires_at)),
            Write::RemoveTokens(tokens) => Ok(customers::remove_tokens(self, tokens)),
            Write::KeepAnswer(answer) => answers::keep(self, &answer.0, &answer.1),
            Write::ForgetAnswers(names) => answers::forget(self, names),
            Write::Restore(restore) => scan::restore(self, restore),
        }
    }

    /// Gives what is staged, and begins the next group; `None` if nothing is.
    pub fn take(&mut self) -> Option<Entries> {
        let nothing = self.entries.iter().all(HashMap::is_empty);
        (!nothing).then(|| std::mem::replace(&mut self.entries, self.pending.spare()))
    }

    fn save(&mut self, conversation: &Conversation, opens: bool) {
        let id = conversation.id;
        record::write_conversation(conversation, &mut self.bytes);
        self.put(CONVERSATIONS, keys::header(id));
        if !conversation.is_open() {
            self.remove(CONVERSATIONS, keys::open(id));
        } else if opens {
            self.put_mark(CONVERSATIONS, keys::open(id));
        }
        if opens {
            record::write_customer(conversation.customer_number, &mut self.bytes);
            self.put(CONVERSATIONS, keys::customer(&conversation.customer));
            self.put_mark(CONVERSATIONS, keys::customers_conversation(&conversation.customer, id));
        }
    }

    /// Its places in lists.
    fn list(&mut self, conversation: &Conversation, opens: bool) {
        listing::places(conversation, opens, |key, put| match put {
            true => self.put_mark(CONVERSATIONS, key),
            false => self.remove(CONVERSATIONS, key),
        });
    }

    fn append(&mut self, message: &Message, client_msg_id: Option<&ClientMsgId>) {
        self.put_message(message);
        if let Some(client_msg_id) = client_msg_id {
            self.put_sent(message.sender, client_msg_id, Sent::of(message));
        }
    }

    /// A message and its place, as it is.
    pub(super) fn put_message(&mut self, message: &Message) {
        record::write_message(message, &mut self.bytes);
        self.put(MESSAGES, keys::message(message.conversation, message.seq));
        record::write_place(message.conversation, message.seq, &mut self.bytes);
        self.put(LOOKUPS, keys::place(message.id));
    }

    /// A dedup key.
    pub(super) fn put_sent(&mut self, sender: Sender, client_msg_id: &ClientMsgId, sent: Sent) {
        record::write_sent(sent, &mut self.bytes);
        self.put(LOOKUPS, keys::sent(sent.conversation, sender, client_msg_id));
    }

    /// When a customer last wrote.
    pub(super) fn put_interaction(&mut self, id: CustomerId, at: Timestamp) {
        record::write_interaction(at, &mut self.bytes);
        self.put(CUSTOMERS, keys::interaction(id));
    }

    /// The next counter of a virtual shard to lease.
    pub(super) fn put_lease(&mut self, vshard: VShard, next: u64) {
        record::write_lease(next, &mut self.bytes);
        self.put(DIRECTORY, keys::lease(vshard));
    }

    /// Those of `ids` that are of this conversation and side and not marked yet, once each.
    fn unread(&self, conversation: ConversationId, ids: &[MessageId], of: Side) -> Result<Vec<Message>, StoreError> {
        let mut unread = Vec::new();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let Some(place) = self.get(LOOKUPS, &keys::place(id))? else { continue };
            let (found_in, seq) = record::read_place(&place)?;
            if found_in != conversation {
                continue;
            }
            let message = self.message(conversation, seq)?;
            if message.sender.side == of && message.read_at.is_none() {
                unread.push(message);
            }
        }
        Ok(unread)
    }

    fn message(&self, conversation: ConversationId, seq: Seq) -> Result<Message, StoreError> {
        let bytes = self.get(MESSAGES, &keys::message(conversation, seq))?;
        let bytes = bytes.ok_or_else(|| StoreError::corrupt("the place of a message is empty"))?;
        record::read_message(conversation, seq, &bytes)
    }

    /// `unread` is ascending by id.
    fn mark_read(&mut self, unread: Vec<Message>, at: Timestamp) -> Vec<MessageId> {
        let mut marked = Vec::with_capacity(unread.len());
        for mut message in unread {
            message.read_at = Some(at);
            record::write_message(&message, &mut self.bytes);
            self.put(MESSAGES, keys::message(message.conversation, message.seq));
            marked.push(message.id);
        }
        marked
    }

    fn save_agent(&mut self, id: AgentId, profile: Option<&AgentProfile>) -> Written {
        record::write_agent(profile, &mut self.bytes);
        self.put(DIRECTORY, keys::agent(id));
        Written::Durable
    }

    fn lease(&mut self, vshards: &[VShard]) -> Outcome {
        let mut next_counters: HashMap<VShard, u64> = HashMap::with_capacity(vshards.len());
        let mut leased = Vec::with_capacity(vshards.len());
        for vshard in vshards {
            let first = match next_counters.get(vshard) {
                Some(next) => *next,
                None => self.next_counter(*vshard)?,
            };
            next_counters.insert(*vshard, first + ID_LEASE_BLOCK_IDS);
            leased.push((*vshard, first..first + ID_LEASE_BLOCK_IDS));
        }
        for (vshard, next) in next_counters {
            self.put_lease(vshard, next);
        }
        Ok(Written::Leased(leased))
    }

    /// The first counter that is not leased yet.
    pub(super) fn next_counter(&self, vshard: VShard) -> Result<u64, StoreError> {
        let stored = self.get(DIRECTORY, &keys::lease(vshard))?;
        Ok(stored.map(|bytes| record::read_lease(&bytes)).transpose()?.unwrap_or(1))
    }

    /// Stages the record in `bytes`.
    fn put(&mut self, space: usize, key: impl Into<Slice>) {
        self.entries[space].insert(key.into(), Some(self.bytes.as_slice().into()));
    }

    /// Stages a value.
    pub(super) fn put_value(&mut self, space: usize, key: impl Into<Slice>, value: &[u8]) {
        self.entries[space].insert(key.into(), Some(value.into()));
    }

    /// Stages a key that says all by being there.
    fn put_mark(&mut self, space: usize, key: impl Into<Slice>) {
        self.entries[space].insert(key.into(), Some(Slice::new(&[])));
    }

    pub(super) fn remove(&mut self, space: usize, key: impl Into<Slice>) {
        self.entries[space].insert(key.into(), None);
    }

    /// As the writes before left it.
    pub(super) fn get(&self, space: usize, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        if let Some(staged) = self.entries[space].get(key) {
            return Ok(staged.clone());
        }
        match self.pending.get(space, key) {
            Some(synced) => Ok(synced),
            None => self.spaces.all()[space].get(key).map_err(super::read::failed),
        }
    }
}
