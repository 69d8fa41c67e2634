//! Guide 1's requests to intents and commands: messages of the WebSocket, and the calls of `/api/v1/agents`,
//! `/conversations` and `/messages`. Unknown fields are passed over, `null` counts as absent except where it clears
//! (an agent's `avatar` and `accept`).
//!
//! Checks shape, types and lengths; whether something exists and is the asker's own is the domain's to decide. Must not
//! know frames, HTTP heads or tokens.

use std::borrow::Cow;

use crate::dialect::json::{Fields, WireId};
use crate::dialect::multichannel::decode::cursor;
use crate::dialect::words::value;
use crate::dialect::{Context, FieldError, Intent, Mistake, Query, Rejection, Scratch, Seat};
use crate::model::limits::{
    AGENT_CODE_MAX_CHARS, AGENT_GROUPS_MAX, AGENT_MAX_CONCURRENT, AGENTS_PAGE_DEFAULT, BYTEDESK_PAGE_DEFAULT,
    CLIENT_MSG_ID_MAX_CHARS, GROUP_MAX_CHARS, ID_END, NAME_MAX_CHARS, PAGE_MAX, READ_IDS_MAX, URL_MAX_BYTES,
};
use crate::model::{
    AgentChange, AgentCode, AgentDraft, AgentId, AgentRef, Body, BodyKind, ClientMsgId, Command, ConversationId,
    ConversationQuery, CustomerNumber, Draft, Group, MessageId, Noun, PeerName, Refusal, Revision, Seq, Side, Target,
    Transfer, UserId, Window,
};

use super::encode;
use super::session::{PING_TEXT, PING_TYPED, PONG_TEXT, PONG_TYPED};
use super::wire::{self, Action, KINDS, STATES};

const _: () = assert!(CLIENT_MSG_ID_MAX_CHARS == 64 && READ_IDS_MAX == 1000);
const CLIENT_MSG_ID_FORM: &str = "1 to 64 characters, none of them control characters";
const MESSAGE_IDS_FORM: &str = "a list of at most 1000 integers";
const PARTY_FORM: &str = "a party's id, an agent's code or \"auto\"";
const GROUP_FORM: &str = "1 to 64 characters, none of them control characters";
const KIND_FORM: &str = "\"text\", \"image\" or \"file\"";
const STATE_FORM: &str = "\"robot\", \"pending\", \"active\" or \"closed\"";
const URL_FORM: &str = "at most 2048 bytes";
const SEQ_FORM: &str = "an integer of at least 0";
const CURSOR_FORM: &str = "a next_cursor of this list";
const ONE_CHANGE_FORM: &str = "the only one of status, agent_id and group_id";
const _: () = assert!(AGENT_CODE_MAX_CHARS == 64 && GROUP_MAX_CHARS == 64 && AGENT_GROUPS_MAX == 64);
const CODE_FORM: &str = "1 to 64 characters, none of them control characters, and not \"auto\"";
const CODE_IS_ID_FORM: &str = "the decimal form of id if it is a number";
const ID_FORM: &str = "an integer of 1 to 2^52 - 1";
const _: () = assert!(NAME_MAX_CHARS == 128 && URL_MAX_BYTES == 2048 && AGENT_MAX_CONCURRENT == 10_000);
const NAME_FORM: &str = "1 to 128 characters, none of them control characters";
const AVATAR_FORM: &str = "at most 2048 bytes";
const MAX_CONCURRENT_FORM: &str = "an integer of 0 to 10000";
const GROUPS_FORM: &str = "a list of 1 to 64 strings of 1 to 64 characters";
const SKILLS_FORM: &str = "a list of at most 64 strings of 1 to 64 characters";
const ACCEPT_FORM: &str = "\"auto\", \"manual\" or null";
const STATUS_FORM: &str = "\"online\", \"busy\", \"away\" or \"offline\"";
const LIMIT_FORM: &str = "an integer of at least 1";

