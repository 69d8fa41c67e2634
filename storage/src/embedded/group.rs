//! Turns writes into one batch. What is staged is kept by key, so that a later write of the group sees an
//! earlier one, and a header written many times in a group is stored once. Must not know who asked.

use std::collections::HashMap;

use fjall::{Keyspace, OwnedWriteBatch, PersistMode, Slice};
use switchboard_protocol::model::limits::{ID_LEASE_BLOCK_IDS, STORE_GROUP_WRITES};
use switchboard_protocol::model::{
    AgentId, AgentProfile, ClientMsgId, Conversation, ConversationId, Message, MessageId, Seq, Side, Timestamp, VShard,
    Write, Written,
};

use super::{Spaces, keys};
use crate::{Outcome, StoreError, record};

/// The writes of one group, staged.
pub(super) struct Group {
    database: fjall::Database,
    messages: Staged,
    lookups: Staged,
    conversations: Staged,
    directory: Staged,
    /// The record being written; kept for its memory.
    bytes: Vec<u8>,
}

impl Group {
    pub fn new(spaces: Spaces) -> Self {
        Self {
            database: spaces.database,
            messages: Staged::new(spaces.messages),
            lookups: Staged::new(spaces.lookups),
            conversations: Staged::new(spaces.conversations),
            directory: Staged::new(spaces.directory),
            bytes: Vec::new(),
        }
    }

    /// Adds a write. One that fails has staged nothing: whatever must be read is read before.
    pub fn stage(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Append { conversation, opens, message, client_msg_id } => {
                self.save(conversation, *opens);
                self.append(message, client_msg_id.as_ref());
                Ok(Written::Durable)
            }
            Write::SaveConversation { conversation, opens } => {
                self.save(conversation, *opens);
                Ok(Written::Durable)
            }
            Write::MarkRead { conversation, messages, of, at } => {
                let unread = self.unread(conversation.id, messages, *of)?;
                self.save(conversation, false);
                Ok(Written::Marked(self.mark_read(unread, *at)))
            }
            Write::SaveAgent(profile) => Ok(self.save_agent(profile.id, Some(profile))),
            Write::DeleteAgent(id) => Ok(self.save_agent(*id, None)),
            Write::LeaseIds(vshards) => self.lease(vshards),
        }
    }

    /// Makes everything staged durable and visible, all or nothing. An error is fatal.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        // The batch is synced before it becomes visible to readers.
        let all = [&mut self.messages, &mut self.lookups, &mut self.conversations, &mut self.directory];
        let entries = all.iter().map(|staged| staged.entries.len()).sum();
        let mut batch =
            OwnedWriteBatch::with_capacity(self.database.clone(), entries).durability(Some(PersistMode::SyncData));
        for staged in all {
            staged.drain_into(&mut batch);
        }
        batch.commit().map_err(|error| StoreError::Engine(Box::new(error)))
    }

    fn save(&mut self, conversation: &Conversation, opens: bool) {
        let id = conversation.id;
        record::write_conversation(conversation, &mut self.bytes);
        self.conversations.put(keys::header(id), &self.bytes);
        if !conversation.is_open() {
            self.conversations.remove(keys::open(id));
        } else if opens {
            self.conversations.put(keys::open(id), &[]);
        }
        if opens {
            record::write_customer(conversation.customer_number, &mut self.bytes);
            self.conversations.put(keys::customer(&conversation.customer), &self.bytes);
            self.conversations.put(keys::customers_conversation(&conversation.customer, id), &[]);
        }
    }

    fn append(&mut self, message: &Message, client_msg_id: Option<&ClientMsgId>) {
        record::write_message(message, &mut self.bytes);
        self.messages.put(keys::message(message.conversation, message.seq), &self.bytes);
        record::write_place(message.conversation, message.seq, &mut self.bytes);
        self.lookups.put(keys::place(message.id), &self.bytes);
        if let Some(client_msg_id) = client_msg_id {
            record::write_sent(message, &mut self.bytes);
            let key = keys::sent(message.conversation, message.sender, client_msg_id);
            self.lookups.put(key, &self.bytes);
        }
    }

    /// Those of `ids` that are of this conversation and side and not marked yet, once each.
    fn unread(&self, conversation: ConversationId, ids: &[MessageId], of: Side) -> Result<Vec<Message>, StoreError> {
        let mut unread = Vec::new();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let Some(place) = self.lookups.get(&keys::place(id))? else { continue };
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
        let bytes = self.messages.get(&keys::message(conversation, seq))?;
        let bytes = bytes.ok_or_else(|| StoreError::corrupt("the place of a message is empty"))?;
        record::read_message(conversation, seq, &bytes)
    }

    /// `unread` is ascending by id.
    fn mark_read(&mut self, unread: Vec<Message>, at: Timestamp) -> Vec<MessageId> {
        let mut marked = Vec::with_capacity(unread.len());
        for mut message in unread {
            message.read_at = Some(at);
            record::write_message(&message, &mut self.bytes);
            self.messages.put(keys::message(message.conversation, message.seq), &self.bytes);
            marked.push(message.id);
        }
        marked
    }

    fn save_agent(&mut self, id: AgentId, profile: Option<&AgentProfile>) -> Written {
        record::write_agent(profile, &mut self.bytes);
        self.directory.put(keys::agent(id), &self.bytes);
        Written::Durable
    }

    fn lease(&mut self, vshards: &[VShard]) -> Outcome {
        let mut next_counters: HashMap<VShard, u64> = HashMap::with_capacity(vshards.len());
        let mut leased = Vec::with_capacity(vshards.len());
        for vshard in vshards {
            let first = match next_counters.get(vshard) {
                Some(next) => *next,
                None => match self.directory.get(&keys::lease(*vshard))? {
                    Some(bytes) => record::read_lease(&bytes)?,
                    None => 1,
                },
            };
            next_counters.insert(*vshard, first + ID_LEASE_BLOCK_IDS);
            leased.push((*vshard, first..first + ID_LEASE_BLOCK_IDS));
        }
        for (vshard, next) in next_counters {
            record::write_lease(next, &mut self.bytes);
            self.directory.put(keys::lease(vshard), &self.bytes);
        }
        Ok(Written::Leased(leased))
    }
}

/// What is staged for one keyspace; `None` removes.
struct Staged {
    space: Keyspace,
    entries: HashMap<Slice, Option<Slice>>,
}

impl Staged {
    fn new(space: Keyspace) -> Self {
        Self { space, entries: HashMap::with_capacity(2 * STORE_GROUP_WRITES) }
    }

    fn put(&mut self, key: impl Into<Slice>, value: &[u8]) {
        self.entries.insert(key.into(), Some(value.into()));
    }

    fn remove(&mut self, key: impl Into<Slice>) {
        self.entries.insert(key.into(), None);
    }

    fn get(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match self.entries.get(key) {
            Some(staged) => Ok(staged.clone()),
            None => self.space.get(key).map_err(super::read::failed),
        }
    }

    fn drain_into(&mut self, batch: &mut OwnedWriteBatch) {
        for (key, value) in self.entries.drain() {
            match value {
                Some(value) => batch.insert(&self.space, key, value),
                None => batch.remove(&self.space, key),
            }
        }
    }
}
