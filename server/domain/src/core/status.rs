//! Agents' statuses: an agent sets its own, and those who watch it are told (dialects.md, bytedesk): the customers of
//! its conversations, and the agents of its groups on connections that hear of statuses.
//!
//! Nothing is sent while nobody could hear it: an agent without conversations, on a server without such connections,
//! costs no letter.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_protocol::model::{
    Actor, AgentChange, AgentId, AgentRef, AgentStatus, Answer, ConversationId, Event, Group, Refusal, Write,
};

use super::Core;
use super::hands::Hands;
use super::stored::Then as After;
use crate::desk::RosterChange;
use crate::{ConnectionId, Effect, Letter, Listeners, Origin, ShardId, Spared, Timer};

/// Who hears of statuses.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    /// The agents' connections here that do. In order, so that the same inputs have the same effects.
    hearing: BTreeMap<AgentId, Listeners>,
    /// The desk knows that there are some.
    told: bool,
    /// At the desk: the shards that have such connections, ascending.
    shards: Vec<ShardId>,
}

impl Core {
    /// An agent sets its own status, at the desk.
    pub(super) fn set_status(&mut self, origin: Origin, actor: &Actor, status: AgentStatus) -> Result<(), Refusal> {
        let (Actor::Agent(agent) | Actor::Workbench(Some(agent))) = *actor else { return Err(Refusal::Forbidden) };
        let now = self.hands.now;
        let Some(desk) = &mut self.desk else { unreachable!("only the desk's shard is asked") };
        let before = desk.status(agent);
        let change = AgentChange { status: Some(status), ..AgentChange::default() };
        let RosterChange { view, decisions, grace } = desk.change(now, &AgentRef::Id(agent), change)?;
        if let Some(at) = grace {
            self.hands.arm(Timer::AgentGrace(agent), at);
        }
        let answer = Box::new(Answer::AgentStatus { agent, status: view.status, at: now });
        self.hands.write(After::Agent { origin, answer }, Write::SaveAgent(view.profile.clone()));
        self.hands.publish_agent(view.profile);
        self.tell_status(agent, before, Spared::Connection(origin.shard, origin.connection));
        self.tell_owners(decisions);
        Ok(())
    }

    /// An agent's status in effect may have changed at the desk: if so, those who watch it are told.
    pub(super) fn tell_status(&mut self, agent: AgentId, before: Option<AgentStatus>, spared: Spared) {
        let Some(desk) = &self.desk else { return };
        let (Some(status), Some((conversations, groups))) = (desk.status(agent), desk.watched_by(agent)) else {
            return;
        };
        if before.unwrap_or(AgentStatus::Offline) != status {
            let (conversations, groups) = (conversations.collect(), groups.into());
            self.spread_status(agent, status, conversations, groups, spared);
        }
    }

    /// Tells those who watch an agent of its status.
    pub(super) fn spread_status(
        &mut self,
        agent: AgentId,
        status: AgentStatus,
        conversations: Vec<ConversationId>,
        groups: Arc<[Group]>,
        spared: Spared,
    ) {
        let mut of_shard: BTreeMap<ShardId, Vec<ConversationId>> = BTreeMap::new();
        for conversation in conversations {
            of_shard.entry(self.hands.placement.owner(conversation)).or_default().push(conversation);
        }
        for shard in &self.hands.statuses.shards {
            of_shard.entry(*shard).or_default();
        }
        if of_shard.is_empty() {
            return;
        }
        let event = Arc::new(Event::AgentStatus { agent, status, at: self.hands.now });
        for (shard, conversations) in of_shard {
            let letter = Letter::Status { event: event.clone(), groups: groups.clone(), conversations, spared };
            self.hands.send(shard, letter);
        }
    }

    /// The desk tells of a status: to the customers here, and to the agents here that hear of it.
    pub(super) fn status_told(
        &mut self,
        event: &Arc<Event>,
        groups: &[Group],
        conversations: &[ConversationId],
        spared: Spared,
    ) {
        for conversation in conversations {
            let live = self.conversations.get(conversation).and_then(|slot| slot.live.as_ref());
            if let Some(live) = live {
                let customer = live.header.customer.clone();
                self.hands.tell_devices(&customer, event, None);
            }
        }
        self.hands.tell_hearing(event, groups, spared);
    }

    /// Another shard has connections that hear of statuses, or has none any more.
    pub(super) fn statuses_of(&mut self, shard: ShardId, any: bool) {
        let shards = &mut self.hands.statuses.shards;
        match (shards.binary_search(&shard), any) {
            (Err(at), true) => shards.insert(at, shard),
            (Ok(at), false) => {
                shards.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => {}
        }
    }
}

impl Hands {
    /// A connection of an agent hears of statuses from now on.
    pub(super) fn hear_statuses(&mut self, agent: AgentId, connection: ConnectionId) {
        self.statuses.hearing.entry(agent).or_default().push(connection);
        self.tell_of_hearing();
    }

    /// A connection of an agent, or all of them, is gone.
    pub(super) fn stop_hearing(&mut self, agent: AgentId, connection: Option<ConnectionId>) {
        let Some(hearing) = self.statuses.hearing.get_mut(&agent) else { return };
        hearing.retain(|known| connection.is_some_and(|gone| *known != gone));
        if hearing.is_empty() {
            self.statuses.hearing.remove(&agent);
            self.tell_of_hearing();
        }
    }

    fn tell_hearing(&mut self, event: &Arc<Event>, groups: &[Group], spared: Spared) {
        let (agent, connection) = match spared {
            Spared::Nobody => (None, None),
            Spared::Agent(agent) => (Some(agent), None),
            Spared::Connection(shard, connection) => (None, (shard == self.shard).then_some(connection)),
        };
        let serves = |agent: AgentId| groups.iter().any(|group| self.directory.serves(agent, group));
        let hearing = self.statuses.hearing.iter().filter(|(hears, _)| Some(**hears) != agent && serves(**hears));
        let connections = hearing.flat_map(|(_, connections)| connections.iter().copied());
        let to: Listeners = connections.filter(|hears| Some(*hears) != connection).collect();
        if !to.is_empty() {
            self.out.push(Effect::Tell { to, event: event.clone() });
        }
    }

    /// Tells the desk whether this shard has connections that hear of statuses, if that is news.
    fn tell_of_hearing(&mut self) {
        let any = !self.statuses.hearing.is_empty();
        if any == self.statuses.told {
            return;
        }
        self.statuses.told = any;
        let letter = Letter::HearsStatuses { shard: self.shard, any };
        self.send(self.placement.desk(), letter);
    }
}
