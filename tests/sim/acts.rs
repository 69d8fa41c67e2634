//! What people do: one act at a time, chosen by chance, through one of their devices or without any.

use switchboard_domain::{ConnectionId, ShardId};
use switchboard_protocol::model::{
    Accept, Actor, AgentChange, AgentChoice, AgentDraft, AgentId, AgentRef, AgentStatus, Body, BodyKind, ClientMsgId,
    Command, ConversationId, CustomerNumber, Draft, Group, MessageId, Party, PeerName, Revision, Seq, Side, State,
    Target, Transfer, Window,
};

use super::people::{ADMIN, LOOSE, named, pair};
use super::world::World;

impl World {
    /// Somebody does something.
    pub fn act(&mut self) {
        if self.rng.one_in(25) {
            return self.administer();
        }
        if self.rng.one_in(15) {
            return self.revise();
        }
        if self.rng.one_in(25) {
            return self.give_away();
        }
        let person = self.rng.range(0, self.people.all.len() as u64) as usize;
        if self.rng.one_in(8) {
            return self.come_or_go(person);
        }
        match self.people.all[person].party.clone() {
            Party::User(_) => self.user_acts(person),
            Party::Visitor(_) | Party::Customer(_) => self.visitor_acts(person),
            Party::Agent(agent) => self.agent_acts(person, agent),
        }
    }

    fn come_or_go(&mut self, person: usize) {
        let devices = self.people.devices_of(person);
        let party = self.people.all[person].party.clone();
        let home = usize::from(self.placement.home(&party).0);
        if self.rng.one_in(3) || devices.len() > 2 {
            // All at once, or one.
            let all = self.rng.one_in(2);
            for slot in devices.into_iter().take(if all { usize::MAX } else { 1 }) {
                self.leave(slot);
            }
        } else if self.cores[home].may_log_in(&party) {
            self.arrive(person, party);
        }
    }

    fn user_acts(&mut self, person: usize) {
        if self.rng.one_in(6) {
            return self.send_to_peer(person);
        }
        let Some(conversation) = self.own(person) else { return self.open(person) };
        match self.rng.range(0, 20) {
            0 | 1 => self.open(person),
            2..=9 => self.send_to(person, conversation),
            10 | 11 => self.repeat(person),
            12 => self.mark(person, conversation),
            13 => self.act_as(person, Command::End { conversation }),
            14 | 15 => self.sync(person, conversation),
            16 | 17 => self.history(person, conversation),
            18 => self.act_as(person, Command::Typing { conversation }),
            _ => self.guess(person),
        }
    }

    /// A user means its own conversation and may want an agent; an agent names one of its customers by its number.
    fn send_to_peer(&mut self, person: usize) {
        let to = match &self.people.all[person].party {
            Party::Agent(agent) => {
                let own = self.judge.saved.values().filter(|header| header.agent == Some(*agent));
                let numbers: Vec<_> = own.map(|header| header.customer_number).collect();
                if numbers.is_empty() {
                    return;
                }
                PeerName::Number(numbers[self.rng.range(0, numbers.len() as u64) as usize])
            }
            Party::User(_) | Party::Visitor(_) | Party::Customer(_) => match self.rng.range(0, 6) {
                0 => PeerName::Number(CustomerNumber::from_wire(self.rng.range(1, 5)).expect("small")),
                _ => PeerName::Auto,
            },
        };
        let draft = self.draft(true);
        self.send(person, Target::Peer { from: None, to, conversation: None }, draft);
    }

    fn open(&mut self, person: usize) {
        let group = self.rng.one_in(4).then(|| Group::new("vip").expect("short"));
        self.act_as(person, Command::Open { user: None, agent: None, group });
    }

    fn visitor_acts(&mut self, person: usize) {
        let conversation = self.own(person);
        match (self.rng.range(0, 14), conversation) {
            (0..=5, _) | (_, None) => self.visitor_sends(person),
            (6 | 7, _) => self.visitor_repeats(person),
            (8, Some(conversation)) => {
                let end = match self.pair_of(person) {
                    Target::Pair { visitor, agent } => Command::EndPair { visitor, agent },
                    Target::Conversation(_) | Target::Own { .. } | Target::Peer { .. } => Command::End { conversation },
                };
                self.act_as(person, end);
            }
            (9 | 10, Some(conversation)) => self.sync(person, conversation),
            (11, Some(conversation)) => self.mark(person, conversation),
            (12, Some(conversation)) => self.history(person, conversation),
            (_, Some(_)) => self.guess(person),
        }
    }

