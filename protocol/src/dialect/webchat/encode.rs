//! Answers, refusals and events to guide 3's JSON: frames of the WebSocket, and the REST envelope
//! `{success,data}` / `{success:false,message}`. Must not know who is listening.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use crate::dialect;
use crate::dialect::clock::UtcMillis;
use crate::dialect::words::Decimal;
use crate::dialect::{Context, Hearer, Rejection, Reply};
use crate::model::{
    Answer, BodyKind, ConversationId, CustomerAnswer, CustomerId, CustomerView, Event, Message, MessageId, NewToken,
    Noun, Party, Refusal, Scene, Sent, Side, Timestamp, TokenSecret,
};

use super::decode::Complaint;
use super::session::CUSTOMER_TOKEN_PREFIX;
use super::wire::{
    Ack, AgentTokenData, CustomerData, CustomerPage, CustomerTokenData, ErrorFrame, Failure, Identities, Kind, Marked,
    MessageFrame, Notice, RevisedFrame, Success, TakenData,
};

/// The answer to a command. A message without `client_msg_id` is answered by nothing: the guide's clients would show it.
pub(super) fn answer(context: &Context, result: Result<&Answer, &Refusal>, out: &mut Vec<u8>) {
    let client_msg_id = std::str::from_utf8(context.rest()).ok().filter(|id| !id.is_empty());
    let kind = Kind::of_tag(context.tag()).expect("contexts are made by decode, with a kind's tag");
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal, client_msg_id, out),
    };
    match (answer, client_msg_id) {
        (Answer::Sent(sent), Some(client_msg_id)) => ack(sent, client_msg_id, out),
        (Answer::Synced { messages, next_seq, complete }, _) => synced(messages, next_seq.get(), *complete, out),
        (Answer::Ended(id), _) => notice(kind.name(), *id, out),
        (Answer::Read { changed }, _) => json(&Marked { updated_count: *changed }, out),
        // Those that are answered by nothing, and those that no message of this dialect asks for.
        (
            Answer::Sent(_)
            | Answer::Typing
            | Answer::Conversation(_)
            | Answer::History(_)
            | Answer::Transcript { .. }
            | Answer::Conversations { .. }
            | Answer::Shown(_)
            | Answer::Accepted(_)
            | Answer::Watched(_)
            | Answer::Agent(_)
            | Answer::Agents { .. }
            | Answer::AgentDeleted
            | Answer::AgentStatus { .. }
            | Answer::Message(_)
            | Answer::Available(_)
            | Answer::Key(_)
            | Answer::Bearer(_)
            | Answer::AgentToken(_)
            | Answer::Customers(_),
            _,
        ) => {}
    }
}

fn ack(sent: &Sent, client_msg_id: &str, out: &mut Vec<u8>) {
    let frame = Ack {
        client_msg_id,
        message_id: Decimal(sent.message.get()),
        conversation_id: Decimal(sent.conversation.get()),
        seq: sent.seq.get(),
        timestamp: UtcMillis::new(sent.created_at),
    };
    json(&frame, out);
}

