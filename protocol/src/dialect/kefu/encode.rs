//! Answers, refusals and events to guide 2's JSON: WebSocket answers, pushes, and the REST envelope.
//!
//! The texts are the guide's, word for word, where it has one. Must not know who is listening.

use std::borrow::Cow;

use serde::Serialize;

use crate::dialect;
use crate::dialect::clock::WallTime;
use crate::dialect::{Context, LoginRefusal, Rejection, Reply, Settings};
use crate::model::{
    Answer, AvailableAgent, BodyKind, Conversation, Event, Message, MessageId, Noun, Party, Refusal, Scene, Sent, Side,
    State, Timestamp,
};

use super::decode::Complaint;
use super::wire::{
    Action, AssignedPush, AvailableLine, ConversationData, EndPush, EndedData, Envelope, GapData, LoginData,
    MessageLine, MessagePush, Nothing, ReadData, ReadPush, RevisedPush, SentData, SyncData, TypingPush, VisitorEndPush,
    VisitorMessagePush, push,
};

/// The answer to a login: `{"success":true,…,"data":{"uid":…}}`, or a refusal.
pub(super) fn login(context: &Context, result: Result<&Party, LoginRefusal>, out: &mut Vec<u8>) {
    let uid = match result {
        Ok(Party::User(id)) => id.get(),
        Ok(Party::Agent(id)) => id.get(),
        // Visitors bind and customers of channels bring a token elsewhere; a login never ends as one.
        Ok(Party::Visitor(_) | Party::Customer(_)) => {
            return refused(login_text(LoginRefusal::AlreadyVisitor), context.rest(), out);
        }
        Err(refusal) => return refused(login_text(refusal), context.rest(), out),
    };
    succeeded(Action::Login, &LoginData { uid }, context.rest(), out);
}

/// The answer to a bind.
pub(super) fn bound(context: &Context, result: Result<(), LoginRefusal>, out: &mut Vec<u8>) {
    match result {
        Ok(()) => succeeded(Action::VisitorBind, &(), context.rest(), out),
        Err(refusal) => refused(login_text(refusal), context.rest(), out),
    }
}

/// The answer to a command.
pub(super) fn answer(context: &Context, result: Result<&Answer, &Refusal>, settings: &Settings, out: &mut Vec<u8>) {
    let op_id = context.rest();
    let action = Action::of_tag(context.tag()).expect("contexts are made by decode, with an action's tag");
    let answer = match result {
        Ok(answer) => answer,
        Err(Refusal::Gap { newest }) => {
            let text = refusal_text(action, &Refusal::Gap { newest: *newest });
            let newest_seq = newest.get();
            return envelope(false, &text, Some(&GapData { newest_seq }), op_id, out);
        }
        Err(refusal) => return refused(&refusal_text(action, refusal), op_id, out),
    };
    match (answer, action) {
        (Answer::Ended(_), Action::VisitorEnd) => succeeded(action, &Nothing {}, op_id, out),
        (Answer::Synced { messages, next_seq, complete }, _) => {
            let data = SyncData { messages: lines(messages, settings), next_seq: next_seq.get(), complete: *complete };
            succeeded(action, &data, op_id, out);
        }
        (answer, action) => succeeded(action, &data(answer, settings), op_id, out),
    }
}

/// The success of a ping up to its `op_id`, as `envelope` would write it: by far the most frequent answer.
const PONG: &[u8] = br#"{"success":true,"message":"pong","data":null,"op_id":"#;

/// The answer to `{"action":"ping"}`.
pub(super) fn pong(op_id: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(PONG);
    out.extend_from_slice(if op_id.is_empty() { b"null" } else { op_id });
    out.push(b'}');
}

