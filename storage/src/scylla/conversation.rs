//! Conversations and their messages: in which partition what stands, what a write puts there, and in which order, so that a
//! process may die between any two statements.
//!
//! What a reader could miss is written first (indexes, the pointer to a new bucket), the header with its message after it in
//! one partition at once, and what has become superfluous is taken away last. So an index may name what is not there, and
//! every reader looks at what it names.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use switchboard_protocol::model::{
    ClientMsgId, Conversation, ConversationId, CustomerId, ListPosition, Message, MessageId, Party, Revision, Sender,
    Sent, Seq, Side, State, Timestamp, Write, Written,
};

use switchboard_protocol::model::limits::{CQL_BUCKET_MESSAGES, VSHARDS};

use super::cell::{Cell, Statement, big};
use super::cluster::Together;
use super::engine::{Engine, Queued};
use crate::layout::{self, Scope};
use crate::{StoreError, record};

/// Message ids in turn of one virtual shard whose places share a partition.
const PLACE_BLOCK_IDS: u64 = 1024;
const VSHARD_COUNT: u64 = VSHARDS as u64;
/// Partitions of the index of open conversations.
pub(super) const OPEN_PARTS: u64 = 16;
/// Values of one IN: what ScyllaDB admits by default.
pub(super) const IN_VALUES: usize = 100;
/// A day, in which closed conversations share a partition.
const DAY_MILLIS: u64 = 86_400_000;

/// The kinds of entries in a bucket.
pub(super) const MESSAGE: i8 = 0;
pub(super) const SENT: i8 = 1;

/// The bucket of a seq; a conversation without messages has its header in the first.
pub(super) const fn bucket(seq: Seq) -> i32 {
    (seq.get().saturating_sub(1) / CQL_BUCKET_MESSAGES) as i32
}

/// The partition of a message's place.
pub(super) const fn place_block(message: MessageId) -> i64 {
    let (counter, vshard) = (message.get() / VSHARD_COUNT, message.get() % VSHARD_COUNT);
    (counter / PLACE_BLOCK_IDS * VSHARD_COUNT + vshard).cast_signed()
}

/// The partition of an open conversation's index entry.
pub(super) const fn open_part(id: ConversationId) -> Cell {
    Cell::Int((id.get() % OPEN_PARTS) as i32)
}

/// The day of an instant, since 1970.
pub(super) const fn day(at: Timestamp) -> i32 {
    let day = at.as_millis() / DAY_MILLIS;
    if day > i32::MAX as u64 { i32::MAX } else { day as i32 }
}

/// Whether a write needs nothing but its bucket, and so goes with others of its kind.
pub(super) fn is_plain(write: &Write) -> bool {
    match write {
        Write::Append { conversation, opens, .. } | Write::SaveConversation { conversation, opens } => {
            !opens && conversation.is_open()
        }
        _ => false,
    }
}

impl Engine {
    /// Plain writes of one conversation, in order.
    pub(super) async fn put_plain(&self, writes: &[Queued]) {
        for chunk in writes.chunk_by(|one, other| bucket(newest_seq(&one.write)) == bucket(newest_seq(&other.write))) {
            let writes: Vec<_> = chunk.iter().map(|queued| &queued.write).collect();
            self.put_in_bucket(&writes).await;
            self.groups(1);
        }
    }

    /// Writes whose header stands in one bucket: messages, dedup keys and the last header at once.
    async fn put_in_bucket(&self, writes: &[&Write]) {
        let mut bucket_of = Vec::with_capacity(2 * writes.len() + 1);
        let (mut messages, mut interaction, mut header) = (Vec::new(), None, None);
        for write in writes {
            let (Write::Append { conversation, .. } | Write::SaveConversation { conversation, .. }) = write else {
                unreachable!("only these are put in buckets");
            };
            if let Write::Append { message, client_msg_id, .. } = write {
                if message.seq.get() > 1 && (message.seq.get() - 1).is_multiple_of(CQL_BUCKET_MESSAGES) {
                    self.point_to_bucket(conversation.id, bucket(message.seq)).await;
                }
                bucket_of.push(self.message_entry(message));
                if let Some(client_msg_id) = client_msg_id {
                    bucket_of.push(self.sent_entry(message.sender, client_msg_id, Sent::of(message)));
                }
                messages.push(message);
                if let (Party::Customer(id), Side::Customer) = (&conversation.customer, message.sender.side) {
                    interaction = Some(self.interaction_entry(*id, message.created_at));
                }
            }
            header = Some(conversation);
        }
        if let Some(header) = header {
            bucket_of.push(self.header_entry(header));
        }
        let mut aside = self.place_entries(messages);
        aside.extend(interaction.map(|entry| vec![entry]));
        let aside = join_all(aside.iter().map(|entries| self.cluster.write(Together::OnePartition, entries)));
        join(self.cluster.write(Together::OnePartition, &bucket_of), aside).await;
    }

