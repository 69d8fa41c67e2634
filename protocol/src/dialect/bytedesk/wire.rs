//! The shapes of guide 1 on the wire: serde types and their words, nothing else. Guide 1 names the calls and shows the
//! frames; the fields of agents are those of issue 3, the rest are this project's. Ids of conversations, messages and
//! parties are strings, as the guide shows them; times are Unix seconds.

use serde::{Serialize, Serializer};

use crate::dialect::words::Decimal;
use crate::model::{Accept, AgentStatus, BodyKind, Party, Side, State};

/// What a peer may ask for on the WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Action {
    Send = 1,
    StatusChange,
    /// Extension.
    Sync,
    /// Extension.
    Read,
    /// Extension.
    Typing,
    /// Extension.
    End,
}

impl Action {
    pub(super) const ALL: [Self; 6] = [Self::Send, Self::StatusChange, Self::Sync, Self::Read, Self::Typing, Self::End];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::StatusChange => "status_change",
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Typing => "typing",
            Self::End => "end",
        }
    }

    /// The `type` it goes with.
    pub(super) const fn of_type(self) -> &'static str {
        match self {
            Self::StatusChange => "event",
            Self::Send | Self::Sync | Self::Read | Self::Typing | Self::End => "message",
        }
    }

    pub(super) fn find(of_type: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.of_type() == of_type && action.name() == name)
    }

    pub(super) fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|action| *action as u8 == tag)
    }
}

/// Every frame but an error: `{type,action,data}`.
#[derive(Serialize)]
pub(super) struct Frame<T> {
    pub(super) r#type: &'static str,
    pub(super) action: &'static str,
    pub(super) data: T,
}

/// What went wrong; `code` is the HTTP status that says the same.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
pub(super) struct ErrorFrame<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<&'static str>,
    pub(super) code: u16,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) newest_seq: Option<u64>,
}

/// `data` of a pushed message: the guide's fields, then ours.
#[derive(Serialize)]
pub(super) struct MessagePush<'a> {
    pub(super) from: Decimal,
    pub(super) to: Peer,
    pub(super) content: &'a str,
    pub(super) timestamp: u64,
    pub(super) message_id: Decimal,
    pub(super) conversation_id: Decimal,
    pub(super) seq: u64,
    /// A user and an agent may have the same integer: `from` alone does not tell who wrote.
    pub(super) sender_type: &'static str,
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_url: Option<&'a str>,
}

/// The answer to a send.
#[derive(Serialize)]
pub(super) struct SentData<'a> {
    pub(super) message_id: Decimal,
    pub(super) conversation_id: Decimal,
    pub(super) seq: u64,
    pub(super) timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_msg_id: Option<&'a str>,
}

/// `data` of a status, told or acknowledged.
#[derive(Serialize)]
pub(super) struct StatusData {
    pub(super) agent_id: Decimal,
    pub(super) status: &'static str,
    pub(super) timestamp: u64,
}

/// `data` of a sync's answer.
#[derive(Serialize)]
pub(super) struct SyncData<'a> {
    pub(super) conversation_id: Decimal,
    pub(super) messages: Vec<MessageData<'a>>,
    pub(super) next_seq: u64,
    pub(super) complete: bool,
}

/// `data` of an extension's answer or event.
#[derive(Serialize)]
pub(super) struct Notice<'a> {
    pub(super) conversation_id: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_id: Option<Peer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_ids: Option<Vec<Decimal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<u64>,
}

/// `data` of a read's answer.
#[derive(Serialize)]
pub(super) struct ReadData {
    pub(super) conversation_id: Decimal,
    pub(super) updated_count: u32,
}

/// `data` of `message_edited` and `message_recalled`; `content` is there of an edited one.
#[derive(Serialize)]
pub(super) struct RevisedData<'a> {
    pub(super) message_id: Decimal,
    pub(super) conversation_id: Decimal,
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    pub(super) timestamp: u64,
}

