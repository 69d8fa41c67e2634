//! Requests that are made under a key, so that a retry does nothing twice (`Idempotency-Key`,
//! draft-ietf-httpapi-idempotency-key-header): whose key, what for, and the answer that is kept.

use super::limits::IDEMPOTENCY_KEY_MAX_CHARS;
use super::{
    AgentDraft, AgentId, ClientMsgId, Command, CustomerCommand, CustomerId, InvalidId, Party, Timestamp, limits,
};

/// A key as a client chose it: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(Box<str>);

impl RequestKey {
    /// Reads a key; the quotes of a structured field's string (RFC 9651, section 3.3.3) are no part of it.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let visible = bare.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=IDEMPOTENCY_KEY_MAX_CHARS).contains(&bare.len()) {
            Ok(Self(bare.into()))
        } else {
            Err(InvalidId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 over what a request is: its method, its path with the query, and its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Who shares a space of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyScope {
    /// A party, whichever token it shows.
    Party(Party),
    /// All admins, and the workbench of a server that asks for no token.
    Admins,
}

/// A key and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// Whose.
    pub scope: KeyScope,
    /// Which.
    pub key: RequestKey,
}

impl KeyName {
    /// Its bytes, for ever: no name is the beginning of another, and each ends with its key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let mut text = |kind: u8, id: &[u8]| {
            bytes.push(kind);
            bytes.extend_from_slice(&(id.len() as u16).to_be_bytes());
            bytes.extend_from_slice(id);
        };
        match &self.scope {
            KeyScope::Admins => text(b'*', &[]),
            KeyScope::Party(Party::User(id)) => text(b'u', &id.get().to_be_bytes()),
            KeyScope::Party(Party::Visitor(id)) => text(b'v', id.as_str().as_bytes()),
            KeyScope::Party(Party::Agent(id)) => text(b'a', &id.get().to_be_bytes()),
            KeyScope::Party(Party::Customer(id)) => text(b'k', id.as_bytes()),
        }
        text(b'=', self.key.as_str().as_bytes());
        bytes
    }
}

/// An answer that was given under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// To which request.
    pub fingerprint: Fingerprint,
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Box<[u8]>,
    /// From when on the key is as if it had never been used.
    pub expires_at: Timestamp,
}

/// What a key's home is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCommand {
    /// Whether a request of the asker may be carried out under this key; if so, it is in progress until `Finish`.
    Begin {
        /// Which key.
        key: RequestKey,
        /// Of which request.
        fingerprint: Fingerprint,
    },
    /// The request that was begun is answered. Never refused.
    Finish {
        /// Under which key.
        name: KeyName,
        /// What is to be answered from now on; `None` if nothing was done, so that a retry may.
        kept: Option<KeptAnswer>,
    },
}

/// What a key's home tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// Carry it out, and then `Finish`.
    Begun(KeyName),
    /// It was answered before.
    Kept(KeptAnswer),
    /// The answer is durable.
    Finished,
}

/// What makes a command that is carried out under a key, for the second time after a crash, do nothing twice: a digest
/// of the key's name and the request's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// Marks a command: a message gets a `client_msg_id` unless it has one, a new customer an id; an agent gets an id
    /// unless it has a name, and counts as made if it is there as the draft says.
    pub fn mark(&self, command: &mut Command) {
        match command {
            Command::Send { draft, .. } if draft.client_msg_id.is_none() => {
                draft.client_msg_id = Some(self.client_msg_id());
            }
            Command::CreateAgent(draft) => self.mark_agent(draft),
            Command::Customers(command) => {
                if let CustomerCommand::Create(draft) = &mut **command {
                    draft.id = Some(self.customer_id());
                }
            }
            _ => {}
        }
    }

    fn mark_agent(&self, draft: &mut AgentDraft) {
        draft.again = true;
        if draft.id.is_none() && draft.code.is_none() {
            draft.id = Some(self.agent_id());
        }
    }

    fn client_msg_id(&self) -> ClientMsgId {
        let mut text = String::with_capacity(limits::CLIENT_MSG_ID_MAX_CHARS);
        text.push_str("key:");
        for byte in &self.0[..30] {
            text.push_str(&format!("{byte:02x}"));
        }
        ClientMsgId::new(&text).expect("64 characters")
    }

    /// A UUID of version 8 (RFC 9562, section 5.8).
    fn customer_id(&self) -> CustomerId {
        let mut bytes = *self.0.first_chunk::<16>().expect("32 are more than 16");
        bytes[6] = 0x80 | bytes[6] & 0x0f;
        bytes[8] = 0x80 | bytes[8] & 0x3f;
        CustomerId::from_bytes(bytes)
    }

    /// In the upper half of integrators' ids, where nobody counts.
    fn agent_id(&self) -> AgentId {
        let half = limits::INTEGRATOR_ID_END / 2;
        let number = u64::from_be_bytes(*self.0.last_chunk().expect("32 are more than 8"));
        AgentId::new(half + number % half).expect("below the end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    #[test]
    fn keys_are_visible_ascii_with_or_without_quotes() {
        let longest = "k".repeat(255);
        for (text, key) in [("a", Some("a")), ("\"8e03-x\"", Some("8e03-x")), (&longest, Some(&*longest))] {
            assert_eq!(RequestKey::new(text).ok().as_ref().map(RequestKey::as_str), key);
        }
        for bad in ["", "\"\"", "a b", "a\u{7f}", "é", "a\tb", &"k".repeat(256)] {
            assert!(RequestKey::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_apart() {
        let key = |text| RequestKey::new(text).unwrap();
        let user = |id| KeyScope::Party(Party::User(UserId::new(id).unwrap()));
        let agent = KeyScope::Party(Party::Agent(AgentId::new(1).unwrap()));
        let names: Vec<_> = [KeyScope::Admins, user(1), user(2), agent]
            .into_iter()
            .flat_map(|scope| ["1", "11"].map(|text| KeyName { scope: scope.clone(), key: key(text) }.to_bytes()))
            .collect();
        for (at, one) in names.iter().enumerate() {
            let beginnings = names.iter().filter(|other| other.starts_with(one)).count();
            assert_eq!(beginnings, 1, "name {at} is the beginning of another");
        }
    }

    #[test]
    fn a_mark_is_the_same_each_time() {
        let digest = KeyDigest([0xab; 32]);
        assert_eq!(digest.client_msg_id().as_str().len(), 64);
        assert_eq!(digest.customer_id().to_string(), "abababab-abab-8bab-abab-abababababab");
        assert!(digest.agent_id().get() >= limits::INTEGRATOR_ID_END / 2);
        let mut draft = AgentDraft { id: AgentId::new(7).ok(), ..AgentDraft::default() };
        digest.mark_agent(&mut draft);
        assert_eq!((draft.id, draft.again), (AgentId::new(7).ok(), true), "a name of its own stays");
    }
}
