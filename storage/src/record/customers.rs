//! Records about customers and tokens. Must not know engines or keys.

use rkyv::{Archive, Serialize};
use switchboard_protocol::model::{
    AgentId, Channel, CustomerId, CustomerNumber, CustomerProfile, Identity, IdentityKind, Party, Timestamp, UserId,
    VisitorId,
};

use super::{invalid, open, write};
use crate::StoreError;

mirror_enum!(
    Channel as ChannelV1 / ArchivedChannelV1: Web, Wechat, Whatsapp, Line, Telegram, Facebook, Email, Sms, Phone, App
);
mirror_enum!(
    IdentityKind as IdentityKindV1 / ArchivedIdentityKindV1:
    WebId, WechatOpenId, Phone, Email, LineUserId, TelegramId, FacebookId, AppUserId
);

#[derive(Archive, Serialize)]
struct IdentityV1 {
    kind: IdentityKindV1,
    value: String,
}

#[derive(Archive, Serialize)]
struct ProfileV1 {
    ordinal: u64,
    number: u64,
    name: String,
    channel: ChannelV1,
    identities: Vec<IdentityV1>,
    tags: Vec<String>,
    notes: Option<String>,
    active: bool,
    created_at: u64,
    updated_at: u64,
}

#[derive(Archive, Serialize)]
struct OwnerV1 {
    customer: [u8; 16],
}

#[derive(Archive, Serialize)]
struct BlockV1 {
    all: u32,
    active: u32,
}

#[derive(Archive, Serialize)]
struct InteractionV1 {
    at: u64,
}

#[derive(Archive, Serialize)]
enum BearerV1 {
    User(u64),
    Visitor(String),
    Agent(u64),
    Customer([u8; 16]),
}

#[derive(Archive, Serialize)]
struct TokenV1 {
    bearer: BearerV1,
    expires_at: u64,
}

/// A customer, and its place in the order in which customers were made.
pub(crate) fn write_profile(profile: &CustomerProfile, ordinal: u64, out: &mut Vec<u8>) {
    let identity =
        |identity: &Identity| IdentityV1 { kind: identity.kind().into(), value: identity.value().to_owned() };
    let record = ProfileV1 {
        ordinal,
        number: profile.number.get(),
        name: profile.name.clone(),
        channel: profile.channel.into(),
        identities: profile.identities.iter().map(identity).collect(),
        tags: profile.tags.clone(),
        notes: profile.notes.clone(),
        active: profile.active,
        created_at: profile.created_at.as_millis(),
        updated_at: profile.updated_at.as_millis(),
    };
    write(&record, out);
}

/// See [`write_profile`]; the id is in the key.
pub(crate) fn read_profile(id: CustomerId, bytes: &[u8]) -> Result<(CustomerProfile, u64), StoreError> {
    const WHAT: &str = "a customer's record";
    let record: &ArchivedProfileV1 = open(WHAT, bytes)?;
    let identities = record.identities.iter().map(|identity| {
        Identity::new((&identity.kind).into(), &identity.value)
            .map_err(|_| StoreError::corrupt(format!("{WHAT} has an identity that is none")))
    });
    let profile = CustomerProfile {
        id,
        number: CustomerNumber::from_wire(record.number.to_native()).map_err(invalid(WHAT))?,
        name: record.name.as_str().into(),
        channel: (&record.channel).into(),
        identities: identities.collect::<Result<_, _>>()?,
        tags: record.tags.iter().map(|tag| tag.as_str().into()).collect(),
        notes: record.notes.as_ref().map(|notes| notes.as_str().into()),
        active: record.active,
        created_at: Timestamp::from_millis(record.created_at.to_native()),
        updated_at: Timestamp::from_millis(record.updated_at.to_native()),
    };
    Ok((profile, record.ordinal.to_native()))
}

/// Whose an identity, or a place in a list, is.
pub(crate) fn write_owner(customer: CustomerId, out: &mut Vec<u8>) {
    write(&OwnerV1 { customer: *customer.as_bytes() }, out);
}

pub(crate) fn read_owner(bytes: &[u8]) -> Result<CustomerId, StoreError> {
    let record: &ArchivedOwnerV1 = open("the customer in an index", bytes)?;
    Ok(CustomerId::from_bytes(record.customer))
}

/// How many entries a block of a list has, and how many of them are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) all: u32,
    pub(crate) active: u32,
}

pub(crate) fn write_block(block: Block, out: &mut Vec<u8>) {
    write(&BlockV1 { all: block.all, active: block.active }, out);
}

pub(crate) fn read_block(bytes: &[u8]) -> Result<Block, StoreError> {
    let record: &ArchivedBlockV1 = open("a block of a list of customers", bytes)?;
    Ok(Block { all: record.all.to_native(), active: record.active.to_native() })
}

/// When a customer last wrote.
pub(crate) fn write_interaction(at: Timestamp, out: &mut Vec<u8>) {
    write(&InteractionV1 { at: at.as_millis() }, out);
}

pub(crate) fn read_interaction(bytes: &[u8]) -> Result<Timestamp, StoreError> {
    let record: &ArchivedInteractionV1 = open("a customer's last interaction", bytes)?;
    Ok(Timestamp::from_millis(record.at.to_native()))
}

/// Whose a token is, and until when; its hash is in the key.
pub(crate) fn write_token(bearer: &Party, expires_at: Timestamp, out: &mut Vec<u8>) {
    let bearer = match bearer {
        Party::User(id) => BearerV1::User(id.get()),
        Party::Visitor(id) => BearerV1::Visitor(id.as_str().to_owned()),
        Party::Agent(id) => BearerV1::Agent(id.get()),
        Party::Customer(id) => BearerV1::Customer(*id.as_bytes()),
    };
    write(&TokenV1 { bearer, expires_at: expires_at.as_millis() }, out);
}

pub(crate) fn read_token(bytes: &[u8]) -> Result<(Party, Timestamp), StoreError> {
    const WHAT: &str = "a token";
    let record: &ArchivedTokenV1 = open(WHAT, bytes)?;
    let bearer = match &record.bearer {
        ArchivedBearerV1::User(id) => Party::User(UserId::new(id.to_native()).map_err(invalid(WHAT))?),
        ArchivedBearerV1::Visitor(id) => Party::Visitor(VisitorId::new(id).map_err(invalid(WHAT))?),
        ArchivedBearerV1::Agent(id) => Party::Agent(AgentId::new(id.to_native()).map_err(invalid(WHAT))?),
        ArchivedBearerV1::Customer(id) => Party::Customer(CustomerId::from_bytes(*id)),
    };
    Ok((bearer, Timestamp::from_millis(record.expires_at.to_native())))
}