/// Understands one text message; see [`crate::dialect::Dialect::decode`].
pub(super) fn message(text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
    if text == PING_TYPED {
        out.extend_from_slice(PONG_TYPED);
        return Intent::Answered;
    }
    if text == PING_TEXT {
        out.extend_from_slice(PONG_TEXT);
        return Intent::Answered;
    }
    scratch.read_checked(text, |fields| {
        let fields = match fields {
            Ok(fields) => fields,
            Err(malformed) => {
                encode::complaint(None, &malformed.into(), None, out);
                return Intent::Mistaken(Mistake::Json);
            }
        };
        let action = match action(&fields) {
            Ok(Some(action)) => action,
            Ok(None) => {
                out.extend_from_slice(PONG_TYPED);
                return Intent::Answered;
            }
            Err(error) => {
                encode::complaint(None, &error.into(), None, out);
                return Intent::Mistaken(Mistake::Field);
            }
        };
        let mut client_msg_id = None;
        asked(action, &fields, seat, &mut client_msg_id).unwrap_or_else(|rejection| {
            encode::complaint(Some(action), &rejection, client_msg_id.as_ref().map(ClientMsgId::as_str), out);
            Intent::Mistaken(Mistake::Field)
        })
    })
}

/// What a message asks for; `None` is a heartbeat.
fn action(fields: &Fields<'_, '_>) -> Result<Option<Action>, FieldError> {
    let of_type = fields.required_text("type")?;
    match of_type {
        "ping" => return Ok(None),
        "message" | "event" => {}
        _ => return Err(FieldError::must_be("type", "\"message\", \"event\" or \"ping\"")),
    }
    let name = fields.required_text("action")?;
    let known =
        if of_type == "event" { "\"status_change\"" } else { "\"send\", \"sync\", \"read\", \"typing\" or \"end\"" };
    Action::find(of_type, name).map(Some).ok_or(FieldError::must_be("action", known))
}

fn asked(
    action: Action,
    fields: &Fields<'_, '_>,
    seat: Seat,
    client_msg_id: &mut Option<ClientMsgId>,
) -> Result<Intent, Rejection> {
    let data = fields.object("data")?;
    let context = |rest: &[u8]| Context::new(action as u8, rest);
    let about = |conversation: ConversationId| context(&conversation.get().to_le_bytes());
    let (command, context) = match action {
        Action::Send => {
            *client_msg_id = self::client_msg_id(&data)?;
            let context = context(client_msg_id.as_ref().map_or("", ClientMsgId::as_str).as_bytes());
            (send(&data, client_msg_id.clone())?, context)
        }
        Action::StatusChange => (status(&data, seat)?, context(&[])),
        Action::Sync => {
            let conversation = required_conversation(&data)?;
            let after = Seq::new(data.integer("after_seq", SEQ_FORM)?.unwrap_or(0).min(ID_END));
            let limit = data.integer("limit", LIMIT_FORM)?.unwrap_or(PAGE_MAX.into());
            let limit = at_most_a_page(limit).ok_or(FieldError::must_be("limit", LIMIT_FORM))?;
            (Command::Sync { conversation, after, limit }, about(conversation))
        }
        Action::Read => {
            let conversation = required_conversation(&data)?;
            (read(&data, seat, conversation)?, about(conversation))
        }
        Action::Typing => {
            let conversation = required_conversation(&data)?;
            (Command::Typing { conversation }, about(conversation))
        }
        Action::End => {
            let conversation = required_conversation(&data)?;
            (Command::End { conversation }, about(conversation))
        }
    };
    let extension = match action {
        Action::Send => client_msg_id.is_some(),
        Action::StatusChange => false,
        Action::Sync | Action::Read | Action::Typing | Action::End => true,
    };
    Ok(Intent::Command { command, context, extension })
}