    fn agent_acts(&mut self, person: usize, agent: AgentId) {
        if self.people.devices_of(person).is_empty() && !self.rng.one_in(10) {
            return;
        }
        if self.rng.one_in(8) {
            return self.send_to_peer(person);
        }
        let Some(conversation) = self.own(person) else { return };
        match self.rng.range(0, 20) {
            0..=7 => self.send_to(person, conversation),
            8 | 9 => self.repeat(person),
            10 | 11 => self.mark(person, conversation),
            12..=14 => self.act_as(person, Command::End { conversation }),
            15 => self.sync(person, conversation),
            16 => self.history(person, conversation),
            17 => self.guess(person),
            _ => {
                let Party::Visitor(visitor) = self.judge.decided[&conversation].customer.clone() else { return };
                let agent = if self.rng.one_in(2) { AgentChoice::Auto } else { named(agent.get()) };
                if self.rng.one_in(3) {
                    self.act_as(person, Command::EndPair { visitor, agent });
                } else {
                    let draft = self.draft(true);
                    self.send(person, pair(visitor, agent), draft);
                }
            }
        }
    }

    /// One of a person's conversations: mostly an open one, sometimes an earlier one.
    fn own(&mut self, person: usize) -> Option<ConversationId> {
        let party = &self.people.all[person].party;
        let own = |header: &&switchboard_protocol::model::Conversation| match party {
            Party::Agent(agent) => header.agent == Some(*agent),
            Party::User(_) | Party::Visitor(_) | Party::Customer(_) => header.customer == *party,
        };
        let all: Vec<_> = self.judge.saved.values().filter(own).collect();
        let open: Vec<_> = all.iter().filter(|header| header.is_open()).collect();
        let (all, open): (Vec<_>, Vec<_>) =
            (all.iter().map(|header| header.id).collect(), open.iter().map(|header| header.id).collect());
        let agents = matches!(party, Party::Agent(_));
        let from = if open.is_empty() || self.rng.one_in(10) { all } else { open };
        // A user without an open conversation mostly opens one.
        if from.is_empty() || (!agents && self.rng.one_in(15)) {
            return None;
        }
        Some(from[self.rng.range(0, from.len() as u64) as usize])
    }

    fn send_to(&mut self, person: usize, conversation: ConversationId) {
        let draft = self.draft(false);
        self.send(person, Target::Conversation(conversation), draft);
    }

    fn send(&mut self, person: usize, target: Target, draft: Draft) {
        let command = Command::Send { target, draft };
        if matches!(&command, Command::Send { draft, .. } if draft.client_msg_id.is_some()) {
            self.people.all[person].sends.push(command.clone());
        }
        let again = self.rng.one_in(12);
        self.act_as(person, command.clone());
        if again {
            self.act_as(person, command);
        }
    }

    fn draft(&mut self, loose: bool) -> Draft {
        let number = self.number();
        let kind = if loose { LOOSE } else { 's' };
        let client_msg_id = (!self.rng.one_in(3)).then(|| ClientMsgId::new(&format!("{kind}{number}")).expect("short"));
        Draft {
            body: Body { kind: BodyKind::Text, content: format!("text {number}"), file_url: None, metadata: None },
            client_msg_id,
        }
    }

    fn repeat(&mut self, person: usize) {
        let sends = &self.people.all[person].sends;
        if sends.is_empty() {
            return;
        }
        // Mostly a recent one.
        let back = self.rng.range(1, sends.len() as u64 + 1).min(self.rng.range(1, 80)) as usize;
        let command = sends[sends.len() - back].clone();
        self.act_as(person, command);
    }

    fn visitor_sends(&mut self, person: usize) {
        let strict = self.people.all[person].choice.is_some();
        let under_way = self.asked.values().any(|asked| asked.person == person);
        if strict && (under_way || self.people.all[person].pending.is_some()) {
            return self.visitor_repeats(person);
        }
        let target = self.pair_of(person);
        let mut draft = self.draft(!strict);
        if draft.client_msg_id.is_none() && self.rng.one_in(2) {
            draft = self.draft(!strict);
        }
        let command = Command::Send { target, draft };
        let repeatable = matches!(&command, Command::Send { draft, .. } if draft.client_msg_id.is_some());
        let sends = &mut self.people.all[person].sends;
        if repeatable {
            sends.push(command.clone());
        }
        // Of whoever waits for an answer before the next send, nothing is stored twice, whatever has ended meanwhile.
        let kept = if strict { 8 } else { usize::from(repeatable) };
        sends.drain(..sends.len().saturating_sub(kept));
        if strict && repeatable {
            self.people.all[person].pending = Some(command.clone());
        }
        self.act_as(person, command);
    }

    fn visitor_repeats(&mut self, person: usize) {
        match self.people.all[person].pending.clone() {
            Some(command) => self.act_as(person, command),
            None => self.repeat(person),
        }
    }

