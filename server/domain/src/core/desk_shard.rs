//! The desk's side of the mail: what it is asked, whom it tells, and the agents' directory.

use switchboard_protocol::model::{
    Actor, AgentChange, AgentCode, AgentDraft, AgentId, AgentRef, AgentStatus, Answer, Command, Refusal, Transfer,
    Write,
};

use super::Core;
use super::stored::Then as After;
use crate::desk::{Decision, RosterChange, Waiting};
use crate::{DeskAsk, DeskTell, Letter, Origin, Request, ShardId, Spared, Timer, Transferred};

impl Core {
    /// A question to the desk, which this shard owns.
    pub(super) fn desk_asked(&mut self, ask: DeskAsk) {
        let now = self.hands.now;
        let Some(desk) = &mut self.desk else { unreachable!("only the desk's shard is asked") };
        let mut decisions = Vec::new();
        match ask {
            DeskAsk::Place { conversation, group, named, queued_at } => {
                let waiting = Waiting { conversation, group, named, queued_at, returned: false };
                let until = desk.named_until(&waiting);
                let decision = desk.place(now, &waiting, until);
                if let Some(until) = desk.waits_for_named(conversation) {
                    self.hands.arm(Timer::NamedGrace(conversation), until);
                }
                let tell = DeskTell::Placed { conversation, agent: decision.agent };
                self.hands.send(self.hands.placement.owner(conversation), Letter::FromDesk(tell));
            }
            DeskAsk::Released(conversation) => desk.release(now, conversation, &mut decisions),
            DeskAsk::AgentAccepts(agent, accept) => desk.agent_accepts(now, agent, accept, &mut decisions),
            DeskAsk::Accept { conversation, agent, origin } => {
                let picked = desk.accept(now, conversation, &agent);
                if let Ok((agent, Some(at))) = picked {
                    self.hands.arm(Timer::AgentGrace(agent), at);
                }
                let result = picked.map(|(agent, _)| agent);
                let tell = DeskTell::Accepted { conversation, result, origin };
                self.hands.send(self.hands.placement.owner(conversation), Letter::FromDesk(tell));
            }
            DeskAsk::Transfer { conversation, to, seen, origin } => {
                let seen = seen.as_ref();
                let result = match to {
                    Transfer::Agent(name) => {
                        let moved = desk.transfer_to_agent(now, conversation, &name, seen, &mut decisions);
                        moved.map(Transferred::Agent)
                    }
                    Transfer::Group(group) => {
                        let moved = desk.transfer_to_group(now, conversation, &group, seen, &mut decisions);
                        moved.map(|()| Transferred::Group { group, queued_at: now })
                    }
                };
                let tell = DeskTell::Transferred { conversation, result, origin };
                self.hands.send(self.hands.placement.owner(conversation), Letter::FromDesk(tell));
            }
            DeskAsk::AgentUp { agent, accept, claims } => {
                if !desk.knows(agent) {
                    self.make_agent(agent, claims.map(|claims| *claims).unwrap_or_default());
                }
                if let Some(desk) = &mut self.desk {
                    let before = desk.status(agent);
                    desk.set_accept(agent, accept);
                    desk.agent_up(now, agent, &mut decisions);
                    self.tell_status(agent, before, Spared::Agent(agent));
                }
            }
            DeskAsk::CatchUp(customer) => {
                let home = self.hands.placement.home(&customer);
                self.hands.send(home, Letter::CaughtUp(customer));
            }
            DeskAsk::AgentDown(agent) => {
                let before = desk.status(agent);
                if let Some(at) = desk.agent_down(now, agent) {
                    self.hands.arm(Timer::AgentGrace(agent), at);
                }
                self.tell_status(agent, before, Spared::Agent(agent));
            }
        }
        self.tell_owners(decisions);
    }

    /// Tells the owners of conversations what the desk decided.
    pub(super) fn tell_owners(&mut self, decisions: Vec<Decision>) {
        for Decision { conversation, agent, .. } in decisions {
            let tell = DeskTell::Assigned { conversation, agent };
            self.hands.send(self.hands.placement.owner(conversation), Letter::FromDesk(tell));
        }
    }

    /// The agents' directory: only admins, but for the list that visitors choose from.
    pub(super) fn agents_request(&mut self, request: Request) {
        let Request { origin, actor, command } = request;
        if let Command::SetStatus(status) = command {
            if let Err(refusal) = self.set_status(origin, &actor, status) {
                self.hands.answer(origin, Err(refusal));
            }
            return;
        }
        let public = matches!(command, Command::AvailableAgents);
        if !public && actor != Actor::Admin {
            return self.hands.answer(origin, Err(Refusal::Forbidden));
        }
        if let Err(refusal) = self.agents_command(origin, command) {
            self.hands.answer(origin, Err(refusal));
        }
    }

