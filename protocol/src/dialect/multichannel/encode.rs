//! Answers, refusals and events to guide 4's JSON: the REST envelope, and the frames of the WebSocket.
//!
//! The texts are the guide's, word for word, where it has one. Must not know who is listening.

use std::fmt::Write as _;

use serde::Serialize;

use crate::dialect;
use crate::dialect::clock::UtcTime;
use crate::dialect::json::Fault;
use crate::dialect::words::word;
use crate::dialect::{Context, FieldError, LoginRefusal, Rejection, Reply, Settings};
use crate::http::percent_encode;
use crate::model::{
    AgentCode, AgentRef, Answer, BodyKind, ConversationQuery, ConversationView, Event, Line, Listed, Message,
    MessageId, Noun, Party, Refusal, Scene, Sent, Side, State, Timestamp, Window, limits,
};

use super::decode::cursor_text;
use super::wire::{
    Ask, Change, Envelope, ErrorFrame, Frame, KINDS, Marked, MessageInfo, NewMessage, PLATFORMS, ReadMarks,
    RevisedInfo, STATES, SentInfo, SessionInfo, SyncInfo, Typing, sender_type,
};

const _: () = assert!(limits::AGENT_CODE_MAX_CHARS == 64, "the schema's maxLength of every name");

/// The REST answer to a command.
pub fn answered(result: Result<&Answer, &Refusal>, _: &Settings) -> Reply {
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    match answer {
        Answer::Conversations { conversations, next } => {
            let infos: Vec<_> = conversations.iter().map(session_info).collect();
            Reply { next: next.as_deref().map(list_link), ..success(Some(&infos)) }
        }
        Answer::Shown(view) => success(Some(&session_info(view))),
        Answer::Transcript { customer, lines, next, .. } => {
            Reply { next: next.as_ref().map(history_link), ..success(Some(&infos(customer, lines))) }
        }
        Answer::Sent(sent) => success(Some(&sent_info(sent))),
        // Those without data; and those that no request of this dialect asks for.
        Answer::Accepted(_)
        | Answer::Ended(_)
        | Answer::Watched(_)
        | Answer::Typing
        | Answer::Conversation(_)
        | Answer::History(_)
        | Answer::Synced { .. }
        | Answer::Read { .. }
        | Answer::Agent(_)
        | Answer::Agents { .. }
        | Answer::AgentDeleted
        | Answer::AgentStatus { .. }
        | Answer::Message(_)
        | Answer::Available(_)
        | Answer::Key(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => success::<()>(None),
    }
}

/// The REST answer to a request that did not become a command.
pub fn rejected(rejection: &Rejection) -> Reply {
    match rejection {
        Rejection::Refused(refusal) => refused(refusal),
        Rejection::Malformed(_) | Rejection::Field(_) => error(400, &rejection_text(rejection)),
    }
}

/// A REST error that is nobody's refusal (401 without a good token, 403, 500): HTTP status and `code` alike.
pub fn error(status: u16, message: &str) -> Reply {
    reply(status, &Envelope::<()> { code: status, message, data: None })
}

fn refused(refusal: &Refusal) -> Reply {
    error(status(refusal), refusal_text(refusal))
}

fn success<T: Serialize>(data: Option<&T>) -> Reply {
    reply(200, &Envelope { code: 0, message: "success", data })
}

fn reply<T: Serialize>(status: u16, envelope: &Envelope<'_, T>) -> Reply {
    Reply::new(status, serde_json::to_vec(envelope).expect("wire types have string keys"))
}

/// dialects.md: multichannel knows 0, 400, 401, 403, 404, 500.
const fn status(refusal: &Refusal) -> u16 {
    dialect::status(refusal, 400, 500)
}

const fn refusal_text(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound(Noun::Conversation) => "会话不存在",
        Refusal::NotFound(Noun::Agent) => "客服不存在",
        Refusal::NotFound(Noun::Message) => "消息不存在",
        Refusal::NotFound(Noun::Customer) => "客户不存在",
        Refusal::Forbidden | Refusal::OtherParty => "无权操作",
        Refusal::LoginRequired => "需要令牌",
        Refusal::Ended | Refusal::WrongState => "会话状态不正确",
        Refusal::NotInGroup => "客服不属于该会话的分组",
        Refusal::NoRoom => "客服接待数已达上限",
        Refusal::AgentOffline => "客服不在线",
        Refusal::TooLate => "已超过可修改的时间",
        Refusal::Recalled => "消息已撤回",
        Refusal::TextOnly => "访客会话仅支持文本消息",
        Refusal::Taken(_) | Refusal::TakenBy { .. } => "已被占用",
        Refusal::Stale => "已被他人修改",
        Refusal::AgentHasConversations => "客服仍有会话",
        Refusal::Gap { .. } => "after_seq is beyond the newest message",
        Refusal::KeyMalformed => "Idempotency-Key 须为 1 至 255 个可见 ASCII 字符",
        Refusal::KeyReused => "Idempotency-Key 已用于其他请求",
        Refusal::KeyInProgress => "使用该 Idempotency-Key 的请求正在处理",
        Refusal::Busy(_) => "服务繁忙，请稍后再试",
    }
}