/// A message as REST and a sync show it; a recalled one has no content.
#[derive(Serialize)]
pub(super) struct MessageData<'a> {
    pub(super) message_id: Decimal,
    pub(super) conversation_id: Decimal,
    pub(super) seq: u64,
    pub(super) from: Decimal,
    pub(super) sender_type: &'static str,
    pub(super) r#type: &'static str,
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_url: Option<&'a str>,
    pub(super) timestamp: u64,
    pub(super) read_at: Option<u64>,
    pub(super) edited_at: Option<u64>,
    pub(super) recalled_at: Option<u64>,
}

/// A conversation; `last_message` only where it was asked for.
#[derive(Serialize)]
pub(super) struct ConversationData<'a> {
    pub(super) conversation_id: Decimal,
    pub(super) customer_id: Decimal,
    pub(super) customer_type: &'static str,
    pub(super) agent_id: Option<Decimal>,
    pub(super) group_id: &'a str,
    pub(super) status: &'static str,
    pub(super) customer_unread_count: u32,
    pub(super) agent_unread_count: u32,
    pub(super) last_seq: u64,
    pub(super) last_message_at: Option<u64>,
    pub(super) created_at: u64,
    pub(super) updated_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_message: Option<MessageData<'a>>,
}

/// A conversation that was ended.
#[derive(Serialize)]
pub(super) struct EndedData {
    pub(super) conversation_id: Decimal,
    pub(super) status: &'static str,
}

/// A party, or `auto` while there is none.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) Option<u64>);

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => Decimal(number).serialize(serializer),
            None => serializer.serialize_str("auto"),
        }
    }
}

/// An agent.
#[derive(Serialize)]
pub(super) struct AgentData<'a> {
    pub(super) id: u64,
    pub(super) cs_id: &'a str,
    pub(super) name: &'a str,
    pub(super) avatar: Option<&'a str>,
    pub(super) max_concurrent: u32,
    pub(super) groups: Vec<&'a str>,
    pub(super) skills: &'a [String],
    pub(super) accept: &'static str,
    pub(super) status: &'static str,
    pub(super) current_concurrent: u32,
}

/// A page; `next_cursor` is null on the last one.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// The envelope of every answer; `code` is the HTTP status.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub(super) code: u16,
    pub(super) message: &'a str,
    pub(super) data: T,
}

pub(super) const fn accept_word(accept: Accept) -> &'static str {
    match accept {
        Accept::Auto => "auto",
        Accept::Manual => "manual",
    }
}

pub(super) fn accept_of_word(word: &str) -> Option<Accept> {
    [Accept::Auto, Accept::Manual].into_iter().find(|accept| accept_word(*accept) == word)
}

pub(super) const fn status_word(status: AgentStatus) -> &'static str {
    match status {
        AgentStatus::Online => "online",
        AgentStatus::Busy => "busy",
        AgentStatus::Away => "away",
        AgentStatus::Offline => "offline",
    }
}

pub(super) fn status_of_word(word: &str) -> Option<AgentStatus> {
    [AgentStatus::Online, AgentStatus::Busy, AgentStatus::Away, AgentStatus::Offline]
        .into_iter()
        .find(|status| status_word(*status) == word)
}

/// The words of a conversation's `status`.
pub(super) const STATES: [(State, &str); 4] =
    [(State::Robot, "robot"), (State::Pending, "pending"), (State::Active, "active"), (State::Closed, "closed")];
/// The words of a message's `type`.
pub(super) const KINDS: [(BodyKind, &str); 3] =
    [(BodyKind::Text, "text"), (BodyKind::Image, "image"), (BodyKind::File, "file")];

/// `sender_type` and `by`.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Customer => "customer",
        Side::Agent => "agent",
    }
}

/// `customer_type`.
pub(super) const fn customer_word(customer: &Party) -> &'static str {
    match customer {
        Party::User(_) => "user",
        Party::Visitor(_) => "visitor",
        Party::Customer(_) => "customer",
        Party::Agent(_) => "agent",
    }
}
