//! Answers reads, each from one snapshot across the keyspaces. Must not know what is being staged.

use std::ops::Bound;

use fjall::{Readable, Snapshot};
use switchboard_protocol::model::limits::PAGE_MAX;
use switchboard_protocol::model::{
    AgentId, AgentProfile, ClientMsgId, Conversation, ConversationId, CustomerNumber, Found, Listed, Message,
    MessageId, Party, Read, Sender, Sent, Seq,
};

use super::{Spaces, answers, customers, keys, listing, scan};
use crate::{StoreError, record};

pub(super) fn answer(spaces: &Spaces, read: &Read) -> Result<Found, StoreError> {
    let view = View { spaces, snapshot: spaces.database.snapshot() };
    Ok(match read {
        Read::Conversation(id) => Found::Conversation(view.conversation(*id)?.map(Box::new)),
        Read::History { conversation, from, to } => Found::History(view.history(*conversation, *from, *to)?),
        Read::SeqOf { conversation, message } => {
            let place = view.place(*message)?;
            Found::Seq(place.filter(|(of, _)| of == conversation).map(|(_, seq)| seq))
        }
        Read::Message(id) => {
            let message = view.place(*id)?.map(|(conversation, seq)| view.message(conversation, seq));
            Found::Message(message.transpose()?.flatten().map(Box::new))
        }
        Read::Sent { conversation, sender, client_msg_id } => {
            Found::Sent(view.sent(*conversation, *sender, client_msg_id)?)
        }
        Read::SentInAny { conversations, sender, client_msg_id } => {
            let found = conversations.iter().map(|id| view.sent(*id, *sender, client_msg_id).transpose());
            Found::Sent(found.flatten().next().transpose()?)
        }
        Read::Customer { party, newest } => {
            let record = match party {
                Party::Customer(id) => customers::record(&view, *id)?,
                Party::User(_) | Party::Visitor(_) | Party::Agent(_) => None,
            };
            let of_record = record.as_ref().map(|view| view.profile.number);
            let channel = record.map(|view| view.profile.channel);
            let number = view.customer(party)?.or(of_record);
            let conversations = match number {
                Some(_) => view.conversations_of(party, *newest)?,
                None => Vec::new(),
            };
            Found::Customer { number, channel, conversations }
        }
        Read::OpenConversations { after, limit } => Found::OpenConversations(view.open(*after, *limit)?),
        Read::Conversations { filter, after, limit } => listing::page(&view, filter, *after, *limit)?,
        Read::Listed(id) => {
            let listed = view.conversation(*id)?.map(|conversation| view.listed(conversation)).transpose()?;
            Found::Listed(listed.map(Box::new))
        }
        Read::Agents { after, limit } => Found::Agents(view.agents(*after, *limit)?),
        Read::CustomerById(id) => Found::CustomerRecord(customers::record(&view, *id)?.map(Box::new)),
        Read::CustomerByIdentity(identity) => {
            Found::CustomerRecord(customers::known_by(&view, identity)?.map(Box::new))
        }
        Read::Customers(query) => {
            let (customers, total) = customers::page(&view, query)?;
            Found::Customers { customers, total }
        }
        Read::Token(hash) => Found::Token(customers::token(&view, hash)?),
        Read::ExpiredTokens { before, limit } => {
            Found::ExpiredTokens(customers::expired_tokens(&view, *before, *limit)?)
        }
        Read::KeptAnswer(name) => Found::KeptAnswer(answers::kept(&view, name)?.map(Box::new)),
        Read::ExpiredAnswers { before, limit } => Found::ExpiredAnswers(answers::expired(&view, *before, *limit)?),
        Read::Scan(scan) => Found::Scanned(scan::answer(&view, scan)?),
    })
}

/// A read that the engine could not do; it fails alone.
pub(super) fn failed(error: fjall::Error) -> StoreError {
    StoreError::io("reading stored data", error)
}

/// A snapshot of everything.
pub(super) struct View<'a> {
    pub(super) spaces: &'a Spaces,
    pub(super) snapshot: Snapshot,
}

