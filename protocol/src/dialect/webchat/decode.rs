//! Guide 3's requests to intents and commands: messages of the WebSocket, and the REST calls about customers.
//!
//! Checks shape, types and lengths; whether something exists and is the asker's own is the domain's to decide. Must not
//! know frames, HTTP heads, tokens or whether an identity is believed.

use std::ops::Range;

use serde_json::Value;

use crate::dialect::clock::parse_utc;
use crate::dialect::json::{Fields, WireId, scan};
use crate::dialect::{Context, FieldError, Intent, Malformed, Mistake, Query, Rejection, Scratch, Seat};
use crate::model::limits::{
    CLIENT_MSG_ID_MAX_CHARS, CUSTOMERS_PAGE_DEFAULT, ID_END, METADATA_MAX_BYTES, NAME_MAX_CHARS, NOTES_MAX_CHARS,
    PAGE_MAX, SENDER_ID_MAX_CHARS, TAG_MAX_CHARS, TAGS_MAX,
};
use crate::model::{
    Body, BodyKind, Channel, ClientMsgId, Command, ConversationId, CustomerChange, CustomerCommand, CustomerDraft,
    CustomerId, CustomerQuery, Draft, Group, Identity, IdentityKind, Noun, Refusal, Seq, Side, Target, are_notes,
    is_name, is_tag,
};

use super::encode;
use super::session::{PING_TEXT, PONG_TEXT, PONG_TYPED};
use super::wire::Kind;

const _: () = assert!(CLIENT_MSG_ID_MAX_CHARS == 64 && METADATA_MAX_BYTES == 16 * 1024 && SENDER_ID_MAX_CHARS == 256);
const CLIENT_MSG_ID_FORM: &str = "1 to 64 characters, none of them control characters";
const METADATA_FORM: &str = "a JSON object of at most 16384 bytes";
const GROUP_FORM: &str = "1 to 64 characters, none of them control characters";
const SENDER_ID_FORM: &str = "a string of at most 256 characters";
const _: () = assert!(NAME_MAX_CHARS == 128 && TAGS_MAX == 64 && TAG_MAX_CHARS == 64 && NOTES_MAX_CHARS == 4096);
const NAME_FORM: &str = "1 to 128 characters, none of them control characters";
const TAGS_FORM: &str = "a list of at most 64 strings of 1 to 64 characters";
const NOTES_FORM: &str = "at most 4096 characters";
const CHANNEL_FORM: &str =
    "one of WEB, WECHAT, WHATSAPP, LINE, TELEGRAM, FACEBOOK, EMAIL, SMS, PHONE and APP, in upper case";

/// Why a WebSocket message did not become an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// It is not what a message looks like.
    Malformed(Malformed),
    /// A field is missing or wrong.
    Field(FieldError),
    /// There is no such type.
    UnknownType(String),
    /// Refused before the domain is asked.
    Refused(Refusal),
}

impl From<FieldError> for Complaint {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl From<Refusal> for Complaint {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Understands one text message; see [`crate::dialect::Dialect::decode`].
pub(super) fn message(text: &mut [u8], seat: Seat, scratch: &mut Scratch, out: &mut Vec<u8>) -> Intent {
    if text == PING_TEXT {
        out.extend_from_slice(PONG_TEXT);
        return Intent::Answered;
    }
    let metadata = match scan(text, b"\"metadata\"") {
        Ok(None) => Ok(None),
        Ok(Some(range)) => take_metadata(text, range),
        Err(malformed) => return complain(&Complaint::Malformed(malformed), None, out),
    };
    scratch.read(text, |fields| {
        let fields = match fields {
            Ok(fields) => fields,
            Err(malformed) => return complain(&Complaint::Malformed(malformed), None, out),
        };
        let id = client_msg_id(&fields);
        let known = id.as_ref().ok().and_then(Option::as_ref).cloned();
        id.map_err(Complaint::from)
            .and_then(|id| request(&fields, seat, id, metadata?, out))
            .unwrap_or_else(|complaint| complain(&complaint, known.as_ref().map(ClientMsgId::as_str), out))
    })
}

fn complain(complaint: &Complaint, client_msg_id: Option<&str>, out: &mut Vec<u8>) -> Intent {
    encode::complaint(complaint, client_msg_id, out);
    Intent::Mistaken(match complaint {
        Complaint::Malformed(_) => Mistake::Json,
        Complaint::Field(_) | Complaint::UnknownType(_) | Complaint::Refused(_) => Mistake::Field,
    })
}

/// `metadata` as it came, if it says anything; afterwards the message parses whatever it holds.
fn take_metadata(text: &mut [u8], range: Range<usize>) -> Result<Option<Box<str>>, Complaint> {
    let metadata = checked_metadata(&text[range.clone()]);
    if let Some((first, rest)) = text[range].split_first_mut() {
        *first = b'0';
        rest.fill(b' ');
    }
    metadata
}

/// Others are told it as it came, so it must be what any parser reads: without numbers beyond a double or halves of
/// surrogate pairs, which are JSON by its grammar.
fn checked_metadata(raw: &[u8]) -> Result<Option<Box<str>>, Complaint> {
    if raw.len() > METADATA_MAX_BYTES {
        return Err(FieldError::must_be("metadata", METADATA_FORM).into());
    }
    let raw = std::str::from_utf8(raw).map_err(|_| Complaint::Malformed(Malformed::Syntax))?;
    match serde_json::from_str(raw) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Object(fields)) => Ok((!fields.is_empty()).then(|| raw.into())),
        Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(FieldError::must_be("metadata", METADATA_FORM).into())
        }
        Err(_) => Err(Complaint::Malformed(Malformed::Syntax)),
    }
}