    fn agents_command(&mut self, origin: Origin, command: Command) -> Result<(), Refusal> {
        let now = self.hands.now;
        let Some(desk) = &mut self.desk else { unreachable!("only the desk's shard is asked") };
        match command {
            Command::CreateAgent(draft) => {
                let view = desk.create(*draft)?;
                let profile = view.profile.clone();
                let answer = Box::new(Answer::Agent(Box::new(view)));
                self.hands.write(After::Agent { origin, answer }, Write::SaveAgent(profile.clone()));
                self.hands.publish_agent(profile);
            }
            Command::GetAgent(name) => {
                let view = desk.show(&name)?;
                self.hands.answer(origin, Ok(Answer::Agent(Box::new(view))));
            }
            Command::UpdateAgent(name, change) => {
                let before = desk.show(&name)?.status;
                let RosterChange { view, decisions, grace } = desk.change(now, &name, *change)?;
                let profile = view.profile.clone();
                let agent = profile.id;
                if let Some(at) = grace {
                    self.hands.arm(Timer::AgentGrace(agent), at);
                }
                let answer = Box::new(Answer::Agent(Box::new(view)));
                self.hands.write(After::Agent { origin, answer }, Write::SaveAgent(profile.clone()));
                self.hands.publish_agent(profile);
                self.tell_status(agent, Some(before), Spared::Nobody);
                self.tell_owners(decisions);
            }
            Command::DeleteAgent(name) => self.delete_agent(origin, &name)?,
            Command::ListAgents { after, limit } => {
                let (agents, more) = desk.list(after, limit);
                self.hands.answer(origin, Ok(Answer::Agents { agents, more }));
            }
            Command::AvailableAgents => {
                let available = desk.available();
                self.hands.answer(origin, Ok(Answer::Available(available)));
            }
            Command::Open { .. }
            | Command::History { .. }
            | Command::Sync { .. }
            | Command::Send { .. }
            | Command::MarkRead { .. }
            | Command::End { .. }
            | Command::EndPair { .. }
            | Command::Transcript { .. }
            | Command::ListConversations(_)
            | Command::ShowConversation(_)
            | Command::Accept { .. }
            | Command::Transfer { .. }
            | Command::ShowMessage(_)
            | Command::Revise { .. }
            | Command::SetStatus(_)
            | Command::Watch(_)
            | Command::Typing { .. }
            | Command::Identify
            | Command::IssueAgentToken { .. }
            | Command::Key(_)
            | Command::Customers(_) => unreachable!("only the agents' commands are sent on to here"),
        }
        Ok(())
    }

    /// An agent is deleted, by whatever shard it may be known; its colleagues are told that it is gone.
    fn delete_agent(&mut self, origin: Origin, name: &AgentRef) -> Result<(), Refusal> {
        let Some(desk) = &mut self.desk else { unreachable!("only the desk's shard is asked") };
        let mut decisions = Vec::new();
        let before = desk.show(name)?;
        let id = desk.delete(self.hands.now, name, &mut decisions)?;
        let answer = Box::new(Answer::AgentDeleted);
        self.hands.write(After::Agent { origin, answer }, Write::DeleteAgent(id));
        for shard in (0..self.hands.placement.shards()).map(ShardId) {
            self.hands.send(shard, Letter::AgentDeleted(id));
        }
        if before.status != AgentStatus::Offline {
            // With conversations it would not have been deleted: no customer watches it.
            let groups = before.profile.groups.into();
            self.spread_status(id, AgentStatus::Offline, Vec::new(), groups, Spared::Agent(id));
        }
        self.tell_owners(decisions);
        Ok(())
    }

    /// An agent first seen in a token is made on the spot (dialects.md, "Who exists").
    fn make_agent(&mut self, id: AgentId, claims: AgentChange) {
        let Some(desk) = &mut self.desk else { return };
        if self.hands.directory.is_deleted(id) {
            return;
        }
        let draft = AgentDraft { id: Some(id), code: None, rest: claims, again: false };
        let made = desk.create(draft.clone()).or_else(|_| {
            // Somebody's code is this id in decimal: codes are unique, so this agent gets a longer one.
            let code = AgentCode::new(&format!("agent-{id}")).ok();
            desk.create(AgentDraft { code, ..draft })
        });
        if let Ok(view) = made {
            self.hands.write(After::AgentSaved, Write::SaveAgent(view.profile.clone()));
            self.hands.publish_agent(view.profile);
        }
    }
}
