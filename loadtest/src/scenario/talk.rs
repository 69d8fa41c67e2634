//! Conversations under load: who talks with whom, what was sent, and what each listener heard of it. The ground of
//! every scenario in which people talk.

use std::collections::HashMap;

use super::cast;
use super::stream::{Stream, Take};
use crate::engine::{Asked, Client, Ground, Stage};
use crate::measure::Nanos;
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Ask, Heard, Opened, Role, Side, Stamp};

/// All conversations of this process. Clients are each agent's screens first, then each customer's devices; a side
/// writes from its first.
pub(super) struct Talk {
    agents: u32,
    screens: u32,
    devices: u32,
    /// Agents are not given conversations but pick them.
    picks: bool,
    agents_by_number: HashMap<u64, u32>,
    conversations: Vec<Conversation>,
    by_id: HashMap<u64, u32>,
    /// Agents of conversations whose opening was not answered yet: a push may be quicker than that.
    assigned_early: HashMap<u64, u32>,
    /// Of each conversation: each listener (the devices, then the agent's screens), each sending side.
    streams: Vec<[Stream; 2]>,
    /// The highest seq each device of each conversation has heard.
    seen: Vec<u64>,
    content: String,
    turn: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Conversation {
    id: u64,
    /// Index of its agent.
    agent: Option<u32>,
    /// How often an agent tried to pick it.
    picks: u32,
    sent: [u32; 2],
    acknowledged: [u32; 2],
}

/// A conversation that is picked as soon as its customer knows of it may not be in line yet, and is picked again. After so
/// many times nobody will have it.
const PICKS_MAX: u32 = 200;

/// A message that a listener heard for the first time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Index of its conversation.
    pub conversation: u32,
    /// Who wrote it.
    pub by: Side,
    /// Which it is, and when it was due.
    pub stamp: Stamp,
}

impl Talk {
    /// Agents and customers as the settings have them, and nothing said.
    pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<(Ground, Self), TokenError> {
        Self::with_screens(settings, tokens, 1)
    }

    /// The same with so many sockets of each agent.
    pub(super) fn with_screens(
        settings: &Settings,
        tokens: &Tokens,
        screens: u32,
    ) -> Result<(Ground, Self), TokenError> {
        let devices = settings.devices.max(1);
        let (first_agent, agents) = cast::share(settings, settings.agents.max(settings.processes));
        let (first_customer, customers) =
            cast::share(settings, (settings.connections / devices).max(settings.processes));
        let mut parties = Vec::with_capacity((agents + customers) as usize);
        let mut clients = Vec::with_capacity((agents * screens + customers * devices) as usize);
        for index in 0..agents {
            parties.push(cast::agent(settings, tokens, first_agent + index)?);
            clients.extend((0..screens).map(|_| Client::of(index)));
        }
        for index in 0..customers {
            parties.push(cast::user(settings, tokens, first_customer + index)?);
            for device in 0..devices {
                clients.push(Client::of(agents + index).opening(device == 0));
            }
        }
        let talk = Self {
            agents,
            screens,
            devices,
            picks: settings.wire(Role::Agent).abilities().picks,
            agents_by_number: (0..agents).map(|index| (parties[index as usize].number, index)).collect(),
            conversations: vec![Conversation::default(); customers as usize],
            by_id: HashMap::with_capacity(customers as usize),
            assigned_early: HashMap::new(),
            streams: vec![[Stream::default(); 2]; (customers * (devices + screens)) as usize],
            seen: vec![0; (customers * devices) as usize],
            content: String::new(),
            turn: 0,
        };
        Ok((Ground { parties, clients }, talk))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.conversations.len() as u32
    }

    /// Clients below this one are agents.
    pub(super) fn agents(&self) -> u32 {
        self.agents * self.screens
    }

    /// Clients that have to be there before anybody else: agents that pick, or what they were offered would pass by.
    pub(super) fn hosts(&self) -> u32 {
        if self.picks { self.agents() } else { 0 }
    }

    /// The client of a conversation's device.
    pub(super) fn customer(&self, conversation: u32, device: u32) -> u32 {
        self.agents() + conversation * self.devices + device
    }

    /// The conversation and device of a customer's client.
    pub(super) fn seat(&self, client: u32) -> Option<(u32, u32)> {
        let index = client.checked_sub(self.agents())?;
        Some((index / self.devices, index % self.devices))
    }

    /// The conversations in turn.
    pub(super) fn next(&mut self) -> u32 {
        self.turn = (self.turn + 1) % self.len();
        self.turn
    }

    /// Whether every conversation has an agent.
    pub(super) fn is_assigned(&self) -> bool {
        self.conversations.iter().all(|conversation| conversation.agent.is_some())
    }

