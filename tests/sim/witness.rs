//! What peers may see: answers and pushes, judged against what storage has confirmed; and what each device
//! is owed.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_protocol::model::{
    Actor, AgentRef, Answer, Command, ConversationId, Event, Found, Message, MessageId, Noun, Party, PeerName, Read,
    Refusal, Seq, Side, Target, Transfer, Why, Window, Write, limits,
};
use switchboard_storage::Tables;

use super::judge::{Counts, Judge};
use super::people::{Device, People};
use super::world::Asked;

impl Judge {
    /// A write is confirmed: what it tells may be told from now on, and those who are here are owed it.
    pub fn confirmed(&mut self, write: &Write, tables: &Tables, people: &mut People, backlogs: bool) {
        match write {
            Write::Append { conversation, message, .. } => {
                self.durable.insert(message.conversation, message.seq);
                let agent = conversation.agent.map(Party::Agent);
                for party in agent.iter().chain([&conversation.customer]) {
                    people.owe(party, message.conversation, message.seq);
                }
                self.saved.insert(conversation.id, conversation.clone());
            }
            Write::SaveConversation { conversation, .. } => {
                let id = conversation.id;
                let before = self.saved.insert(id, conversation.clone()).and_then(|before| before.agent);
                let Some(agent) = conversation.agent else { return };
                self.had.insert((id, agent));
                if backlogs && before != Some(agent) && conversation.agent_unread > 0 {
                    for seq in self.backlog(id, tables) {
                        people.owe(&Party::Agent(agent), id, seq);
                    }
                }
            }
            Write::MarkRead { conversation, .. } => {
                self.saved.insert(conversation.id, conversation.clone());
            }
            Write::Revise { conversation, seq, .. } => {
                self.saved.insert(conversation.id, conversation.clone());
                let (_, confirmed) = self.versions.entry((conversation.id, *seq)).or_default();
                *confirmed += 1;
            }
            Write::SaveAgent(_)
            | Write::DeleteAgent(_)
            | Write::LeaseIds(_)
            | Write::CreateCustomer(_)
            | Write::UpdateCustomer { .. }
            | Write::SaveToken { .. }
            | Write::RemoveTokens(_)
            | Write::KeepAnswer(_)
            | Write::ForgetAnswers(_)
            | Write::Restore(_) => {}
        }
    }

    /// What a new agent has not read, as far back as is promised.
    fn backlog(&self, id: ConversationId, tables: &Tables) -> Vec<Seq> {
        let newest = self.durable_seq(id).get();
        let from = Seq::new(newest.saturating_sub(limits::BACKLOG_MAX_MESSAGES) + 1);
        let messages = history(tables, id, from, Seq::new(newest));
        let unread = messages.iter().filter(|message| message.sender.side == Side::Customer);
        let unread = unread.filter(|message| message.recalled_at().is_none());
        unread.filter(|message| message.read_at.is_none()).map(|message| message.seq).collect()
    }

    pub fn durable_seq(&self, id: ConversationId) -> Seq {
        self.durable.get(&id).copied().unwrap_or_default()
    }

    /// The newest durable seq of the conversation that a command names.
    pub fn durable_of(&self, command: &Command) -> u64 {
        match command {
            Command::Sync { conversation, .. } | Command::History { conversation, .. } => {
                self.durable_seq(*conversation).get()
            }
            _ => 0,
        }
    }

