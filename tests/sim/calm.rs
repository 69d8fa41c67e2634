//! What is right when everything has come to rest: nothing is lost or left over, the desk is fair and sees
//! what the owners see (invariants 3, 5 and 6 of architecture.md).

use std::collections::BTreeMap;

use switchboard_domain::{ConnectionId, ShardId};
use switchboard_protocol::model::{
    Accept, Actor, AgentId, AgentStatus, AgentView, Command, Conversation, Party, State,
};

use super::people::ADMIN;
use super::world::World;

impl World {
    /// Waits for rest and looks at everything.
    pub fn calm(&mut self) {
        self.rest();
        self.note(|_| "CALM".to_owned());
        assert!(self.asked.is_empty(), "never answered: {:?}", self.asked.values().next());
        self.everybody_has_what_it_is_owed();
        self.nothing_is_left_over();
        self.ask(ADMIN, ShardId(0), ConnectionId { slot: 0, generation: 0 }, Actor::Admin, LIST);
        self.rest();
        let views = std::mem::take(&mut self.judge.views);
        self.the_desk_is_fair(&views);
    }

    fn everybody_has_what_it_is_owed(&mut self) {
        for (slot, device) in &mut self.people.devices {
            let missing = device.owed.difference(&device.got).next();
            assert_eq!(missing, None, "device {slot} of {:?} never heard it", device.party);
            device.owed.clear();
        }
    }

    fn nothing_is_left_over(&self) {
        let open: BTreeMap<_, _> = self.stored_open().into_iter().map(|header| (header.id, header)).collect();
        let decided: BTreeMap<_, _> =
            self.judge.decided.iter().filter(|(_, header)| header.is_open()).map(|(id, h)| (*id, h.clone())).collect();
        assert_eq!(open, decided, "storage and owners agree");
        let figures: Vec<_> = self.cores.iter().map(|core| core.figures()).collect();
        let kept: u64 = figures.iter().map(|figures| figures.conversations).sum();
        assert_eq!(kept, open.len() as u64, "closed conversations are forgotten, open ones are not");
        assert_eq!(figures.iter().map(|figures| figures.storage_ops).sum::<u64>(), 0, "tickets are left");
    }

    fn the_desk_is_fair(&mut self, views: &[AgentView]) {
        let open: Vec<&Conversation> = self.judge.decided.values().filter(|header| header.is_open()).collect();
        let has = |agent: AgentId| open.iter().filter(|header| header.agent == Some(agent)).count() as u64;
        for view in views {
            let (agent, current) = (view.profile.id, u64::from(view.current_concurrent));
            assert_eq!(current, has(agent), "the desk and the owners count differently for agent {agent}");
            let connected = self.people.is_connected(&Party::Agent(agent));
            let status = view.profile.status.unwrap_or(AgentStatus::Online);
            assert_eq!(view.status, if connected { status } else { AgentStatus::Offline }, "agent {agent}");
            assert_eq!(self.judge.agents.get(&agent), Some(&Some(view.profile.clone())), "agent {agent}'s record");
            if view.status == AgentStatus::Offline {
                assert_eq!(current, 0, "agent {agent} is gone longer than its grace");
            }
            if current <= u64::from(view.profile.max_concurrent) {
                self.people.over.remove(&agent);
            } else {
                assert!(self.people.over.contains(&agent), "agent {agent} has more than it may");
            }
        }
        let waiting: Vec<_> = open.iter().filter(|header| header.state == State::Pending).collect();
        for header in &waiting {
            let idle = views.iter().find(|view| {
                let free = view.status == AgentStatus::Online
                    && view.accept == Accept::Auto
                    && view.current_concurrent < view.profile.max_concurrent;
                free && view.profile.groups.contains(&header.group)
            });
            assert_eq!(idle.map(|view| view.profile.id), None, "{} waits beside a free agent", header.id);
        }
        let desk = self.cores[usize::from(self.placement.desk().0)].figures().desk.expect("the desk's shard");
        assert_eq!(desk.violations, 0, "the desk counted violations");
        assert_eq!(desk.waiting, waiting.len() as u64, "who waits");
        assert_eq!(desk.assigned, open.len() as u64 - desk.waiting, "who has somebody");
        self.judge.counts.waited += desk.waiting;
    }
}

const LIST: Command = Command::ListAgents { after: None, limit: 100 };
