//! Stored bytes: a version byte and an `rkyv` archive of a mirror type. Must not know engines or keys;
//! what a record's key says already (its ids) is not in the record.
//!
//! A shape that was released never changes: a change is a new version with its own mirror type and golden
//! file (`storage/golden/`), and the old version stays readable. The order of an enum's variants and of a
//! struct's fields is part of the shape.

use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::with::{InlineAsBox, Map};
use rkyv::{Archive, Portable, Serialize};
use switchboard_protocol::model::{
    Accept, AgentCode, AgentId, AgentProfile, AgentStatus, Body, BodyKind, Conversation, ConversationId, CustomerId,
    CustomerNumber, Group, InvalidId, Message, MessageId, Party, Revised, Sender, Sent, Seq, Side, State, Timestamp,
    UserId, VisitorId,
};

use crate::StoreError;

/// The version of all records but those that name another.
pub(crate) const VERSION: u8 = 1;
/// Of a message with metadata, and of a conversation of a customer of a channel: what has neither is written as before.
const VERSION_2: u8 = 2;
/// Of a message that was edited or recalled: any other is written as before.
const VERSION_3: u8 = 3;

/// Mirrors an enum without data, both ways.
macro_rules! mirror_enum {
    ($model:ident as $mirror:ident / $archived:ident: $($variant:ident),+) => {
        #[derive(Archive, Serialize)]
        pub(super) enum $mirror { $($variant),+ }

        impl From<$model> for $mirror {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant),+ }
            }
        }

        impl From<&$archived> for $model {
            fn from(value: &$archived) -> Self {
                match value { $($archived::$variant => Self::$variant),+ }
            }
        }
    };
}

mod answers;
mod customers;

pub(crate) use answers::{read_answer, write_answer};
use customers::{ArchivedChannelV1, ChannelV1};
pub(crate) use customers::{
    Block, read_block, read_interaction, read_owner, read_profile, read_token, write_block, write_interaction,
    write_owner, write_profile, write_token,
};

mirror_enum!(Side as SideV1 / ArchivedSideV1: Customer, Agent);
mirror_enum!(BodyKind as BodyKindV1 / ArchivedBodyKindV1: Text, Image, File);
mirror_enum!(State as StateV1 / ArchivedStateV1: Robot, Pending, Active, Closed);
mirror_enum!(Accept as AcceptV1 / ArchivedAcceptV1: Auto, Manual);
mirror_enum!(AgentStatus as AgentStatusV1 / ArchivedAgentStatusV1: Online, Busy, Away, Offline);

#[derive(Archive, Serialize)]
struct MessageV1<'a> {
    id: u64,
    side: SideV1,
    number: u64,
    kind: BodyKindV1,
    #[rkyv(with = InlineAsBox)]
    content: &'a str,
    #[rkyv(with = Map<InlineAsBox>)]
    file_url: Option<&'a str>,
    created_at: u64,
    read_at: Option<u64>,
}

#[derive(Archive, Serialize)]
struct MessageV2<'a> {
    message: MessageV1<'a>,
    #[rkyv(with = InlineAsBox)]
    metadata: &'a str,
}

#[derive(Archive, Serialize)]
struct MessageV3<'a> {
    message: MessageV1<'a>,
    #[rkyv(with = Map<InlineAsBox>)]
    metadata: Option<&'a str>,
    revised: RevisedV1,
}

#[derive(Archive, Serialize)]
enum RevisedV1 {
    Edited(u64),
    Recalled(u64),
}

#[derive(Archive, Serialize)]
enum PartyV1<'a> {
    User(u64),
    Visitor(#[rkyv(with = InlineAsBox)] &'a str),
    Agent(u64),
}

#[derive(Archive, Serialize)]
struct ConversationV1<'a> {
    customer: PartyV1<'a>,
    customer_number: u64,
    named: Option<u64>,
    agent: Option<u64>,
    #[rkyv(with = InlineAsBox)]
    group: &'a str,
    state: StateV1,
    last_seq: u64,
    last_message_at: Option<u64>,
    customer_unread: u32,
    agent_unread: u32,
    created_at: u64,
    updated_at: u64,
    queued_at: u64,
    returned: bool,
}

/// The header of a customer of a channel: nobody else's is written so.
#[derive(Archive, Serialize)]
struct ConversationV2<'a> {
    customer: [u8; 16],
    channel: Option<ChannelV1>,
    customer_number: u64,
    named: Option<u64>,
    agent: Option<u64>,
    #[rkyv(with = InlineAsBox)]
    group: &'a str,
    state: StateV1,
    last_seq: u64,
    last_message_at: Option<u64>,
    customer_unread: u32,
    agent_unread: u32,
    created_at: u64,
    updated_at: u64,
    queued_at: u64,
    returned: bool,
}