/// `from`, `to`, `content`; `timestamp` is the client's own affair. Extensions: `conversation_id`, `client_msg_id`, `type`
/// and `file_url`.
fn send(data: &Fields<'_, '_>, client_msg_id: Option<ClientMsgId>) -> Result<Command, Rejection> {
    let from = peer(data, "from")?;
    let conversation = conversation(data)?;
    let to = match (peer(data, "to")?, &conversation) {
        (Some(to), _) => to,
        (None, Some(_)) => PeerName::Auto,
        (None, None) => return Err(FieldError::required("to").into()),
    };
    let body = body(data)?;
    let target = Target::Peer { from, to, conversation: conversation.transpose()? };
    Ok(Command::Send { target, draft: Draft { body, client_msg_id } })
}

fn body(data: &Fields<'_, '_>) -> Result<Body, FieldError> {
    let kind = match data.text("type")? {
        None => BodyKind::Text,
        Some(word) => value(&KINDS, word).ok_or(FieldError::must_be("type", KIND_FORM))?,
    };
    let file_url = data.text("file_url")?.filter(|url| !url.is_empty());
    if file_url.is_some_and(|url| url.len() > URL_MAX_BYTES) {
        return Err(FieldError::must_be("file_url", URL_FORM));
    }
    let (content, file_url) = match kind {
        BodyKind::Text => (data.required_text("content")?, None),
        BodyKind::Image | BodyKind::File => {
            (data.text("content")?.unwrap_or_default(), Some(file_url.ok_or(FieldError::required("file_url"))?))
        }
    };
    Ok(Body { kind, content: content.to_owned(), file_url: file_url.map(str::to_owned), metadata: None })
}

/// An agent's own status; `agent_id`, if sent, is not looked at: nobody sets another's.
fn status(data: &Fields<'_, '_>, seat: Seat) -> Result<Command, Rejection> {
    let status = wire::status_of_word(data.required_text("status")?);
    let status = status.ok_or(FieldError::must_be("status", STATUS_FORM))?;
    match seat {
        Seat::Agent => Ok(Command::SetStatus(status)),
        Seat::Nobody | Seat::User | Seat::Visitor | Seat::Customer => Err(Refusal::Forbidden.into()),
    }
}

fn read(data: &Fields<'_, '_>, seat: Seat, conversation: ConversationId) -> Result<Command, Rejection> {
    let messages = data
        .ids("message_ids", READ_IDS_MAX, MESSAGE_IDS_FORM)?
        .filter(|ids| !ids.is_empty())
        .ok_or(FieldError::required("message_ids"))?;
    // What cannot be a message is passed over, as a message of another conversation is.
    let messages = messages.into_iter().filter_map(|id| match id {
        WireId::Possible(id) => MessageId::from_wire(id).ok(),
        WireId::Impossible => None,
    });
    let of = if seat == Seat::Agent { Side::Customer } else { Side::Agent };
    Ok(Command::MarkRead { conversation, messages: messages.collect(), of })
}

fn client_msg_id(data: &Fields<'_, '_>) -> Result<Option<ClientMsgId>, FieldError> {
    let id = data.text("client_msg_id")?.map(ClientMsgId::new).transpose();
    id.map_err(|_| FieldError::must_be("client_msg_id", CLIENT_MSG_ID_FORM))
}

/// A party: an integer, an agent's code, or `auto`. An empty string counts as absent.
fn peer(data: &Fields<'_, '_>, name: &'static str) -> Result<Option<PeerName>, FieldError> {
    let wrong = || FieldError::must_be(name, PARTY_FORM);
    let text = match data.text(name) {
        Ok(None | Some("")) => return Ok(None),
        Ok(Some("auto")) => return Ok(Some(PeerName::Auto)),
        Ok(Some(text)) => text,
        Err(_) => match data.id(name) {
            Ok(Some(WireId::Possible(number))) => return number_name(number).map(Some).ok_or_else(wrong),
            Ok(Some(WireId::Impossible) | None) | Err(_) => return Err(wrong()),
        },
    };
    let peer = match WireId::of_text(text) {
        Some(WireId::Possible(number)) => number_name(number),
        Some(WireId::Impossible) => None,
        None => AgentCode::new(text).ok().map(PeerName::Code),
    };
    peer.map(Some).ok_or_else(wrong)
}