/// The guide's own text of a missing field, where it has one; else the field's name and what it must be.
fn rejection_text(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Field(FieldError { field: "csId", fault: Fault::Required }) => "客服ID不能为空".to_owned(),
        Rejection::Field(FieldError { field: "content", fault: Fault::Required }) => "消息内容不能为空".to_owned(),
        Rejection::Field(field) => field.to_string(),
        Rejection::Malformed(malformed) => malformed.to_string(),
        Rejection::Refused(refusal) => refusal_text(refusal).to_owned(),
    }
}

/// The answer to what did not become an intent.
pub(super) fn complaint(rejection: &Rejection, out: &mut Vec<u8>) {
    let code = match rejection {
        Rejection::Refused(refusal) => status(refusal),
        Rejection::Malformed(_) | Rejection::Field(_) => 400,
    };
    error_frame(code, &rejection_text(rejection), out);
}

/// What is said when the connection is its agent's: nothing, the guide shows none.
pub(super) fn joined(result: Result<(), LoginRefusal>, out: &mut Vec<u8>) {
    match result {
        Ok(()) => {}
        Err(LoginRefusal::Busy) => error_frame(500, "服务繁忙，请稍后再试", out),
        Err(LoginRefusal::WrongRole | LoginRefusal::OtherParty | LoginRefusal::AgentDeleted) => {
            error_frame(403, "无权操作", out);
        }
        Err(
            LoginRefusal::InvalidToken
            | LoginRefusal::Expired
            | LoginRefusal::AlreadyVisitor
            | LoginRefusal::AlreadyLoggedIn,
        ) => error_frame(401, "令牌无效", out),
    }
}

/// The answer to a command of the WebSocket.
pub(super) fn socket_answer(context: &Context, result: Result<&Answer, &Refusal>, out: &mut Vec<u8>) {
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return error_frame(status(refusal), refusal_text(refusal), out),
    };
    let kept = context.rest().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    match answer {
        Answer::Read { changed } => {
            frame(Ask::Read.name(), kept.to_string(), Some(Marked { updated_count: *changed }), out);
        }
        Answer::Watched(id) => frame::<()>("session_bound", id.to_string(), None, out),
        Answer::Transcript { conversation, customer, lines, next } => {
            let data = SyncInfo {
                messages: infos(customer, lines),
                next_seq: lines.last().map_or(kept, |line| line.message.seq.get()),
                complete: next.is_none(),
            };
            frame(Ask::Sync.name(), conversation.to_string(), Some(data), out);
        }
        // Of the rest only a typing is asked for here, and is answered by silence: it is told, not kept.
        Answer::Typing
        | Answer::Accepted(_)
        | Answer::Ended(_)
        | Answer::Sent(_)
        | Answer::Conversations { .. }
        | Answer::Shown(_)
        | Answer::Conversation(_)
        | Answer::History(_)
        | Answer::Synced { .. }
        | Answer::Agent(_)
        | Answer::Agents { .. }
        | Answer::AgentDeleted
        | Answer::AgentStatus { .. }
        | Answer::Message(_)
        | Answer::Available(_)
        | Answer::Key(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => debug_assert!(context.tag() == Ask::Typing as u8, "asked for nowhere"),
    }
}