    /// A device is told something.
    pub fn told(&mut self, device: &mut Device, event: &Event) {
        let Some(scene) = event.scene() else {
            let who = matches!(device.party, Party::Agent(_)) == device.statuses;
            assert!(who, "an agent that does not hear of statuses is told of one: {event:?}");
            return;
        };
        if let Event::Waiting { former, .. } | Event::Assigned { former, .. } = event
            && former.map(Party::Agent).as_ref() == Some(&device.party)
        {
            // It gave the conversation away.
            return;
        }
        let (id, customer) = (scene.conversation, &scene.customer);
        let is_party = device.party == *customer || scene.agent.map(Party::Agent).as_ref() == Some(&device.party);
        if !is_party
            && let (Party::Agent(agent), Event::Waiting { .. } | Event::Assigned { .. } | Event::Ended { .. }) =
                (&device.party, event)
        {
            let serves = self.groups[&id].iter().any(|group| self.served.contains(&(*agent, group.clone())));
            assert!(device.picks && serves, "offered to a stranger: {event:?}");
            self.counts.offered += 1;
            return;
        }
        assert!(is_party, "a stranger is told: {:?} of {event:?}", device.party);
        assert_eq!(self.saved.get(&id).map(|saved| &saved.customer), Some(customer), "told of what is not durable");
        match event {
            Event::Message { message, .. } => {
                self.counts.pushed += 1;
                assert_eq!(message.conversation, id);
                self.is_durable(message);
                let last = device.told.insert(id, message.seq).unwrap_or_default();
                assert!(last < message.seq, "order: {} after {} in {id}", message.seq.get(), last.get());
                device.got.insert((id, message.seq));
            }
            Event::Assigned { .. } => {
                let agent = scene.agent.expect("an assignment names an agent");
                assert!(self.had.contains(&(id, agent)), "told of an assignment that is not durable");
                if device.party == Party::Agent(agent) {
                    // It begins anew: what was unread comes again.
                    device.told.remove(&id);
                }
            }
            Event::Ended { .. } => assert!(!self.saved[&id].is_open(), "told of an end that is not durable"),
            Event::Read { messages, .. } => assert!(!messages.is_empty(), "told of nothing"),
            Event::Typing { .. } => {}
            Event::Revised { message, .. } => {
                let (versions, confirmed) = &self.versions[&(id, message.seq)];
                let seen = Message { read_at: None, ..message.clone() };
                assert!(versions[..*confirmed].contains(&seen), "told of a revision that is not durable: {message:?}");
            }
            // The customer, if it was given away.
            Event::Waiting { .. } if device.party == *customer => {}
            Event::AgentStatus { .. } => unreachable!("it has no scene"),
            Event::Waiting { .. } | Event::Overheard { .. } => panic!("told to a party: {event:?}"),
        }
    }

    /// A message that somebody sees must be confirmed, and be what was sent.
    fn is_durable(&self, message: &Message) {
        assert!(message.seq <= self.durable_seq(message.conversation), "seen before it is durable: {message:?}");
        let place = (message.conversation, message.seq);
        let stored = &self.messages[&place];
        let seen = Message { read_at: None, ..message.clone() };
        let revised = self.versions.get(&place).is_some_and(|(versions, _)| versions.contains(&seen));
        assert!(seen == *stored || revised, "seen otherwise than sent or revised: {seen:?}, not {stored:?}");
    }

    /// A request is answered.
    pub fn answered(&mut self, asked: &Asked, result: &Result<Answer, Refusal>) {
        match result {
            Ok(answer) => self.granted(asked, answer),
            Err(refusal) => self.refused(asked, refusal),
        }
    }