    pub(super) async fn point_to_bucket(&self, id: ConversationId, bucket: i32) {
        let values = [self.timestamp(), Cell::Int(bucket), big(id.get())];
        self.cluster.write_one(Statement::new(|s| &s.put_last_bucket, values)).await;
    }

    /// A write that opens or closes its conversation: indexes, then the header, then what is superfluous.
    pub(super) async fn put_indexed(&self, write: &Write) {
        let (Write::Append { conversation, opens, .. } | Write::SaveConversation { conversation, opens }) = write
        else {
            unreachable!("only these open and close");
        };
        let mut indexes = Vec::new();
        if *opens {
            let mut party = Vec::with_capacity(32);
            layout::party(&conversation.customer, &mut party);
            let (id, number) = (big(conversation.id.get()), big(conversation.customer_number.get()));
            let values = [Cell::Blob(party), id, number, self.timestamp()];
            indexes.push(Statement::new(|s| &s.put_of_party, values));
            if conversation.is_open() {
                let values = [open_part(conversation.id), big(conversation.id.get()), self.timestamp()];
                indexes.push(Statement::new(|s| &s.put_open, values));
            }
        }
        if !conversation.is_open() {
            self.closed_entries(conversation, &mut indexes);
        }
        // An import puts messages before their header.
        let newest = bucket(conversation.last_seq);
        if *opens && newest > 0 {
            self.point_to_bucket(conversation.id, newest).await;
        }
        join_all(indexes.into_iter().map(|statement| self.cluster.write_one(statement))).await;
        self.put_in_bucket(&[write]).await;
    }

    /// A closed conversation's index entry as an open one.
    pub(super) async fn remove_open(&self, id: ConversationId) {
        let values = [self.timestamp(), open_part(id), big(id.get())];
        self.cluster.write_one(Statement::new(|s| &s.remove_open, values)).await;
    }

    /// The places of a closed conversation in lists.
    fn closed_entries(&self, conversation: &Conversation, statements: &mut Vec<Statement>) {
        let at = ListPosition::of(conversation);
        for scope in Scope::of(conversation) {
            let mut key = Vec::with_capacity(32);
            scope.prefix(State::Closed, &mut key);
            let (scope, day) = (Cell::Blob(key), Cell::Int(day(at.created_at)));
            let (millis, id) = (big(at.created_at.as_millis()), big(at.conversation.get()));
            let values = [scope.clone(), day.clone(), self.timestamp()];
            statements.push(Statement::new(|s| &s.put_closed_day, values));
            let values = [scope, day, millis, id, self.timestamp()];
            statements.push(Statement::new(|s| &s.put_closed, values));
        }
    }

    /// Marks messages as read; see `Write::MarkRead`.
    pub(super) async fn mark_read(
        &self,
        conversation: &Conversation,
        messages: &[MessageId],
        of: Side,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let ids = self.cluster.needed(async || self.seqs_of(conversation.id, messages).await).await?;
        let seqs: Vec<_> = ids.values().copied().collect();
        let found = self.cluster.needed(async || self.messages(conversation.id, &seqs).await).await?;
        let mut marked = Vec::new();
        let mut changed = Vec::new();
        for mut message in found {
            // A place may be that of a message that was never acknowledged.
            let meant = ids.get(&message.id) == Some(&message.seq) && message.seq <= conversation.last_seq;
            if meant && message.sender.side == of && message.read_at.is_none() {
                message.read_at = Some(at);
                marked.push(message.id);
                changed.push(message);
            }
        }
        marked.sort_unstable();
        self.rewrite(conversation, &changed).await;
        Ok(Written::Marked(marked))
    }