fn number_name(number: u64) -> Option<PeerName> {
    CustomerNumber::from_wire(number).ok().map(PeerName::Number)
}

/// A conversation that is named: `Err` inside, if nothing can be called that. Told after the other fields were found right.
fn conversation(data: &Fields<'_, '_>) -> Result<Option<Result<ConversationId, Refusal>>, FieldError> {
    let id = match data.text("conversation_id") {
        // No id of ours, such as "xxx", names what cannot exist.
        Ok(Some(text)) if !text.is_empty() && WireId::of_text(text).is_none() => return Ok(Some(Err(NO_CONVERSATION))),
        Ok(_) | Err(_) => data.id("conversation_id")?,
    };
    Ok(id.map(existing))
}

fn required_conversation(data: &Fields<'_, '_>) -> Result<ConversationId, Rejection> {
    Ok(conversation(data)?.ok_or(FieldError::required("conversation_id"))??)
}

fn existing(id: WireId) -> Result<ConversationId, Refusal> {
    match id {
        WireId::Possible(id) => ConversationId::from_wire(id).map_err(|_| NO_CONVERSATION),
        WireId::Impossible => Err(NO_CONVERSATION),
    }
}

/// The conversation that a path or parameter names.
fn conversation_of_text(text: &str) -> Result<ConversationId, Refusal> {
    WireId::of_text(text).map_or(Err(NO_CONVERSATION), existing)
}

fn message_of_text(text: &str) -> Result<MessageId, Refusal> {
    match WireId::of_text(text) {
        Some(WireId::Possible(id)) => MessageId::from_wire(id).map_err(|_| NO_MESSAGE),
        Some(WireId::Impossible) | None => Err(NO_MESSAGE),
    }
}

const NO_CONVERSATION: Refusal = Refusal::NotFound(Noun::Conversation);
const NO_MESSAGE: Refusal = Refusal::NotFound(Noun::Message);

/// `POST /api/v1/conversations`: `user_id` (for admins; a user has only its own), `agent_id` and `group_id`, all optional.
pub fn open(body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let user = match fields.id("user_id")? {
            None => None,
            Some(WireId::Possible(id)) => Some(UserId::new(id).map_err(|_| FieldError::must_be("user_id", ID_FORM))?),
            Some(WireId::Impossible) => return Err(FieldError::must_be("user_id", ID_FORM).into()),
        };
        Ok(Command::Open { user, agent: agent_field(&fields)?.transpose()?, group: group_field(&fields)? })
    })
}

/// `GET /api/v1/conversations/{id}`.
pub fn show_conversation(id: &str) -> Result<Command, Rejection> {
    Ok(Command::ShowConversation(conversation_of_text(id)?))
}

/// `PUT /api/v1/conversations/{id}`: ends it (`status: "closed"`), or gives it to `agent_id` or into the queue of
/// `group_id`; one of the three.
pub fn change_conversation(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let status = fields.text("status")?;
        let (agent, group) = (agent_field(&fields)?, group_field(&fields)?);
        let conversation = conversation_of_text(id);
        match (status, agent, group) {
            (Some("closed"), None, None) => Ok(Command::End { conversation: conversation? }),
            (None, Some(agent), None) => {
                Ok(Command::Transfer { conversation: conversation?, to: Transfer::Agent(agent?) })
            }
            (None, None, Some(group)) => {
                Ok(Command::Transfer { conversation: conversation?, to: Transfer::Group(group) })
            }
            (Some(_), None, None) => Err(FieldError::must_be("status", "\"closed\"").into()),
            (None, None, None) => Err(FieldError::required("status").into()),
            (Some(_), _, _) => Err(FieldError::must_be("status", ONE_CHANGE_FORM).into()),
            (None, Some(_), Some(_)) => Err(FieldError::must_be("agent_id", ONE_CHANGE_FORM).into()),
        }
    })
}