fn request(
    fields: &Fields<'_, '_>,
    seat: Seat,
    client_msg_id: Option<ClientMsgId>,
    metadata: Option<Box<str>>,
    out: &mut Vec<u8>,
) -> Result<Intent, Complaint> {
    let kind = match fields.text("type")? {
        None => Kind::Message,
        Some("ping") => {
            out.extend_from_slice(PONG_TYPED);
            return Ok(Intent::Answered);
        }
        Some(name) => {
            Kind::of_name(name).ok_or_else(|| Complaint::UnknownType(name.chars().take(64).collect::<String>()))?
        }
    };
    let context = Context::new(kind as u8, client_msg_id.as_ref().map_or("", ClientMsgId::as_str).as_bytes());
    let extension = kind != Kind::Message || client_msg_id.is_some();
    let command = match kind {
        Kind::Message => send(fields, seat, client_msg_id, metadata)?,
        Kind::Sync => sync(fields)?,
        Kind::Typing => Command::Typing { conversation: conversation(fields)? },
        Kind::End => Command::End { conversation: conversation(fields)? },
        Kind::Read => read(fields, seat)?,
    };
    Ok(Intent::Command { command, context, extension })
}

fn send(
    fields: &Fields<'_, '_>,
    seat: Seat,
    client_msg_id: Option<ClientMsgId>,
    metadata: Option<Box<str>>,
) -> Result<Command, Complaint> {
    let content = fields.required_text("content")?.to_owned();
    // Shown to be there by the guide; who sends is known by the token.
    let sender_id = fields.text("senderId").map_err(|_| FieldError::must_be("senderId", SENDER_ID_FORM))?;
    if sender_id.is_some_and(|id| id.chars().count() > SENDER_ID_MAX_CHARS) {
        return Err(FieldError::must_be("senderId", SENDER_ID_FORM).into());
    }
    let named = named(fields)?;
    let target = match (seat, named) {
        (Seat::Customer, Named::Nothing | Named::Foreign) => {
            Target::Own { named: None, agent: None, group: group(fields)? }
        }
        (Seat::Customer, Named::Possible(id)) => Target::Own { named: Some(id), agent: None, group: group(fields)? },
        (Seat::Agent, Named::Possible(id)) => Target::Conversation(id),
        (Seat::Agent, Named::Foreign) => return Err(NO_CONVERSATION.into()),
        (Seat::Agent, Named::Nothing) => return Err(FieldError::required("conversationId").into()),
        (Seat::Nobody | Seat::User | Seat::Visitor, _) => return Err(Refusal::LoginRequired.into()),
    };
    let body = Body { kind: BodyKind::Text, content, file_url: None, metadata };
    Ok(Command::Send { target, draft: Draft { body, client_msg_id } })
}

/// Extension: the group of the conversation that a first message opens.
fn group(fields: &Fields<'_, '_>) -> Result<Option<Group>, FieldError> {
    let group = fields.text("group")?.filter(|name| !name.is_empty()).map(Group::new).transpose();
    group.map_err(|_| FieldError::must_be("group", GROUP_FORM))
}

