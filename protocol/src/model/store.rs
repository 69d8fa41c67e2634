//! What the domain asks of storage and what storage tells it: operations the domain needs, never
//! SQL-shaped. The engines live in `switchboard-storage`.

use std::ops::Range;

use super::{
    AgentId, AgentProfile, Channel, ClientMsgId, Conversation, ConversationFilter, ConversationId, CustomerId,
    CustomerNumber, CustomerProfile, CustomerQuery, CustomerView, Identity, IdentityKind, KeptAnswer, KeyName,
    ListPosition, Listed, Message, MessageId, Party, Restore, Revision, Scan, Scanned, Sender, Sent, Seq, Side,
    Timestamp, TokenHash, VShard,
};

/// A change that is durable when it is confirmed. Each is atomic. Those that one submitter makes about one thing are
/// applied and confirmed in the order of submission, those about different things in any. Things are: a conversation
/// with its messages; all agents together; a virtual shard's counters; a customer; a token; a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A message, with the header that includes it and its dedup key, all or nothing.
    Append {
        /// The header after the message.
        conversation: Conversation,
        /// This is the conversation's first write: it enters the indexes of open conversations and of
        /// its customer.
        opens: bool,
        /// The message; `message.seq == conversation.last_seq`.
        message: Message,
        /// With `message.sender`, the dedup key.
        client_msg_id: Option<ClientMsgId>,
    },
    /// A header. A closed one leaves the index of open conversations. State, agent and group change by this write
    /// only, so that the index of lists needs no look at what was.
    SaveConversation {
        /// The header.
        conversation: Conversation,
        /// As in `Append`.
        opens: bool,
    },
    /// Marks those of `messages` that are of this conversation, written by side `of` and not marked yet,
    /// and saves the header.
    MarkRead {
        /// The header after it.
        conversation: Conversation,
        /// Which messages; strangers among them are passed over.
        messages: Vec<MessageId>,
        /// The side that wrote them.
        of: Side,
        /// When they were read.
        at: Timestamp,
    },
    /// Does to a message what a revision says, and saves the header. The message is there.
    Revise {
        /// The header after it.
        conversation: Conversation,
        /// Which message, by its seq.
        seq: Seq,
        /// What is done to it.
        revision: Revision,
        /// When.
        at: Timestamp,
    },
    /// An agent's record; undoes a deletion.
    SaveAgent(AgentProfile),
    /// Deletes an agent; its id stays known as deleted, so that it is never minted again.
    DeleteAgent(AgentId),
    /// Leases the next block of `ID_LEASE_BLOCK_IDS` counters of each virtual shard.
    LeaseIds(Vec<VShard>),
    /// A new customer, unless its id exists or somebody is known by one of its identities.
    CreateCustomer(Box<CustomerProfile>),
    /// A customer after a change, unless it is not as it was seen or somebody else is known by one of its identities.
    UpdateCustomer {
        /// The record after it; id, number, channel and `created_at` are as they were.
        profile: Box<CustomerProfile>,
        /// `updated_at` of the record before it.
        seen: Timestamp,
    },
    /// A token opens its bearer's door.
    SaveToken {
        /// Of which token.
        hash: TokenHash,
        /// Whose it is.
        bearer: Party,
        /// Until when.
        expires_at: Timestamp,
    },
    /// These tokens, each with its expiry, are forgotten; those that are not there are passed over.
    RemoveTokens(Vec<(TokenHash, Timestamp)>),
    /// The answer that was given under a key, instead of whatever was kept for it.
    KeepAnswer(Box<(KeyName, KeptAnswer)>),
    /// These answers are forgotten, each unless another was kept since that expires at another time.
    ForgetAnswers(Vec<(Timestamp, KeyName)>),
    /// A part of another store, put here by an import.
    Restore(Restore),
}

/// What a confirmed write tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Durable,
    /// `MarkRead` is durable; the messages that it marked, ascending.
    Marked(Vec<MessageId>),
    /// `Revise` is durable; the message as it is now.
    Revised(Box<Message>),
    /// `LeaseIds` is durable; counters that nobody else will ever be given. Counters start at 1.
    Leased(Vec<(VShard, Range<u64>)>),
    /// What became of `CreateCustomer` or `UpdateCustomer`.
    Customer(CustomerWritten),
}

