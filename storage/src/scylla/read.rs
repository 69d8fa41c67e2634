//! Answers questions about conversations, messages and agents; customers and lists have files of their own. What an index
//! names is looked at before it is believed. Must not know who asks.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use switchboard_protocol::model::limits::{CQL_BUCKET_MESSAGES, CQL_PAGE_ROWS, CQL_SENT_KEYS_BUCKETS, PAGE_MAX};
use switchboard_protocol::model::{
    AgentId, AgentProfile, ClientMsgId, Conversation, ConversationId, CustomerNumber, Found, Listed, Message,
    MessageId, Party, Read, Sender, Sent, Seq,
};

use super::cell::{Cell, Statement, big};
use super::conversation::{IN_VALUES, bucket, place_block};
use super::engine::Engine;
use crate::{StoreError, layout, record};

/// Buckets of a conversation that are asked at once for a dedup key.
const BUCKETS_AT_ONCE: usize = 8;

impl Engine {
    /// Answers a question.
    pub(super) async fn answer(&self, read: &Read) -> Result<Found, StoreError> {
        Ok(match read {
            Read::Conversation(id) => Found::Conversation(self.header(*id).await?.map(Box::new)),
            Read::History { conversation, from, to } => Found::History(self.history(*conversation, *from, *to).await?),
            Read::SeqOf { conversation, message } => {
                let found = self.message_by_id(*message).await?;
                Found::Seq(found.filter(|found| found.conversation == *conversation).map(|found| found.seq))
            }
            Read::Message(id) => Found::Message(self.message_by_id(*id).await?.map(Box::new)),
            Read::Sent { conversation, sender, client_msg_id } => {
                Found::Sent(self.sent(*conversation, *sender, client_msg_id).await?)
            }
            Read::SentInAny { conversations, sender, client_msg_id } => {
                let asked = conversations.iter().map(|id| self.sent(*id, *sender, client_msg_id));
                Found::Sent(try_join_all(asked).await?.into_iter().flatten().next())
            }
            Read::Customer { party, newest } => self.customer(party, *newest).await?,
            Read::OpenConversations { after, limit } => {
                Found::OpenConversations(self.open.borrow().page(*after, *limit as usize))
            }
            Read::Conversations { filter, after, limit } => self.list(filter, *after, *limit as usize).await?,
            Read::Listed(id) => {
                let header = self.header(*id).await?;
                Found::Listed(self.listed(header).await?.map(Box::new))
            }
            Read::Agents { after, limit } => Found::Agents(self.agents(*after, *limit).await?),
            Read::CustomerById(id) => Found::CustomerRecord(self.customer_record(*id).await?.map(Box::new)),
            Read::CustomerByIdentity(identity) => {
                Found::CustomerRecord(self.customer_known_by(identity).await?.map(Box::new))
            }
            Read::Customers(query) => self.customers_page(query).await?,
            Read::Token(hash) => Found::Token(self.token(hash).await?),
            // Both go by their time to live.
            Read::ExpiredTokens { .. } => Found::ExpiredTokens(Vec::new()),
            Read::KeptAnswer(name) => Found::KeptAnswer(self.kept_answer(name).await?.map(Box::new)),
            Read::ExpiredAnswers { .. } => Found::ExpiredAnswers(Vec::new()),
            Read::Scan(scan) => Found::Scanned(self.scan(scan).await?),
        })
    }

    /// The header of a conversation, as it is in the newest bucket.
    pub(super) async fn header(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let open = self.open.borrow().get(id).cloned();
        match open {
            Some(header) => Ok(Some(header)),
            None => self.stored_header(id).await,
        }
    }

    /// The header as the cluster has it.
    pub(super) async fn stored_header(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let (mut header, last) = self.bucket_header(id, 0).await?;
        // The pointer is written before its bucket, which may not have come to be.
        for bucket in (1..=last).rev() {
            if let (Some(newer), _) = self.bucket_header(id, bucket).await? {
                header = Some(newer);
                break;
            }
        }
        Ok(header)
    }

