//! Bytes that more than one engine puts into its keys: a party, a dedup key, a place in the lists of conversations, a list
//! of customers. As permanent as records. Must not know engines or values.

use switchboard_protocol::model::{
    AgentId, Channel, ClientMsgId, Conversation, ConversationFilter, ConversationId, CustomerProfile, CustomerQuery,
    Group, IdentityKind, ListPosition, Party, Platform, Sender, Side, State, Timestamp,
};

use crate::StoreError;
use crate::record::Block;

/// A party; a visitor's text is preceded by its length, so that none is the beginning of another.
pub(crate) fn party(party: &Party, key: &mut Vec<u8>) {
    match party {
        Party::User(id) => {
            key.push(b'u');
            key.extend_from_slice(&id.get().to_be_bytes());
        }
        Party::Visitor(id) => {
            let text = id.as_str().as_bytes();
            key.push(b'v');
            key.extend_from_slice(&(text.len() as u16).to_be_bytes());
            key.extend_from_slice(text);
        }
        Party::Agent(id) => {
            key.push(b'a');
            key.extend_from_slice(&id.get().to_be_bytes());
        }
        Party::Customer(id) => {
            key.push(b'k');
            key.extend_from_slice(id.as_bytes());
        }
    }
}

/// A sender and its `client_msg_id`: the dedup key within a conversation.
pub(crate) fn sent(sender: Sender, client_msg_id: &ClientMsgId, key: &mut Vec<u8>) {
    key.push(match sender.side {
        Side::Customer => b'c',
        Side::Agent => b'a',
    });
    key.extend_from_slice(&sender.number.to_be_bytes());
    key.extend_from_slice(client_msg_id.as_str().as_bytes());
}

/// A dedup key by itself.
pub(crate) fn sent_key(sender: Sender, client_msg_id: &ClientMsgId) -> Vec<u8> {
    let mut key = Vec::with_capacity(48);
    sent(sender, client_msg_id, &mut key);
    key
}

/// What [`sent`] has put into a key.
pub(crate) fn sent_parts(key: &[u8]) -> Result<(Sender, ClientMsgId), StoreError> {
    let damaged = || StoreError::corrupt("a dedup key cannot be read");
    let (side, rest) = key.split_first().ok_or_else(damaged)?;
    let (number, text) = rest.split_first_chunk().ok_or_else(damaged)?;
    let side = match side {
        b'c' => Side::Customer,
        b'a' => Side::Agent,
        _ => return Err(damaged()),
    };
    let text = str::from_utf8(text).map_err(|_| damaged())?;
    let sender = Sender { side, number: u64::from_be_bytes(*number) };
    Ok((sender, ClientMsgId::new(text).map_err(|_| damaged())?))
}

/// The states, in no order that matters.
pub(crate) const STATES: [State; 4] = [State::Robot, State::Pending, State::Active, State::Closed];

/// What a list of conversations may be of.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    All,
    Agent(AgentId),
    Group(&'a Group),
    Platform(Platform),
}

impl<'a> Scope<'a> {
    /// The lists that a conversation stands in.
    pub(crate) fn of(conversation: &'a Conversation) -> impl Iterator<Item = Self> {
        let scopes = [
            Some(Self::All),
            Some(Self::Group(&conversation.group)),
            conversation.agent.map(Scope::Agent),
            conversation.platform().map(Scope::Platform),
        ];
        scopes.into_iter().flatten()
    }

    /// The lists of what a filter asks for most narrowly.
    pub(crate) fn narrowest(filter: &'a ConversationFilter) -> Vec<Self> {
        match (filter.agent, filter.platform, &filter.viewer) {
            (Some(agent), _, _) => vec![Self::Agent(agent)],
            (None, Some(platform), _) => vec![Self::Platform(platform)],
            (None, None, Some(viewer)) => {
                let groups = viewer.groups.iter().map(Scope::Group);
                groups.chain([Self::Agent(viewer.agent)]).collect()
            }
            (None, None, None) => vec![Self::All],
        }
    }