impl View<'_> {
    pub(super) fn spaces(&self) -> &Spaces {
        self.spaces
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A header with its newest message.
    pub(super) fn listed(&self, conversation: Conversation) -> Result<Listed, StoreError> {
        let last_message = self.message(conversation.id, conversation.last_seq)?;
        Ok(Listed { conversation, last_message })
    }

    fn message(&self, id: ConversationId, seq: Seq) -> Result<Option<Message>, StoreError> {
        let bytes = self.snapshot.get(&self.spaces.messages, keys::message(id, seq)).map_err(failed)?;
        bytes.map(|bytes| record::read_message(id, seq, &bytes)).transpose()
    }

    fn place(&self, id: MessageId) -> Result<Option<(ConversationId, Seq)>, StoreError> {
        let bytes = self.snapshot.get(&self.spaces.lookups, keys::place(id)).map_err(failed)?;
        bytes.map(|bytes| record::read_place(&bytes)).transpose()
    }

    fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let bytes = self.snapshot.get(&self.spaces.conversations, keys::header(id)).map_err(failed)?;
        bytes.map(|bytes| record::read_conversation(id, &bytes)).transpose()
    }

    /// A conversation that an index names.
    pub(super) fn indexed(&self, id: ConversationId) -> Result<Conversation, StoreError> {
        self.conversation(id)?
            .ok_or_else(|| StoreError::corrupt(format!("conversation {id} is in an index but has no header")))
    }

    fn history(&self, id: ConversationId, from: Seq, to: Seq) -> Result<Vec<Message>, StoreError> {
        if from > to {
            return Ok(Vec::new());
        }
        let range = keys::message(id, from)..=keys::message(id, to);
        let mut messages = Vec::new();
        for entry in self.snapshot.range(&self.spaces.messages, range).take(PAGE_MAX as usize) {
            let (key, bytes) = entry.into_inner().map_err(failed)?;
            messages.push(record::read_message(id, Seq::new(keys::last_integer(&key)?), &bytes)?);
        }
        Ok(messages)
    }

    fn sent(&self, id: ConversationId, sender: Sender, key: &ClientMsgId) -> Result<Option<Sent>, StoreError> {
        let bytes = self.snapshot.get(&self.spaces.lookups, keys::sent(id, sender, key)).map_err(failed)?;
        bytes.map(|bytes| record::read_sent(id, &bytes)).transpose()
    }

    fn customer(&self, party: &Party) -> Result<Option<CustomerNumber>, StoreError> {
        let bytes = self.snapshot.get(&self.spaces.conversations, keys::customer(party)).map_err(failed)?;
        bytes.map(|bytes| record::read_customer(&bytes)).transpose()
    }

    /// Newest first: a customer's conversations all come from one virtual shard, so ids ascend with time.
    fn conversations_of(&self, party: &Party, newest: u32) -> Result<Vec<Conversation>, StoreError> {
        let prefix = keys::customers_conversations(party);
        let index = self.snapshot.prefix(&self.spaces.conversations, prefix).rev();
        index
            .take(newest as usize)
            .map(|entry| self.indexed(keys::last_conversation(&entry.key().map_err(failed)?)?))
            .collect()
    }

    fn open(&self, after: Option<ConversationId>, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        let range = after_integer(keys::OPEN, after.map(ConversationId::get));
        let index = self.snapshot.range(&self.spaces.conversations, range).take(limit as usize);
        index.map(|entry| self.indexed(keys::last_conversation(&entry.key().map_err(failed)?)?)).collect()
    }

    fn agents(&self, after: Option<AgentId>, limit: u32) -> Result<Vec<(AgentId, Option<AgentProfile>)>, StoreError> {
        let range = after_integer(keys::AGENT, after.map(AgentId::get));
        let mut agents = Vec::new();
        for entry in self.snapshot.range(&self.spaces.directory, range).take(limit as usize) {
            let (key, bytes) = entry.into_inner().map_err(failed)?;
            let id =
                AgentId::new(keys::last_integer(&key)?).map_err(|_| StoreError::corrupt("a key names no agent"))?;
            agents.push((id, record::read_agent(id, &bytes)?));
        }
        Ok(agents)
    }
}

/// The keys of a letter's table above an integer; all of them for `None`.
fn after_integer(table: u8, after: Option<u64>) -> (Bound<[u8; 9]>, Bound<[u8; 9]>) {
    let from = match after {
        Some(integer) => Bound::Excluded(keys::of_integer(table, integer)),
        None => Bound::Included(keys::of_integer(table, 0)),
    };
    (from, Bound::Included(keys::of_integer(table, u64::MAX)))
}