    fn pair_of(&mut self, person: usize) -> Target {
        if matches!(self.people.all[person].party, Party::Customer(_)) {
            // Now and then it names one that it knows.
            let named = if self.rng.one_in(4) { self.own(person) } else { None };
            return Target::Own { named, agent: None, group: None };
        }
        let agents = self.people.agents().len() as u64;
        let person = &self.people.all[person];
        let agent = match &person.choice {
            Some(choice) => choice.clone(),
            None if self.rng.one_in(3) => AgentChoice::Auto,
            None => named(self.rng.range(1, agents + 1)),
        };
        pair(person.visitor().expect("only visitors make pairs"), agent)
    }

    fn mark(&mut self, person: usize, conversation: ConversationId) {
        let mine = matches!(self.people.all[person].party, Party::Agent(_));
        let of = if mine { Side::Customer } else { Side::Agent };
        let stored: Vec<MessageId> = self.judge.ids_of(conversation);
        let some = self.rng.range(1, 5);
        let messages = stored.into_iter().rev().take(8).filter(|_| !self.rng.one_in(some)).collect();
        self.act_as(person, Command::MarkRead { conversation, messages, of });
    }

    fn sync(&mut self, person: usize, conversation: ConversationId) {
        let newest = self.judge.durable_seq(conversation).get();
        let beyond = if self.rng.one_in(10) { 7 } else { 2 };
        let after = Seq::new(self.rng.range(0, newest + beyond));
        let limit = [1, 3, 100][self.rng.range(0, 3) as usize];
        self.act_as(person, Command::Sync { conversation, after, limit });
    }

    fn history(&mut self, person: usize, conversation: ConversationId) {
        let size = [1, 2, 10, 100][self.rng.range(0, 4) as usize];
        let stored = self.judge.ids_of(conversation);
        let window = match self.rng.range(0, 3) {
            1 => Window::AfterSeq { seq: Seq::new(self.rng.range(0, stored.len() as u64 + 1)), limit: size },
            2 if !stored.is_empty() => {
                let message = stored[self.rng.range(0, stored.len() as u64) as usize];
                Window::AfterMessage { message, limit: size }
            }
            _ => Window::Page { page: self.rng.range(1, 4), size },
        };
        self.act_as(person, Command::History { conversation, window });
    }

    /// Asks about what is another's, or is not there yet and may be in a moment.
    fn guess(&mut self, person: usize) {
        let vshard = self.people.all[person].party.vshard();
        let newest = self.judge.newest_id(vshard).max(u64::from(vshard.index()));
        let next = newest + 4096 * self.rng.range(1, 4);
        let others: Vec<_> = self.judge.decided.keys().copied().collect();
        let conversation = match ConversationId::from_wire(next) {
            Ok(next) if others.is_empty() || self.rng.one_in(2) => next,
            _ if others.is_empty() => return,
            _ => others[self.rng.range(0, others.len() as u64) as usize],
        };
        let target = Target::Conversation(conversation);
        let command = match self.rng.range(0, 4) {
            0 => {
                let draft = self.draft(false);
                Command::Send { target, draft }
            }
            1 => Command::End { conversation },
            2 => Command::Sync { conversation, after: Seq::ZERO, limit: 100 },
            _ => Command::History { conversation, window: Window::Page { page: 1, size: 10 } },
        };
        self.act_as(person, command);
        if matches!(self.people.all[person].party, Party::User(_)) {
            self.open(person);
        }
    }

    fn administer(&mut self) {
        let agents = self.people.agents();
        let agent = agents[self.rng.range(0, agents.len() as u64) as usize];
        let name = AgentRef::Id(agent);
        let small = u32::try_from(self.rng.range(0, 5)).expect("small");
        let mut change = AgentChange::default();
        let command = match self.rng.range(0, 18) {
            12..18 => return self.pick(name),
            0 => Command::DeleteAgent(name),
            1 => {
                change.max_concurrent = Some(small);
                Command::CreateAgent(Box::new(AgentDraft { id: Some(agent), code: None, rest: change, again: false }))
            }
            2 => Command::AvailableAgents,
            3 => Command::GetAgent(name),
            what => {
                match what {
                    4 | 5 => change.max_concurrent = Some(small),
                    6 => {
                        let groups = [vec!["default"], vec!["vip"], vec!["default", "vip"]];
                        let groups = &groups[self.rng.range(0, 3) as usize];
                        change.groups = Some(groups.iter().map(|name| Group::new(name).expect("short")).collect());
                    }
                    7 => change.accept = Some(self.rng.one_in(2).then_some(Accept::Manual)),
                    _ => {
                        let all = [AgentStatus::Online, AgentStatus::Online, AgentStatus::Busy, AgentStatus::Offline];
                        change.status = Some(all[self.rng.range(0, 4) as usize]);
                    }
                }
                self.people.over.insert(agent);
                Command::UpdateAgent(name, Box::new(change))
            }
        };
        self.ask_as_admin(command);
    }

