//! Conversations named by whom they are with (bytedesk): the asker must be who it says to be, a user means its one open
//! conversation, an agent the open one that it has with a customer.

use switchboard_protocol::model::{
    Actor, AgentCode, AgentId, AgentRef, ConversationId, CustomerNumber, Party, PeerName, Refusal, Target, UserId,
    VShard, limits,
};

use super::Core;
use super::request::NO_CONVERSATION;
use crate::ShardId;

impl Core {
    /// What a target that names peers means, as far as that is known where it is asked: of an agent's, only the
    /// customer's home knows the conversation.
    pub(super) fn peer_target(
        &self,
        actor: &Actor,
        (from, to): (Option<&PeerName>, &PeerName),
        conversation: Option<ConversationId>,
    ) -> Result<Option<Target>, Refusal> {
        self.is_from(actor, from)?;
        let named = conversation.map(Target::Conversation);
        match actor {
            Actor::User(_) => Ok(Some(match named {
                Some(target) => target,
                None => Target::Own { named: None, agent: wanted(to), group: None },
            })),
            Actor::Agent(_) | Actor::Workbench(Some(_)) => match (named, to) {
                (None, PeerName::Number(_)) => Ok(None),
                (None, PeerName::Auto | PeerName::Code(_)) => Err(NO_CONVERSATION),
                (target, _) => Ok(target),
            },
            Actor::Workbench(None) => named.map(Some).ok_or(NO_CONVERSATION),
            Actor::Visitor { .. } | Actor::Customer(_) | Actor::Bearer(_) | Actor::Admin | Actor::Anonymous => {
                Err(Refusal::Forbidden)
            }
        }
    }

    /// Nobody sends in another's name.
    fn is_from(&self, actor: &Actor, from: Option<&PeerName>) -> Result<(), Refusal> {
        let Some(from) = from else { return Ok(()) };
        let is = match (actor, from) {
            (Actor::User(own), PeerName::Number(number)) => number.get() == own.get(),
            (Actor::Agent(own) | Actor::Workbench(Some(own)), PeerName::Number(number)) => number.get() == own.get(),
            (Actor::Agent(own) | Actor::Workbench(Some(own)), PeerName::Code(code)) => {
                let named = self.hands.directory.find(&AgentRef::Code(code.clone()));
                named.is_some_and(|named| named.id == *own)
            }
            _ => false,
        };
        if is { Ok(()) } else { Err(Refusal::OtherParty) }
    }

    /// The home of the customer that a number is shown for: a user's by its id; any other number says where it was
    /// minted.
    pub(super) fn home_of_number(&self, number: CustomerNumber) -> ShardId {
        let placement = &self.hands.placement;
        match UserId::new(number.get()) {
            Ok(user) => placement.home(&Party::User(user)),
            Err(_) => placement.shard_of(vshard_of(number)),
        }
    }

    /// The customer that a number is shown for, if it is a user or has an open conversation here.
    pub(super) fn customer_of_number(&self, number: CustomerNumber) -> Option<Party> {
        match UserId::new(number.get()) {
            Ok(user) => Some(Party::User(user)),
            Err(_) => self.numbers.get(&number).cloned(),
        }
    }
}

fn vshard_of(number: CustomerNumber) -> VShard {
    let index = number.get() % u64::from(limits::VSHARDS);
    VShard::new(u16::try_from(index).expect("below 4096")).expect("below 4096")
}

/// The agent that a user wants; whether there is one is asked when a conversation is opened. A number that no agent can
/// have may still be one's code.
fn wanted(to: &PeerName) -> Option<AgentRef> {
    match to {
        PeerName::Auto => None,
        PeerName::Number(number) => Some(match AgentId::new(number.get()) {
            Ok(agent) => AgentRef::Id(agent),
            Err(_) => AgentRef::Code(AgentCode::new(&number.get().to_string()).expect("16 digits are a valid code")),
        }),
        PeerName::Code(code) => Some(AgentRef::Code(code.clone())),
    }
}