    fn granted(&mut self, asked: &Asked, answer: &Answer) {
        match (answer, &asked.command) {
            (Answer::Conversation(header), Command::Open { .. }) => {
                assert_eq!(asked.actor.party().as_ref(), Some(&header.customer), "somebody else's");
                let saved = self.saved.get(&header.id).expect("answered before it was durable");
                assert!(header.last_seq <= saved.last_seq, "answered before it was durable");
                assert!(header.is_open());
                assert!(header.agent.is_none_or(|agent| self.had.contains(&(header.id, agent))));
            }
            (Answer::Sent(sent), Command::Send { draft, .. }) => {
                assert!(sent.seq <= self.durable_seq(sent.conversation), "acknowledged before it is durable: {sent:?}");
                assert_eq!(self.messages[&(sent.conversation, sent.seq)].id, sent.message);
                assert_eq!(self.messages[&(sent.conversation, sent.seq)].body, draft.body, "another's message");
                let Some(id) = &draft.client_msg_id else { return };
                if !super::people::is_loose(id) {
                    assert_eq!(self.by_id.get(id), Some(sent), "a retry is answered as the first time");
                }
                self.counts.known_after += u64::from(self.unknown.remove(id));
                if !self.acknowledged.insert(id.clone()) {
                    self.counts.repeated += 1;
                    self.counts.repeated_after_end += u64::from(!self.decided[&sent.conversation].is_open());
                }
            }
            (Answer::Read { .. }, Command::MarkRead { .. }) => self.counts.read += 1,
            (Answer::Ended(id), Command::End { .. } | Command::EndPair { .. }) => {
                assert!(!self.saved[id].is_open(), "an end is answered before it is durable");
            }
            (Answer::Synced { messages, next_seq, complete }, Command::Sync { conversation, after, limit }) => {
                self.synced(asked, *conversation, *after, *limit, (messages, *next_seq, *complete));
            }
            (Answer::History(messages), Command::History { conversation, window }) => {
                self.may_read(asked, *conversation);
                self.page(asked, messages, *window);
            }
            (Answer::Accepted(id), Command::Accept { agent: AgentRef::Id(agent), .. }) => {
                assert!(self.had.contains(&(*id, *agent)), "a pick is answered before it is durable");
                self.counts.accepted += 1;
            }
            (Answer::Agents { agents, .. }, Command::ListAgents { .. }) => self.views.clone_from(agents),
            (Answer::Message(message), Command::Revise { .. } | Command::ShowMessage(_)) => self.is_durable(message),
            (Answer::Conversation(header), Command::Transfer { to, .. }) => {
                let saved = &self.saved[&header.id];
                assert!(saved.updated_at >= header.updated_at, "answered before it was durable");
                if let Transfer::Agent(AgentRef::Id(agent)) = to {
                    assert!(self.had.contains(&(header.id, *agent)), "given to somebody else");
                    self.counts.given_to_agents += 1;
                }
            }
            (Answer::AgentStatus { .. }, Command::SetStatus(_)) => {}
            (Answer::Typing, Command::Typing { .. })
            | (Answer::Agent(_), Command::CreateAgent(_) | Command::UpdateAgent(..) | Command::GetAgent(_))
            | (Answer::AgentDeleted, Command::DeleteAgent(_))
            | (Answer::Available(_), Command::AvailableAgents) => {}
            (answer, command) => panic!("{command:?} was answered by {answer:?}"),
        }
    }

    fn may_read(&self, asked: &Asked, id: ConversationId) {
        let header = &self.decided[&id];
        let may = match &asked.actor {
            Actor::Admin => true,
            Actor::Agent(agent) => {
                let group = self.groups[&id].iter().any(|group| self.served.contains(&(*agent, group.clone())));
                group || header.agent == Some(*agent) || self.had.contains(&(id, *agent))
            }
            actor => actor.party().as_ref() == Some(&header.customer),
        };
        assert!(may, "{:?} reads {id}", asked.actor);
    }

    fn synced(&mut self, asked: &Asked, id: ConversationId, after: Seq, limit: u32, told: (&[Message], Seq, bool)) {
        let (messages, next, complete) = told;
        self.may_read(asked, id);
        self.counts.synced += 1;
        assert!(messages.len() <= limit as usize);
        let mut seq = after;
        for message in messages {
            seq = seq.next();
            assert_eq!(message.seq, seq, "sync has a gap or an end too much");
            self.is_durable(message);
        }
        assert_eq!(next, seq, "what to ask after next");
        assert!(!complete || next.get() >= asked.durable, "said to be complete and is not: {asked:?}");
        assert!(complete || !messages.is_empty(), "neither anything nor complete");
    }

    fn page(&self, asked: &Asked, messages: &[Message], window: Window) {
        for message in messages {
            self.is_durable(message);
        }
        let dense = messages.windows(2).all(|two| two[0].seq.next() == two[1].seq);
        assert!(dense, "a page has a gap");
        let last = messages.last().map_or(0, |message| message.seq.get());
        let first = messages.first().map_or(0, |message| message.seq.get());
        match window {
            Window::Page { page: 1, size } => {
                assert!(last >= asked.durable, "the newest page is not the newest");
                assert_eq!(messages.len() as u64, last.min(u64::from(size)), "a page is full");
            }
            Window::Page { .. } => {}
            Window::BeforeSeq { seq, limit } => {
                assert!(last < seq.get() && messages.len() <= limit as usize, "not what came before");
            }
            Window::AfterSeq { seq, limit } => {
                assert!(first == 0 || first == seq.get() + 1, "not what came after");
                assert!(messages.len() == limit as usize || last.max(seq.get()) >= asked.durable, "not all");
            }
            Window::AfterMessage { message, limit } => {
                assert!(messages.iter().all(|after| after.id > message));
                assert!(messages.len() <= limit as usize);
                let missed = self.durable_of(&asked.command) > 0 && messages.is_empty();
                assert!(!missed || self.seq_of(message).get() >= asked.durable, "not all");
            }
        }
    }