    /// Somebody edits or recalls a message, or looks at it: mostly who wrote it, now and then an admin or a stranger.
    fn revise(&mut self) {
        let durable: Vec<_> = self.judge.durable_messages();
        if durable.is_empty() {
            return;
        }
        let message = durable[self.rng.range(0, durable.len() as u64) as usize].clone();
        let revision = match self.rng.range(0, 3) {
            0 => Revision::Recall,
            _ => Revision::Edit(format!("edited {}", self.number())),
        };
        let command = match self.rng.range(0, 6) {
            0 => Command::ShowMessage(message.id),
            _ => Command::Revise { message: message.id, revision },
        };
        let author = match message.sender.side {
            Side::Agent => AgentId::new(message.sender.number).map(Party::Agent).ok(),
            Side::Customer => Some(self.judge.decided[&message.conversation].customer.clone()),
        };
        let person = self.people.all.iter().position(|person| Some(&person.party) == author.as_ref());
        match person {
            Some(person) if !self.rng.one_in(8) => self.act_as(person, command),
            Some(_) | None if self.rng.one_in(2) => {
                let (shard, connection) = self.anywhere();
                self.ask(ADMIN, shard, connection, Actor::Workbench(None), command);
            }
            Some(_) | None => {
                let person = self.rng.range(0, self.people.all.len() as u64) as usize;
                self.act_as(person, command);
            }
        }
    }

    /// A conversation is given to an agent or a group, by its agent or an admin.
    fn give_away(&mut self) {
        let open: Vec<_> = self.judge.saved.values().filter(|header| header.is_open()).cloned().collect();
        if open.is_empty() {
            return;
        }
        let header = &open[self.rng.range(0, open.len() as u64) as usize];
        let agents = self.people.agents();
        let to = match self.rng.range(0, 3) {
            0 => Transfer::Group(Group::new(["default", "vip"][self.rng.range(0, 2) as usize]).expect("short")),
            _ => Transfer::Agent(AgentRef::Id(agents[self.rng.range(0, agents.len() as u64) as usize])),
        };
        let command = Command::Transfer { conversation: header.id, to };
        let own = header.agent.map(Party::Agent);
        let person = self.people.all.iter().position(|person| Some(&person.party) == own.as_ref());
        match person {
            Some(person) if self.rng.one_in(2) => self.act_as(person, command),
            Some(_) | None => {
                let (shard, connection) = self.anywhere();
                self.ask(ADMIN, shard, connection, Actor::Workbench(None), command);
            }
        }
    }

    /// Somebody at a workbench picks a waiting conversation for an agent; now and then two do at once.
    fn pick(&mut self, agent: AgentRef) {
        let waiting = self.judge.decided.values().filter(|header| header.state == State::Pending);
        let waiting: Vec<_> = waiting.map(|header| header.id).collect();
        if waiting.is_empty() {
            return;
        }
        let conversation = waiting[self.rng.range(0, waiting.len() as u64) as usize];
        for _ in 0..self.rng.range(1, 3) {
            let (shard, connection) = self.anywhere();
            let command = Command::Accept { conversation, agent: agent.clone() };
            self.ask(ADMIN, shard, connection, Actor::Workbench(None), command);
        }
    }

    pub fn ask_as_admin(&mut self, command: Command) {
        let (shard, connection) = self.anywhere();
        self.ask(ADMIN, shard, connection, Actor::Admin, command);
    }

    /// A request that no device of a party makes: by REST, or by a connection that is nobody's.
    fn anywhere(&mut self) -> (ShardId, ConnectionId) {
        let shard = ShardId(u16::try_from(self.rng.range(0, u64::from(self.plan.shards))).expect("small"));
        let slot = u32::try_from(self.number()).expect("a run is short");
        (shard, ConnectionId { slot, generation: 0 })
    }

    fn act_as(&mut self, person: usize, command: Command) {
        let devices = self.people.devices_of(person);
        let by_device = !devices.is_empty() && !self.rng.one_in(4);
        let (shard, connection) = if by_device {
            let slot = devices[self.rng.range(0, devices.len() as u64) as usize];
            (self.people.devices[&slot].shard, ConnectionId { slot, generation: 0 })
        } else {
            self.anywhere()
        };
        let actor = match &self.people.all[person].party {
            Party::User(id) => Actor::User(*id),
            Party::Agent(id) => Actor::Agent(*id),
            Party::Customer(id) => Actor::Customer(*id),
            Party::Visitor(id) => Actor::Visitor { id: id.clone(), bound: by_device },
        };
        self.ask(person, shard, connection, actor, command);
    }
}