/// The answer to what did not become an intent.
pub(super) fn complaint(complaint: &Complaint, op_id: &[u8], out: &mut Vec<u8>) {
    let text = match complaint {
        Complaint::Malformed(malformed) => malformed.to_string().into(),
        Complaint::Field(error) => error.to_string().into(),
        Complaint::UnknownAction(name) => format!("Unknown action: {name}").into(),
        Complaint::NotForSeat => Cow::Borrowed("Visitor actions are not for a logged-in user"),
        Complaint::Refused(action, refusal) => refusal_text(*action, refusal),
    };
    refused(&text, op_id, out);
}

/// A push; false if it is not told to such a listener.
pub(super) fn event(event: &Event, ext: bool, settings: &Settings, out: &mut Vec<u8>) -> bool {
    match event {
        Event::Message { scene, message, .. } => push_message(scene, message, settings, out),
        Event::Ended { scene, by, at } => push_end(scene, *by, *at, out),
        // What others say is for workbenches, and the guide knows no statuses.
        Event::Overheard { .. } | Event::AgentStatus { .. } => return false,
        Event::Assigned { .. }
        | Event::Waiting { .. }
        | Event::Read { .. }
        | Event::Typing { .. }
        | Event::Revised { .. }
            if !ext =>
        {
            return false;
        }
        // Nobody here is offered anything: it hears of waiting because the conversation was given away.
        Event::Assigned { scene, at, .. } | Event::Waiting { scene, at, .. } => push_assigned(scene, *at, out),
        Event::Revised { scene, message } => push_revised(scene, message, out),
        Event::Read { scene, of, messages, at } => push_read(scene, *of, messages, *at, out),
        Event::Typing { scene, by, at } => push_typing(scene, *by, *at, out),
    }
    true
}

/// The REST answer to a command.
pub fn answered(result: Result<&Answer, &Refusal>, settings: &Settings) -> Reply {
    let answer = match result {
        Ok(answer) => answer,
        Err(refusal) => return error(status(refusal), &refusal_text(Action::Sync, refusal)),
    };
    ok(&data(answer, settings))
}

/// What an answer's `data` holds, on the socket and by REST.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Sent(SentData),
    Read(ReadData),
    Ended(EndedData),
    Conversation(ConversationData),
    Lines(Vec<MessageLine<'a>>),
    Available(Vec<AvailableLine<'a>>),
    Nothing,
}

fn data<'a>(answer: &'a Answer, settings: &Settings) -> Data<'a> {
    match answer {
        Answer::Sent(sent) => Data::Sent(sent_data(sent, settings)),
        Answer::Read { changed } => Data::Read(ReadData { updated_count: *changed }),
        Answer::Ended(id) => Data::Ended(EndedData { conversation_id: id.get() }),
        Answer::Conversation(conversation) => Data::Conversation(conversation_data(conversation, settings)),
        Answer::History(messages) | Answer::Synced { messages, .. } => Data::Lines(lines(messages, settings)),
        Answer::Available(agents) => Data::Available(available(agents)),
        // Those without data; and those that nothing of this dialect asks for.
        Answer::Typing
        | Answer::Agent(_)
        | Answer::Agents { .. }
        | Answer::AgentDeleted
        | Answer::AgentStatus { .. }
        | Answer::Message(_)
        | Answer::Transcript { .. }
        | Answer::Conversations { .. }
        | Answer::Shown(_)
        | Answer::Accepted(_)
        | Answer::Watched(_)
        | Answer::Key(_)
        | Answer::Bearer(_)
        | Answer::AgentToken(_)
        | Answer::Customers(_) => Data::Nothing,
    }
}

/// The REST answer to a request that did not become a command.
pub fn rejected(rejection: &Rejection) -> Reply {
    match rejection {
        Rejection::Malformed(malformed) => error(400, &malformed.to_string()),
        Rejection::Field(field) => error(400, &field.to_string()),
        Rejection::Refused(refusal) => error(status(refusal), &refusal_text(Action::Sync, refusal)),
    }
}

/// A REST error that is nobody's refusal (401 without a good token, 429, 500): HTTP status and `code` alike.
pub fn error(status: u16, message: &str) -> Reply {
    let mut body = Vec::new();
    json(&Envelope { code: status, data: (), message: Some(message) }, &mut body);
    Reply::new(status, body)
}

