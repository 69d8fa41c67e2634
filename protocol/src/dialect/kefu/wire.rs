//! The shapes of guide 2 on the wire: serde types and the names of actions, nothing else.

use serde::{Serialize, Serializer};

use crate::dialect::clock::WallTime;

/// What a peer may ask for on the WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Action {
    Login = 1,
    Ping,
    Send,
    Read,
    End,
    VisitorBind,
    VisitorSend,
    VisitorEnd,
    /// Extension.
    Sync,
    /// Extension.
    Typing,
}

impl Action {
    pub(super) const ALL: [Self; 10] = [
        Self::Send,
        Self::Read,
        Self::Ping,
        Self::VisitorSend,
        Self::End,
        Self::Login,
        Self::VisitorBind,
        Self::VisitorEnd,
        Self::Sync,
        Self::Typing,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Ping => "ping",
            Self::Send => "kefu_message_send",
            Self::Read => "kefu_message_read",
            Self::End => "kefu_message_end",
            Self::VisitorBind => "kefu_message_visitor_bind_fd",
            Self::VisitorSend => "kefu_message_visitor_send",
            Self::VisitorEnd => "kefu_message_visitor_end",
            Self::Sync => "kefu_message_sync",
            Self::Typing => "kefu_message_typing",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    pub(super) fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|action| *action as u8 == tag)
    }

    /// The guide's text of success.
    pub(super) const fn success(self) -> &'static str {
        match self {
            Self::Login => "Login successfully",
            Self::Ping => "pong",
            Self::Send => "Message sent successfully",
            Self::Read => "Messages marked as read",
            Self::End => "Conversation ended successfully",
            Self::VisitorBind => "Bind key successfully",
            Self::VisitorSend => "Visitor message sent successfully",
            Self::VisitorEnd => "Visitor conversation ended successfully",
            Self::Sync => "Messages synced successfully",
            Self::Typing => "Typing sent successfully",
        }
    }
}

/// `data` of a login.
#[derive(Serialize)]
pub(super) struct LoginData {
    pub(super) uid: u64,
}

/// `data` of both sends; `conversation_id` and `seq` are extensions.
#[derive(Serialize)]
pub(super) struct SentData {
    pub(super) message_id: u64,
    pub(super) created_at: WallTime,
    pub(super) conversation_id: u64,
    pub(super) seq: u64,
}

/// `data` of a read.
#[derive(Serialize)]
pub(super) struct ReadData {
    pub(super) updated_count: u32,
}

/// `data` of an end.
#[derive(Serialize)]
pub(super) struct EndedData {
    pub(super) conversation_id: u64,
}

/// `{}`.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// `data` of a sync.
#[derive(Serialize)]
pub(super) struct SyncData<'a> {
    pub(super) messages: Vec<MessageLine<'a>>,
    pub(super) next_seq: u64,
    pub(super) complete: bool,
}

/// `data` of a refused sync.
#[derive(Serialize)]
pub(super) struct GapData {
    pub(super) newest_seq: u64,
}

/// A conversation as `getConversation` shows it.
#[derive(Serialize)]
pub(super) struct ConversationData {
    pub(super) id: u64,
    pub(super) kefu_id: Option<u64>,
    pub(super) user_id: u64,
    pub(super) status: u8,
    pub(super) last_message_at: Option<WallTime>,
    pub(super) unread_count: u32,
    pub(super) kefu_unread_count: u32,
    pub(super) created_at: WallTime,
    pub(super) updated_at: WallTime,
}

/// A message as `list` shows it; `seq`, `edited_at` and `recalled_at` are extensions.
#[derive(Serialize)]
pub(super) struct MessageLine<'a> {
    pub(super) id: u64,
    pub(super) conversation_id: u64,
    pub(super) sender_id: u64,
    pub(super) sender_type: u8,
    pub(super) content: &'a str,
    pub(super) message_type: u8,
    pub(super) file_url: Option<&'a str>,
    pub(super) is_read: u8,
    pub(super) read_at: Option<WallTime>,
    pub(super) created_at: WallTime,
    pub(super) updated_at: WallTime,
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edited_at: Option<WallTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recalled_at: Option<WallTime>,
}

/// An agent as a visitor may choose it.
#[derive(Serialize)]
pub(super) struct AvailableLine<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) avatar: Option<&'a str>,
    pub(super) available: bool,
}