/// What became of the write of a customer's record. All but `Saved` have changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerWritten {
    /// It is durable.
    Saved,
    /// `CreateCustomer`: there is one of this id. `UpdateCustomer`: it is not as it was seen, or not there.
    Stale,
    /// Another customer is known by an identity.
    Taken {
        /// Of which kind.
        kind: IdentityKind,
        /// By whom.
        by: CustomerId,
    },
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The header of a conversation.
    Conversation(ConversationId),
    /// Messages `from..=to`, ascending; at most 100 are asked for.
    History {
        /// Of which conversation.
        conversation: ConversationId,
        /// The first seq.
        from: Seq,
        /// The last seq.
        to: Seq,
    },
    /// The seq of a message, if it is of this conversation.
    SeqOf {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        message: MessageId,
    },
    /// A message by its id alone.
    Message(MessageId),
    /// What was stored for a dedup key.
    Sent {
        /// In which conversation.
        conversation: ConversationId,
        /// By whom.
        sender: Sender,
        /// Under which id.
        client_msg_id: ClientMsgId,
    },
    /// What was stored for a dedup key in the first of these conversations that knows it: [`Found::Sent`].
    SentInAny {
        /// In which conversations.
        conversations: Vec<ConversationId>,
        /// By whom.
        sender: Sender,
        /// Under which id.
        client_msg_id: ClientMsgId,
    },
    /// A customer's number and its newest conversations, newest first.
    Customer {
        /// A user, a visitor or a customer of a channel.
        party: Party,
        /// At most so many conversations.
        newest: u32,
    },
    /// Open conversations by ascending id, a page (read at start).
    OpenConversations {
        /// Only ids above this one.
        after: Option<ConversationId>,
        /// At most so many.
        limit: u32,
    },
    /// A page of conversations, newest first, each with its newest message.
    Conversations {
        /// Which.
        filter: ConversationFilter,
        /// Only what comes behind this place.
        after: Option<ListPosition>,
        /// 1 to 100.
        limit: u32,
    },
    /// A conversation with its newest message.
    Listed(ConversationId),
    /// Agents by ascending id, deleted ones too, a page (read at start).
    Agents {
        /// Only ids above this one.
        after: Option<AgentId>,
        /// At most so many.
        limit: u32,
    },
    /// The record of a customer.
    CustomerById(CustomerId),
    /// The record of the customer who is known by an identity.
    CustomerByIdentity(Identity),
    /// A page of the customers.
    Customers(CustomerQuery),
    /// Whose a token is.
    Token(TokenHash),
    /// Tokens that expired before an instant, the oldest first.
    ExpiredTokens {
        /// Which instant.
        before: Timestamp,
        /// At most so many.
        limit: u32,
    },
    /// The answer that is kept for a key, expired or not.
    KeptAnswer(Box<KeyName>),
    /// Keys whose answers expired before an instant, the oldest first.
    ExpiredAnswers {
        /// Which instant.
        before: Timestamp,
        /// At most so many.
        limit: u32,
    },
    /// Everything of a kind, for an export.
    Scan(Scan),
}

/// The answer to a question; the variants mirror [`Read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The header, if there is such a conversation.
    Conversation(Option<Box<Conversation>>),
    /// Ascending by seq.
    History(Vec<Message>),
    /// The seq, if there is such a message in that conversation.
    Seq(Option<Seq>),
    /// The message, if there is such a one.
    Message(Option<Box<Message>>),
    /// What was stored, if anything.
    Sent(Option<Sent>),
    /// A customer.
    Customer {
        /// The number it is shown by; `None` if it never had a conversation and has no record.
        number: Option<CustomerNumber>,
        /// The channel in the record of a customer of a channel.
        channel: Option<Channel>,
        /// Newest first.
        conversations: Vec<Conversation>,
    },
    /// Ascending by id.
    OpenConversations(Vec<Conversation>),
    /// Newest first.
    Conversations {
        /// The page.
        page: Vec<Listed>,
        /// Behind which place to go on, if there is or may be more: an engine may stop at
        /// `LISTING_SCAN_MAX_ROWS` with a page that is not full.
        next: Option<ListPosition>,
    },
    /// A conversation, if there is such a one.
    Listed(Option<Box<Listed>>),
    /// Ascending by id; `None` for a deleted agent.
    Agents(Vec<(AgentId, Option<AgentProfile>)>),
    /// The record, if there is such a customer.
    CustomerRecord(Option<Box<CustomerView>>),
    /// A page of the customers.
    Customers {
        /// In the order they were made.
        customers: Vec<CustomerView>,
        /// All that the query means.
        total: u64,
    },
    /// Whose it is and until when.
    Token(Option<(Party, Timestamp)>),
    /// With their expiry, the oldest first.
    ExpiredTokens(Vec<(TokenHash, Timestamp)>),
    /// The answer, if one is kept.
    KeptAnswer(Option<Box<KeptAnswer>>),
    /// When each expired, and which; the oldest first.
    ExpiredAnswers(Vec<(Timestamp, KeyName)>),
    /// Rows of a kind.
    Scanned(Scanned),
}