    /// Edits or recalls a message; see `Write::Revise`.
    pub(super) async fn revise(
        &self,
        conversation: &Conversation,
        seq: Seq,
        revision: &Revision,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let found = self.cluster.needed(async || self.messages(conversation.id, &[seq]).await).await?;
        let message = found.into_iter().next();
        let mut message = message.ok_or_else(|| StoreError::corrupt("the place of a message is empty"))?;
        message.revise(revision, at);
        self.rewrite(conversation, std::slice::from_ref(&message)).await;
        Ok(Written::Revised(Box::new(message)))
    }

    /// Messages that are there, changed, with their header.
    async fn rewrite(&self, conversation: &Conversation, messages: &[Message]) {
        let newest = bucket(conversation.last_seq);
        let together = match messages.iter().all(|message| bucket(message.seq) == newest) {
            true => Together::OnePartition,
            false => Together::Logged,
        };
        let mut statements: Vec<_> = messages.iter().map(|message| self.message_entry(message)).collect();
        statements.push(self.header_entry(conversation));
        self.cluster.write(together, &statements).await;
        self.groups(1);
    }

    pub(super) fn message_entry(&self, message: &Message) -> Statement {
        let mut bytes = Vec::with_capacity(128 + message.body.content.len());
        record::write_message(message, &mut bytes);
        let (seq, key) = (big(message.seq.get()), Cell::Blob(Vec::new()));
        self.entry(message.conversation, message.seq, [Cell::Tiny(MESSAGE), seq, key, Cell::Blob(bytes)])
    }

    pub(super) fn sent_entry(&self, sender: Sender, client_msg_id: &ClientMsgId, sent: Sent) -> Statement {
        let key = layout::sent_key(sender, client_msg_id);
        let mut bytes = Vec::with_capacity(32);
        record::write_sent(sent, &mut bytes);
        let entry = [Cell::Tiny(SENT), Cell::Big(0), Cell::Blob(key), Cell::Blob(bytes)];
        self.entry(sent.conversation, sent.seq, entry)
    }

    fn entry(&self, id: ConversationId, seq: Seq, [kind, position, key, record]: [Cell; 4]) -> Statement {
        let (id, bucket) = (big(id.get()), Cell::Int(bucket(seq)));
        Statement::new(|s| &s.put_entry, [id, bucket, kind, position, key, record, self.timestamp()])
    }

    fn header_entry(&self, conversation: &Conversation) -> Statement {
        let mut bytes = Vec::with_capacity(160);
        record::write_conversation(conversation, &mut bytes);
        let bucket = Cell::Int(bucket(conversation.last_seq));
        Statement::new(|s| &s.put_header, [self.timestamp(), Cell::Blob(bytes), big(conversation.id.get()), bucket])
    }

    /// The places of messages, those of one partition together.
    pub(super) fn place_entries<'m>(&self, messages: impl IntoIterator<Item = &'m Message>) -> Vec<Vec<Statement>> {
        let mut by_block: BTreeMap<i64, Vec<Statement>> = BTreeMap::new();
        for message in messages {
            let block = place_block(message.id);
            let (conversation, seq) = (big(message.conversation.get()), big(message.seq.get()));
            let values = [Cell::Big(block), big(message.id.get()), conversation, seq, self.timestamp()];
            by_block.entry(block).or_default().push(Statement::new(|s| &s.put_place, values));
        }
        by_block.into_values().collect()
    }

    pub(super) fn interaction_entry(&self, id: CustomerId, at: Timestamp) -> Statement {
        let values = [Cell::of_customer(id), big(at.as_millis()), self.timestamp()];
        Statement::new(|s| &s.put_interaction, values)
    }
}

/// The newest seq after a write.
fn newest_seq(write: &Write) -> Seq {
    match write {
        Write::Append { conversation, .. } | Write::SaveConversation { conversation, .. } => conversation.last_seq,
        _ => Seq::ZERO,
    }
}
