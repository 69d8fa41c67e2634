//! Guide 4's requests to intents and commands: the messages of the WebSocket and the calls of `/api/sessions`.
//!
//! Checks shape, types and lengths; whether something exists and may be seen is the domain's to decide. Must not
//! know frames, HTTP heads or tokens.

use std::borrow::Cow;

use crate::dialect::json::{Fields, WireId};
use crate::dialect::words::value;
use crate::dialect::{Context, FieldError, Intent, Mistake, Query, Rejection, Scratch};
use crate::model::limits::{
    AGENT_CODE_MAX_CHARS, CLIENT_MSG_ID_MAX_CHARS, ID_END, PAGE_MAX, SESSION_CONTENT_MAX_CHARS, SESSIONS_PAGE_DEFAULT,
    URL_MAX_BYTES,
};
use crate::model::{
    AgentCode, AgentRef, Body, BodyKind, ClientMsgId, Command, ConversationId, ConversationQuery, Draft, ListPosition,
    Noun, Refusal, Seq, Side, Target, Timestamp, Window,
};

use super::encode;
use super::session::{PING_TEXT, PING_TYPED, PONG_TEXT, PONG_TYPED};
use super::wire::{Ask, KINDS, PLATFORMS, STATES};

const _: () = assert!(AGENT_CODE_MAX_CHARS == 64 && CLIENT_MSG_ID_MAX_CHARS == 64);
const ID_FORM: &str = "1 to 64 characters, none of them control characters";
const _: () = assert!(SESSION_CONTENT_MAX_CHARS == 4096 && URL_MAX_BYTES == 2048);
const CONTENT_FORM: &str = "a string of 1 to 4096 characters";
const URL_FORM: &str = "a URL of at most 2048 bytes for an image or file";
const COUNT_FORM: &str = "an integer of at least 1";
const SEQ_FORM: &str = "an integer of at least 0";

/// Understands one text message; see [`crate::dialect::Dialect::decode`].
pub(super) fn message(text: &mut [u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
    if text == PING_TEXT {
        out.extend_from_slice(PONG_TEXT);
        return Intent::Answered;
    }
    if text == PING_TYPED {
        out.extend_from_slice(PONG_TYPED);
        return Intent::Answered;
    }
    scratch.read_checked(text, |fields| {
        let asked = fields.map_err(Rejection::from).and_then(|fields| asked(&fields));
        match asked {
            Ok(None) => {
                out.extend_from_slice(PONG_TYPED);
                Intent::Answered
            }
            Ok(Some((ask, command))) => {
                let extension = matches!(ask, Ask::Sync | Ask::Typing | Ask::Read);
                // What the answer must repeat: the seq that was asked after, or the conversation.
                let kept = match &command {
                    Command::Transcript { window: Window::AfterSeq { seq, .. }, .. } => seq.get(),
                    Command::MarkRead { conversation, .. } => conversation.get(),
                    _ => 0,
                };
                Intent::Command { command, context: Context::new(ask as u8, &kept.to_le_bytes()), extension }
            }
            Err(rejection) => {
                encode::complaint(&rejection, out);
                Intent::Mistaken(match rejection {
                    Rejection::Malformed(_) => Mistake::Json,
                    Rejection::Field(_) | Rejection::Refused(_) => Mistake::Field,
                })
            }
        }
    })
}

/// What a message asks for; `None` is a heartbeat.
fn asked(fields: &Fields<'_, '_>) -> Result<Option<(Ask, Command)>, Rejection> {
    let ask = Ask::of_name(fields.required_text("type")?)
        .ok_or(FieldError::must_be("type", "bind_session, sync, typing, read or ping"))?;
    if ask == Ask::Ping {
        return Ok(None);
    }
    let name = session_name(fields)?;
    let command = match ask {
        Ask::Ping => return Ok(None),
        Ask::BindSession => Command::Watch(conversation(&name)?),
        Ask::Sync => {
            let seq = Seq::new(fields.integer("after_seq", SEQ_FORM)?.unwrap_or(0).min(ID_END));
            let limit = fields.integer("limit", COUNT_FORM)?.unwrap_or(PAGE_MAX.into());
            let limit = at_most_a_page(limit).ok_or(FieldError::must_be("limit", COUNT_FORM))?;
            Command::Transcript { conversation: conversation(&name)?, window: Window::AfterSeq { seq, limit } }
        }
        Ask::Typing => Command::Typing { conversation: conversation(&name)? },
        Ask::Read => {
            let messages = fields.message_ids("msgIds")?;
            Command::MarkRead { conversation: conversation(&name)?, messages, of: Side::Customer }
        }
    };
    Ok(Some((ask, command)))
}

/// `sessionId` as it came: a string, or an integer as the other dialects show it.
fn session_name<'d>(fields: &Fields<'_, 'd>) -> Result<Cow<'d, str>, FieldError> {
    match fields.text("sessionId") {
        Ok(Some("") | None) => Err(FieldError::required("sessionId")),
        Ok(Some(text)) => Ok(Cow::Borrowed(text)),
        Err(error) => match fields.integer("sessionId", "a string")? {
            Some(integer) => Ok(Cow::Owned(integer.to_string())),
            None => Err(error),
        },
    }
}

/// A `sessionId`: 1 to 64 characters; what is no decimal of ours names what cannot exist.
fn conversation(name: &str) -> Result<ConversationId, Rejection> {
    if name.is_empty() || name.chars().count() > AGENT_CODE_MAX_CHARS {
        return Err(FieldError::must_be("sessionId", ID_FORM).into());
    }
    let id = match WireId::of_text(name) {
        Some(WireId::Possible(id)) => ConversationId::from_wire(id).ok(),
        Some(WireId::Impossible) | None => None,
    };
    Ok(id.ok_or(Refusal::NotFound(Noun::Conversation))?)
}

/// An agent as a workbench names it: by its code (or, if nobody has that code, by its id in decimal, which the
/// directory looks for). `None`: nobody can be called that.
pub fn agent(name: &str) -> Option<AgentRef> {
    AgentCode::new(name).ok().map(AgentRef::Code)
}

/// `GET /api/sessions`; `limit` and `cursor` are extensions.
pub fn list(query: Query<'_>) -> Result<Command, Rejection> {
    let state = parameter(query, "status")
        .map(|word| value(&STATES, &word).ok_or(FieldError::must_be("status", "ai, pending, manual or closed")))
        .transpose()?;
    let platform = parameter(query, "channelType")
        .map(|word| value(&PLATFORMS, &word).ok_or(FieldError::must_be("channelType", "wechat, douyin or jd")))
        .transpose()?;
    let agent =
        parameter(query, "csId").map(|name| agent(&name).ok_or(FieldError::must_be("csId", ID_FORM))).transpose()?;
    let after = parameter(query, "cursor")
        .map(|text| cursor(&text).ok_or(FieldError::must_be("cursor", "as a Link header gave it")))
        .transpose()?;
    let limit = limit(query)?.unwrap_or(SESSIONS_PAGE_DEFAULT);
    Ok(Command::ListConversations(Box::new(ConversationQuery { state, agent, platform, after, limit })))
}

/// `GET /api/sessions/{sessionId}`.
pub fn show(id: &str) -> Result<Command, Rejection> {
    Ok(Command::ShowConversation(conversation(id)?))
}

/// `GET /api/sessions/{sessionId}/history`: the newest 100, ascending. As extensions `limit` and `page` (from 1, backward),
/// or `after_seq`, then from there.
pub fn history(id: &str, query: Query<'_>) -> Result<Command, Rejection> {
    let size = limit(query)?.unwrap_or(PAGE_MAX);
    let page = number(query, "page", COUNT_FORM)?.unwrap_or(1);
    if page == 0 {
        return Err(FieldError::must_be("page", COUNT_FORM).into());
    }
    let window = match number(query, "after_seq", SEQ_FORM)? {
        Some(seq) => Window::AfterSeq { seq: Seq::new(seq), limit: size },
        None => Window::Page { page, size },
    };
    Ok(Command::Transcript { conversation: conversation(id)?, window })
}

/// `POST /api/sessions/{sessionId}/accept`.
pub fn accept(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let name = fields?.required_text("csId")?.to_owned();
        let agent = agent(&name).ok_or(FieldError::must_be("csId", ID_FORM))?;
        Ok(Command::Accept { conversation: conversation(id)?, agent })
    })
}