    fn seq_of(&self, message: MessageId) -> Seq {
        let found = self.messages.values().find(|stored| stored.id == message);
        found.map_or(Seq::ZERO, |stored| stored.seq)
    }

    fn refused(&mut self, asked: &Asked, refusal: &Refusal) {
        if let Command::Send { draft, .. } = &asked.command
            && let Some(id) = &draft.client_msg_id
            && !super::people::is_loose(id)
        {
            // A visitor that names an agent which was deleted since is told so, retry or not.
            let other = matches!(refusal, Refusal::Busy(_) | Refusal::NotFound(Noun::Agent) | Refusal::LoginRequired);
            let known = self.acknowledged.contains(id) && !other;
            assert!(!known, "{id} was acknowledged and is now refused: {refusal:?}");
        }
        match refusal {
            Refusal::Busy(why) if why.starts_with("the outcome is not known") => {
                assert!(self.now - asked.at >= self.deadline_millis, "too early: {asked:?}");
                if let Command::Send { draft, .. } = &asked.command {
                    self.counts.unknown += 1;
                    self.unknown.extend(draft.client_msg_id.clone());
                }
            }
            Refusal::Busy(why) => {
                let away = [Why::DiskFull, Why::ClusterAway, Why::Behind].iter().any(|cause| cause.text() == *why);
                self.counts.refused_away += u64::from(away);
            }
            Refusal::Gap { newest } => {
                let Command::Sync { conversation, after, .. } = asked.command else { panic!("a gap in {asked:?}") };
                assert!(after.get() > asked.durable, "no gap: {after:?}");
                assert!(*newest <= self.durable_seq(conversation));
                self.counts.gaps += 1;
            }
            Refusal::Ended => assert!(self.an_end_is_decided(asked), "refused as ended: {asked:?}"),
            Refusal::NotFound(Noun::Conversation) => {
                assert!(!asked.own, "its own conversation is not found: {asked:?}");
            }
            Refusal::WrongState => self.counts.accepted_too_late += 1,
            Refusal::NotInGroup | Refusal::NoRoom | Refusal::AgentOffline | Refusal::Recalled | Refusal::TooLate => {}
            Refusal::NotFound(_) | Refusal::Forbidden | Refusal::AgentHasConversations | Refusal::Taken(_) => {}
            Refusal::LoginRequired => {
                let deleted = matches!(asked.actor, Actor::Agent(agent) if self.deleted.contains(&agent));
                assert!(deleted, "its token is good: {asked:?}");
            }
            Refusal::OtherParty
            | Refusal::TextOnly
            | Refusal::TakenBy { .. }
            | Refusal::KeyMalformed
            | Refusal::KeyReused
            | Refusal::KeyInProgress
            | Refusal::Stale => panic!("{refusal:?} to {asked:?}"),
        }
    }

    fn an_end_is_decided(&self, asked: &Asked) -> bool {
        match &asked.command {
            Command::Send { target: Target::Conversation(id), .. }
            | Command::Transfer { conversation: id, .. }
            | Command::Typing { conversation: id } => !self.decided[id].is_open(),
            // An agent that names a customer with whom it has nothing open any more.
            Command::Send { target: Target::Peer { to: PeerName::Number(number), .. }, .. } => {
                self.decided.values().any(|header| header.customer_number == *number && !header.is_open())
            }
            // An agent that answers a visitor whose conversation has ended; the visitor itself opens another.
            Command::Send { target: Target::Pair { visitor, .. }, .. } if matches!(asked.actor, Actor::Agent(_)) => {
                let of = |party: &Party| matches!(party, Party::Visitor(id) if id == visitor);
                self.decided.values().any(|header| of(&header.customer) && !header.is_open())
            }
            _ => false,
        }
    }

