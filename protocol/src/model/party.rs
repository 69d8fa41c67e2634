//! Who is behind a connection, and who asks for something.

use xxhash_rust::xxh3::xxh3_64;

use super::{AgentId, CustomerId, TokenHash, UserId, VShard, VisitorId};

/// Who is behind a connection. A user and an agent may bear the same integer: a party is kind and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A customer the integrator knows.
    User(UserId),
    /// Somebody anonymous.
    Visitor(VisitorId),
    /// A human agent.
    Agent(AgentId),
    /// A customer who came by a channel.
    Customer(CustomerId),
}

impl Party {
    /// The virtual shard this party lives on: XXH3-64 of a kind byte and the id's bytes, modulo 4096.
    /// Stable for ever: ids in storage depend on it.
    pub fn vshard(&self) -> VShard {
        match self {
            Self::User(id) => hash_integer(b'u', id.get()),
            Self::Agent(id) => hash_integer(b'a', id.get()),
            Self::Visitor(id) => {
                let mut key = Vec::with_capacity(1 + id.as_str().len());
                key.push(b'v');
                key.extend_from_slice(id.as_str().as_bytes());
                VShard::of_hash(xxh3_64(&key))
            }
            Self::Customer(id) => {
                let mut key = [b'k'; 17];
                key[1..].copy_from_slice(id.as_bytes());
                VShard::of_hash(xxh3_64(&key))
            }
        }
    }
}

fn hash_integer(kind: u8, id: u64) -> VShard {
    let mut key = [kind; 9];
    key[1..].copy_from_slice(&id.to_le_bytes());
    VShard::of_hash(xxh3_64(&key))
}

/// Who asks, as far as the connection or token has proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A logged-in customer.
    User(UserId),
    /// A visitor; `bound` once its connection was bound to it, which reading history requires.
    Visitor {
        /// Which visitor.
        id: VisitorId,
        /// Whether this connection was bound to it.
        bound: bool,
    },
    /// A logged-in agent.
    Agent(AgentId),
    /// Whoever works the agents' desk by REST: an agent with its own token, or, with an admin's or on a server that
    /// asks for none, the workbench itself, which sees all and acts as each conversation's own agent.
    Workbench(Option<AgentId>),
    /// A customer who came by a channel.
    Customer(CustomerId),
    /// Whoever an opaque token was issued to, as storage will say.
    Bearer(Box<Bearer>),
    /// An operator with an admin token; party to no conversation.
    Admin,
    /// Nobody in particular: only what the guides leave open to everybody.
    Anonymous,
}

/// An opaque token that was shown, and as whom its bearer is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's.
    pub hash: TokenHash,
    /// An agent is taken as one at its workbench (`Actor::Workbench`), as by a JWT on the same path.
    pub workbench: bool,
}

impl Actor {
    /// The party this actor is, if it is one.
    pub fn party(&self) -> Option<Party> {
        match self {
            Self::User(id) => Some(Party::User(*id)),
            Self::Visitor { id, .. } => Some(Party::Visitor(id.clone())),
            Self::Agent(id) | Self::Workbench(Some(id)) => Some(Party::Agent(*id)),
            Self::Customer(id) => Some(Party::Customer(*id)),
            Self::Workbench(None) | Self::Bearer(_) | Self::Admin | Self::Anonymous => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written down once: a change would orphan every stored conversation.
    #[test]
    fn placement_is_stable_for_ever() {
        let user = Party::User(UserId::new(100).expect("valid"));
        let agent = Party::Agent(AgentId::new(100).expect("valid"));
        let visitor = Party::Visitor(VisitorId::new("visitor_123456").expect("valid"));
        assert_eq!([user, agent, visitor].map(|party| party.vshard().index()), [3359, 3095, 3007]);
        let customer = Party::Customer(CustomerId::from_bytes([7; 16]));
        assert_eq!(customer.vshard().index(), 2466);
    }

    /// One of these is in every connection and every event.
    #[test]
    fn a_party_is_small() {
        assert_eq!(size_of::<Party>(), 24);
    }
}