#[derive(Archive, Serialize)]
struct PlaceV1 {
    conversation: u64,
    seq: u64,
}

#[derive(Archive, Serialize)]
struct SentV1 {
    message: u64,
    seq: u64,
    created_at: u64,
}

#[derive(Archive, Serialize)]
struct CustomerV1 {
    number: u64,
}

#[derive(Archive, Serialize)]
struct AgentV1 {
    code: String,
    name: String,
    avatar: Option<String>,
    max_concurrent: u32,
    groups: Vec<String>,
    skills: Vec<String>,
    accept: Option<AcceptV1>,
    status: Option<AgentStatusV1>,
}

#[derive(Archive, Serialize)]
enum AgentEntryV1 {
    Deleted,
    Known(AgentV1),
}

#[derive(Archive, Serialize)]
struct LeaseV1 {
    next: u64,
}

/// Writes a message's record into `out`, replacing what was there, as the other writers here do.
pub(crate) fn write_message(message: &Message, out: &mut Vec<u8>) {
    let record = MessageV1 {
        id: message.id.get(),
        side: message.sender.side.into(),
        number: message.sender.number,
        kind: message.body.kind.into(),
        content: &message.body.content,
        file_url: message.body.file_url.as_deref(),
        created_at: message.created_at.as_millis(),
        read_at: message.read_at.map(Timestamp::as_millis),
    };
    let revised = match message.revised {
        Some(Revised::Edited(at)) => Some(RevisedV1::Edited(at.as_millis())),
        Some(Revised::Recalled(at)) => Some(RevisedV1::Recalled(at.as_millis())),
        None => None,
    };
    match (message.body.metadata.as_deref(), revised) {
        (None, None) => write(&record, out),
        (Some(metadata), None) => write_as(VERSION_2, &MessageV2 { message: record, metadata }, out),
        (metadata, Some(revised)) => write_as(VERSION_3, &MessageV3 { message: record, metadata, revised }, out),
    }
}