    /// The customer of a durable conversation asks about it by its id.
    pub fn is_own(&self, actor: &Actor, command: &Command) -> bool {
        let (Command::Send { target: Target::Conversation(id), .. }
        | Command::End { conversation: id }
        | Command::MarkRead { conversation: id, .. }
        | Command::Typing { conversation: id }
        | Command::History { conversation: id, .. }
        | Command::Sync { conversation: id, .. }) = command
        else {
            return false;
        };
        let unbound = matches!(actor, Actor::Visitor { bound: false, .. });
        let customer = self.saved.get(id).map(|saved| &saved.customer);
        !unbound && customer.is_some() && actor.party().as_ref() == customer
    }

    /// Whatever part of the writes under way a crash has left, no customer has two open conversations for the same.
    fn one_is_open(&self) {
        let mut seen = BTreeSet::new();
        for header in self.decided.values().filter(|header| header.is_open()) {
            let (customer, named) = (format!("{:?}", header.customer), header.named);
            let named = named.filter(|_| !matches!(header.customer, Party::User(_)));
            assert!(seen.insert((customer, named)), "two are open after a crash, one of them {}", header.id);
        }
    }

    /// Memory is lost; storage says what is left.
    pub fn crashed(&mut self, tables: &Tables) {
        let mut kept: BTreeMap<ConversationId, Seq> = BTreeMap::new();
        let ids: Vec<_> = self.decided.keys().copied().collect();
        for id in ids {
            let Found::Conversation(found) = tables.answer(&Read::Conversation(id)) else { unreachable!("asked so") };
            let Some(header) = found else {
                assert!(!self.saved.contains_key(&id), "{id} was durable and is gone");
                self.decided.remove(&id);
                continue;
            };
            assert!(self.durable_seq(id) <= header.last_seq, "durable and gone");
            kept.insert(id, header.last_seq);
            if let Some(agent) = header.agent {
                self.had.insert((id, agent));
            }
            self.decided.insert(id, (*header).clone());
        }
        self.one_is_open();
        self.saved = self.decided.clone();
        self.durable = kept.clone();
        let stays = |id: &ConversationId, seq: &Seq| kept.get(id).is_some_and(|last| seq <= last);
        self.messages.retain(|(id, seq), _| stays(id, seq));
        self.versions.retain(|(id, seq), _| stays(id, seq));
        for ((id, seq), (versions, confirmed)) in &mut self.versions {
            let stored = history(tables, *id, *seq, *seq).pop().expect("it stays");
            let stored = Message { read_at: None, ..stored };
            let kept = versions.iter().position(|version| *version == stored).map_or(0, |at| at + 1);
            assert!(kept >= *confirmed, "a revision was durable and is gone");
            versions.truncate(kept);
            *confirmed = kept;
        }
        self.sends.retain(|_, sent| stays(&sent.conversation, &sent.seq));
        self.by_id.retain(|_, sent| stays(&sent.conversation, &sent.seq));
        if let Found::Agents(agents) = tables.answer(&Read::Agents { after: None, limit: u32::MAX }) {
            self.agents = agents.into_iter().collect();
        }
        self.counts.crashes += 1;
    }
}

impl Counts {
    /// Adds a run to a sum of runs.
    pub fn add(&mut self, run: &Self) {
        let Self { sent, repeated, repeated_after_end, ended, assigned_later, returned, synced, gaps, read, .. } = run;
        self.sent += sent;
        self.repeated += repeated;
        self.repeated_after_end += repeated_after_end;
        self.ended += ended;
        self.assigned_later += assigned_later;
        self.returned += returned;
        self.synced += synced;
        self.gaps += gaps;
        self.read += read;
        self.waited += run.waited;
        self.pushed += run.pushed;
        self.accepted += run.accepted;
        self.accepted_too_late += run.accepted_too_late;
        self.offered += run.offered;
        self.revised += run.revised;
        self.given_to_agents += run.given_to_agents;
        self.given_to_groups += run.given_to_groups;
        self.crashes += run.crashes;
        self.outages += run.outages;
        self.refused_away += run.refused_away;
        self.unknown += run.unknown;
        self.known_after += run.known_after;
    }
}

fn history(tables: &Tables, conversation: ConversationId, from: Seq, to: Seq) -> Vec<Message> {
    match tables.answer(&Read::History { conversation, from, to }) {
        Found::History(messages) => messages,
        other => unreachable!("the wrong answer: {other:?}"),
    }
}
