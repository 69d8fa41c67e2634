//! Answers, refusals and events to guide 1's JSON: frames of the WebSocket, and the REST envelope `{code,message,data}`,
//! whose `code` is the HTTP status, 200 for every success. Must not know who is listening.

use std::borrow::Cow;

use serde::Serialize;

use crate::dialect::multichannel::decode::cursor_text;
use crate::dialect::words::{Decimal, word};
use crate::dialect::{Context, Rejection, Reply};
use crate::model::{
    AgentId, AgentStatus, AgentView, Answer, Conversation, ConversationId, ConversationView, Event, Message, MessageId,
    Noun, Refusal, Scene, Sent, Side, Timestamp, Window,
};

use super::wire::{
    Action, AgentData, ConversationData, EndedData, Envelope, ErrorFrame, Frame, KINDS, MessageData, MessagePush,
    Notice, Page, Peer, ReadData, RevisedData, STATES, SentData, StatusData, SyncData, accept_word, customer_word,
    side_word, status_word,
};

/// The answer to a command of the WebSocket: an `ack`, or an error.
pub(super) fn answer(context: &Context, result: Result<&Answer, &Refusal>, out: &mut Vec<u8>) {
    let action = Action::of_tag(context.tag()).expect("contexts are made by decode, with an action's tag");
    let client_msg_id = match action {
        Action::Send => std::str::from_utf8(context.rest()).ok().filter(|id| !id.is_empty()),
        Action::StatusChange | Action::Sync | Action::Read | Action::Typing | Action::End => None,
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return refused_frame(Some(action), refusal, client_msg_id, out),
    };
    let about = Decimal(context.rest().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)));
    match answer {
        Answer::Sent(sent) => ack(action, &sent_data(sent, client_msg_id), out),
        Answer::AgentStatus { agent, status, at } => ack(action, &status_data(*agent, *status, *at), out),
        Answer::Synced { messages, next_seq, complete } => {
            let messages = messages.iter().map(message).collect();
            let data = SyncData { conversation_id: about, messages, next_seq: next_seq.get(), complete: *complete };
            ack(action, &data, out);
        }
        Answer::Read { changed } => {
            ack(action, &ReadData { conversation_id: about, updated_count: *changed }, out);
        }
        Answer::Ended(id) => ack(action, &ended(*id), out),
        Answer::Typing => ack(action, &notice(about), out),
        // What no message of this dialect asks for.
        Answer::Conversation(_)
        | Answer::History(_)
        | Answer::Transcript { .. }
        | Answer::Conversations { .. }
        | Answer::Shown(_)
        | Answer::Accepted(_)
        | Answer::Watched(_)
        | Answer::Agent(_)
        | Answer::Agents { .. }
        | Answer::AgentDeleted
        | Answer::Message(_)
        | Answer::Available(_)
        | Answer::Key(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => debug_assert!(false, "asked for nowhere"),
    }
}

/// The answer to what did not become an intent.
pub(super) fn complaint(action: Option<Action>, rejection: &Rejection, client_msg_id: Option<&str>, out: &mut Vec<u8>) {
    let message = match rejection {
        Rejection::Malformed(malformed) => malformed.to_string(),
        Rejection::Field(field) => field.to_string(),
        Rejection::Refused(refusal) => return refused_frame(action, refusal, client_msg_id, out),
    };
    let action = action.map(Action::name);
    json(&ErrorFrame { action, code: 400, message: &message, client_msg_id, newest_seq: None }, out);
}

fn refused_frame(action: Option<Action>, refusal: &Refusal, client_msg_id: Option<&str>, out: &mut Vec<u8>) {
    let newest_seq = match refusal {
        Refusal::Gap { newest } => Some(newest.get()),
        _ => None,
    };
    let (code, message) = said(refusal);
    json(&ErrorFrame { action: action.map(Action::name), code, message: &message, client_msg_id, newest_seq }, out);
}

