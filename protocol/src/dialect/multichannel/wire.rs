//! The shapes of guide 4 on the wire: serde types and words, nothing else. Absent fields are left out: the guide's
//! schema knows no `null`.

use serde::Serialize;

use crate::dialect::clock::UtcTime;
use crate::model::{BodyKind, Platform, Side, State};

/// What a peer may ask for on the WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Ask {
    Ping = 1,
    BindSession,
    /// Extension.
    Sync,
    /// Extension.
    Typing,
    /// Extension.
    Read,
}

impl Ask {
    pub(super) const ALL: [Self; 5] = [Self::Ping, Self::BindSession, Self::Sync, Self::Typing, Self::Read];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::BindSession => "bind_session",
            Self::Sync => "sync",
            Self::Typing => "typing",
            Self::Read => "read",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.name() == name)
    }
}

/// The REST envelope; `code` 0 is success, else it is the HTTP status.
#[derive(Serialize)]
pub(super) struct Envelope<'a, T> {
    pub(super) code: u16,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<T>,
}

/// A conversation (`SessionInfo`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionInfo<'a> {
    pub(super) session_id: String,
    pub(super) customer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel_type: Option<&'static str>,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manual_cs_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_message_time: Option<UtcTime>,
    pub(super) message_count: u64,
    pub(super) created_at: UtcTime,
    pub(super) updated_at: UtcTime,
}

/// A message (`MessageInfo`); `caption`, `seq`, `editedAt` and `recalledAt` are extensions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageInfo<'a> {
    pub(super) msg_id: String,
    pub(super) session_id: String,
    pub(super) sender_type: &'static str,
    pub(super) sender_id: String,
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caption: Option<&'a str>,
    pub(super) msg_type: &'static str,
    pub(super) created_at: UtcTime,
    pub(super) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edited_at: Option<UtcTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recalled_at: Option<UtcTime>,
}

/// `data` of the extension pushes `message_edited` and `message_recalled`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevisedInfo<'a> {
    pub(super) msg_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    pub(super) seq: u64,
    pub(super) updated_at: UtcTime,
}

/// `data` of a send's answer (the guide leaves it open).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentInfo {
    pub(super) msg_id: String,
    pub(super) session_id: String,
    pub(super) created_at: UtcTime,
    pub(super) seq: u64,
}

/// A frame of the WebSocket, pushed or answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Frame<T> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<T>,
}

/// `data` of `new_message`; `caption` and `seq` are extensions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewMessage<'a> {
    pub(super) msg_id: String,
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caption: Option<&'a str>,
    pub(super) sender_type: &'static str,
    pub(super) sender_id: String,
    pub(super) msg_type: &'static str,
    pub(super) created_at: UtcTime,
    pub(super) seq: u64,
}

/// `data` of `new_pending_session`, `session_accepted` and `session_closed`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    pub(super) customer_id: String,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manual_cs_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<&'a str>,
    pub(super) updated_at: UtcTime,
}

/// `data` of the extension push `typing`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Typing {
    pub(super) sender_type: &'static str,
}

/// `data` of the extension push `message_read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadMarks {
    pub(super) sender_type: &'static str,
    pub(super) msg_ids: Vec<String>,
}

/// `data` of the extension's answer `read`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marked {
    pub(super) updated_count: u32,
}

/// `data` of the extension's answer `sync`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncInfo<'a> {
    pub(super) messages: Vec<MessageInfo<'a>>,
    pub(super) next_seq: u64,
    pub(super) complete: bool,
}

/// An error on the WebSocket.
#[derive(Serialize)]
pub(super) struct ErrorFrame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) code: u16,
    pub(super) message: &'a str,
}

/// The words of `status`.
pub(super) const STATES: [(State, &str); 4] =
    [(State::Robot, "ai"), (State::Pending, "pending"), (State::Active, "manual"), (State::Closed, "closed")];
/// The words of `channelType`.
pub(super) const PLATFORMS: [(Platform, &str); 3] =
    [(Platform::Wechat, "wechat"), (Platform::Douyin, "douyin"), (Platform::Jd, "jd")];
/// The words of `msgType` that may be sent.
pub(super) const KINDS: [(BodyKind, &str); 3] =
    [(BodyKind::Text, "text"), (BodyKind::Image, "image"), (BodyKind::File, "file")];

/// `senderType`.
pub(super) const fn sender_type(side: Side) -> &'static str {
    match side {
        Side::Customer => "customer",
        Side::Agent => "manual",
    }
}