/// `DELETE /api/v1/conversations/{id}`.
pub fn end_conversation(id: &str) -> Result<Command, Rejection> {
    Ok(Command::End { conversation: conversation_of_text(id)? })
}

/// `GET /api/v1/conversations`: `status`, `agent_id`, `limit` 20 (at most 100), `cursor`; newest first.
pub fn conversations(query: Query<'_>) -> Result<Command, Rejection> {
    let state = given(query, "status")
        .map(|word| value(&STATES, &word).ok_or(FieldError::must_be("status", STATE_FORM)))
        .transpose()?;
    let agent = given(query, "agent_id")
        .map(|text| agent(&text).map_err(|_| FieldError::must_be("agent_id", PARTY_FORM)))
        .transpose()?;
    let after = given(query, "cursor")
        .map(|text| cursor(&text).ok_or(FieldError::must_be("cursor", CURSOR_FORM)))
        .transpose()?;
    let limit = limit(query, BYTEDESK_PAGE_DEFAULT)?;
    Ok(Command::ListConversations(Box::new(ConversationQuery { state, agent, platform: None, after, limit })))
}

/// `GET /api/v1/conversations/{id}/messages`: the newest `limit` (20, at most 100), ascending; `cursor` goes on to older
/// ones, `after_seq` begins there and goes on to newer ones.
pub fn messages(id: &str, query: Query<'_>) -> Result<Command, Rejection> {
    let limit = limit(query, BYTEDESK_PAGE_DEFAULT)?;
    let seq = |text: &str| digits(text).map(Seq::new);
    let after = given(query, "after_seq")
        .map(|text| seq(&text).ok_or(FieldError::must_be("after_seq", SEQ_FORM)))
        .transpose()?;
    let window = match (given(query, "cursor"), after) {
        (None, None) => Window::BeforeSeq { seq: Seq::new(ID_END), limit },
        (None, Some(seq)) => Window::AfterSeq { seq, limit },
        (Some(text), _) => {
            let window = match (text.strip_prefix("before-"), text.strip_prefix("after-")) {
                (Some(before), _) => seq(before).map(|seq| Window::BeforeSeq { seq, limit }),
                (None, Some(after)) => seq(after).map(|seq| Window::AfterSeq { seq, limit }),
                (None, None) => None,
            };
            window.ok_or(FieldError::must_be("cursor", CURSOR_FORM))?
        }
    };
    Ok(Command::Transcript { conversation: conversation_of_text(id)?, window })
}

/// `GET /api/v1/messages?conversation_id=`: as [`messages`].
pub fn messages_by_query(query: Query<'_>) -> Result<Command, Rejection> {
    let id = given(query, "conversation_id").ok_or(FieldError::required("conversation_id"))?;
    messages(&id, query)
}

/// `POST /api/v1/messages`: the `data` of a WebSocket's send.
pub fn send_message(body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let client_msg_id = client_msg_id(&fields)?;
        send(&fields, client_msg_id)
    })
}

/// `GET /api/v1/messages/{id}`.
pub fn show_message(id: &str) -> Result<Command, Rejection> {
    Ok(Command::ShowMessage(message_of_text(id)?))
}

/// `PUT /api/v1/messages/{id}`: `content`, a text that is not empty.
pub fn edit_message(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let content = fields?.required_text("content")?.to_owned();
        Ok(Command::Revise { message: message_of_text(id)?, revision: Revision::Edit(content) })
    })
}

/// `DELETE /api/v1/messages/{id}`: recalls it.
pub fn recall_message(id: &str) -> Result<Command, Rejection> {
    Ok(Command::Revise { message: message_of_text(id)?, revision: Revision::Recall })
}

