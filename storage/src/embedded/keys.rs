//! Keys of the embedded engine: big-endian, so that ranges scan in order, and prefix-free. Must not know
//! values. A key's layout is as permanent as a record's.
//!
//! | keyspace | key | value |
//! | --- | --- | --- |
//! | messages | conversation, seq | message |
//! | lookups | `m`, message | its place |
//! | lookups | `d`, conversation, side, sender's number, client_msg_id | what was sent |
//! | conversations | `h`, conversation | header |
//! | conversations | `o`, conversation | nothing: it is open |
//! | conversations | `c`, party | customer |
//! | conversations | `n`, party, conversation | nothing: it is the customer's |
//! | conversations | `i`, scope, state, when it was opened, conversation | nothing: its place in lists |
//! | directory | `a`, agent | agent or its tombstone |
//! | directory | `l`, vshard | the next counter to lease |
//! | directory | `i` | nothing: all conversations have their places in lists |
//! | directory | `j` | nothing: the data directory has a journal of ours |
//! | customers | `p`, customer | its record |
//! | customers | `i`, kind, value | the customer known by the identity |
//! | customers | `t`, customer | when it last wrote |
//! | customers | `o` | the next ordinal |
//! | customers | `e`, list, ordinal | an active customer in a list |
//! | customers | `f`, list, ordinal | one in it that is not |
//! | customers | `b`, list, block | how many a block of a list has, and how many are active |
//! | customers | `k`, hash | whose a token is, and until when |
//! | customers | `x`, expiry, hash | nothing: the token expires then |
//! | answers | `a`, name of a key | the answer kept under it |
//! | answers | `x`, expiry, name of a key | nothing: the answer expires then |

use switchboard_protocol::model::{
    AgentId, ClientMsgId, ConversationId, CustomerId, MessageId, Party, Sender, Seq, Timestamp, VShard,
};

use crate::{StoreError, layout};

pub(super) const HEADER: u8 = b'h';
pub(super) const OPEN: u8 = b'o';
pub(super) const PLACE: u8 = b'm';
pub(super) const AGENT: u8 = b'a';
pub(super) const LEASE: u8 = b'l';
pub(super) const JOURNAL: [u8; 1] = [b'j'];

/// The key of an integer in the table of a letter.
pub(super) fn of_integer(table: u8, integer: u64) -> [u8; 9] {
    let mut key = [table; 9];
    key[1..].copy_from_slice(&integer.to_be_bytes());
    key
}

pub(super) fn header(id: ConversationId) -> [u8; 9] {
    of_integer(HEADER, id.get())
}

pub(super) fn open(id: ConversationId) -> [u8; 9] {
    of_integer(OPEN, id.get())
}

pub(super) fn place(id: MessageId) -> [u8; 9] {
    of_integer(PLACE, id.get())
}

pub(super) fn agent(id: AgentId) -> [u8; 9] {
    of_integer(AGENT, id.get())
}

pub(super) fn lease(vshard: VShard) -> [u8; 3] {
    let [high, low] = vshard.index().to_be_bytes();
    [LEASE, high, low]
}

pub(super) fn message(conversation: ConversationId, seq: Seq) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&conversation.get().to_be_bytes());
    key[8..].copy_from_slice(&seq.get().to_be_bytes());
    key
}

/// The beginning of the dedup keys of a conversation.
pub(super) fn sent_of(conversation: ConversationId) -> [u8; 9] {
    of_integer(b'd', conversation.get())
}

pub(super) fn sent(conversation: ConversationId, sender: Sender, client_msg_id: &ClientMsgId) -> Vec<u8> {
    let mut key = Vec::with_capacity(18 + client_msg_id.as_str().len());
    key.extend_from_slice(&sent_of(conversation));
    layout::sent(sender, client_msg_id, &mut key);
    key
}

pub(super) fn customer(party: &Party) -> Vec<u8> {
    of_party(b'c', party)
}

/// The key of a customer's conversation; without the last 8 bytes the prefix of all of them.
pub(super) fn customers_conversation(party: &Party, id: ConversationId) -> Vec<u8> {
    let mut key = customers_conversations(party);
    key.extend_from_slice(&id.get().to_be_bytes());
    key
}

/// The prefix of a customer's conversations.
pub(super) fn customers_conversations(party: &Party) -> Vec<u8> {
    of_party(b'n', party)
}

fn of_party(table: u8, party: &Party) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    key.push(table);
    layout::party(party, &mut key);
    key
}

pub(super) fn profile(id: CustomerId) -> [u8; 17] {
    of_customer(b'p', id)
}

pub(super) fn interaction(id: CustomerId) -> [u8; 17] {
    of_customer(b't', id)
}

fn of_customer(table: u8, id: CustomerId) -> [u8; 17] {
    let mut key = [table; 17];
    key[1..].copy_from_slice(id.as_bytes());
    key
}

/// The key of an answer, by the bytes of its key's name.
pub(super) fn answer(name: &[u8]) -> Vec<u8> {
    [b"a", name].concat()
}

/// What comes before the name in [`answer_expiry`].
pub(super) const ANSWER_EXPIRY_BYTES: usize = 9;

pub(super) fn answer_expiry(expires_at: Timestamp, name: &[u8]) -> Vec<u8> {
    [&of_integer(b'x', expires_at.as_millis()), name].concat()
}

/// The integer in the last 8 bytes of a key.
pub(super) fn last_integer(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.last_chunk().ok_or_else(|| StoreError::corrupt("a key is too short"))?;
    Ok(u64::from_be_bytes(*bytes))
}

/// The conversation in the last 8 bytes of a key.
pub(super) fn last_conversation(key: &[u8]) -> Result<ConversationId, StoreError> {
    ConversationId::from_wire(last_integer(key)?).map_err(|_| StoreError::corrupt("a key names no conversation"))
}