/// The REST envelope: `message` only on errors, `data` always.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub(super) code: u16,
    pub(super) data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<&'a str>,
}

/// A message in a user's conversation. `to_uid` is null while nobody has the conversation; `seq` is an extension.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct MessagePush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    pub(super) message_id: u64,
    pub(super) sender_id: u64,
    pub(super) sender_type: u8,
    pub(super) from_uid: u64,
    pub(super) to_uid: Option<u64>,
    pub(super) content: &'a str,
    pub(super) message_type: u8,
    pub(super) file_url: Option<&'a str>,
    pub(super) created_at: WallTime,
    pub(super) timestamp: u64,
    pub(super) seq: u64,
}

/// The end of a user's conversation. `to_uid` names the user and, if there is one, the agent.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct EndPush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    pub(super) operator_id: Option<u64>,
    pub(super) operator_type: u8,
    pub(super) from_uid: Option<u64>,
    pub(super) to_uid: &'a [u64],
    pub(super) timestamp: u64,
}

/// A message in a visitor's conversation. `kefu_id` is "0", the guide's word for automatic choice, while nobody
/// has it; `conversation_id` and `seq` are extensions.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct VisitorMessagePush<'a> {
    pub(super) action: &'static str,
    pub(super) visitor_id: &'a str,
    #[serde(serialize_with = "decimal")]
    pub(super) kefu_id: u64,
    pub(super) message_id: u64,
    pub(super) content: &'a str,
    pub(super) sender_type: u8,
    pub(super) created_at: WallTime,
    pub(super) timestamp: u64,
    pub(super) conversation_id: u64,
    pub(super) seq: u64,
}

/// The end of a visitor's conversation; `kefu_id` as above, `conversation_id` is an extension.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct VisitorEndPush<'a> {
    pub(super) action: &'static str,
    pub(super) visitor_id: &'a str,
    #[serde(serialize_with = "decimal")]
    pub(super) kefu_id: u64,
    pub(super) sender_type: u8,
    pub(super) timestamp: u64,
    pub(super) conversation_id: u64,
}

/// Extension: a conversation has another agent. Exactly one of `user_id` and `visitor_id` is there.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct AssignedPush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    pub(super) kefu_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visitor_id: Option<&'a str>,
    pub(super) timestamp: u64,
}

/// Extension: one side has read messages of the other; `sender_type` wrote them, `from_uid` read them.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct ReadPush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visitor_id: Option<&'a str>,
    pub(super) message_ids: Vec<u64>,
    pub(super) sender_type: u8,
    pub(super) from_uid: Option<u64>,
    pub(super) to_uid: Option<u64>,
    pub(super) timestamp: u64,
}

/// Extension: a message was edited or recalled; `content` is there of an edited one.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct RevisedPush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visitor_id: Option<&'a str>,
    pub(super) message_id: u64,
    pub(super) sender_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a String>,
    pub(super) seq: u64,
    pub(super) timestamp: u64,
}

/// Extension: one side, `sender_type`, is typing.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push_message")]
pub(super) struct TypingPush<'a> {
    pub(super) action: &'static str,
    pub(super) conversation_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visitor_id: Option<&'a str>,
    pub(super) sender_type: u8,
    pub(super) from_uid: Option<u64>,
    pub(super) to_uid: Option<u64>,
    pub(super) timestamp: u64,
}

/// The names of pushes.
pub(super) mod push {
    pub(in crate::dialect::kefu) const MESSAGE: &str = "kefu_message";
    pub(in crate::dialect::kefu) const END: &str = "kefu_message_end";
    pub(in crate::dialect::kefu) const VISITOR_MESSAGE: &str = "kefu_visitor_message";
    pub(in crate::dialect::kefu) const VISITOR_END: &str = "kefu_visitor_conversation_end";
    pub(in crate::dialect::kefu) const ASSIGNED: &str = "kefu_message_assigned";
    pub(in crate::dialect::kefu) const READ: &str = "kefu_message_read";
    pub(in crate::dialect::kefu) const EDITED: &str = "kefu_message_edited";
    pub(in crate::dialect::kefu) const RECALLED: &str = "kefu_message_recalled";
    pub(in crate::dialect::kefu) const TYPING: &str = "kefu_message_typing";
}

/// An integer as a string, as visitor pushes show `kefu_id`.
fn decimal<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(itoa::Buffer::new().format(*value))
}