fn sync(fields: &Fields<'_, '_>) -> Result<Command, Complaint> {
    let after = fields.integer("after_seq", "an integer of at least 0")?.unwrap_or(0);
    let limit = fields.integer("limit", "an integer of at least 1")?.unwrap_or(PAGE_MAX.into());
    if limit == 0 {
        return Err(FieldError::must_be("limit", "an integer of at least 1").into());
    }
    Ok(Command::Sync {
        conversation: conversation(fields)?,
        after: Seq::new(after.min(ID_END)),
        limit: u32::try_from(limit).map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX)),
    })
}

/// Messages of the other side that were seen.
fn read(fields: &Fields<'_, '_>, seat: Seat) -> Result<Command, Complaint> {
    let of = match seat {
        Seat::Customer => Side::Agent,
        Seat::Agent => Side::Customer,
        Seat::Nobody | Seat::User | Seat::Visitor => return Err(Refusal::LoginRequired.into()),
    };
    let messages = fields.message_ids("messageIds")?;
    Ok(Command::MarkRead { conversation: conversation(fields)?, messages, of })
}

/// What `conversationId` says.
enum Named {
    /// Nothing: it is absent or empty.
    Nothing,
    /// No id of ours, such as the guide's "session-123".
    Foreign,
    /// It may be one of ours.
    Possible(ConversationId),
}

fn named(fields: &Fields<'_, '_>) -> Result<Named, FieldError> {
    // Extensions name it `conversation`, as dialects.md does for all dialects.
    let name = if fields.has("conversationId") { "conversationId" } else { "conversation" };
    let id = match fields.text(name) {
        Ok(None | Some("")) => return Ok(Named::Nothing),
        Ok(Some(text)) => WireId::of_text(text),
        Err(_) => fields.id(name).map_err(|_| FieldError::must_be(name, "a string"))?,
    };
    Ok(match id {
        Some(WireId::Possible(id)) => ConversationId::from_wire(id).map_or(Named::Foreign, Named::Possible),
        Some(WireId::Impossible) | None => Named::Foreign,
    })
}

/// The conversation that an extension is about.
fn conversation(fields: &Fields<'_, '_>) -> Result<ConversationId, Complaint> {
    match named(fields)? {
        Named::Nothing => Err(FieldError::required("conversationId").into()),
        Named::Foreign => Err(NO_CONVERSATION.into()),
        Named::Possible(id) => Ok(id),
    }
}

fn client_msg_id(fields: &Fields<'_, '_>) -> Result<Option<ClientMsgId>, FieldError> {
    let id = fields.text("client_msg_id")?.map(ClientMsgId::new).transpose();
    id.map_err(|_| FieldError::must_be("client_msg_id", CLIENT_MSG_ID_FORM))
}

const NO_CONVERSATION: Refusal = Refusal::NotFound(Noun::Conversation);
const NO_CUSTOMER: Refusal = Refusal::NotFound(Noun::Customer);

/// A customer at the door: what `POST /api/v1/public/customer-token` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// The name of a new customer.
    pub name: String,
    /// The channel it says to come by.
    pub channel: Channel,
    /// Who it says to be.
    pub identity: Identity,
    /// `channelId` as it came: what `signature` is about.
    pub channel_id: String,
    /// The integrator's word for it, if it was sent.
    pub signature: Option<String>,
}

/// `POST /api/v1/public/customer-token`.
pub fn enter(body: &mut [u8], scratch: &mut Scratch) -> Result<Entrance, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let name = name(&fields)?.ok_or(FieldError::required("name"))?;
        let channel = channel(&fields, "channel")?.ok_or(FieldError::required("channel"))?;
        let channel_id = fields.required_text("channelId")?;
        let kind = channel.identity_kind();
        let identity = Identity::new(kind, channel_id).map_err(|_| FieldError::must_be("channelId", kind.form()))?;
        let signature = fields.text("signature")?.map(str::to_owned);
        Ok(Entrance { name, channel, identity, channel_id: channel_id.to_owned(), signature })
    })
}

/// `POST /api/v1/customers`.
pub fn create(body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let channel = channel(&fields, "primaryChannel")?.ok_or(FieldError::required("primaryChannel"))?;
        let CustomerChange { name, identities, tags, notes, active } = change(&fields)?;
        let draft = CustomerDraft {
            id: None,
            name: name.ok_or(FieldError::required("name"))?,
            channel,
            identities: identities.into_iter().filter_map(|(_, identity)| identity).collect(),
            tags: tags.unwrap_or_default(),
            notes: notes.flatten(),
            active: active.unwrap_or(true),
        };
        Ok(customers(CustomerCommand::Create(draft)))
    })
}

