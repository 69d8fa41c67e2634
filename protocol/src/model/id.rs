//! Ids. Every integer the guides show is below 2^53, so JavaScript reads it exactly; the constructor
//! is the check, so an id that exists is valid (architecture.md, "Identity and ids").

use std::sync::Arc;

use uuid::{Builder, Uuid};

use super::limits::{
    AGENT_CODE_MAX_CHARS, CLIENT_MSG_ID_MAX_CHARS, GROUP_MAX_CHARS, ID_END, INTEGRATOR_ID_END, VISITOR_ID_MAX_CHARS,
    VSHARDS,
};
use super::{Identity, Timestamp};

/// A value that is no id of the asked kind: the sender's mistake, answered as "not found" or as an
/// invalid field by the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct InvalidId;

/// One of the 4096 virtual shards, the unit of placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VShard(u16);

impl VShard {
    /// The virtual shard of an index below 4096.
    pub const fn new(index: u16) -> Result<Self, InvalidId> {
        if index < VSHARDS { Ok(Self(index)) } else { Err(InvalidId) }
    }

    /// The virtual shard a 64-bit hash falls into.
    pub const fn of_hash(hash: u64) -> Self {
        Self((hash % VSHARDS as u64) as u16)
    }

    /// The index, 0 to 4095.
    pub const fn index(self) -> u16 {
        self.0
    }
}

/// Integers that Switchboard itself hands out: `counter * 4096 + vshard`, so the owner is read off the id.
macro_rules! minted_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id number `counter` of a virtual shard; counters start at 1.
            pub const fn mint(counter: u64, vshard: VShard) -> Result<Self, InvalidId> {
                if counter == 0 || counter >= ID_END / VSHARDS as u64 {
                    return Err(InvalidId);
                }
                Ok(Self(counter * VSHARDS as u64 + vshard.0 as u64))
            }

            /// Reads an integer off the wire. Any integer of the right range is well formed; whether it
            /// names something is for its owner to say.
            pub const fn from_wire(value: u64) -> Result<Self, InvalidId> {
                if value == 0 || value >= ID_END { Err(InvalidId) } else { Ok(Self(value)) }
            }

            /// The integer shown on the wire.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The virtual shard that minted it, whose shard owns what it names.
            pub const fn vshard(self) -> VShard {
                VShard((self.0 % VSHARDS as u64) as u16)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

minted_id! {
    /// Names a conversation (会话); its owner is the home of its customer or visitor.
    ConversationId
}
minted_id! {
    /// Names a message, globally; ascending within a conversation, as `seq` is.
    MessageId
}

/// Integers that come with the integrator's own users and agents.
macro_rules! integrator_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// An integer of 1 to 2^52 - 1.
            pub const fn new(value: u64) -> Result<Self, InvalidId> {
                if value == 0 || value >= INTEGRATOR_ID_END { Err(InvalidId) } else { Ok(Self(value)) }
            }

            /// The integer.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

integrator_id! {
    /// A customer known by the integrator's integer id.
    UserId
}
integrator_id! {
    /// A human agent (客服) by its integer id (`kefu_id`, `agent_id`).
    AgentId
}

/// The integer the dialects show for a customer: a user's own id, or for a visitor one minted from
/// 2^52 upwards, so the two never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerNumber(u64);

impl CustomerNumber {
    /// A user is shown by its own id.
    pub const fn of_user(user: UserId) -> Self {
        Self(user.0)
    }

    /// The number `counter` of a virtual shard, for a visitor; counters start at 1.
    pub const fn mint(counter: u64, vshard: VShard) -> Result<Self, InvalidId> {
        let value = INTEGRATOR_ID_END + counter * VSHARDS as u64 + vshard.0 as u64;
        if counter == 0 || value >= ID_END { Err(InvalidId) } else { Ok(Self(value)) }
    }

    /// Reads back what was stored or shown: 1 to 2^53 - 1.
    pub const fn from_wire(value: u64) -> Result<Self, InvalidId> {
        if value == 0 || value >= ID_END { Err(InvalidId) } else { Ok(Self(value)) }
    }

    /// The integer shown on the wire.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A customer who came by a channel, or whom an agent made (`customerId`): a UUID. Kept as bytes, so that a
/// [`super::Party`] stays as small as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId([u8; 16]);

/// What the UUIDs of identities are made in. Stable for ever: the same identity is the same customer.
const CUSTOMER_NAMESPACE: Uuid = Uuid::from_u128(0x6e1f_3c0a_5b7d_4d52_9c41_2f8e_07d6_a913);

impl CustomerId {
    /// The customer first met by this identity: UUID version 5 of its kind and value (dialects.md, webchat).
    pub fn of_identity(identity: &Identity) -> Self {
        let name = format!("{}:{}", identity.kind().name(), identity.value());
        Self(Uuid::new_v5(&CUSTOMER_NAMESPACE, name.as_bytes()).into_bytes())
    }

    /// Any other customer: UUID version 7 of the time and the number it was minted, which nobody else has.
    pub fn of_time(at: Timestamp, number: CustomerNumber) -> Self {
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&number.get().to_be_bytes());
        Self(Builder::from_unix_timestamp_millis(at.as_millis(), &rest).into_uuid().into_bytes())
    }

    /// Reads a UUID written with hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        // The crate takes other forms too (without hyphens, in braces): one customer has one name.
        if text.len() != 36 {
            return Err(InvalidId);
        }
        Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| InvalidId)
    }

    /// The UUID's bytes, as they are stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads back what was stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for CustomerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl std::fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CustomerId({self})")
    }
}