fn ok<T: Serialize>(data: &T) -> Reply {
    let mut body = Vec::new();
    json(&Envelope { code: 200, data, message: None }, &mut body);
    Reply::new(200, body)
}

/// dialects.md: kefu knows 200, 400, 401, 403, 404, 429, 500.
const fn status(refusal: &Refusal) -> u16 {
    dialect::status(refusal, 400, 429)
}

fn refusal_text(action: Action, refusal: &Refusal) -> Cow<'static, str> {
    const END: &str = "Failed to end conversation. Conversation not found or no permission.";
    const VISITOR_END: &str = "Failed to end visitor conversation. Conversation not found or no permission.";
    Cow::Borrowed(match (refusal, action) {
        (Refusal::NotFound(Noun::Conversation) | Refusal::Forbidden, Action::End) => END,
        (Refusal::NotFound(Noun::Conversation) | Refusal::Forbidden, Action::VisitorEnd) => VISITOR_END,
        (Refusal::NotFound(Noun::Conversation), _) => "Conversation not found or no permission",
        (Refusal::NotFound(Noun::Agent), _) => "kefu_id not found",
        (Refusal::NotFound(Noun::Message), _) => "Message not found or no permission",
        (Refusal::NotFound(Noun::Customer), _) => "Customer not found or no permission",
        (Refusal::Forbidden, _) => "No permission",
        (Refusal::LoginRequired, _) => "Please login first",
        (Refusal::OtherParty, _) => "This connection belongs to another party",
        (Refusal::Ended, _) => "Conversation has ended",
        (Refusal::WrongState, _) => "The conversation is in another state",
        (Refusal::NotInGroup, _) => "The agent is not of the conversation's group",
        (Refusal::NoRoom, _) => "The agent has no room",
        (Refusal::AgentOffline, _) => "The agent is offline",
        (Refusal::TooLate, _) => "It is too late to change the message",
        (Refusal::Recalled, _) => "The message was recalled",
        (Refusal::TextOnly, _) => "message_type must be 1: visitor conversations support text messages only",
        (Refusal::Taken(field), _) => return Cow::Owned(format!("{field} is taken")),
        (Refusal::TakenBy { field, .. }, _) => return Cow::Owned(format!("{field} is taken")),
        (Refusal::Stale, _) => "It was changed meanwhile",
        (Refusal::AgentHasConversations, _) => "The agent still has conversations",
        (Refusal::Gap { .. }, _) => "after_seq is beyond the newest message",
        (Refusal::KeyMalformed, _) => "Idempotency-Key must be 1 to 255 visible ASCII characters",
        (Refusal::KeyReused, _) => "Idempotency-Key was used for another request",
        (Refusal::KeyInProgress, _) => "The first request under this Idempotency-Key is in progress",
        (Refusal::Busy(what), _) => return Cow::Owned(format!("Server is busy, please try again later ({what})")),
    })
}

const fn login_text(refusal: LoginRefusal) -> &'static str {
    match refusal {
        LoginRefusal::InvalidToken => "Invalid token",
        LoginRefusal::Expired => "Token expired",
        LoginRefusal::WrongRole => "This role cannot login here",
        LoginRefusal::OtherParty => "This connection belongs to another party",
        LoginRefusal::AlreadyVisitor => "This connection is bound to a visitor",
        LoginRefusal::AlreadyLoggedIn => "This connection is logged in already",
        LoginRefusal::AgentDeleted => "This agent was deleted",
        LoginRefusal::Busy => "Server is busy, please try again later",
    }
}

fn succeeded<T: Serialize>(action: Action, data: &T, op_id: &[u8], out: &mut Vec<u8>) {
    envelope(true, action.success(), Some(data), op_id, out);
}

/// The guide's error answers have no `data`.
fn refused(message: &str, op_id: &[u8], out: &mut Vec<u8>) {
    envelope::<()>(false, message, None, op_id, out);
}