    /// A scope with a state. A group's text is preceded by its length, so that no scope's key is the beginning of
    /// another's.
    pub(crate) fn prefix(self, state: State, key: &mut Vec<u8>) {
        match self {
            Self::All => key.push(b'*'),
            Self::Agent(agent) => {
                key.push(b'a');
                key.extend_from_slice(&agent.get().to_be_bytes());
            }
            Self::Group(group) => {
                let text = group.as_str().as_bytes();
                key.push(b'g');
                key.extend_from_slice(&(text.len() as u16).to_be_bytes());
                key.extend_from_slice(text);
            }
            Self::Platform(platform) => {
                key.push(b'p');
                key.push(match platform {
                    Platform::Wechat => b'w',
                    Platform::Douyin => b'd',
                    Platform::Jd => b'j',
                });
            }
        }
        key.push(match state {
            State::Robot => b'r',
            State::Pending => b'p',
            State::Active => b'a',
            State::Closed => b'c',
        });
    }
}

/// A place in a list, behind its scope and state.
pub(crate) fn position(at: ListPosition, key: &mut Vec<u8>) {
    key.extend_from_slice(&at.created_at.as_millis().to_be_bytes());
    key.extend_from_slice(&at.conversation.get().to_be_bytes());
}

/// The place in the last 16 bytes of a key.
pub(crate) fn last_position(key: &[u8]) -> Result<ListPosition, StoreError> {
    let short = || StoreError::corrupt("a key is too short");
    let (rest, id) = key.split_last_chunk().ok_or_else(short)?;
    let millis = rest.last_chunk().ok_or_else(short)?;
    let conversation = ConversationId::from_wire(u64::from_be_bytes(*id))
        .map_err(|_| StoreError::corrupt("a key names no conversation"))?;
    Ok(ListPosition { created_at: Timestamp::from_millis(u64::from_be_bytes(*millis)), conversation })
}

/// How a page of a list of customers is found: by adding up what its blocks have, ascending.
#[derive(Debug)]
pub(crate) struct PageOfBlocks<'q> {
    query: &'q CustomerQuery,
    skip: u64,
    wanted: u64,
    /// All that the query means in the blocks so far.
    pub(crate) total: u64,
    /// The blocks that the page touches, and how many entries of each come before it.
    pub(crate) touched: Vec<(u64, u64)>,
}

impl<'q> PageOfBlocks<'q> {
    pub(crate) fn new(query: &'q CustomerQuery) -> Self {
        let skip = query.page.saturating_mul(query.size.into());
        Self { query, skip, wanted: query.size.into(), total: 0, touched: Vec::new() }
    }

    /// The next block.
    pub(crate) fn add(&mut self, number: u64, Block { all, active }: Block) {
        let meant = u64::from(match self.query.active {
            None => all,
            Some(true) => active,
            Some(false) => all.saturating_sub(active),
        });
        self.total += meant;
        if self.skip >= meant {
            self.skip -= meant;
        } else if self.wanted > 0 {
            self.touched.push((number, self.skip));
            self.wanted = self.wanted.saturating_sub(meant - self.skip);
            self.skip = 0;
        }
    }
}

/// Ordinals of a block of a list of customers.
pub(crate) const BLOCK_ORDINALS: u64 = 1024;

/// A list of customers: each begins with its own length, so none is the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CustomerList(pub(crate) Vec<u8>);

impl CustomerList {
    pub(crate) fn new(name: Option<&str>, channel: Option<Channel>) -> Self {
        let name = name.unwrap_or("").as_bytes();
        let mut key = Vec::with_capacity(4 + name.len());
        key.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        key.push(channel.map_or(0, channel_byte));
        key.extend_from_slice(name);
        Self(key)
    }

    /// The lists that a customer stands in.
    pub(crate) fn of(profile: &CustomerProfile) -> [Self; 4] {
        let (name, channel) = (Some(profile.name.as_str()), Some(profile.channel));
        [Self::new(None, None), Self::new(None, channel), Self::new(name, None), Self::new(name, channel)]
    }
}

const fn channel_byte(channel: Channel) -> u8 {
    match channel {
        Channel::Web => 1,
        Channel::Wechat => 2,
        Channel::Whatsapp => 3,
        Channel::Line => 4,
        Channel::Telegram => 5,
        Channel::Facebook => 6,
        Channel::Email => 7,
        Channel::Sms => 8,
        Channel::Phone => 9,
        Channel::App => 10,
    }
}

/// The kind of an identity.
pub(crate) const fn identity_byte(kind: IdentityKind) -> u8 {
    match kind {
        IdentityKind::WebId => 1,
        IdentityKind::WechatOpenId => 2,
        IdentityKind::Phone => 3,
        IdentityKind::Email => 4,
        IdentityKind::LineUserId => 5,
        IdentityKind::TelegramId => 6,
        IdentityKind::FacebookId => 7,
        IdentityKind::AppUserId => 8,
    }
}