/// An agent that is named: `Err` inside, if nobody can be called that.
fn agent_field(fields: &Fields<'_, '_>) -> Result<Option<Result<AgentRef, Refusal>>, FieldError> {
    Ok(match fields.text("agent_id") {
        Ok(None | Some("")) => None,
        Ok(Some(text)) => Some(agent(text)),
        Err(_) => match fields.id("agent_id") {
            Ok(Some(WireId::Possible(id))) => Some(match AgentId::new(id) {
                Ok(id) => Ok(AgentRef::Id(id)),
                Err(_) => Err(Refusal::NotFound(Noun::Agent)),
            }),
            Ok(Some(WireId::Impossible)) => Some(Err(Refusal::NotFound(Noun::Agent))),
            Ok(None) | Err(_) => return Err(FieldError::must_be("agent_id", "an agent's id or code")),
        },
    })
}

fn group_field(fields: &Fields<'_, '_>) -> Result<Option<Group>, FieldError> {
    let group = fields.text("group_id")?.filter(|name| !name.is_empty()).map(Group::new).transpose();
    group.map_err(|_| FieldError::must_be("group_id", GROUP_FORM))
}

fn given<'q>(query: Query<'q>, name: &str) -> Option<Cow<'q, str>> {
    query(name).filter(|text| !text.is_empty())
}

fn limit(query: Query<'_>, default: u32) -> Result<u32, FieldError> {
    match given(query, "limit") {
        None => Ok(default),
        Some(text) => digits(&text).and_then(at_most_a_page).ok_or(FieldError::must_be("limit", LIMIT_FORM)),
    }
}

/// More than a page is a page; none is none.
fn at_most_a_page(limit: u64) -> Option<u32> {
    (limit > 0).then(|| u32::try_from(limit).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX)))
}

/// Decimal digits; larger than any there can be counts as the largest.
fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().map_or(ID_END, |value: u64| value.min(ID_END)))
}

/// `POST /api/v1/agents`. `id` and `cs_id` are optional; a `cs_id` that is a number is the id as well, because both
/// name the agent in every dialect.
pub fn create(body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let mut id = match fields.id("id")? {
            None => None,
            Some(WireId::Possible(id)) => Some(AgentId::new(id).map_err(|_| FieldError::must_be("id", ID_FORM))?),
            Some(WireId::Impossible) => return Err(FieldError::must_be("id", ID_FORM).into()),
        };
        let code = match fields.text("cs_id")? {
            None => None,
            Some("auto") => return Err(FieldError::must_be("cs_id", CODE_FORM).into()),
            Some(text) => Some(AgentCode::new(text).map_err(|_| FieldError::must_be("cs_id", CODE_FORM))?),
        };
        if let Some(code) = &code
            && let Some(number) = WireId::of_text(code.as_str())
        {
            let number = match number {
                WireId::Possible(number) => AgentId::new(number).ok(),
                WireId::Impossible => None,
            };
            let agrees =
                number.is_some_and(|number| number.to_string() == code.as_str() && id.is_none_or(|id| id == number));
            if !agrees {
                return Err(FieldError::must_be("cs_id", CODE_IS_ID_FORM).into());
            }
            id = number;
        }
        let rest = change(&fields)?;
        Ok(Command::CreateAgent(Box::new(AgentDraft { id, code, rest, again: false })))
    })
}

/// `GET /api/v1/agents/{id}`, by id or code.
pub fn get(id: &str) -> Result<Command, Rejection> {
    Ok(Command::GetAgent(agent(id)?))
}

/// `PUT /api/v1/agents/{id}`: absent fields stay; `id`, `cs_id` and `current_concurrent` never change and are passed
/// over, so that what `GET` shows may be sent back.
pub fn update(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    let agent = agent(id)?;
    scratch.read_checked(body, |fields| {
        let change = change(&fields?)?;
        Ok(Command::UpdateAgent(agent, Box::new(change)))
    })
}