/// `POST /api/sessions/{sessionId}/message`; `client_msg_id` is an extension. The content of an image or file is its URL.
pub fn send(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let content = fields.required_text("content")?;
        if content.chars().count() > SESSION_CONTENT_MAX_CHARS {
            return Err(FieldError::must_be("content", CONTENT_FORM).into());
        }
        let kind = match fields.text("msgType")? {
            None => BodyKind::Text,
            Some(word) => value(&KINDS, word).ok_or(FieldError::must_be("msgType", "text, image or file"))?,
        };
        let body = match kind {
            BodyKind::Text => Body { kind, content: content.to_owned(), file_url: None, metadata: None },
            BodyKind::Image | BodyKind::File if content.len() > URL_MAX_BYTES => {
                return Err(FieldError::must_be("content", URL_FORM).into());
            }
            BodyKind::Image | BodyKind::File => {
                Body { kind, content: String::new(), file_url: Some(content.to_owned()), metadata: None }
            }
        };
        let client_msg_id = fields.text("client_msg_id")?.map(ClientMsgId::new).transpose();
        let client_msg_id = client_msg_id.map_err(|_| FieldError::must_be("client_msg_id", ID_FORM))?;
        let target = Target::Conversation(conversation(id)?);
        Ok(Command::Send { target, draft: Draft { body, client_msg_id } })
    })
}

/// `POST /api/sessions/{sessionId}/close`; a body is not looked at.
pub fn close(id: &str) -> Result<Command, Rejection> {
    Ok(Command::End { conversation: conversation(id)? })
}

/// A place in a list as a `Link` header gives it.
pub(in crate::dialect) fn cursor_text(at: ListPosition) -> String {
    format!("{}-{}", at.created_at.as_millis(), at.conversation)
}

/// What [`cursor_text`] made.
pub(in crate::dialect) fn cursor(text: &str) -> Option<ListPosition> {
    let (millis, id) = text.split_once('-')?;
    let conversation = ConversationId::from_wire(digits(id)?).ok()?;
    Some(ListPosition { created_at: Timestamp::from_millis(digits(millis)?), conversation })
}

fn parameter<'q>(query: Query<'q>, name: &str) -> Option<Cow<'q, str>> {
    query(name).filter(|text| !text.is_empty())
}

fn limit(query: Query<'_>) -> Result<Option<u32>, FieldError> {
    let limit = number(query, "limit", COUNT_FORM)?;
    limit.map(|limit| at_most_a_page(limit).ok_or(FieldError::must_be("limit", COUNT_FORM))).transpose()
}

/// More than a page is a page; none is none.
fn at_most_a_page(limit: u64) -> Option<u32> {
    (limit > 0).then(|| u32::try_from(limit).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX)))
}

/// Decimal digits; larger than any there can be counts as the largest.
fn number(query: Query<'_>, name: &'static str, what: &'static str) -> Result<Option<u64>, FieldError> {
    parameter(query, name).map(|text| digits(&text).ok_or(FieldError::must_be(name, what))).transpose()
}

fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().map_or(ID_END, |value: u64| value.min(ID_END)))
}
