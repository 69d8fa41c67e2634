//! The shapes of guide 3 on the wire: serde types and the words for types of frames, nothing else.

use serde::{Serialize, Serializer};

use crate::dialect::clock::UtcMillis;
use crate::dialect::words::Decimal;

/// What a peer may ask for on the WebSocket; a message without `type` is a [`Kind::Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Message = 1,
    /// Extension.
    Sync,
    /// Extension.
    Typing,
    /// Extension.
    End,
    /// Extension.
    Read,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Message, Self::Sync, Self::Typing, Self::End, Self::Read];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Sync => "sync",
            Self::Typing => "typing",
            Self::End => "end",
            Self::Read => "read",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn of_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == tag)
    }
}

/// A message from the server (guide 3, "服务端返回消息"); from `messageId` on, further fields. `metadata` is appended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageFrame<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<&'static str>,
    pub(super) conversation_id: Decimal,
    pub(super) sender_id: Decimal,
    pub(super) content: &'a str,
    pub(super) timestamp: UtcMillis,
    pub(super) message_id: Decimal,
    pub(super) seq: u64,
    pub(super) sender_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edited_at: Option<UtcMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recalled_at: Option<UtcMillis>,
}

/// Extension: a message was edited or recalled.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevisedFrame<'a> {
    pub(super) r#type: &'static str,
    pub(super) conversation_id: Decimal,
    pub(super) message_id: Decimal,
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a String>,
    pub(super) timestamp: UtcMillis,
}

/// Extension: what became of a message that had a `client_msg_id`.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ack", rename_all = "camelCase")]
pub(super) struct Ack<'a> {
    #[serde(rename = "client_msg_id")]
    pub(super) client_msg_id: &'a str,
    pub(super) message_id: Decimal,
    pub(super) conversation_id: Decimal,
    pub(super) seq: u64,
    pub(super) timestamp: UtcMillis,
}

/// Extension: how many messages were not marked as read before.
#[derive(Serialize)]
#[serde(tag = "type", rename = "read", rename_all = "camelCase")]
pub(super) struct Marked {
    pub(super) updated_count: u32,
}

/// What went wrong; `code` is the HTTP status that says the same.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
pub(super) struct ErrorFrame<'a> {
    pub(super) code: u16,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) newest_seq: Option<u64>,
}

/// Extension: something happened in a conversation that is no message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    pub(super) r#type: &'static str,
    pub(super) conversation_id: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_id: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_ids: Option<Vec<Decimal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<UtcMillis>,
}

/// The envelope of a REST success.
#[derive(Serialize)]
pub(super) struct Success<T> {
    pub(super) success: bool,
    pub(super) data: T,
}

/// The envelope of a REST error.
#[derive(Serialize)]
pub(super) struct Failure<'a, T> {
    pub(super) success: bool,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<T>,
}

/// A customer's token (guide 3, "获取客户 Token").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerTokenData<'a> {
    pub(super) customer_id: String,
    pub(super) token: String,
    pub(super) name: &'a str,
    pub(super) channel: &'static str,
    /// Further.
    pub(super) expires_at: UtcMillis,
}

/// An agent's token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentTokenData {
    pub(super) token: String,
    pub(super) expires_at: UtcMillis,
}

/// By whom an identity is taken.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TakenData {
    pub(super) field: &'static str,
    pub(super) customer_id: String,
}

/// A customer (guide 3, "客户管理 API"); absent values are left out, as the guide's example does.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerData<'a> {
    pub(super) id: String,
    pub(super) name: &'a str,
    pub(super) primary_channel: &'static str,
    #[serde(flatten)]
    pub(super) identities: Identities<'a>,
    pub(super) tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<&'a str>,
    pub(super) active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_interaction_at: Option<UtcMillis>,
    pub(super) number: u64,
    pub(super) created_at: UtcMillis,
    pub(super) updated_at: UtcMillis,
}

/// Each under the name of its kind.
pub(super) struct Identities<'a>(pub(super) &'a [crate::model::Identity]);

impl Serialize for Identities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|identity| (identity.kind().name(), identity.value())))
    }
}

/// A page of customers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerPage<'a> {
    pub(super) content: Vec<CustomerData<'a>>,
    pub(super) total_elements: u64,
    pub(super) total_pages: u64,
}
