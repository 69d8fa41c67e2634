//! A conversation goes to another agent, or into the queue of another group: its owner checks who asks, the desk
//! decides, and the owner writes it down before anybody is told.

use switchboard_protocol::model::{Actor, Answer, Refusal, State, Transfer};

use super::Slot;
use super::hands::Hands;
use crate::conversation::{self, Then};
use crate::{DeskAsk, Origin, Seen, Transferred};

impl Slot {
    /// Its own agent may give it away, an agent of its group while nobody has it, an admin always. The desk may have
    /// moved it meanwhile: it is told on what that right rests.
    pub(super) fn transfer(
        &mut self,
        hands: &mut Hands,
        origin: Origin,
        actor: &Actor,
        to: Transfer,
    ) -> Result<(), Refusal> {
        let live = self.live.as_ref().expect("a slot that is not held is loaded");
        live.may_read(actor, &hands.directory)?;
        let seen = match actor {
            Actor::Workbench(None) | Actor::Admin => None,
            Actor::Workbench(Some(own)) | Actor::Agent(own) => {
                if live.header.agent.is_some_and(|agent| agent != *own) {
                    return Err(Refusal::Forbidden);
                }
                Some(Seen { agent: live.header.agent, group: live.header.group.clone() })
            }
            Actor::User(_) | Actor::Visitor { .. } | Actor::Customer(_) | Actor::Bearer(_) | Actor::Anonymous => {
                return Err(Refusal::Forbidden);
            }
        };
        if live.header.state == State::Closed {
            return Err(Refusal::Ended);
        }
        hands.ask_desk(DeskAsk::Transfer { conversation: live.header.id, to, seen, origin });
        Ok(())
    }

    /// The desk has decided about a transfer. The answer waits until it is durable.
    pub(super) fn transferred(&mut self, hands: &mut Hands, result: Result<Transferred, Refusal>, origin: Origin) {
        let live = self.live.as_mut().expect("a slot that is not held is loaded");
        let moved = match result {
            Err(refusal) => return hands.answer(origin, Err(refusal)),
            // It was ended while the desk was asked, and the desk will hear of that.
            Ok(_) if !live.header.is_open() => return hands.answer(origin, Err(Refusal::Ended)),
            Ok(moved) => moved,
        };
        let former = live.header.agent;
        match moved {
            Transferred::Agent(agent) => self.assigned(hands, Some(agent), former),
            Transferred::Group { group, queued_at } => {
                let at = hands.now;
                let left = Some(live.header.group.clone()).filter(|left| *left != group);
                conversation::requeue(&mut live.header, group, queued_at, at);
                let group = live.header.group.clone();
                live.writes.push_back(Then::Waits { scene: live.scene(), group, at, former, left, told: true });
                self.save(hands);
            }
        }
        let live = self.live.as_mut().expect("just looked at");
        let answer = Answer::Conversation(Box::new(live.header.clone()));
        live.writes.push_back(Then::Barrier { asker: hands.asker(origin), answer });
        self.settle(hands);
    }
}