/// A push; false if it is not told to such a listener.
pub(super) fn event(event: &Event, ext: bool, out: &mut Vec<u8>) -> bool {
    match event {
        // An agent's own message comes back to it only if it asked for what the guide does not show.
        Event::Message { message, .. } if message.sender.side == Side::Agent && !ext => return false,
        Event::Message { scene, message, author } | Event::Overheard { scene, message, author } => {
            push_message(scene, message, author.as_ref(), out);
        }
        // The guide has no word for a session that has left.
        Event::Waiting { elsewhere: true, .. } if !ext => return false,
        Event::Waiting { scene, group, at, .. } => {
            change("new_pending_session", scene, State::Pending, (None, Some(group.as_str())), *at, out);
        }
        Event::Assigned { scene, code, at, .. } => {
            let code = code.as_ref().map(AgentCode::as_str);
            change("session_accepted", scene, State::Active, (code, None), *at, out);
        }
        Event::Ended { scene, at, .. } => change("session_closed", scene, State::Closed, (None, None), *at, out),
        // The guide's workbench knows no statuses.
        Event::AgentStatus { .. } => return false,
        Event::Read { .. } | Event::Typing { .. } | Event::Revised { .. } if !ext => return false,
        Event::Revised { scene, message } => push_revised(scene, message, out),
        Event::Read { scene, of, messages, .. } => push_read(scene, *of, messages, out),
        Event::Typing { scene, by, .. } => {
            let data = Typing { sender_type: sender_type(*by) };
            frame(Ask::Typing.name(), scene.conversation.to_string(), Some(data), out);
        }
    }
    true
}

fn push_message(scene: &Scene, message: &Message, author: Option<&AgentCode>, out: &mut Vec<u8>) {
    let (content, caption) = content(message);
    let data = NewMessage {
        msg_id: message.id.to_string(),
        content,
        caption,
        sender_type: sender_type(message.sender.side),
        sender_id: sender_id(&scene.customer, message, author),
        msg_type: word(&KINDS, &message.body.kind),
        created_at: UtcTime::new(message.created_at),
        seq: message.seq.get(),
    };
    frame("new_message", scene.conversation.to_string(), Some(data), out);
}

fn push_revised(scene: &Scene, message: &Message, out: &mut Vec<u8>) {
    let recalled = message.recalled_at();
    let data = RevisedInfo {
        msg_id: message.id.to_string(),
        content: recalled.is_none().then(|| content(message).0),
        seq: message.seq.get(),
        updated_at: UtcTime::new(recalled.or(message.edited_at()).unwrap_or(message.created_at)),
    };
    let kind = if recalled.is_some() { "message_recalled" } else { "message_edited" };
    frame(kind, scene.conversation.to_string(), Some(data), out);
}

fn push_read(scene: &Scene, of: Side, messages: &[MessageId], out: &mut Vec<u8>) {
    let msg_ids = messages.iter().map(ToString::to_string).collect();
    let data = ReadMarks { sender_type: sender_type(of), msg_ids };
    frame("message_read", scene.conversation.to_string(), Some(data), out);
}

fn change(
    kind: &'static str,
    scene: &Scene,
    state: State,
    (manual_cs_id, group): (Option<&str>, Option<&str>),
    at: Timestamp,
    out: &mut Vec<u8>,
) {
    let data = Change {
        customer_id: customer_id(&scene.customer, scene.customer_number.get()),
        status: word(&STATES, &state),
        manual_cs_id,
        group,
        updated_at: UtcTime::new(at),
    };
    frame(kind, scene.conversation.to_string(), Some(data), out);
}

fn frame<T: Serialize>(kind: &'static str, session_id: String, data: Option<T>, out: &mut Vec<u8>) {
    json(&Frame { kind, session_id, data }, out);
}

fn error_frame(code: u16, message: &str, out: &mut Vec<u8>) {
    json(&ErrorFrame { kind: "error", code, message }, out);
}

fn json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("wire types have string keys, and a Vec takes every write");
}