/// `{"type":"sync","messages":[…],"next_seq":…,"complete":…}`; the messages are frames without `channel`.
fn synced(messages: &[Message], next_seq: u64, complete: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"sync","messages":["#);
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        message_frame(None, message, out);
    }
    out.extend_from_slice(format!(r#"],"next_seq":{next_seq},"complete":{complete}}}"#).as_bytes());
}

fn notice(kind: &'static str, conversation: ConversationId, out: &mut Vec<u8>) {
    let conversation_id = Decimal(conversation.get());
    let frame = Notice { r#type: kind, conversation_id, agent_id: None, by: None, message_ids: None, timestamp: None };
    json(&frame, out);
}

fn refused(refusal: &Refusal, client_msg_id: Option<&str>, out: &mut Vec<u8>) {
    let newest_seq = match refusal {
        Refusal::Gap { newest } => Some(newest.get()),
        _ => None,
    };
    let (code, message) = (status(refusal), refusal_text(refusal));
    json(&ErrorFrame { code, message: &message, client_msg_id, newest_seq }, out);
}

/// The answer to what did not become an intent.
pub(super) fn complaint(complaint: &Complaint, client_msg_id: Option<&str>, out: &mut Vec<u8>) {
    let message = match complaint {
        Complaint::Malformed(malformed) => malformed.to_string(),
        Complaint::Field(error) => error.to_string(),
        Complaint::UnknownType(name) => format!("Unknown type: {name}"),
        Complaint::Refused(refusal) => return refused(refusal, client_msg_id, out),
    };
    json(&ErrorFrame { code: 400, message: &message, client_msg_id, newest_seq: None }, out);
}

/// A push; false if it is not told to such a listener. The guide's clients show whatever comes as the other side's
/// message, so they are told nothing else.
pub(super) fn event(event: &Event, hearer: Hearer, out: &mut Vec<u8>) -> bool {
    match event {
        Event::Message { scene, message, .. } if hearer.ext || message.sender.side != hearer.side => {
            message_frame(Some(scene), message, out);
            return true;
        }
        Event::Message { .. } => return false,
        // Whoever speaks webchat looks on nowhere, and the guide knows no statuses.
        Event::Overheard { .. } | Event::AgentStatus { .. } => return false,
        Event::Ended { .. }
        | Event::Assigned { .. }
        | Event::Waiting { .. }
        | Event::Read { .. }
        | Event::Typing { .. }
        | Event::Revised { .. }
            if !hearer.ext =>
        {
            return false;
        }
        // It picks nothing: it hears of waiting because the conversation was given away, and has no agent.
        Event::Waiting { scene, at, .. } => happened("assigned", scene, None, None, *at, out),
        Event::Revised { message, .. } => revised(message, out),
        Event::Ended { scene, by, at } => happened("ended", scene, Some(*by), None, *at, out),
        Event::Assigned { scene, at, .. } => happened("assigned", scene, None, None, *at, out),
        Event::Read { scene, of, messages, at } => happened("read", scene, Some(of.other()), Some(messages), *at, out),
        Event::Typing { scene, by, at } => happened("typing", scene, Some(*by), None, *at, out),
    }
    true
}

fn happened(
    kind: &'static str,
    scene: &Scene,
    by: Option<Side>,
    messages: Option<&Vec<MessageId>>,
    at: Timestamp,
    out: &mut Vec<u8>,
) {
    let frame = Notice {
        r#type: kind,
        conversation_id: Decimal(scene.conversation.get()),
        agent_id: scene.number(Side::Agent).map(Decimal),
        by: by.map(side_word),
        message_ids: messages.map(|ids| ids.iter().map(|id| Decimal(id.get())).collect()),
        timestamp: Some(UtcMillis::new(at)),
    };
    json(&frame, out);
}

fn revised(message: &Message, out: &mut Vec<u8>) {
    let recalled = message.recalled_at().is_some();
    let frame = RevisedFrame {
        r#type: if recalled { "recalled" } else { "edited" },
        conversation_id: Decimal(message.conversation.get()),
        message_id: Decimal(message.id.get()),
        seq: message.seq.get(),
        content: (!recalled).then_some(&message.body.content),
        timestamp: UtcMillis::new(message.edited_at().or(message.recalled_at()).unwrap_or(message.created_at)),
    };
    json(&frame, out);
}

fn message_frame(scene: Option<&Scene>, message: &Message, out: &mut Vec<u8>) {
    let body = &message.body;
    let (message_type, file_url) = match body.kind {
        BodyKind::Text => (None, None),
        BodyKind::Image => (Some("image"), body.file_url.as_deref()),
        BodyKind::File => (Some("file"), body.file_url.as_deref()),
    };
    let frame = MessageFrame {
        channel: scene.map(|scene| scene.channel().name()),
        conversation_id: Decimal(message.conversation.get()),
        sender_id: Decimal(message.sender.number),
        // A client that knows texts only shows where the picture lies.
        content: if body.content.is_empty() { file_url.unwrap_or_default() } else { &body.content },
        timestamp: UtcMillis::new(message.created_at),
        message_id: Decimal(message.id.get()),
        seq: message.seq.get(),
        sender_type: side_word(message.sender.side),
        customer_id: scene.and_then(|scene| match &scene.customer {
            Party::Customer(id) => Some(id.to_string()),
            Party::User(_) | Party::Visitor(_) | Party::Agent(_) => None,
        }),
        message_type,
        file_url,
        edited_at: message.edited_at().map(UtcMillis::new),
        recalled_at: message.recalled_at().map(UtcMillis::new),
    };
    json(&frame, out);
    if let Some(metadata) = &body.metadata {
        out.pop();
        out.extend_from_slice(br#","metadata":"#);
        out.extend_from_slice(metadata.as_bytes());
        out.push(b'}');
    }
}

const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Customer => "customer",
        Side::Agent => "agent",
    }
}

/// The REST answer to a command.
pub fn answered(result: Result<&Answer, &Refusal>) -> Reply {
    match result {
        Err(refusal) => refused_rest(refusal),
        Ok(Answer::Customers(answer)) => match &**answer {
            CustomerAnswer::Entered { id, name, channel, token } => ok(&CustomerTokenData {
                customer_id: id.to_string(),
                token: format!("{CUSTOMER_TOKEN_PREFIX}{}", plain(token.secret)),
                name,
                channel: channel.name(),
                expires_at: UtcMillis::new(token.expires_at),
            }),
            CustomerAnswer::Shown(view) => ok(&customer(view)),
            CustomerAnswer::Page { customers, total, size } => ok(&CustomerPage {
                content: customers.iter().map(customer).collect(),
                total_elements: *total,
                total_pages: total.div_ceil((*size).into()),
            }),
        },
        Ok(Answer::AgentToken(token)) => ok(&agent_token(token)),
        // What no REST request of this dialect asks for.
        Ok(
            Answer::Sent(_)
            | Answer::Typing
            | Answer::Read { .. }
            | Answer::Ended(_)
            | Answer::Synced { .. }
            | Answer::Conversation(_)
            | Answer::History(_)
            | Answer::Transcript { .. }
            | Answer::Conversations { .. }
            | Answer::Shown(_)
            | Answer::Accepted(_)
            | Answer::Watched(_)
            | Answer::Agent(_)
            | Answer::Agents { .. }
            | Answer::AgentDeleted
            | Answer::AgentStatus { .. }
            | Answer::Message(_)
            | Answer::Available(_)
            | Answer::Key(_)
            | Answer::Bearer(_),
        ) => ok(&()),
    }
}

/// The REST answer to a request that did not become a command.
pub fn rejected(rejection: &Rejection) -> Reply {
    match rejection {
        Rejection::Malformed(malformed) => error(400, &malformed.to_string()),
        Rejection::Field(field) => error(400, &field.to_string()),
        Rejection::Refused(refusal) => refused_rest(refusal),
    }
}

/// A REST error that is nobody's refusal (401 without a good token, 429, 500).
pub fn error(status: u16, message: &str) -> Reply {
    failure::<()>(status, message, None)
}

fn refused_rest(refusal: &Refusal) -> Reply {
    let data = match refusal {
        Refusal::TakenBy { field, by } => Some(TakenData { field, customer_id: by.to_string() }),
        _ => None,
    };
    failure(status(refusal), &refusal_text(refusal), data)
}

fn failure<T: Serialize>(status: u16, message: &str, data: Option<T>) -> Reply {
    let mut body = Vec::new();
    json(&Failure { success: false, message, data }, &mut body);
    Reply::new(status, body)
}

fn ok<T: Serialize>(data: &T) -> Reply {
    let mut body = Vec::new();
    json(&Success { success: true, data }, &mut body);
    Reply::new(200, body)
}

fn agent_token(token: &NewToken) -> AgentTokenData {
    AgentTokenData { token: plain(token.secret), expires_at: UtcMillis::new(token.expires_at) }
}

fn plain(secret: TokenSecret) -> String {
    Uuid::from_u128(secret.0).hyphenated().to_string()
}

fn customer(view: &CustomerView) -> CustomerData<'_> {
    let profile = &view.profile;
    CustomerData {
        id: profile.id.to_string(),
        name: &profile.name,
        primary_channel: profile.channel.name(),
        identities: Identities(&profile.identities),
        tags: &profile.tags,
        notes: profile.notes.as_deref(),
        active: profile.active,
        last_interaction_at: view.last_interaction_at.map(UtcMillis::new),
        number: profile.number.get(),
        created_at: UtcMillis::new(profile.created_at),
        updated_at: UtcMillis::new(profile.updated_at),
    }
}

/// The HTTP status of a refusal, which is also the `code` of an error on the socket.
const fn status(refusal: &Refusal) -> u16 {
    dialect::status(refusal, 409, 429)
}

fn refusal_text(refusal: &Refusal) -> Cow<'static, str> {
    Cow::Borrowed(match refusal {
        Refusal::NotFound(Noun::Conversation) => "Conversation not found",
        Refusal::NotFound(Noun::Agent) => "Agent not found",
        Refusal::NotFound(Noun::Message) => "Message not found",
        Refusal::NotFound(Noun::Customer) => "Customer not found",
        Refusal::Forbidden => "Not allowed for this role",
        Refusal::OtherParty => "This connection belongs to another party",
        Refusal::LoginRequired => "The token is unknown or has expired",
        Refusal::Ended => "The conversation has ended",
        Refusal::WrongState => "The conversation is in another state",
        Refusal::NotInGroup => "The agent is not of the conversation's group",
        Refusal::NoRoom => "The agent has no room",
        Refusal::AgentOffline => "The agent is offline",
        Refusal::TooLate => "It is too late to change the message",
        Refusal::Recalled => "The message was recalled",
        Refusal::TextOnly => "Only text messages",
        Refusal::Taken(field) => return Cow::Owned(format!("{field} is taken")),
        Refusal::TakenBy { field, by } => return Cow::Owned(taken_by(field, *by)),
        Refusal::Stale => "The customer was changed meanwhile; updatedAt is not the newest",
        Refusal::AgentHasConversations => "The agent still has conversations",
        Refusal::Gap { .. } => "after_seq is beyond the newest message",
        Refusal::KeyMalformed => "Idempotency-Key must be 1 to 255 visible ASCII characters",
        Refusal::KeyReused => "The Idempotency-Key was used for another request",
        Refusal::KeyInProgress => "The first request under this Idempotency-Key is in progress",
        Refusal::Busy(what) => return Cow::Owned(format!("Busy, please try again later ({what})")),
    })
}

fn taken_by(field: &str, by: CustomerId) -> String {
    format!("{field} belongs to customer {by}")
}

fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("wire types have string keys, and a Vec takes every write");
}