/// Reads a message whose key says `conversation` and `seq`. `Corrupt` if the bytes are no such record, as
/// the other readers here do.
pub(crate) fn read_message(conversation: ConversationId, seq: Seq, bytes: &[u8]) -> Result<Message, StoreError> {
    const WHAT: &str = "a message";
    let (record, metadata, revised): (&ArchivedMessageV1<'static>, Option<&str>, Option<Revised>) = match bytes.first()
    {
        Some(&VERSION_2) => {
            let record: &ArchivedMessageV2<'static> = open_as(VERSION_2, WHAT, bytes)?;
            (&record.message, Some(&record.metadata), None)
        }
        Some(&VERSION_3) => {
            let record: &ArchivedMessageV3<'static> = open_as(VERSION_3, WHAT, bytes)?;
            let revised = match &record.revised {
                ArchivedRevisedV1::Edited(at) => Revised::Edited(Timestamp::from_millis(at.to_native())),
                ArchivedRevisedV1::Recalled(at) => Revised::Recalled(Timestamp::from_millis(at.to_native())),
            };
            (&record.message, record.metadata.as_ref().map(|metadata| &**metadata), Some(revised))
        }
        _ => (open(WHAT, bytes)?, None, None),
    };
    Ok(Message {
        id: MessageId::from_wire(record.id.to_native()).map_err(invalid(WHAT))?,
        conversation,
        seq,
        sender: Sender { side: (&record.side).into(), number: record.number.to_native() },
        body: Body {
            kind: (&record.kind).into(),
            content: str::to_owned(&record.content),
            file_url: record.file_url.as_ref().map(|url| str::to_owned(url)),
            metadata: metadata.map(Into::into),
        },
        created_at: Timestamp::from_millis(record.created_at.to_native()),
        read_at: record.read_at.as_ref().map(|at| Timestamp::from_millis(at.to_native())),
        revised,
    })
}

/// The fields that all versions of a header have, in `$record`, after those given.
macro_rules! header_record {
    ($record:ident, $conversation:ident, $($field:ident: $value:expr),+) => {
        $record {
            $($field: $value,)+
            customer_number: $conversation.customer_number.get(),
            named: $conversation.named.map(AgentId::get),
            agent: $conversation.agent.map(AgentId::get),
            group: $conversation.group.as_str(),
            state: $conversation.state.into(),
            last_seq: $conversation.last_seq.get(),
            last_message_at: $conversation.last_message_at.map(Timestamp::as_millis),
            customer_unread: $conversation.customer_unread,
            agent_unread: $conversation.agent_unread,
            created_at: $conversation.created_at.as_millis(),
            updated_at: $conversation.updated_at.as_millis(),
            queued_at: $conversation.queued_at.as_millis(),
            returned: $conversation.returned,
        }
    };
}

pub(crate) fn write_conversation(conversation: &Conversation, out: &mut Vec<u8>) {
    let customer = match &conversation.customer {
        Party::User(id) => PartyV1::User(id.get()),
        Party::Visitor(id) => PartyV1::Visitor(id.as_str()),
        Party::Agent(id) => PartyV1::Agent(id.get()),
        Party::Customer(id) => {
            let channel = conversation.channel.map(Into::into);
            let record = header_record!(ConversationV2, conversation, customer: *id.as_bytes(), channel: channel);
            return write_as(VERSION_2, &record, out);
        }
    };
    write(&header_record!(ConversationV1, conversation, customer: customer), out);
}

/// A header from a record of any version.
macro_rules! header {
    ($id:ident, $record:ident, $what:ident, $customer:expr, $channel:expr) => {{
        let agent = |id: u64| AgentId::new(id).map_err(invalid($what));
        Conversation {
            id: $id,
            customer: $customer,
            channel: $channel,
            customer_number: CustomerNumber::from_wire($record.customer_number.to_native()).map_err(invalid($what))?,
            named: $record.named.as_ref().map(|id| agent(id.to_native())).transpose()?,
            agent: $record.agent.as_ref().map(|id| agent(id.to_native())).transpose()?,
            group: Group::new(&$record.group).map_err(invalid($what))?,
            state: (&$record.state).into(),
            last_seq: Seq::new($record.last_seq.to_native()),
            last_message_at: $record.last_message_at.as_ref().map(|at| Timestamp::from_millis(at.to_native())),
            customer_unread: $record.customer_unread.to_native(),
            agent_unread: $record.agent_unread.to_native(),
            created_at: Timestamp::from_millis($record.created_at.to_native()),
            updated_at: Timestamp::from_millis($record.updated_at.to_native()),
            queued_at: Timestamp::from_millis($record.queued_at.to_native()),
            returned: $record.returned,
        }
    }};
}

pub(crate) fn read_conversation(id: ConversationId, bytes: &[u8]) -> Result<Conversation, StoreError> {
    const WHAT: &str = "a conversation's header";
    if bytes.first() == Some(&VERSION_2) {
        let record: &ArchivedConversationV2<'static> = open_as(VERSION_2, WHAT, bytes)?;
        let customer = Party::Customer(CustomerId::from_bytes(record.customer));
        let channel = record.channel.as_ref().map(<&ArchivedChannelV1>::into);
        return Ok(header!(id, record, WHAT, customer, channel));
    }
    let record: &ArchivedConversationV1<'static> = open(WHAT, bytes)?;
    let customer = match &record.customer {
        ArchivedPartyV1::User(id) => Party::User(UserId::new(id.to_native()).map_err(invalid(WHAT))?),
        ArchivedPartyV1::Visitor(id) => Party::Visitor(VisitorId::new(id).map_err(invalid(WHAT))?),
        ArchivedPartyV1::Agent(id) => Party::Agent(AgentId::new(id.to_native()).map_err(invalid(WHAT))?),
    };
    Ok(header!(id, record, WHAT, customer, None))
}

/// Where a message is.
pub(crate) fn write_place(conversation: ConversationId, seq: Seq, out: &mut Vec<u8>) {
    let record = PlaceV1 { conversation: conversation.get(), seq: seq.get() };
    write(&record, out);
}

pub(crate) fn read_place(bytes: &[u8]) -> Result<(ConversationId, Seq), StoreError> {
    const WHAT: &str = "the place of a message";
    let record: &ArchivedPlaceV1 = open(WHAT, bytes)?;
    let conversation = ConversationId::from_wire(record.conversation.to_native()).map_err(invalid(WHAT))?;
    Ok((conversation, Seq::new(record.seq.to_native())))
}

/// What a dedup key stands for; the conversation is in the key.
pub(crate) fn write_sent(sent: Sent, out: &mut Vec<u8>) {
    let record = SentV1 { message: sent.message.get(), seq: sent.seq.get(), created_at: sent.created_at.as_millis() };
    write(&record, out);
}

pub(crate) fn read_sent(conversation: ConversationId, bytes: &[u8]) -> Result<Sent, StoreError> {
    const WHAT: &str = "a dedup entry";
    let record: &ArchivedSentV1 = open(WHAT, bytes)?;
    Ok(Sent {
        message: MessageId::from_wire(record.message.to_native()).map_err(invalid(WHAT))?,
        conversation,
        seq: Seq::new(record.seq.to_native()),
        created_at: Timestamp::from_millis(record.created_at.to_native()),
    })
}

pub(crate) fn write_customer(number: CustomerNumber, out: &mut Vec<u8>) {
    write(&CustomerV1 { number: number.get() }, out);
}

pub(crate) fn read_customer(bytes: &[u8]) -> Result<CustomerNumber, StoreError> {
    const WHAT: &str = "a customer";
    let record: &ArchivedCustomerV1 = open(WHAT, bytes)?;
    CustomerNumber::from_wire(record.number.to_native()).map_err(invalid(WHAT))
}

/// An agent; `None` is a deleted one.
pub(crate) fn write_agent(profile: Option<&AgentProfile>, out: &mut Vec<u8>) {
    let record = match profile {
        None => AgentEntryV1::Deleted,
        Some(profile) => AgentEntryV1::Known(AgentV1 {
            code: profile.code.as_str().into(),
            name: profile.name.clone(),
            avatar: profile.avatar.clone(),
            max_concurrent: profile.max_concurrent,
            groups: profile.groups.iter().map(|group| group.as_str().into()).collect(),
            skills: profile.skills.clone(),
            accept: profile.accept.map(Into::into),
            status: profile.status.map(Into::into),
        }),
    };
    write(&record, out);
}

pub(crate) fn read_agent(id: AgentId, bytes: &[u8]) -> Result<Option<AgentProfile>, StoreError> {
    const WHAT: &str = "an agent";
    let record = match open::<ArchivedAgentEntryV1>(WHAT, bytes)? {
        ArchivedAgentEntryV1::Deleted => return Ok(None),
        ArchivedAgentEntryV1::Known(record) => record,
    };
    let groups = record.groups.iter().map(|group| Group::new(group).map_err(invalid(WHAT)));
    Ok(Some(AgentProfile {
        id,
        code: AgentCode::new(&record.code).map_err(invalid(WHAT))?,
        name: record.name.as_str().into(),
        avatar: record.avatar.as_ref().map(|url| url.as_str().into()),
        max_concurrent: record.max_concurrent.to_native(),
        groups: groups.collect::<Result<_, _>>()?,
        skills: record.skills.iter().map(|skill| skill.as_str().into()).collect(),
        accept: record.accept.as_ref().map(Into::into),
        status: record.status.as_ref().map(Into::into),
    }))
}

/// The first counter of a virtual shard that is not leased yet.
pub(crate) fn write_lease(next: u64, out: &mut Vec<u8>) {
    write(&LeaseV1 { next }, out);
}

pub(crate) fn read_lease(bytes: &[u8]) -> Result<u64, StoreError> {
    let record: &ArchivedLeaseV1 = open("a lease of ids", bytes)?;
    Ok(record.next.to_native())
}

fn write<T>(record: &T, out: &mut Vec<u8>)
where
    T: for<'a> Serialize<HighSerializer<Vec<u8>, ArenaHandle<'a>, Error>>,
{
    write_as(VERSION, record, out);
}

fn write_as<T>(version: u8, record: &T, out: &mut Vec<u8>)
where
    T: for<'a> Serialize<HighSerializer<Vec<u8>, ArenaHandle<'a>, Error>>,
{
    out.clear();
    out.push(version);
    *out = rkyv::api::high::to_bytes_in(record, std::mem::take(out)).expect("writing into memory cannot fail");
}

fn open<'b, T>(what: &str, bytes: &'b [u8]) -> Result<&'b T, StoreError>
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>,
{
    open_as(VERSION, what, bytes)
}

/// Opens a record of the version that the caller has seen, or of the newest there is of its kind.
fn open_as<'b, T>(newest: u8, what: &str, bytes: &'b [u8]) -> Result<&'b T, StoreError>
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>,
{
    match bytes.split_first() {
        Some((version, archive)) if *version == newest => {
            rkyv::access(archive).map_err(|error| StoreError::corrupt(format!("{what} cannot be read: {error}")))
        }
        Some((version, _)) => {
            Err(StoreError::corrupt(format!("{what} has version {version}, this program knows up to {newest}")))
        }
        None => Err(StoreError::corrupt(format!("{what} is empty"))),
    }
}

fn invalid(what: &'static str) -> impl Fn(InvalidId) -> StoreError {
    move |_| StoreError::corrupt(format!("{what} names an id out of its range"))
}

#[cfg(test)]
mod tests;