    /// A customer's conversation is open. Opened again after a reconnect it is the same one.
    pub(super) fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        let Some((index, _)) = self.seat(client) else { return };
        let agent = opened.agent.and_then(|number| self.agents_by_number.get(&number).copied());
        let agent = agent.or(self.assigned_early.remove(&opened.conversation));
        let conversation = &mut self.conversations[index as usize];
        if conversation.id != 0 && conversation.id != opened.conversation {
            stage.fault(|| format!("conversation {} became {}", conversation.id, opened.conversation));
        }
        conversation.id = opened.conversation;
        conversation.agent = agent.or(conversation.agent);
        let waits = conversation.agent.is_none();
        self.by_id.insert(opened.conversation, index);
        if waits && self.picks {
            self.pick(stage, index);
        }
    }

    /// An agent takes a conversation: each as many as any other.
    fn pick(&mut self, stage: &mut Stage<'_>, index: u32) {
        let conversation = &mut self.conversations[index as usize];
        conversation.picks += 1;
        if conversation.picks > PICKS_MAX {
            return stage.fault(|| format!("conversation {} could not be picked", conversation.id));
        }
        let agent = index % self.agents;
        stage.pick(agent * self.screens, conversation.id, about(index, Side::Agent), stage.now);
    }

    /// A conversation has another agent.
    fn assigned(&mut self, conversation: u64, agent: u64) {
        let agent = self.agents_by_number.get(&agent).copied();
        if let Some(index) = self.by_id.get(&conversation) {
            self.conversations[*index as usize].agent = agent;
        } else if let Some(agent) = agent {
            self.assigned_early.insert(conversation, agent);
        }
    }

    /// One side writes; `false` if it cannot just now.
    pub(super) fn say(&mut self, stage: &mut Stage<'_>, index: u32, by: Side, size: usize, intended: Nanos) -> bool {
        let conversation = &mut self.conversations[index as usize];
        let client = match by {
            Side::Customer => Some(self.agents * self.screens + index * self.devices),
            Side::Agent => conversation.agent.map(|agent| agent * self.screens),
        };
        let Some(client) = client.filter(|client| stage.clients[*client as usize].is_ready()) else {
            stage.count("skipped");
            return false;
        };
        let sent = &mut conversation.sent[by as usize];
        *sent += 1;
        self.content.clear();
        Stamp { number: *sent, intended }.write(size, &mut self.content);
        stage.send(client, conversation.id, &self.content, about(index, by), intended);
        true
    }

    /// A request was answered; of a message it is known now who must hear it, and what was missed is taken in.
    pub(super) fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, data: &str) {
        match (asked.ask, success) {
            (Ask::Send, true) => {
                let (index, by) = of_about(asked.about);
                self.conversations[index as usize].acknowledged[by as usize] += 1;
            }
            (Ask::Sync, true) => {
                self.synced(stage, asked, data);
            }
            (Ask::Pick, picked) => {
                let (index, _) = of_about(asked.about);
                let conversation = &mut self.conversations[index as usize];
                if picked {
                    conversation.agent = Some(index % self.agents);
                } else if conversation.agent.is_none() {
                    self.pick(stage, index);
                }
            }
            (Ask::Send | Ask::Sync, false) | (Ask::Login | Ask::Greet | Ask::Read | Ask::End, _) => {}
        }
    }

    /// Takes in a page of a sync; asks for the next, and is true when that was all.
    pub(super) fn synced(&mut self, stage: &mut Stage<'_>, asked: Asked, data: &str) -> bool {
        let Some(page) = stage.wire(asked.client).synced(data) else {
            stage.fault(|| format!("a sync's answer was not understood: {data}"));
            return true;
        };
        for message in &page.messages {
            self.fetched(stage, asked.client, message.seq, message.by, &message.content);
        }
        if !page.complete {
            self.sync(stage, asked.client, asked.intended);
        }
        page.complete
    }

    /// The conversation, if this was a customer's message.
    pub(super) fn written_by_customer(&self, asked: Asked) -> Option<u32> {
        let (index, by) = of_about(asked.about);
        (asked.ask == Ask::Send && by == Side::Customer).then_some(index)
    }

    /// A push came to a client: the message, if it was a new one for it.
    pub(super) fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) -> Option<Word> {
        let (id, seq, by, content) = match heard {
            Heard::Message { conversation, seq, by, content } => (conversation, seq, by, content),
            Heard::Assigned { conversation, agent } => {
                self.assigned(conversation, agent);
                return None;
            }
            Heard::Pong | Heard::Answer { .. } | Heard::Ended { .. } | Heard::Other => return None,
        };
        let stamp = Stamp::read(content);
        // It may be heard before its own answer, which says what conversation that is.
        if stamp.is_some_and(Stamp::is_greeting) {
            return None;
        }
        let index = self.listen(stage, client, id, seq, by)?;
        let Some(stamp) = stamp else {
            stage.fault(|| format!("a message that nobody here wrote in conversation {id}"));
            return None;
        };
        let take = self.stream(index, client)[by as usize].take(stamp.number);
        take.account(stage, stamp.intended).then_some(Word { conversation: index, by, stamp })
    }

    /// A message was fetched by a sync. What was pushed before is in it again, and that is no fault.
    fn fetched(&mut self, stage: &mut Stage<'_>, client: u32, seq: u64, by: Side, content: &str) {
        let Some((index, device)) = self.seat(client) else { return };
        let seen = &mut self.seen[(index * self.devices + device) as usize];
        *seen = seq.max(*seen);
        let Some(stamp) = Stamp::read(content).filter(|stamp| !stamp.is_greeting()) else { return };
        let heard_by_all = by == Side::Agent || device > 0;
        if heard_by_all && self.stream(index, client)[by as usize].take(stamp.number) != Take::Twice {
            stage.accounts.pushed += 1;
            stage.count("fetched");
        }
    }

    /// Asks for what a customer's device missed.
    pub(super) fn sync(&self, stage: &mut Stage<'_>, client: u32, intended: Nanos) {
        if let Some((index, device)) = self.seat(client) {
            let seen = self.seen[(index * self.devices + device) as usize];
            stage.sync(client, self.conversations[index as usize].id, seen, about(index, Side::Customer), intended);
        }
    }

    /// Marks a conversation as read by its customer.
    pub(super) fn read(&self, stage: &mut Stage<'_>, index: u32, intended: Nanos) {
        let client = self.customer(index, 0);
        if stage.clients[client as usize].is_ready() {
            stage.read(client, self.conversations[index as usize].id, about(index, Side::Customer), intended);
        }
    }

    fn listen(&mut self, stage: &mut Stage<'_>, client: u32, id: u64, seq: u64, by: Side) -> Option<u32> {
        let index = self.by_id.get(&id).copied();
        let seat = self.seat(client);
        let own = match (index, seat) {
            (Some(index), Some((own, _))) => own == index,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let Some(index) = index.filter(|_| own) else {
            stage.fault(|| format!("a message of conversation {id} came to somebody else"));
            return None;
        };
        if let Some((_, device)) = seat {
            let seen = &mut self.seen[(index * self.devices + device) as usize];
            // Within a connection a conversation comes in the order of its seq.
            if seq != 0 && seq <= *seen && by == Side::Agent {
                stage.count("seq_not_rising");
            }
            *seen = seq.max(*seen);
        }
        Some(index)
    }

    fn stream(&mut self, index: u32, client: u32) -> &mut [Stream; 2] {
        let listener = self.seat(client).map_or(self.devices + client % self.screens, |(_, device)| device);
        &mut self.streams[(index * (self.devices + self.screens) + listener) as usize]
    }

    /// Whether everything that is due has come.
    pub(super) fn is_settled(&self, stage: &Stage<'_>) -> bool {
        stage.unanswered() == 0 && self.deliveries(stage, |_| true).1 == 0
    }

    /// Closes the accounts. Listeners that are not there, or do not read, are due nothing: they resume later.
    pub(super) fn finish(&self, stage: &mut Stage<'_>) {
        let (due, missing) = self.deliveries(stage, |_| true);
        stage.accounts.due += due;
        stage.accounts.missing += missing;
    }

    /// Deliveries due to listeners that are wanted, and those of them that did not come.
    pub(super) fn deliveries(&self, stage: &Stage<'_>, wanted: impl Fn(u32) -> bool) -> (u64, u64) {
        let (mut due, mut missing) = (0, 0);
        for (index, conversation) in (0u32..).zip(&self.conversations) {
            for listener in 0..self.devices + self.screens {
                let client = match listener.checked_sub(self.devices) {
                    None => Some(self.customer(index, listener)),
                    Some(screen) => conversation.agent.map(|agent| agent * self.screens + screen),
                };
                let Some(client) = client.filter(|client| wanted(*client)) else { continue };
                let entry = &stage.clients[client as usize];
                if !entry.is_ready() || entry.stalled {
                    continue;
                }
                let heard = &self.streams[(index * (self.devices + self.screens) + listener) as usize];
                for by in [Side::Customer, Side::Agent] {
                    // Nobody is told what the same connection wrote, and a side writes from its first.
                    let own = if by == Side::Customer { listener == 0 } else { listener == self.devices };
                    if !own {
                        let acknowledged = u64::from(conversation.acknowledged[by as usize]);
                        due += acknowledged;
                        missing += acknowledged.saturating_sub(u64::from(heard[by as usize].distinct()));
                    }
                }
            }
        }
        (due, missing)
    }
}

fn about(index: u32, by: Side) -> u32 {
    index << 1 | u32::from(by == Side::Agent)
}

fn of_about(about: u32) -> (u32, Side) {
    (about >> 1, if about & 1 == 1 { Side::Agent } else { Side::Customer })
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
