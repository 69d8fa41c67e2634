//! One shard's part of the world: `handle(now, input) -> effects`.
//!
//! `hands` is what every part needs to act; `request` takes commands to their owner and carries them out; `pair` finds
//! or opens the conversation of a visitor and an agent, or of a customer; `peer` says who is meant by a name;
//! `revise` edits and recalls messages; `transfer` gives conversations away; `workbench` is lists, picks and who looks
//! on; `customers` keeps their records and all opaque tokens; `keyed` sees to it that a request
//! under a key is carried out once; `status` tells who watches an agent; `stored` goes on
//! where storage was waited for, `slow` looks after those who wait for it long; `desk_shard` is the desk's side of the mail; `start` rebuilds the state.

mod customers;
mod desk_shard;
mod hands;
mod keyed;
mod pair;
mod peer;
mod request;
mod revise;
mod slow;
mod start;
mod status;
mod stored;
mod transfer;
mod workbench;

use std::collections::{HashMap, VecDeque};

use smallvec::{SmallVec, smallvec};
use switchboard_protocol::model::{AgentId, AgentRef, ConversationId, CustomerNumber, Party, Refusal, Timestamp};

use crate::conversation::Live;
use crate::desk::{self, Defaults, Desk};
use crate::{DeskAsk, DeskTell, Effect, Input, Letter, Placement, Request, ShardId, Timer};
use hands::Hands;
use pair::{Ended, PairSlot};
pub use revise::Windows;
pub use start::Start;

/// What the core is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What an agent is that says nothing about itself, and how long it may be gone.
    pub agents: Defaults,
    /// How long messages may be edited and recalled.
    pub windows: Windows,
    /// How long anybody waits for a write before it is told that its outcome is not known.
    pub deadline_millis: u64,
}

/// Plain numbers about a core, for whoever wants to show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Conversations in memory: the open ones, and closed ones that are being read.
    pub conversations: u64,
    /// Storage operations under way.
    pub storage_ops: u64,
    /// The desk, on the shard that owns it.
    pub desk: Option<desk::Figures>,
}

/// One shard's part of the world.
#[derive(Debug)]
pub struct Core {
    hands: Hands,
    conversations: HashMap<ConversationId, Slot>,
    /// The open conversations of each customer whose home this is.
    open: HashMap<Party, SmallVec<[ConversationId; 1]>>,
    /// Who a number is shown for, of visitors and customers that have an open conversation here.
    numbers: HashMap<CustomerNumber, Party>,
    /// Users, visitors and customers whose sends and ends wait for storage to tell who they are.
    pairs: HashMap<Party, PairSlot>,
    /// What has ended of one that has an open conversation, as storage told when it was asked; newest first. Forgotten
    /// when another ends.
    ended: HashMap<Party, Box<[Ended]>>,
    /// How many conversations of such a one are ended in memory and not yet in storage.
    ending: HashMap<Party, u32>,
    desk: Option<Desk>,
    in_progress: keyed::InProgress,
}

/// A conversation's place at its owner, and what waits for it.
#[derive(Debug, Default)]
struct Slot {
    /// `None` until it is loaded.
    live: Option<Live>,
    /// Something is under way that what follows must not overtake: loading, placing, a look-up of a
    /// client message id, the revision of a message, or catching up a new agent.
    held: bool,
    waiting: VecDeque<Job>,
}

/// What is to be done at a conversation, in order of arrival.
#[derive(Debug)]
enum Job {
    /// A request that is here since an instant; `new_to_storage` once storage was asked about its client message id and
    /// knew none.
    Request { request: Request, since: Timestamp, new_to_storage: bool },
    /// A word of the desk.
    Tell(DeskTell),
}

impl Core {
    /// A core that knows nothing yet; [`Core::start`] tells it.
    pub fn new(settings: Settings, shard: ShardId, placement: Placement) -> Self {
        let hands = Hands::new(shard, placement.clone(), &settings);
        let desk = (placement.desk() == shard).then(|| Desk::new(settings.agents));
        Self {
            hands,
            conversations: HashMap::new(),
            open: HashMap::new(),
            numbers: HashMap::new(),
            pairs: HashMap::new(),
            ended: HashMap::new(),
            ending: HashMap::new(),
            desk,
            in_progress: keyed::InProgress::new(),
        }
    }

