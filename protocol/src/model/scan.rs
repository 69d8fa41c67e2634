//! All that a store holds, to be carried from one store into another: what `switchboard export` asks beside lists, and
//! what `switchboard import` writes that no command of a peer ever does. Must not know files.
//!
//! Agents are asked by `Read::Agents`, customers by `Read::Customers`, messages by `Read::History`. Headers are written
//! by `Write::SaveConversation` with `opens`, customers by `Write::CreateCustomer` in their order, tokens and answers by
//! `Write::SaveToken` and `Write::KeepAnswer`: all of these may be done again and change nothing then.

use super::{
    ClientMsgId, Conversation, ConversationId, CustomerId, KeptAnswer, KeyName, Message, Party, Sender, Sent,
    Timestamp, TokenHash, VShard,
};

/// A place in an order that is the engine's own: only the engine that gave it understands it, and only while nothing is
/// written to what is asked. It may be kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// A page of what is asked in an engine's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for; fewer, even none, do not mean that it is the last page.
    pub rows: Vec<T>,
    /// Behind which place to go on; `None`: there is no more.
    pub next: Option<Cursor>,
}

/// A dedup key and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentKey {
    /// By whom.
    pub sender: Sender,
    /// Under which id.
    pub client_msg_id: ClientMsgId,
    /// What was stored; names the conversation.
    pub sent: Sent,
}

/// An opaque token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Of which token.
    pub hash: TokenHash,
    /// Whose it is.
    pub bearer: Party,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A question for everything of a kind. Each row comes once, if nothing of its kind is written meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// For each virtual shard that counters were leased of, the next one to lease. All at once.
    Leases,
    /// All headers, open and closed.
    Conversations {
        /// Only what comes behind this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: u32,
    },
    /// The dedup keys of a conversation.
    SentKeys {
        /// Which.
        conversation: ConversationId,
        /// Only what comes behind this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: u32,
    },
    /// All tokens, expired or not.
    Tokens {
        /// Only what comes behind this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: u32,
    },
    /// All kept answers, expired or not.
    Answers {
        /// Only what comes behind this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: u32,
    },
}

/// The answer to a [`Scan`]; the variants mirror it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// Ascending by virtual shard.
    Leases(Vec<(VShard, u64)>),
    /// A page of headers.
    Conversations(Page<Conversation>),
    /// A page of dedup keys.
    SentKeys(Page<SentKey>),
    /// A page of tokens.
    Tokens(Page<StoredToken>),
    /// A page of answers.
    Answers(Page<(KeyName, KeptAnswer)>),
}

/// A part of another store is put here as it was there. Answered by `Written::Durable`.
///
/// What is there already and the same stays; doing it again changes nothing. One that failed may have been done in part:
/// doing it again completes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restore {
    /// The next counters to lease are at least these; one that is higher stays.
    Leases(Vec<(VShard, u64)>),
    /// Messages of one conversation, read, edited or recalled as they are. Neither header, nor index, nor last
    /// interaction changes, and there may be no header yet.
    Messages(Vec<Message>),
    /// Dedup keys of one conversation, whose messages are there.
    SentKeys(Vec<SentKey>),
    /// When customers last wrote; a later instant stays.
    Interactions(Vec<(CustomerId, Timestamp)>),
}