/// `DELETE /api/v1/agents/{id}`.
pub fn delete(id: &str) -> Result<Command, Rejection> {
    Ok(Command::DeleteAgent(agent(id)?))
}

/// `GET /api/v1/agents?cursor=&limit=`: `limit` 20, at most 100 (more is 100); `cursor` is the last page's
/// `next_cursor`.
pub fn list(query: Query<'_>) -> Result<Command, Rejection> {
    let after = match given(query, "cursor").map(|text| WireId::of_text(&text)) {
        None => None,
        Some(Some(WireId::Possible(id))) if AgentId::new(id).is_ok() => AgentId::new(id).ok(),
        Some(_) => return Err(FieldError::must_be("cursor", CURSOR_FORM).into()),
    };
    let limit = limit(query, AGENTS_PAGE_DEFAULT)?;
    Ok(Command::ListAgents { after, limit })
}

/// The agent a path names: an integer is an id, anything else a code.
pub fn agent(text: &str) -> Result<AgentRef, Refusal> {
    let agent = match WireId::of_text(text) {
        Some(WireId::Possible(id)) => AgentId::new(id).ok().map(AgentRef::Id),
        Some(WireId::Impossible) => None,
        None => AgentCode::new(text).ok().map(AgentRef::Code),
    };
    agent.ok_or(Refusal::NotFound(Noun::Agent))
}

fn change(fields: &Fields<'_, '_>) -> Result<AgentChange, FieldError> {
    let name = fields.text("name")?;
    if name.is_some_and(|name| !is_short(name, NAME_MAX_CHARS)) {
        return Err(FieldError::must_be("name", NAME_FORM));
    }
    let avatar = fields.text("avatar")?.filter(|url| !url.is_empty());
    if avatar.is_some_and(|url| url.len() > URL_MAX_BYTES) {
        return Err(FieldError::must_be("avatar", AVATAR_FORM));
    }
    let max_concurrent = match fields.integer("max_concurrent", MAX_CONCURRENT_FORM)? {
        None => None,
        Some(max) => Some(
            u32::try_from(max)
                .ok()
                .filter(|max| *max <= AGENT_MAX_CONCURRENT)
                .ok_or(FieldError::must_be("max_concurrent", MAX_CONCURRENT_FORM))?,
        ),
    };
    let groups = fields.texts("groups", AGENT_GROUPS_MAX, GROUPS_FORM, |text| Group::new(text).ok())?;
    if groups.as_ref().is_some_and(Vec::is_empty) {
        return Err(FieldError::must_be("groups", GROUPS_FORM));
    }
    let skill = |text: &str| is_short(text, GROUP_MAX_CHARS).then(|| text.to_owned());
    let skills = fields.texts("skills", AGENT_GROUPS_MAX, SKILLS_FORM, skill)?;
    let accept = match fields.text("accept")? {
        None => None,
        Some(word) => Some(wire::accept_of_word(word).ok_or(FieldError::must_be("accept", ACCEPT_FORM))?),
    };
    let status = match fields.text("status")? {
        None => None,
        Some(word) => Some(wire::status_of_word(word).ok_or(FieldError::must_be("status", STATUS_FORM))?),
    };
    Ok(AgentChange {
        name: name.map(str::to_owned),
        avatar: fields.has("avatar").then(|| avatar.map(str::to_owned)),
        max_concurrent,
        groups: groups.map(without_doubles),
        skills,
        accept: fields.has("accept").then_some(accept),
        status,
    })
}

fn is_short(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn without_doubles(groups: Vec<Group>) -> Vec<Group> {
    let mut kept = Vec::with_capacity(groups.len());
    for group in groups {
        if !kept.contains(&group) {
            kept.push(group);
        }
    }
    kept
}