/// A message's dense number within its conversation: 1, 2, 3 …; 0 stands for "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// Before the first message.
    pub const ZERO: Self = Self(0);

    /// The seq of a number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The seq that follows.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Short texts with a length limit in characters; shared, because they travel between shards.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 character up to the limit of its kind (`limits`), none of them a control character.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let fits = !text.is_empty() && text.len() <= $max * 4 && text.chars().count() <= $max;
                if fits && !text.chars().any(char::is_control) { Ok(Self(text.into())) } else { Err(InvalidId) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id! {
    /// An anonymous visitor as its page names it (kefu's `visitor_id`). Knowing it is being it: never log it.
    VisitorId, VISITOR_ID_MAX_CHARS
}
text_id! {
    /// An agent's unique code (`csId`); names the same agent as its `AgentId`.
    AgentCode, AGENT_CODE_MAX_CHARS
}
text_id! {
    /// A client's own id of a send (`client_msg_id`): makes a retry store nothing new.
    ClientMsgId, CLIENT_MSG_ID_MAX_CHARS
}
text_id! {
    /// A group of agents; a conversation waits in the queue of exactly one.
    Group, GROUP_MAX_CHARS
}

impl Default for Group {
    /// The group of everything that names none: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_carry_their_vshard_and_stay_exact_in_javascript() {
        let vshard = VShard::new(4095).expect("below 4096");
        let id = MessageId::mint(7, vshard).expect("small");
        assert_eq!((id.get(), id.vshard()), (7 * 4096 + 4095, vshard));
        assert_eq!(MessageId::mint(1 << 41, vshard), Err(InvalidId));
        assert_eq!(MessageId::mint(0, vshard), Err(InvalidId));
        assert!(MessageId::mint((1 << 41) - 1, vshard).expect("last").get() < 1 << 53);
    }

    #[test]
    fn visitor_numbers_never_meet_user_ids() {
        let vshard = VShard::new(0).expect("zero");
        let first = CustomerNumber::mint(1, vshard).expect("first");
        assert!(first.get() >= 1 << 52);
        assert_eq!(UserId::new(1 << 52), Err(InvalidId));
        assert!(UserId::new((1 << 52) - 1).is_ok());
    }

    /// Written down once: a change would make new customers of old ones.
    #[test]
    fn customers_of_an_identity_are_the_same_for_ever() {
        let phone = Identity::new(crate::model::IdentityKind::Phone, "+8613800138000").expect("valid");
        let id = CustomerId::of_identity(&phone);
        assert_eq!(CustomerId::parse(&id.to_string()), Ok(id));
        assert_eq!(id.to_string().as_bytes()[14], b'5', "its version");
        assert_eq!(id.to_string(), "131bfb03-f684-5d47-a084-aa489f2f94c7");
    }

    #[test]
    fn other_customers_are_of_their_time_and_number() {
        let number = |counter| CustomerNumber::mint(counter, VShard::new(9).expect("below 4096")).expect("small");
        let at = Timestamp::from_millis(1_700_000_000_000);
        let (one, two) = (CustomerId::of_time(at, number(1)), CustomerId::of_time(at, number(2)));
        assert_ne!(one, two);
        assert!(one.to_string().starts_with("018bcfe5-6800-7"), "{one}");
        assert_eq!(CustomerId::parse("018bcfe568007000"), Err(InvalidId));
    }

    #[test]
    fn texts_are_limited_in_characters_not_bytes() {
        assert!(VisitorId::new(&"客".repeat(128)).is_ok());
        assert_eq!(VisitorId::new(&"客".repeat(129)), Err(InvalidId));
        assert_eq!(VisitorId::new(""), Err(InvalidId));
        assert_eq!(ClientMsgId::new("a\nb"), Err(InvalidId));
    }
}