    async fn bucket_header(&self, id: ConversationId, bucket: i32) -> Result<(Option<Conversation>, i32), StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.header, [big(id.get()), Cell::Int(bucket)])).await?;
        let row = rows.maybe_first_row::<(Option<&[u8]>, Option<i32>)>().map_err(unreadable)?;
        let Some((header, last)) = row else { return Ok((None, 0)) };
        let header = header.map(|bytes| record::read_conversation(id, bytes)).transpose()?;
        Ok((header, last.unwrap_or(0)))
    }

    async fn history(&self, id: ConversationId, from: Seq, to: Seq) -> Result<Vec<Message>, StoreError> {
        // Behind the header there may be what was never acknowledged.
        let newest = self.header(id).await?.map_or(Seq::ZERO, |header| header.last_seq);
        let (mut from, to) = (from.max(Seq::new(1)), to.min(newest));
        let mut messages = Vec::new();
        while from <= to && messages.len() < PAGE_MAX as usize {
            let bucket = bucket(from);
            let end = Seq::new((bucket as u64 + 1) * CQL_BUCKET_MESSAGES);
            let left = PAGE_MAX as u64 - messages.len() as u64;
            let page_end = to.min(end).min(Seq::new(from.get() + left - 1));
            let values = [big(id.get()), Cell::Int(bucket), big(from.get()), big(page_end.get())];
            let rows = self.cluster.rows(Statement::new(|s| &s.history, values)).await?;
            for row in rows.rows::<(i64, &[u8])>().map_err(unreadable)? {
                let (seq, bytes) = row.map_err(unreadable)?;
                messages.push(record::read_message(id, Seq::new(seq.cast_unsigned()), bytes)?);
            }
            from = page_end.next();
        }
        Ok(messages)
    }

    /// Those of these seqs that are there, in no order.
    pub(super) async fn messages(&self, id: ConversationId, seqs: &[Seq]) -> Result<Vec<Message>, StoreError> {
        let mut by_bucket: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for seq in seqs {
            by_bucket.entry(bucket(*seq)).or_default().push(seq.get().cast_signed());
        }
        let asked = by_bucket
            .iter()
            .flat_map(|(bucket, seqs)| seqs.chunks(IN_VALUES).map(|seqs| self.messages_of_bucket(id, *bucket, seqs)));
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }

    async fn messages_of_bucket(
        &self,
        id: ConversationId,
        bucket: i32,
        seqs: &[i64],
    ) -> Result<Vec<Message>, StoreError> {
        let values = [big(id.get()), Cell::Int(bucket), Cell::Bigs(seqs.to_vec())];
        let rows = self.cluster.rows(Statement::new(|s| &s.messages, values)).await?;
        let rows = rows.rows::<(i64, &[u8])>().map_err(unreadable)?;
        rows.map(|row| {
            let (seq, bytes) = row.map_err(unreadable)?;
            record::read_message(id, Seq::new(seq.cast_unsigned()), bytes)
        })
        .collect()
    }

    /// Where messages of a conversation are, as their places say; strangers are passed over.
    pub(super) async fn seqs_of(
        &self,
        id: ConversationId,
        messages: &[MessageId],
    ) -> Result<BTreeMap<MessageId, Seq>, StoreError> {
        let mut by_block: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for message in messages {
            by_block.entry(place_block(*message)).or_default().push(message.get().cast_signed());
        }
        let asked = by_block.iter_mut().flat_map(|(block, ids)| {
            ids.sort_unstable();
            ids.dedup();
            ids.chunks(IN_VALUES).map(|ids| self.places(*block, ids))
        });
        let places = try_join_all(asked).await?.into_iter().flatten();
        Ok(places.filter(|(_, of, _)| *of == id).map(|(message, _, seq)| (message, seq)).collect())
    }

    async fn places(&self, block: i64, ids: &[i64]) -> Result<Vec<(MessageId, ConversationId, Seq)>, StoreError> {
        let statement = Statement::new(|s| &s.places, [Cell::Big(block), Cell::Bigs(ids.to_vec())]);
        let rows = self.cluster.rows(statement).await?;
        let rows = rows.rows::<(i64, i64, i64)>().map_err(unreadable)?;
        rows.map(|row| {
            let (message, conversation, seq) = row.map_err(unreadable)?;
            let message = MessageId::from_wire(message.cast_unsigned()).map_err(|_| no_id("a message"))?;
            Ok((message, conversation_id(conversation)?, Seq::new(seq.cast_unsigned())))
        })
        .collect()
    }

    async fn message_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let places = self.places(place_block(id), &[id.get().cast_signed()]).await?;
        let Some((_, conversation, seq)) = places.first() else { return Ok(None) };
        let found = self.history(*conversation, *seq, *seq).await?;
        Ok(found.into_iter().find(|message| message.id == id))
    }

    /// What was sent under a dedup key: looked for in all buckets, the newest first.
    async fn sent(&self, id: ConversationId, sender: Sender, key: &ClientMsgId) -> Result<Option<Sent>, StoreError> {
        let key = layout::sent_key(sender, key);
        self.hold_keys(id).await?;
        if self.sent_keys.borrow().is_new(id, &key) {
            return Ok(None);
        }
        let Some(header) = self.header(id).await? else { return Ok(None) };
        let buckets: Vec<_> = (0..=bucket(header.last_seq)).rev().collect();
        for buckets in buckets.chunks(BUCKETS_AT_ONCE) {
            let asked = buckets.iter().map(|bucket| self.sent_in_bucket(id, *bucket, &key));
            for sent in try_join_all(asked).await?.into_iter().flatten() {
                // The message may never have been acknowledged, and another have its place.
                let found = self.messages(id, &[sent.seq]).await?;
                if sent.seq <= header.last_seq && found.iter().any(|message| message.id == sent.message) {
                    return Ok(Some(sent));
                }
            }
        }
        Ok(None)
    }

    /// Reads all dedup keys of an open conversation that is not too long, unless they are held already. Not while it is
    /// written: a key that is under way may be neither here nor there.
    async fn hold_keys(&self, id: ConversationId) -> Result<(), StoreError> {
        let last = self.open.borrow().get(id).map(|header| bucket(header.last_seq));
        let Some(last) = last.filter(|last| *last < CQL_SENT_KEYS_BUCKETS && !self.is_written(id)) else {
            return Ok(());
        };
        if !self.sent_keys.borrow_mut().begin(id) {
            return Ok(());
        }
        match try_join_all((0..=last).map(|bucket| self.keys_in_bucket(id, bucket))).await {
            Ok(keys) => self.sent_keys.borrow_mut().complete(id, keys.iter().flatten()),
            Err(error) => {
                self.sent_keys.borrow_mut().forget(id);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn keys_in_bucket(&self, id: ConversationId, bucket: i32) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.all_sent, [big(id.get()), Cell::Int(bucket)])).await?;
        let rows = rows.rows::<(&[u8], &[u8])>().map_err(unreadable)?;
        rows.map(|row| row.map(|(key, _)| key.to_vec()).map_err(unreadable)).collect()
    }

    async fn sent_in_bucket(&self, id: ConversationId, bucket: i32, key: &[u8]) -> Result<Option<Sent>, StoreError> {
        let values = [big(id.get()), Cell::Int(bucket), Cell::Blob(key.to_vec())];
        let rows = self.cluster.rows(Statement::new(|s| &s.sent, values)).await?;
        let row = rows.maybe_first_row::<(&[u8],)>().map_err(unreadable)?;
        row.map(|(bytes,)| record::read_sent(id, bytes)).transpose()
    }

    async fn customer(&self, party: &Party, newest: u32) -> Result<Found, StoreError> {
        let record = match party {
            Party::Customer(id) => self.customer_record(*id).await?,
            Party::User(_) | Party::Visitor(_) | Party::Agent(_) => None,
        };
        let of_record = record.as_ref().map(|view| view.profile.number);
        let channel = record.map(|view| view.profile.channel);
        let number = self.number_of(party).await?.or(of_record);
        let conversations = match number {
            Some(_) => self.conversations_of(party, newest as usize).await?,
            None => Vec::new(),
        };
        Ok(Found::Customer { number, channel, conversations })
    }

    async fn number_of(&self, party: &Party) -> Result<Option<CustomerNumber>, StoreError> {
        let rows = self.cluster.rows(Statement::new(|s| &s.number_of_party, [party_cell(party)])).await?;
        let row = rows.maybe_first_row::<(Option<i64>,)>().map_err(unreadable)?;
        let number = row.and_then(|(number,)| number);
        number
            .map(|number| CustomerNumber::from_wire(number.cast_unsigned()).map_err(|_| no_id("a customer")))
            .transpose()
    }

    /// Newest first.
    async fn conversations_of(&self, party: &Party, newest: usize) -> Result<Vec<Conversation>, StoreError> {
        let mut found: Vec<Conversation> = Vec::new();
        let mut before = i64::MAX;
        while found.len() < newest {
            let left = newest - found.len();
            let ids = self.ids_of_party(party, before, left).await?;
            let Some(last) = ids.last() else { break };
            before = last.get().cast_signed();
            let headers = try_join_all(ids.iter().map(|id| self.header(*id))).await?;
            found.extend(headers.into_iter().flatten());
        }
        Ok(found)
    }

    /// The ids of a party's conversations below one, the greatest first.
    pub(super) async fn ids_of_party(
        &self,
        party: &Party,
        before: i64,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX).min(CQL_PAGE_ROWS);
        let values = [party_cell(party), Cell::Big(before), Cell::Int(limit)];
        let rows = self.cluster.rows(Statement::new(|s| &s.of_party, values)).await?;
        let rows = rows.rows::<(i64, Option<i64>)>().map_err(unreadable)?;
        rows.map(|row| conversation_id(row.map_err(unreadable)?.0)).collect()
    }

    /// A header with its newest message.
    pub(super) async fn listed(&self, header: Option<Conversation>) -> Result<Option<Listed>, StoreError> {
        let Some(conversation) = header else { return Ok(None) };
        let last = conversation.last_seq;
        let last_message = match last {
            Seq::ZERO => None,
            _ => self.messages(conversation.id, &[last]).await?.into_iter().next(),
        };
        Ok(Some(Listed { conversation, last_message }))
    }

    async fn agents(
        &self,
        after: Option<AgentId>,
        limit: u32,
    ) -> Result<Vec<(AgentId, Option<AgentProfile>)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let after = after.map_or(-1, |id| id.get().cast_signed());
        let limit = i32::try_from(limit).unwrap_or(i32::MAX).min(CQL_PAGE_ROWS);
        let rows = self.cluster.rows(Statement::new(|s| &s.agents, [Cell::Big(after), Cell::Int(limit)])).await?;
        let rows = rows.rows::<(i64, &[u8])>().map_err(unreadable)?;
        rows.map(|row| {
            let (id, bytes) = row.map_err(unreadable)?;
            let id = AgentId::new(id.cast_unsigned()).map_err(|_| no_id("an agent"))?;
            Ok((id, record::read_agent(id, bytes)?))
        })
        .collect()
    }
}

fn party_cell(party: &Party) -> Cell {
    let mut key = Vec::with_capacity(32);
    layout::party(party, &mut key);
    Cell::Blob(key)
}

/// A conversation that a row names.
pub(super) fn conversation_id(id: i64) -> Result<ConversationId, StoreError> {
    ConversationId::from_wire(id.cast_unsigned()).map_err(|_| no_id("a conversation"))
}

pub(super) fn no_id(of: &str) -> StoreError {
    StoreError::corrupt(format!("a row names the id of {of} that is out of its range"))
}

/// Rows that are not of the form the statement has asked for: another schema, or somebody else's hand.
pub(super) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt(format!("rows cannot be read: {error}"))
}
