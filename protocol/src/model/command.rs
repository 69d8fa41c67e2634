//! What a peer asks for: one closed enum, free of any dialect.

use super::{
    AgentChange, AgentCode, AgentDraft, AgentId, AgentStatus, ConversationId, ConversationQuery, CustomerCommand,
    CustomerNumber, Draft, Group, KeyCommand, MessageId, NewToken, Revision, Seq, Side, UserId, VisitorId,
};

/// An agent named by either of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentRef {
    /// By the integer id.
    Id(AgentId),
    /// By the unique code.
    Code(AgentCode),
}

/// Which agent a customer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentChoice {
    /// Whoever the desk chooses.
    Auto,
    /// This one.
    Named(AgentRef),
}

/// Into which conversation a message is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Conversation(ConversationId),
    /// The open one between a visitor and an agent (kefu's visitor mode). A visitor's send opens it.
    Pair {
        /// The visitor.
        visitor: VisitorId,
        /// The agent as the peer named it.
        agent: AgentChoice,
    },
    /// The open one of the customer who asks (webchat, bytedesk). Its send opens it.
    Own {
        /// The one that the customer means; while none of its own is open that is a guess and says nothing.
        named: Option<ConversationId>,
        /// The group for a new one; `default` if not named.
        group: Option<Group>,
        /// The agent wanted when one is opened.
        agent: Option<AgentRef>,
    },
    /// The one between the asker and somebody (bytedesk). A user's send opens it.
    Peer {
        /// Who the asker says to be; refused if it is somebody else.
        from: Option<PeerName>,
        /// With whom. A user has one open conversation: for it this is the agent wanted when one is opened.
        to: PeerName,
        /// Which, if it is named; then `to` says nothing.
        conversation: Option<ConversationId>,
    },
}

/// A party as a peer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerName {
    /// Whoever the desk chooses.
    Auto,
    /// By its integer: a user's or agent's id, or the number shown for another customer.
    Number(CustomerNumber),
    /// An agent by its code.
    Code(AgentCode),
}

/// To whom a conversation is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// To this agent, at once.
    Agent(AgentRef),
    /// Into the queue of this group, at its end.
    Group(Group),
}

/// Which part of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A page counted backward from the newest: page 1 holds the newest `size` messages. Ascending within.
    Page {
        /// From 1.
        page: u64,
        /// 1 to 100.
        size: u32,
    },
    /// The last messages before a seq, ascending.
    BeforeSeq {
        /// The first seq the peer has; none of it on.
        seq: Seq,
        /// 1 to 100.
        limit: u32,
    },
    /// Messages after a seq, ascending.
    AfterSeq {
        /// The last seq the peer has.
        seq: Seq,
        /// 1 to 100.
        limit: u32,
    },
    /// Messages after a message id, ascending.
    AfterMessage {
        /// The last message the peer has.
        message: MessageId,
        /// 1 to 100.
        limit: u32,
    },
}

/// What a peer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The customer's open conversation, or a new one.
    Open {
        /// Whose; an admin must say, a user has only its own.
        user: Option<UserId>,
        /// The agent wanted for a new one.
        agent: Option<AgentRef>,
        /// The group for a new one; if not named, that of the agent wanted, else `default`.
        group: Option<Group>,
    },
    /// Part of a conversation's history.
    History {
        /// Which conversation.
        conversation: ConversationId,
        /// Which part.
        window: Window,
    },
    /// What a resuming peer missed; answered with an explicit gap if that cannot be told.
    Sync {
        /// Which conversation.
        conversation: ConversationId,
        /// The last seq the peer has.
        after: Seq,
        /// 1 to 100.
        limit: u32,
    },
    /// Send a message.
    Send {
        /// Into which conversation.
        target: Target,
        /// What.
        draft: Draft,
    },
    /// Mark messages of one side as read.
    MarkRead {
        /// In which conversation.
        conversation: ConversationId,
        /// Which messages.
        messages: Vec<MessageId>,
        /// The side that wrote them (kefu's `sender_type`).
        of: Side,
    },
    /// End a conversation.
    End {
        /// Which.
        conversation: ConversationId,
    },
    /// End the open one between a visitor and an agent (kefu's visitor mode).
    EndPair {
        /// The visitor.
        visitor: VisitorId,
        /// The agent as the peer named it.
        agent: AgentChoice,
    },
    /// Tell the other side that this one is typing.
    Typing {
        /// In which conversation.
        conversation: ConversationId,
    },
    /// As `History`, with the names of those who wrote; refused as `Sync` is if the peer is ahead of the history.
    Transcript {
        /// Which conversation.
        conversation: ConversationId,
        /// Which part.
        window: Window,
    },
    /// A page of conversations, newest first, as they are stored.
    ListConversations(Box<ConversationQuery>),
    /// A conversation as it is stored, with its newest message.
    ShowConversation(ConversationId),
    /// Give a waiting conversation to an agent that picks it.
    Accept {
        /// Which conversation.
        conversation: ConversationId,
        /// To which agent.
        agent: AgentRef,
    },
    /// Hear the messages of a conversation that is another's, on this connection until it ends.
    Watch(ConversationId),
    /// Give a conversation to another agent or group.
    Transfer {
        /// Which conversation.
        conversation: ConversationId,
        /// To whom.
        to: Transfer,
    },
    /// A message as it is stored.
    ShowMessage(MessageId),
    /// Edit or recall a message.
    Revise {
        /// Which message.
        message: MessageId,
        /// What is to be done.
        revision: Revision,
    },
    /// Set the asker's own status; it is an agent.
    SetStatus(AgentStatus),
    /// Make an agent ahead of its first login.
    CreateAgent(Box<AgentDraft>),
    /// Show an agent.
    GetAgent(AgentRef),
    /// Change an agent.
    UpdateAgent(AgentRef, Box<AgentChange>),
    /// Remove an agent that has no conversation.
    DeleteAgent(AgentRef),
    /// A page of the agents, by ascending id.
    ListAgents {
        /// Only ids above this one.
        after: Option<AgentId>,
        /// 1 to 100.
        limit: u32,
    },
    /// The agents a visitor may choose from.
    AvailableAgents,
    /// Who the asker is, whose token storage must be asked about.
    Identify,
    /// A token for an agent.
    IssueAgentToken {
        /// For whom.
        agent: AgentRef,
        /// The token it is to have.
        token: Box<NewToken>,
    },
    /// About customers and their tokens.
    Customers(Box<CustomerCommand>),
    /// About the key that a request is made under.
    Key(Box<KeyCommand>),
}
