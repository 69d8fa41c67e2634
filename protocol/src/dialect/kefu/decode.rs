//! Guide 2's requests to intents and commands: WebSocket messages and the two REST calls.
//!
//! Checks shape, types, lengths and what the seat may say at all; whether something exists and is the
//! asker's own is the domain's to decide. Must not know frames, HTTP heads or tokens.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use smallvec::SmallVec;

use crate::dialect::json::{Fields, WireId, scan};
use crate::dialect::{Context, FieldError, Intent, Malformed, Mistake, Query, Rejection, Scratch, Seat};
use crate::model::limits::{
    CLIENT_MSG_ID_MAX_CHARS, GROUP_MAX_CHARS, ID_END, KEFU_PAGE_DEFAULT, OP_ID_MAX_BYTES, PAGE_MAX, URL_MAX_BYTES,
    VISITOR_ID_MAX_CHARS,
};
use crate::model::{
    AgentChoice, AgentCode, AgentId, AgentRef, Body, BodyKind, ClientMsgId, Command, ConversationId, Draft, Group,
    MessageId, Noun, Refusal, Seq, Side, Target, VisitorId, Window,
};

use super::encode;
use super::session::{PING_TEXT, PONG_TEXT, PONG_TYPED};
use super::wire::Action;

const _: () = assert!(VISITOR_ID_MAX_CHARS == 128 && CLIENT_MSG_ID_MAX_CHARS == 64 && GROUP_MAX_CHARS == 64);
const VISITOR_ID_FORM: &str = "1 to 128 characters, none of them control characters";
const CLIENT_MSG_ID_FORM: &str = "1 to 64 characters, none of them control characters";
const GROUP_FORM: &str = "1 to 64 characters, none of them control characters";
const _: () = assert!(URL_MAX_BYTES == 2048 && OP_ID_MAX_BYTES == 1024);
const URL_FORM: &str = "at most 2048 bytes";
const OP_ID_FORM: &str = "at most 1024 bytes of JSON";
const SENDER_TYPE_FORM: &str = "1 or 2";

/// Why a WebSocket message did not become an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// It is not what a message looks like.
    Malformed(Malformed),
    /// A field is missing or wrong.
    Field(FieldError),
    /// There is no such action.
    UnknownAction(String),
    /// A visitor's action on a connection that may not use it.
    NotForSeat,
    /// Refused before the domain is asked.
    Refused(Action, Refusal),
}

impl Complaint {
    /// Of which kind it is, for whoever counts.
    fn mistake(&self) -> Mistake {
        match self {
            Self::Malformed(_) => Mistake::Json,
            Self::Field(_) | Self::UnknownAction(_) | Self::NotForSeat | Self::Refused(..) => Mistake::Field,
        }
    }
}