fn ack<T: Serialize>(action: Action, data: &T, out: &mut Vec<u8>) {
    json(&Frame { r#type: "ack", action: action.name(), data }, out);
}

/// A push; false if it is not told to such a listener. The guide shows messages and statuses; edits and recalls are told
/// to all as well, because who shows the message must be able to change it.
pub(super) fn event(event: &Event, ext: bool, out: &mut Vec<u8>) -> bool {
    match event {
        Event::Message { scene, message, .. } => push_message(scene, message, out),
        Event::AgentStatus { agent, status, at } => happened("status_change", &status_data(*agent, *status, *at), out),
        Event::Revised { message, .. } => push_revised(message, out),
        // Nobody here looks on.
        Event::Overheard { .. } => return false,
        Event::Waiting { .. }
        | Event::Ended { .. }
        | Event::Assigned { .. }
        | Event::Read { .. }
        | Event::Typing { .. }
            if !ext =>
        {
            return false;
        }
        Event::Waiting { scene, group, at, .. } => {
            let group_id = Some(group.as_str());
            happened("conversation_waiting", &Notice { group_id, ..of_scene(scene, *at) }, out);
        }
        Event::Ended { scene, by, at } => {
            let by = Some(side_word(*by));
            happened("conversation_closed", &Notice { by, ..of_scene(scene, *at) }, out);
        }
        Event::Assigned { scene, at, .. } => happened("conversation_assigned", &of_scene(scene, *at), out),
        Event::Read { scene, of, messages, at } => {
            let (by, message_ids) = (Some(side_word(of.other())), Some(decimals(messages)));
            happened("message_read", &Notice { by, message_ids, ..of_scene(scene, *at) }, out);
        }
        Event::Typing { scene, by, at } => {
            let by = Some(side_word(*by));
            happened(Action::Typing.name(), &Notice { by, ..of_scene(scene, *at) }, out);
        }
    }
    true
}

fn happened<T: Serialize>(action: &'static str, data: &T, out: &mut Vec<u8>) {
    json(&Frame { r#type: "event", action, data }, out);
}

fn push_message(scene: &Scene, message: &Message, out: &mut Vec<u8>) {
    let data = MessagePush {
        from: Decimal(message.sender.number),
        to: Peer(scene.number(message.sender.side.other())),
        content: &message.body.content,
        timestamp: message.created_at.as_secs(),
        message_id: Decimal(message.id.get()),
        conversation_id: Decimal(message.conversation.get()),
        seq: message.seq.get(),
        sender_type: side_word(message.sender.side),
        r#type: word(&KINDS, &message.body.kind),
        file_url: message.body.file_url.as_deref(),
    };
    json(&Frame { r#type: "message", action: Action::Send.name(), data }, out);
}

fn push_revised(message: &Message, out: &mut Vec<u8>) {
    let recalled = message.recalled_at();
    let data = RevisedData {
        message_id: Decimal(message.id.get()),
        conversation_id: Decimal(message.conversation.get()),
        seq: message.seq.get(),
        content: recalled.is_none().then_some(&message.body.content),
        timestamp: recalled.or(message.edited_at()).unwrap_or(message.created_at).as_secs(),
    };
    happened(if recalled.is_some() { "message_recalled" } else { "message_edited" }, &data, out);
}

fn of_scene(scene: &Scene, at: Timestamp) -> Notice<'static> {
    let agent_id = Some(Peer(scene.number(Side::Agent)));
    Notice { agent_id, timestamp: Some(at.as_secs()), ..notice(Decimal(scene.conversation.get())) }
}

const fn notice(conversation_id: Decimal) -> Notice<'static> {
    Notice { conversation_id, agent_id: None, group_id: None, by: None, message_ids: None, timestamp: None }
}

fn decimals(ids: &[MessageId]) -> Vec<Decimal> {
    ids.iter().map(|id| Decimal(id.get())).collect()
}

fn status_data(agent: AgentId, status: AgentStatus, at: Timestamp) -> StatusData {
    StatusData { agent_id: Decimal(agent.get()), status: status_word(status), timestamp: at.as_secs() }
}

fn sent_data<'a>(sent: &Sent, client_msg_id: Option<&'a str>) -> SentData<'a> {
    SentData {
        message_id: Decimal(sent.message.get()),
        conversation_id: Decimal(sent.conversation.get()),
        seq: sent.seq.get(),
        timestamp: sent.created_at.as_secs(),
        client_msg_id,
    }
}

const fn ended(id: ConversationId) -> EndedData {
    EndedData { conversation_id: Decimal(id.get()), status: "closed" }
}

/// The REST answer to a command.
pub fn answered(result: Result<&Answer, &Refusal>) -> Reply {
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    match answer {
        Answer::Agent(view) => success(&agent(view)),
        Answer::Agents { agents, more } => {
            let last = agents.last().filter(|_| *more);
            let next_cursor = last.map(|view| view.profile.id.to_string());
            success(&Page { items: agents.iter().map(agent).collect(), next_cursor })
        }
        Answer::Conversation(header) => success(&conversation(header, None)),
        Answer::Shown(view) => success(&shown(view)),
        Answer::Conversations { conversations, next } => {
            let next_cursor = next.as_ref().and_then(|query| query.after).map(cursor_text);
            success(&Page { items: conversations.iter().map(shown).collect(), next_cursor })
        }
        Answer::Transcript { lines, next, .. } => {
            let items = lines.iter().map(|line| message(&line.message)).collect();
            success(&Page { items, next_cursor: next.as_ref().and_then(messages_cursor) })
        }
        Answer::Message(stored) => success(&message(stored)),
        Answer::Sent(sent) => success(&sent_data(sent, None)),
        Answer::Ended(id) => success(&ended(*id)),
        // Those without data; and those that no request of this dialect asks for.
        Answer::AgentDeleted
        | Answer::History(_)
        | Answer::Synced { .. }
        | Answer::Accepted(_)
        | Answer::Watched(_)
        | Answer::Read { .. }
        | Answer::Typing
        | Answer::AgentStatus { .. }
        | Answer::Available(_)
        | Answer::Key(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => success(&()),
    }
}

/// Where a list of messages goes on, as `decode::messages` reads it.
fn messages_cursor(window: &Window) -> Option<String> {
    match window {
        Window::BeforeSeq { seq, .. } => Some(format!("before-{}", seq.get())),
        Window::AfterSeq { seq, .. } => Some(format!("after-{}", seq.get())),
        // Not asked for here.
        Window::Page { .. } | Window::AfterMessage { .. } => None,
    }
}

fn shown(view: &ConversationView) -> ConversationData<'_> {
    conversation(&view.listed.conversation, view.listed.last_message.as_ref())
}

fn conversation<'a>(header: &'a Conversation, last: Option<&'a Message>) -> ConversationData<'a> {
    ConversationData {
        conversation_id: Decimal(header.id.get()),
        customer_id: Decimal(header.customer_number.get()),
        customer_type: customer_word(&header.customer),
        agent_id: header.agent.map(|agent| Decimal(agent.get())),
        group_id: header.group.as_str(),
        status: word(&STATES, &header.state),
        customer_unread_count: header.customer_unread,
        agent_unread_count: header.agent_unread,
        last_seq: header.last_seq.get(),
        last_message_at: header.last_message_at.map(Timestamp::as_secs),
        created_at: header.created_at.as_secs(),
        updated_at: header.updated_at.as_secs(),
        last_message: last.map(message),
    }
}

fn message(message: &Message) -> MessageData<'_> {
    MessageData {
        message_id: Decimal(message.id.get()),
        conversation_id: Decimal(message.conversation.get()),
        seq: message.seq.get(),
        from: Decimal(message.sender.number),
        sender_type: side_word(message.sender.side),
        r#type: word(&KINDS, &message.body.kind),
        content: &message.body.content,
        file_url: message.body.file_url.as_deref(),
        timestamp: message.created_at.as_secs(),
        read_at: message.read_at.map(Timestamp::as_secs),
        edited_at: message.edited_at().map(Timestamp::as_secs),
        recalled_at: message.recalled_at().map(Timestamp::as_secs),
    }
}

/// The answer to a request that did not become a command.
pub fn rejected(rejection: &Rejection) -> Reply {
    match rejection {
        Rejection::Malformed(malformed) => error(400, &malformed.to_string()),
        Rejection::Field(field) => error(400, &field.to_string()),
        Rejection::Refused(refusal) => refused(refusal),
    }
}

/// An error that is nobody's refusal (401 without a good token, 429, 500).
pub fn error(status: u16, message: &str) -> Reply {
    reply(status, message, &())
}

/// A field is missing for this role.
pub fn required(field: &'static str) -> Reply {
    rejected(&Rejection::Field(crate::dialect::FieldError::required(field)))
}

fn refused(refusal: &Refusal) -> Reply {
    let (status, message) = said(refusal);
    error(status, &message)
}

/// The HTTP status of a refusal, which is also the `code`, and its text.
fn said(refusal: &Refusal) -> (u16, Cow<'static, str>) {
    let (status, message) = match refusal {
        Refusal::NotFound(Noun::Agent) => (404, "agent not found"),
        Refusal::NotFound(Noun::Conversation) => (404, "conversation not found"),
        Refusal::NotFound(Noun::Message) => (404, "message not found"),
        Refusal::NotFound(Noun::Customer) => (404, "customer not found"),
        Refusal::Forbidden => (403, "not allowed for this role"),
        Refusal::OtherParty => (403, "from is not the party of the token"),
        Refusal::LoginRequired => (401, "a token is required"),
        Refusal::Ended => (409, "the conversation has ended"),
        Refusal::WrongState => (409, "the conversation is in another state"),
        Refusal::NotInGroup => (409, "the agent is not of the conversation's group"),
        Refusal::NoRoom => (409, "the agent has no room"),
        Refusal::AgentOffline => (409, "the agent is offline"),
        Refusal::TooLate => (409, "it is too late to change the message"),
        Refusal::Recalled => (409, "the message was recalled"),
        Refusal::TextOnly => (400, "only text messages"),
        Refusal::Taken(field) | Refusal::TakenBy { field, .. } => {
            return (409, Cow::Owned(format!("{field} is taken")));
        }
        Refusal::Stale => (409, "it was changed meanwhile"),
        Refusal::AgentHasConversations => (409, "the agent has conversations"),
        Refusal::Gap { .. } => (409, "beyond the newest message"),
        Refusal::KeyMalformed => (400, "Idempotency-Key must be 1 to 255 visible ASCII characters"),
        Refusal::KeyReused => (422, "the Idempotency-Key was used for another request"),
        Refusal::KeyInProgress => (409, "the first request under this Idempotency-Key is in progress"),
        Refusal::Busy(what) => return (429, Cow::Owned(format!("busy, try again later ({what})"))),
    };
    (status, Cow::Borrowed(message))
}

fn success<T: Serialize>(data: &T) -> Reply {
    reply(200, "success", data)
}

fn json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("wire types have string keys, and a Vec takes every write");
}

fn reply<T: Serialize>(status: u16, message: &str, data: &T) -> Reply {
    let envelope = Envelope { code: status, message, data };
    let body = serde_json::to_vec(&envelope).expect("wire types have string keys");
    Reply::new(status, body)
}

fn agent(view: &AgentView) -> AgentData<'_> {
    let profile = &view.profile;
    AgentData {
        id: profile.id.get(),
        cs_id: profile.code.as_str(),
        name: &profile.name,
        avatar: profile.avatar.as_deref(),
        max_concurrent: profile.max_concurrent,
        groups: profile.groups.iter().map(|group| group.as_str()).collect(),
        skills: &profile.skills,
        accept: accept_word(view.accept),
        status: status_word(view.status),
        current_concurrent: view.current_concurrent,
    }
}