    /// Takes one input; what is to be done is appended to `effects`, in order.
    pub fn handle(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        self.hands.begin(now, effects);
        match input {
            Input::Request(request) => self.request(request),
            Input::Arrived { connection, party, accept, statuses, claims } => {
                let first = self.hands.devices.add(party.clone(), connection);
                if let Party::Agent(agent) = party {
                    if first {
                        self.hands.ask_desk(DeskAsk::AgentUp { agent, accept, claims });
                    }
                    self.agent_arrived(agent, connection, first, accept);
                    if statuses {
                        self.hands.hear_statuses(agent, connection);
                    }
                }
            }
            Input::Left { connection, party } => {
                let last = self.hands.devices.remove(&party, connection);
                if let Party::Agent(agent) = party {
                    self.hands.stop_hearing(agent, Some(connection));
                    self.agent_left(agent, connection, last);
                }
            }
            Input::Letter(letter) => self.letter(letter),
            Input::Stored { ticket, outcome } => self.stored(ticket, outcome),
            Input::Storage(condition) => self.hands.condition = condition,
            Input::Timer(timer) => self.timer(timer),
        }
        while let Some(letter) = self.hands.next_local() {
            self.letter(letter);
        }
        self.hands.end(effects);
    }

    /// Whether a party may log in: a deleted agent may not.
    pub fn may_log_in(&self, party: &Party) -> bool {
        match party {
            Party::Agent(agent) => !self.hands.directory.is_deleted(*agent),
            Party::User(_) | Party::Visitor(_) | Party::Customer(_) => true,
        }
    }

    /// The agent that a peer names by its code or id, if it is known here.
    pub fn agent(&self, name: &AgentRef) -> Option<AgentId> {
        self.hands.directory.find(name).map(|profile| profile.id)
    }

    /// Plain numbers about this core.
    pub fn figures(&self) -> Figures {
        Figures {
            conversations: self.conversations.len() as u64,
            storage_ops: self.hands.ops_under_way() as u64,
            desk: self.desk.as_ref().map(Desk::figures),
        }
    }

    fn letter(&mut self, letter: Letter) {
        match letter {
            Letter::Request(request) => self.request(*request),
            Letter::Answer { origin, result } => self.hands.answer(origin, *result),
            Letter::Deliver { party, event, except } => self.hands.tell_devices(&party, &event, except),
            Letter::ToDesk(ask) => self.desk_asked(ask),
            Letter::FromDesk(tell) => self.desk_told(tell),
            Letter::AgentKnown(profile) => self.hands.directory.learn(profile),
            Letter::CaughtUp(customer) => self.caught_up_with_desk(&customer),
            Letter::Offer { group, event } => self.hands.tell_offered(&group, &event),
            Letter::Offered { shard, any } => self.offers_of(shard, any),
            Letter::HearsStatuses { shard, any } => self.statuses_of(shard, any),
            Letter::Status { event, groups, conversations, spared } => {
                self.status_told(&event, &groups, &conversations, spared);
            }
            Letter::Whisper { connection, event } => {
                self.hands.out.push(Effect::Tell { to: smallvec![connection], event });
            }
            Letter::Unwatch { conversation, shard, connection } => self.unwatch(conversation, shard, connection),
            Letter::AgentDeleted(agent) => {
                self.hands.directory.delete(agent);
                self.hands.stop_offering_to(agent);
                self.hands.stop_hearing(agent, None);
                let connections = self.hands.devices.expel(&Party::Agent(agent));
                if !connections.is_empty() {
                    self.hands.out.push(Effect::Expel { connections });
                }
            }
        }
    }

    fn timer(&mut self, timer: Timer) {
        let now = self.hands.now;
        let mut decisions = Vec::new();
        match (timer, &mut self.desk) {
            (Timer::TokenSweep, _) => return self.sweep_tokens(),
            (Timer::AnswerSweep, _) => return self.sweep_answers(),
            (Timer::Overdue, _) => return self.look_for_overdue(),
            (Timer::AgentGrace(agent), Some(desk)) => desk.grace_over(now, agent, &mut decisions),
            (Timer::NamedGrace(conversation), Some(desk)) => desk.named_grace_over(now, conversation, &mut decisions),
            (Timer::AgentGrace(_) | Timer::NamedGrace(_), None) => {}
        }
        self.tell_owners(decisions);
    }

    /// The desk decided about a conversation that was ended and is forgotten; who picked it or gave it away meanwhile is
    /// still to be answered.
    fn told_too_late(&mut self, tell: DeskTell) {
        match tell {
            DeskTell::Accepted { origin, .. } => self.hands.answer(origin, Err(Refusal::WrongState)),
            DeskTell::Transferred { origin, .. } => self.hands.answer(origin, Err(Refusal::Ended)),
            DeskTell::Placed { .. } | DeskTell::Assigned { .. } => {}
        }
    }

    /// The desk decided about a conversation of this shard: that takes its turn behind what waits there,
    /// but for the answer to a placing, which what waits there waits for.
    fn desk_told(&mut self, tell: DeskTell) {
        let id = tell.conversation();
        let Some(slot) = self.conversations.get_mut(&id) else {
            return self.told_too_late(tell);
        };
        match tell {
            DeskTell::Placed { agent, .. } => {
                slot.placed(&mut self.hands, agent);
                self.run(id);
            }
            DeskTell::Assigned { .. } | DeskTell::Accepted { .. } | DeskTell::Transferred { .. } => {
                self.enqueue(id, Job::Tell(tell));
            }
        }
    }
}