impl From<FieldError> for Complaint {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

/// Understands one text message; see [`crate::dialect::Dialect::decode`].
pub(super) fn message(text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
    if text == PING_TEXT {
        out.extend_from_slice(PONG_TEXT);
        return Intent::Answered;
    }
    if let Some(op_id) = compact_ping(text) {
        encode::pong(op_id, out);
        return Intent::Answered;
    }
    let op_id = match take_op_id(text) {
        Ok(op_id) => op_id,
        Err(complaint) => {
            encode::complaint(&complaint, &[], out);
            return Intent::Mistaken(complaint.mistake());
        }
    };
    scratch.read(text, |fields| {
        // The op_id of what is no JSON is not trusted to be JSON either.
        let fields = match fields {
            Ok(fields) => fields,
            Err(malformed) => {
                encode::complaint(&Complaint::Malformed(malformed), &[], out);
                return Intent::Mistaken(Mistake::Json);
            }
        };
        request(&fields, seat, &op_id, out).unwrap_or_else(|complaint| {
            encode::complaint(&complaint, &op_id, out);
            Intent::Mistaken(complaint.mistake())
        })
    })
}

/// The `op_id` of a ping as programs write it, without blanks: found without parsing, because heartbeats are
/// most of what idle clients send. Any other ping is left to the parser, and answered the same.
fn compact_ping(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(br#"{"action":"ping""#)?.strip_suffix(b"}")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let op_id = rest.strip_prefix(br#","op_id":"#)?;
    let simple = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = match op_id {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 15 && rest.iter().all(u8::is_ascii_digit),
        [b'"', inner @ .., b'"'] => inner.len() <= 64 && inner.iter().all(simple),
        _ => false,
    };
    fits.then_some(op_id)
}

/// The bytes of `op_id` as they came, empty if there is none; afterwards the message parses whatever number
/// or nesting the `op_id` holds.
fn take_op_id(text: &mut [u8]) -> Result<SmallVec<[u8; 24]>, Complaint> {
    let Some(range) = scan(text, b"\"op_id\"").map_err(Complaint::Malformed)? else {
        return Ok(SmallVec::new());
    };
    let raw = &text[range.clone()];
    if raw.len() > OP_ID_MAX_BYTES {
        return Err(FieldError::must_be("op_id", OP_ID_FORM).into());
    }
    let op_id = SmallVec::from_slice(raw);
    if !is_plain(raw) {
        if serde_json::from_slice::<IgnoredAny>(raw).is_err() {
            return Err(Complaint::Malformed(Malformed::Syntax));
        }
        let start = range.start;
        text[range].fill(b' ');
        text[start] = b'0';
    }
    Ok(op_id)
}

/// What every client sends, and every parser takes: a string without escapes, a short integer. The parser
/// still checks it with the rest.
fn is_plain(raw: &[u8]) -> bool {
    match raw.first() {
        Some(b'"') => !raw.contains(&b'\\'),
        Some(b'0'..=b'9') => raw.len() <= 15 && raw.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn request(fields: &Fields<'_, '_>, seat: Seat, op_id: &[u8], out: &mut Vec<u8>) -> Result<Intent, Complaint> {
    let Some(name) = fields.text("action")? else {
        if fields.text("type")? == Some("ping") {
            out.extend_from_slice(PONG_TYPED);
            return Ok(Intent::Answered);
        }
        return Err(FieldError::required("action").into());
    };
    let action = Action::of_name(name).ok_or_else(|| Complaint::UnknownAction(name.chars().take(64).collect()))?;
    may_say(action, seat)?;
    if action == Action::Ping {
        encode::pong(op_id, out);
        return Ok(Intent::Answered);
    }
    let data = fields.object("data")?;
    let context = Context::new(action as u8, op_id);
    let command = match action {
        Action::Login => {
            let token = data.required_text("token")?.to_owned();
            return Ok(Intent::Login { token, context });
        }
        Action::VisitorBind => {
            let visitor = visitor(&data, "bind_key")?;
            return Ok(Intent::Bind { visitor, context });
        }
        Action::Ping => return Ok(Intent::Answered),
        Action::Send => send(&data, seat)?,
        Action::Read => read(&data)?,
        Action::End => Command::End { conversation: conversation(&data, action)? },
        Action::VisitorSend => visitor_send(&data, seat)?,
        Action::VisitorEnd => visitor_end(&data, seat)?,
        Action::Sync => sync(&data)?,
        Action::Typing => Command::Typing { conversation: conversation(&data, action)? },
    };
    let extension = matches!(action, Action::Sync | Action::Typing)
        || matches!(&command, Command::Send { draft, .. } if draft.client_msg_id.is_some());
    Ok(Intent::Command { command, context, extension })
}

/// Guide 2: everything but visitors' actions needs a login; visitors' actions are not for logged-in users.
fn may_say(action: Action, seat: Seat) -> Result<(), Complaint> {
    match action {
        Action::Login | Action::Ping => Ok(()),
        Action::VisitorBind => match seat {
            Seat::Nobody | Seat::Visitor => Ok(()),
            Seat::User | Seat::Agent | Seat::Customer => Err(Complaint::NotForSeat),
        },
        Action::VisitorSend | Action::VisitorEnd => match seat {
            Seat::Nobody | Seat::Visitor | Seat::Agent => Ok(()),
            Seat::User | Seat::Customer => Err(Complaint::NotForSeat),
        },
        // A bound visitor may resume its own history (dialects.md).
        Action::Sync | Action::Typing => match seat {
            Seat::User | Seat::Visitor | Seat::Agent | Seat::Customer => Ok(()),
            Seat::Nobody => Err(Complaint::Refused(action, Refusal::LoginRequired)),
        },
        Action::Send | Action::Read | Action::End => match seat {
            Seat::User | Seat::Agent | Seat::Customer => Ok(()),
            Seat::Nobody | Seat::Visitor => Err(Complaint::Refused(action, Refusal::LoginRequired)),
        },
    }
}

fn send(data: &Fields<'_, '_>, seat: Seat) -> Result<Command, Complaint> {
    let target = data.required_id("conversation_id")?;
    let content = data.text("content")?.unwrap_or_default();
    let kind = message_type(data)?;
    let file_url = data.text("file_url")?.filter(|url| !url.is_empty());
    if file_url.is_some_and(|url| url.len() > URL_MAX_BYTES) {
        return Err(FieldError::must_be("file_url", URL_FORM).into());
    }
    match kind {
        BodyKind::Text if content.is_empty() => return Err(FieldError::required("content").into()),
        BodyKind::Image | BodyKind::File if file_url.is_none() => return Err(FieldError::required("file_url").into()),
        BodyKind::Text | BodyKind::Image | BodyKind::File => {}
    }
    check_sender_type(data, seat)?;
    let draft = Draft {
        body: Body { kind, content: content.to_owned(), file_url: file_url.map(str::to_owned), metadata: None },
        client_msg_id: client_msg_id(data)?,
    };
    let target = Target::Conversation(existing_conversation(target, Action::Send)?);
    Ok(Command::Send { target, draft })
}

fn read(data: &Fields<'_, '_>) -> Result<Command, Complaint> {
    let target = data.required_id("conversation_id")?;
    let messages = data.message_ids("message_ids")?;
    let of = sender_type(data)?.ok_or(FieldError::required("sender_type"))?;
    Ok(Command::MarkRead { conversation: existing_conversation(target, Action::Read)?, messages, of })
}

fn visitor_send(data: &Fields<'_, '_>, seat: Seat) -> Result<Command, Complaint> {
    let (visitor, agent) = pair(data, Action::VisitorSend)?;
    let content = data.required_text("content")?.to_owned();
    let kind = message_type(data)?;
    check_sender_type(data, seat)?;
    let client_msg_id = client_msg_id(data)?;
    if kind != BodyKind::Text {
        return Err(Complaint::Refused(Action::VisitorSend, Refusal::TextOnly));
    }
    Ok(Command::Send {
        target: Target::Pair { visitor, agent },
        draft: Draft { body: Body { kind, content, file_url: None, metadata: None }, client_msg_id },
    })
}

fn visitor_end(data: &Fields<'_, '_>, seat: Seat) -> Result<Command, Complaint> {
    let (visitor, agent) = pair(data, Action::VisitorEnd)?;
    check_sender_type(data, seat)?;
    Ok(Command::EndPair { visitor, agent })
}

fn sync(data: &Fields<'_, '_>) -> Result<Command, Complaint> {
    let target = data.required_id("conversation_id")?;
    let after = data.integer("after_seq", "an integer of at least 0")?.unwrap_or(0);
    let limit = data.integer("limit", "an integer of at least 1")?.unwrap_or(PAGE_MAX.into());
    if limit == 0 {
        return Err(FieldError::must_be("limit", "an integer of at least 1").into());
    }
    Ok(Command::Sync {
        conversation: existing_conversation(target, Action::Sync)?,
        after: Seq::new(after.min(ID_END)),
        limit: at_most_a_page(limit),
    })
}

/// The visitor and agent that name a visitor's conversation.
fn pair(data: &Fields<'_, '_>, action: Action) -> Result<(VisitorId, AgentChoice), Complaint> {
    let visitor = visitor(data, "visitor_id")?;
    let agent = match data.text("kefu_id") {
        Ok(text) => {
            let text = text.filter(|text| !text.is_empty());
            agent_choice(text.ok_or(FieldError::required("kefu_id"))?)
        }
        // An integer, which the guide's own `getConversation` shows it as.
        Err(_) => match data.required_id("kefu_id") {
            Ok(WireId::Possible(id)) => AgentId::new(id).ok().map(|id| AgentChoice::Named(AgentRef::Id(id))),
            Ok(WireId::Impossible) if data.integer("kefu_id", "") == Ok(Some(0)) => Some(AgentChoice::Auto),
            Ok(WireId::Impossible) => None,
            Err(_) => return Err(FieldError::must_be("kefu_id", "a string").into()),
        },
    };
    let agent = agent.ok_or(Complaint::Refused(action, Refusal::NotFound(Noun::Agent)))?;
    Ok((visitor, agent))
}

/// "0" and "auto" leave the choice to the desk; an integer is an id, anything else a code. `None`: no agent can
/// be called that.
fn agent_choice(text: &str) -> Option<AgentChoice> {
    if text == "0" || text == "auto" {
        return Some(AgentChoice::Auto);
    }
    let agent = match WireId::of_text(text) {
        Some(WireId::Possible(id)) => AgentRef::Id(AgentId::new(id).ok()?),
        Some(WireId::Impossible) => return None,
        None => AgentRef::Code(AgentCode::new(text).ok()?),
    };
    Some(AgentChoice::Named(agent))
}

fn visitor(data: &Fields<'_, '_>, name: &'static str) -> Result<VisitorId, FieldError> {
    VisitorId::new(data.required_text(name)?).map_err(|_| FieldError::must_be(name, VISITOR_ID_FORM))
}

fn conversation(data: &Fields<'_, '_>, action: Action) -> Result<ConversationId, Complaint> {
    existing_conversation(data.required_id("conversation_id")?, action)
}

/// Answered after the other fields were found right, as the owner of the conversation would.
fn existing_conversation(id: WireId, action: Action) -> Result<ConversationId, Complaint> {
    let id = match id {
        WireId::Possible(id) => ConversationId::from_wire(id).ok(),
        WireId::Impossible => None,
    };
    id.ok_or(Complaint::Refused(action, Refusal::NotFound(Noun::Conversation)))
}

fn message_type(data: &Fields<'_, '_>) -> Result<BodyKind, FieldError> {
    match data.integer("message_type", "1, 2 or 3")? {
        None | Some(1) => Ok(BodyKind::Text),
        Some(2) => Ok(BodyKind::Image),
        Some(3) => Ok(BodyKind::File),
        Some(_) => Err(FieldError::must_be("message_type", "1, 2 or 3")),
    }
}

fn sender_type(data: &Fields<'_, '_>) -> Result<Option<Side>, FieldError> {
    match data.integer("sender_type", SENDER_TYPE_FORM)? {
        None => Ok(None),
        Some(1) => Ok(Some(Side::Customer)),
        Some(2) => Ok(Some(Side::Agent)),
        Some(_) => Err(FieldError::must_be("sender_type", SENDER_TYPE_FORM)),
    }
}

/// Guide 2, "发送者类型说明": an agent must say that it is one; a user's own word is ignored, once it is a number.
fn check_sender_type(data: &Fields<'_, '_>, seat: Seat) -> Result<(), FieldError> {
    match seat {
        Seat::User | Seat::Customer => data.integer("sender_type", SENDER_TYPE_FORM).map(drop),
        Seat::Agent => match sender_type(data)? {
            Some(Side::Agent) => Ok(()),
            Some(Side::Customer) => Err(FieldError::must_be("sender_type", "2 for an agent")),
            None => Err(FieldError::required("sender_type")),
        },
        Seat::Nobody | Seat::Visitor => match sender_type(data)? {
            None | Some(Side::Customer) => Ok(()),
            Some(Side::Agent) => Err(FieldError::must_be("sender_type", "1 for a visitor")),
        },
    }
}

fn client_msg_id(data: &Fields<'_, '_>) -> Result<Option<ClientMsgId>, FieldError> {
    let id = data.text("client_msg_id")?.map(ClientMsgId::new).transpose();
    id.map_err(|_| FieldError::must_be("client_msg_id", CLIENT_MSG_ID_FORM))
}

fn at_most_a_page(limit: u64) -> u32 {
    u32::try_from(limit).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX))
}

/// `GET /api/kefu/message/getConversation`; `group` is an extension.
pub fn get_conversation(query: Query<'_>) -> Result<Command, Rejection> {
    let group = query("group").filter(|group| !group.is_empty());
    let group = group.map(|group| Group::new(&group)).transpose();
    let group = group.map_err(|_| FieldError::must_be("group", GROUP_FORM))?;
    Ok(Command::Open { user: None, agent: None, group })
}

/// `GET /api/kefu/message/list`: `conversation_id`, `page` from 1, `page_size` 1 to 100 (more is 100); as
/// extensions `after_seq` or `after`, a message id (0: from the first), then in ascending order from there.
pub fn list(query: Query<'_>) -> Result<Command, Rejection> {
    let conversation = parameter_id(query, "conversation_id")?.ok_or(FieldError::required("conversation_id"))?;
    let page = parameter_count(query, "page")?.unwrap_or(1);
    let size = parameter_count(query, "page_size")?.map_or(KEFU_PAGE_DEFAULT, at_most_a_page);
    let after_seq = parameter(query, "after_seq")
        .map(|text| parse_clamped(&text).ok_or(FieldError::must_be("after_seq", "an integer of at least 0")))
        .transpose()?;
    let after = parameter(query, "after")
        .map(|text| parse_clamped(&text).ok_or(FieldError::must_be("after", "an integer of at least 0")))
        .transpose()?;
    let conversation = match conversation {
        WireId::Possible(id) => ConversationId::from_wire(id).ok(),
        WireId::Impossible => None,
    };
    let conversation = conversation.ok_or(Refusal::NotFound(Noun::Conversation))?;
    let window = match (after_seq, after) {
        (Some(seq), _) => Window::AfterSeq { seq: Seq::new(seq), limit: size },
        (None, Some(0)) => Window::AfterSeq { seq: Seq::ZERO, limit: size },
        (None, Some(id)) => Window::AfterMessage {
            message: MessageId::from_wire(id).map_err(|_| Refusal::NotFound(Noun::Message))?,
            limit: size,
        },
        (None, None) => Window::Page { page, size },
    };
    Ok(Command::History { conversation, window })
}

/// `GET /api/kefu/agents/available` (dialects.md): no parameters, no token.
pub fn available_agents() -> Command {
    Command::AvailableAgents
}

fn parameter<'q>(query: Query<'q>, name: &str) -> Option<Cow<'q, str>> {
    query(name).filter(|text| !text.is_empty())
}

fn parameter_id(query: Query<'_>, name: &'static str) -> Result<Option<WireId>, FieldError> {
    parameter(query, name).map(|text| WireId::of_text(&text).ok_or(FieldError::must_be(name, "an integer"))).transpose()
}

/// An integer from 1; larger than any there can be counts as the largest.
fn parameter_count(query: Query<'_>, name: &'static str) -> Result<Option<u64>, FieldError> {
    let count = parameter(query, name).map(|text| parse_clamped(&text).filter(|count| *count > 0));
    match count {
        None => Ok(None),
        Some(count) => count.map(Some).ok_or(FieldError::must_be(name, "an integer of at least 1")),
    }
}

/// Decimal digits, clamped to 2^53.
fn parse_clamped(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().map_or(ID_END, |value: u64| value.min(ID_END)))
}