/// `op_id` is JSON that was checked when it came; written as it came, or `null` if none did.
fn envelope<T: Serialize>(success: bool, message: &str, data: Option<&T>, op_id: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if success { br#"{"success":true,"message":"# } else { br#"{"success":false,"message":"# });
    json(message, out);
    if let Some(data) = data {
        out.extend_from_slice(br#","data":"#);
        json(data, out);
    }
    out.extend_from_slice(br#","op_id":"#);
    out.extend_from_slice(if op_id.is_empty() { b"null" } else { op_id });
    out.push(b'}');
}

fn json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("wire types have string keys, and a Vec takes every write");
}

fn sent_data(sent: &Sent, settings: &Settings) -> SentData {
    SentData {
        message_id: sent.message.get(),
        created_at: WallTime::new(sent.created_at, settings),
        conversation_id: sent.conversation.get(),
        seq: sent.seq.get(),
    }
}

fn conversation_data(conversation: &Conversation, settings: &Settings) -> ConversationData {
    ConversationData {
        id: conversation.id.get(),
        kefu_id: conversation.agent.map(|agent| agent.get()),
        user_id: conversation.customer_number.get(),
        status: match conversation.state {
            State::Robot | State::Pending | State::Active => 1,
            State::Closed => 2,
        },
        last_message_at: conversation.last_message_at.map(|at| WallTime::new(at, settings)),
        unread_count: conversation.customer_unread,
        kefu_unread_count: conversation.agent_unread,
        created_at: WallTime::new(conversation.created_at, settings),
        updated_at: WallTime::new(conversation.updated_at, settings),
    }
}

fn lines<'a>(messages: &'a [Message], settings: &Settings) -> Vec<MessageLine<'a>> {
    let line = |message: &'a Message| MessageLine {
        id: message.id.get(),
        conversation_id: message.conversation.get(),
        sender_id: message.sender.number,
        sender_type: sender_type(message.sender.side),
        content: &message.body.content,
        message_type: message_type(message.body.kind),
        file_url: message.body.file_url.as_deref(),
        is_read: message.read_at.is_some().into(),
        read_at: message.read_at.map(|at| WallTime::new(at, settings)),
        created_at: WallTime::new(message.created_at, settings),
        updated_at: WallTime::new(message.changed_at(), settings),
        seq: message.seq.get(),
        edited_at: message.edited_at().map(|at| WallTime::new(at, settings)),
        recalled_at: message.recalled_at().map(|at| WallTime::new(at, settings)),
    };
    messages.iter().map(line).collect()
}

fn available(agents: &[AvailableAgent]) -> Vec<AvailableLine<'_>> {
    let line = |agent| {
        let AvailableAgent { id, name, avatar, available }: &AvailableAgent = agent;
        AvailableLine { id: id.get(), name, avatar: avatar.as_deref(), available: *available }
    };
    agents.iter().map(line).collect()
}

const fn sender_type(side: Side) -> u8 {
    match side {
        Side::Customer => 1,
        Side::Agent => 2,
    }
}

const fn message_type(kind: BodyKind) -> u8 {
    match kind {
        BodyKind::Text => 1,
        BodyKind::Image => 2,
        BodyKind::File => 3,
    }
}

/// The visitor of a visitor's conversation, which the guide shows in other frames than a user's.
fn visitor(scene: &Scene) -> Option<&str> {
    match &scene.customer {
        Party::Visitor(visitor) => Some(visitor.as_str()),
        Party::User(_) | Party::Customer(_) | Party::Agent(_) => None,
    }
}

fn kefu_id_or_zero(scene: &Scene) -> u64 {
    scene.number(Side::Agent).unwrap_or(0)
}