fn session_info(view: &ConversationView) -> SessionInfo<'_> {
    let Listed { conversation, last_message } = &view.listed;
    let code = || view.agent.as_ref().map(ToString::to_string);
    SessionInfo {
        session_id: conversation.id.to_string(),
        customer_id: customer_id(&conversation.customer, conversation.customer_number.get()),
        channel_type: conversation.platform().map(|platform| word(&PLATFORMS, &platform)),
        status: word(&STATES, &conversation.state),
        // An agent that was deleted is known by its id only.
        manual_cs_id: conversation.agent.map(|id| code().unwrap_or_else(|| id.to_string())),
        last_message: last_message.as_ref().map(|message| first_chars(content(message).0)),
        last_message_time: conversation.last_message_at.map(UtcTime::new),
        message_count: conversation.last_seq.get(),
        created_at: UtcTime::new(conversation.created_at),
        updated_at: UtcTime::new(conversation.updated_at),
    }
}

fn infos<'a>(customer: &Party, lines: &'a [Line]) -> Vec<MessageInfo<'a>> {
    let info = |line: &'a Line| {
        let (message, (content, caption)) = (&line.message, content(&line.message));
        MessageInfo {
            msg_id: message.id.to_string(),
            session_id: message.conversation.to_string(),
            sender_type: sender_type(message.sender.side),
            sender_id: sender_id(customer, message, line.author.as_ref()),
            content,
            caption,
            msg_type: word(&KINDS, &message.body.kind),
            created_at: UtcTime::new(message.created_at),
            seq: message.seq.get(),
            edited_at: message.edited_at().map(UtcTime::new),
            recalled_at: message.recalled_at().map(UtcTime::new),
        }
    };
    lines.iter().map(info).collect()
}

fn sent_info(sent: &Sent) -> SentInfo {
    SentInfo {
        msg_id: sent.message.to_string(),
        session_id: sent.conversation.to_string(),
        created_at: UtcTime::new(sent.created_at),
        seq: sent.seq.get(),
    }
}

/// `content`, and the caption of an image or file, whose content is its URL.
fn content(message: &Message) -> (&str, Option<&str>) {
    let body = &message.body;
    match (body.kind, &body.file_url) {
        (BodyKind::Image | BodyKind::File, Some(url)) => (url, Some(&*body.content).filter(|text| !text.is_empty())),
        (BodyKind::Text, _) | (BodyKind::Image | BodyKind::File, None) => (&body.content, None),
    }
}

/// A text cut to what the schema allows of a preview.
fn first_chars(text: &str) -> &str {
    text.char_indices().nth(limits::SESSION_CONTENT_MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}

fn sender_id(customer: &Party, message: &Message, author: Option<&AgentCode>) -> String {
    match (message.sender.side, author) {
        (Side::Customer, _) => customer_id(customer, message.sender.number),
        (Side::Agent, Some(code)) => code.to_string(),
        (Side::Agent, None) => message.sender.number.to_string(),
    }
}

/// A user's integer, the UUID of a customer of a channel, or a visitor's own id; the integer for one that is longer
/// than the schema allows.
fn customer_id(customer: &Party, number: u64) -> String {
    match customer {
        Party::Visitor(id) if id.as_str().chars().count() <= limits::AGENT_CODE_MAX_CHARS => id.to_string(),
        Party::Customer(id) => id.to_string(),
        Party::Visitor(_) | Party::User(_) | Party::Agent(_) => number.to_string(),
    }
}

/// The next page of a list: the same conditions, behind the last entry.
fn list_link(query: &ConversationQuery) -> String {
    let mut link = format!("?limit={}", query.limit);
    let mut add = |name: &str, value: &str| {
        write!(link, "&{name}={}", percent_encode(value)).expect("a String takes every write");
    };
    if let Some(state) = &query.state {
        add("status", word(&STATES, state));
    }
    match &query.agent {
        Some(AgentRef::Code(code)) => add("csId", code.as_str()),
        Some(AgentRef::Id(id)) => add("csId", &id.to_string()),
        None => {}
    }
    if let Some(platform) = &query.platform {
        add("channelType", word(&PLATFORMS, platform));
    }
    if let Some(after) = query.after {
        add("cursor", &cursor_text(after));
    }
    link
}

/// The next page of a history: older messages, or newer ones where they were asked for.
fn history_link(window: &Window) -> String {
    match window {
        Window::Page { page, size } => format!("?limit={size}&page={page}"),
        Window::AfterSeq { seq, limit } => format!("?limit={limit}&after_seq={}", seq.get()),
        Window::BeforeSeq { seq, limit } => format!("?limit={limit}&before_seq={}", seq.get()),
        Window::AfterMessage { message, limit } => format!("?limit={limit}&after={message}"),
    }
}