/// `GET /api/v1/customers/{customerId}`.
pub fn get(id: &str) -> Result<Command, Rejection> {
    Ok(customers(CustomerCommand::Get(customer(id)?)))
}

/// `PUT /api/v1/customers/{customerId}`: absent fields stay, an identity or `notes` of `null` is removed; `id`,
/// `number`, `primaryChannel`, `lastInteractionAt` and `createdAt` never change and are passed over, so that what
/// `GET` shows may be sent back. `updatedAt`, if sent, must be the newest.
pub fn update(id: &str, body: &mut [u8], scratch: &mut Scratch) -> Result<Command, Rejection> {
    let customer = customer(id)?;
    scratch.read_checked(body, |fields| {
        let fields = fields?;
        let seen = match fields.text("updatedAt")? {
            None => None,
            Some(text) => Some(parse_utc(text).ok_or(FieldError::must_be("updatedAt", "a time in RFC 3339"))?),
        };
        let change = change(&fields)?;
        Ok(customers(CustomerCommand::Update { customer, change, seen }))
    })
}

/// `GET /api/v1/customers`: `name` (exactly), `channel`, `active`, `page` from 0, `size` 20, at most 100 (more is 100).
pub fn list(query: Query<'_>) -> Result<Command, Rejection> {
    let given = |name| query(name).filter(|text| !text.is_empty());
    let channel = match given("channel") {
        None => None,
        Some(word) => Some(Channel::of_name(&word).ok_or(FieldError::must_be("channel", CHANNEL_FORM))?),
    };
    let active = match given("active").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(FieldError::must_be("active", "true or false").into()),
    };
    let number = |name: &'static str| match given(name) {
        None => Ok(None),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(text.parse().map_or(ID_END, |number: u64| number.min(ID_END))))
        }
        Some(_) => Err(FieldError::must_be(name, "an integer of at least 0")),
    };
    let page = number("page")?.unwrap_or(0);
    let size = number("size")?.map_or(CUSTOMERS_PAGE_DEFAULT, |size| size.min(PAGE_MAX.into()) as u32);
    if size == 0 {
        return Err(FieldError::must_be("size", "an integer of at least 1").into());
    }
    let name = given("name").map(std::borrow::Cow::into_owned);
    Ok(customers(CustomerCommand::List(CustomerQuery { name, channel, active, page, size })))
}

/// The customer that a path names.
pub fn customer(id: &str) -> Result<CustomerId, Rejection> {
    CustomerId::parse(id).map_err(|_| NO_CUSTOMER.into())
}

/// A command about customers.
pub fn customers(command: CustomerCommand) -> Command {
    Command::Customers(Box::new(command))
}

fn change(fields: &Fields<'_, '_>) -> Result<CustomerChange, FieldError> {
    let mut identities = Vec::new();
    for kind in IdentityKind::ALL {
        let field = kind.name();
        match fields.text(field)?.filter(|text| !text.is_empty()) {
            Some(text) => {
                let identity = Identity::new(kind, text).map_err(|_| FieldError::must_be(field, kind.form()))?;
                identities.push((kind, Some(identity)));
            }
            None if fields.has(field) => identities.push((kind, None)),
            None => {}
        }
    }
    let tag = |text: &str| is_tag(text).then(|| text.to_owned());
    let notes = fields.text("notes")?;
    if notes.is_some_and(|notes| !are_notes(notes)) {
        return Err(FieldError::must_be("notes", NOTES_FORM));
    }
    Ok(CustomerChange {
        name: name(fields)?,
        identities,
        tags: fields.texts("tags", TAGS_MAX, TAGS_FORM, tag)?,
        notes: fields.has("notes").then(|| notes.map(str::to_owned)),
        active: fields.boolean("active")?,
    })
}

fn name(fields: &Fields<'_, '_>) -> Result<Option<String>, FieldError> {
    match fields.text("name")? {
        None => Ok(None),
        Some("") => Err(FieldError::required("name")),
        Some(name) if is_name(name) => Ok(Some(name.to_owned())),
        Some(_) => Err(FieldError::must_be("name", NAME_FORM)),
    }
}

fn channel(fields: &Fields<'_, '_>, field: &'static str) -> Result<Option<Channel>, FieldError> {
    match fields.text(field)?.filter(|word| !word.is_empty()) {
        None => Ok(None),
        Some(word) => Channel::of_name(word).map(Some).ok_or(FieldError::must_be(field, CHANNEL_FORM)),
    }
}