fn push_message(scene: &Scene, message: &Message, settings: &Settings, out: &mut Vec<u8>) {
    let created_at = WallTime::new(message.created_at, settings);
    if let Some(visitor_id) = visitor(scene) {
        let push = VisitorMessagePush {
            action: push::VISITOR_MESSAGE,
            visitor_id,
            kefu_id: kefu_id_or_zero(scene),
            message_id: message.id.get(),
            content: &message.body.content,
            sender_type: sender_type(message.sender.side),
            created_at,
            timestamp: message.created_at.as_secs(),
            conversation_id: scene.conversation.get(),
            seq: message.seq.get(),
        };
        return json(&push, out);
    }
    let push = MessagePush {
        action: push::MESSAGE,
        conversation_id: scene.conversation.get(),
        message_id: message.id.get(),
        sender_id: message.sender.number,
        sender_type: sender_type(message.sender.side),
        from_uid: message.sender.number,
        to_uid: scene.number(message.sender.side.other()),
        content: &message.body.content,
        message_type: message_type(message.body.kind),
        file_url: message.body.file_url.as_deref(),
        created_at,
        timestamp: message.created_at.as_secs(),
        seq: message.seq.get(),
    };
    json(&push, out);
}

fn push_end(scene: &Scene, by: Side, at: Timestamp, out: &mut Vec<u8>) {
    if let Some(visitor_id) = visitor(scene) {
        let push = VisitorEndPush {
            action: push::VISITOR_END,
            visitor_id,
            kefu_id: kefu_id_or_zero(scene),
            sender_type: sender_type(by),
            timestamp: at.as_secs(),
            conversation_id: scene.conversation.get(),
        };
        return json(&push, out);
    }
    let customer = scene.customer_number.get();
    let both = [customer, kefu_id_or_zero(scene)];
    let push = EndPush {
        action: push::END,
        conversation_id: scene.conversation.get(),
        operator_id: scene.number(by),
        operator_type: sender_type(by),
        from_uid: scene.number(by),
        to_uid: if scene.agent.is_some() { &both } else { &both[..1] },
        timestamp: at.as_secs(),
    };
    json(&push, out);
}

fn push_assigned(scene: &Scene, at: Timestamp, out: &mut Vec<u8>) {
    let visitor_id = visitor(scene);
    let push = AssignedPush {
        action: push::ASSIGNED,
        conversation_id: scene.conversation.get(),
        kefu_id: scene.number(Side::Agent),
        user_id: visitor_id.is_none().then_some(scene.customer_number.get()),
        visitor_id,
        timestamp: at.as_secs(),
    };
    json(&push, out);
}

fn push_revised(scene: &Scene, message: &Message, out: &mut Vec<u8>) {
    let recalled = message.recalled_at();
    let push = RevisedPush {
        action: if recalled.is_some() { push::RECALLED } else { push::EDITED },
        conversation_id: scene.conversation.get(),
        visitor_id: visitor(scene),
        message_id: message.id.get(),
        sender_type: sender_type(message.sender.side),
        content: recalled.is_none().then_some(&message.body.content),
        seq: message.seq.get(),
        timestamp: recalled.or(message.edited_at()).unwrap_or(message.created_at).as_secs(),
    };
    json(&push, out);
}

fn push_read(scene: &Scene, of: Side, messages: &[MessageId], at: Timestamp, out: &mut Vec<u8>) {
    let push = ReadPush {
        action: push::READ,
        conversation_id: scene.conversation.get(),
        visitor_id: visitor(scene),
        message_ids: messages.iter().map(|id| id.get()).collect(),
        sender_type: sender_type(of),
        from_uid: scene.number(of.other()),
        to_uid: scene.number(of),
        timestamp: at.as_secs(),
    };
    json(&push, out);
}

fn push_typing(scene: &Scene, by: Side, at: Timestamp, out: &mut Vec<u8>) {
    let push = TypingPush {
        action: push::TYPING,
        conversation_id: scene.conversation.get(),
        visitor_id: visitor(scene),
        sender_type: sender_type(by),
        from_uid: scene.number(by),
        to_uid: scene.number(by.other()),
        timestamp: at.as_secs(),
    };
    json(&push, out);
}
