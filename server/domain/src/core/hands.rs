//! What every part of the core needs to act: the time, the ids, the devices, and ways to answer, tell,
//! write and ask. Kept apart from the conversations so that both can be borrowed at once.

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;
use switchboard_protocol::model::{
    AgentProfile, Answer, Condition, Event, Party, Read, Refusal, Timestamp, VShard, Write, limits,
};

use super::status::Statuses;
use super::stored::Then;
use super::workbench::Offers;
use super::{Settings, revise::Windows};
use crate::asker::Asker;
use crate::delivery::Devices;
use crate::directory::Directory;
use crate::ids::Ids;
use crate::{ConnectionId, DeskAsk, Effect, Letter, Origin, Placement, ShardId, Timer};

/// What the core acts with.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) shard: ShardId,
    pub(super) placement: Placement,
    pub(super) now: Timestamp,
    pub(super) out: Vec<Effect>,
    pub(super) devices: Devices,
    pub(super) directory: Directory,
    pub(super) ids: Ids,
    pub(super) offers: Offers,
    pub(super) statuses: Statuses,
    pub(super) windows: Windows,
    /// Whether storage can write.
    pub(super) condition: Condition,
    /// How long anybody waits for a write.
    pub(super) deadline_millis: u64,
    /// `Timer::Overdue` is armed.
    pub(super) watching: bool,
    local: VecDeque<Letter>,
    tickets: Slab<UnderWay>,
}

/// A storage operation under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) since: Timestamp,
    pub(super) then: Then,
}

impl Hands {
    pub(super) fn new(shard: ShardId, placement: Placement, settings: &Settings) -> Self {
        Self {
            shard,
            placement,
            now: Timestamp::default(),
            out: Vec::new(),
            devices: Devices::default(),
            directory: Directory::default(),
            ids: Ids::default(),
            offers: Offers::default(),
            statuses: Statuses::default(),
            windows: settings.windows,
            condition: Condition::Writable,
            deadline_millis: settings.deadline_millis,
            watching: false,
            local: VecDeque::new(),
            tickets: Slab::new(),
        }
    }

    /// An input begins: effects go to the caller's list until [`Hands::end`].
    pub(super) fn begin(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.now = now;
        std::mem::swap(&mut self.out, effects);
    }

    /// The input is dealt with.
    pub(super) fn end(&mut self, effects: &mut Vec<Effect>) {
        std::mem::swap(&mut self.out, effects);
    }

    /// The next letter of this core to itself.
    pub(super) fn next_local(&mut self) -> Option<Letter> {
        self.local.pop_front()
    }

    pub(super) fn ops_under_way(&self) -> usize {
        self.tickets.len()
    }

    /// The storage operations under way.
    pub(super) fn under_way(&mut self) -> impl Iterator<Item = &mut UnderWay> {
        self.tickets.iter_mut().map(|(_, under_way)| under_way)
    }

    /// Who asks now.
    pub(super) const fn asker(&self, origin: Origin) -> Asker {
        Asker { origin, since: self.now }
    }

    /// Whether another request may begin storage operations.
    pub(super) fn admits(&self) -> Result<(), Refusal> {
        if self.tickets.len() < limits::INFLIGHT_MAX_OPS { Ok(()) } else { Err(Refusal::Busy("storage is behind")) }
    }

    /// Sends a letter to a shard, this one included.
    pub(super) fn send(&mut self, to: ShardId, letter: Letter) {
        if to == self.shard {
            self.local.push_back(letter);
        } else {
            self.out.push(Effect::Mail { to, letter });
        }
    }

    pub(super) fn ask_desk(&mut self, ask: DeskAsk) {
        self.send(self.placement.desk(), Letter::ToDesk(ask));
    }

    /// Answers a request, wherever its connection is.
    pub(super) fn answer(&mut self, origin: Origin, result: Result<Answer, Refusal>) {
        if origin.shard == self.shard {
            self.out.push(Effect::Answer { origin, result });
        } else {
            self.out
                .push(Effect::Mail { to: origin.shard, letter: Letter::Answer { origin, result: Box::new(result) } });
        }
    }

    /// Answers who still waits.
    pub(super) fn answer_asker(&mut self, asker: Option<Asker>, result: Result<Answer, Refusal>) {
        if let Some(asker) = asker {
            self.answer(asker.origin, result);
        }
    }

    /// Tells all devices of a party, wherever its home is, but not the connection of `except`.
    pub(super) fn deliver(&mut self, party: &Party, event: &Arc<Event>, except: Option<Origin>) {
        let except = except.map(|origin| (origin.shard, origin.connection));
        let home = self.placement.home(party);
        if home == self.shard {
            self.tell_devices(party, event, except);
        } else {
            let letter = Letter::Deliver { party: party.clone(), event: event.clone(), except };
            self.out.push(Effect::Mail { to: home, letter });
        }
    }

    /// Tells the devices of a party whose home is here.
    pub(super) fn tell_devices(&mut self, party: &Party, event: &Arc<Event>, except: Option<(ShardId, ConnectionId)>) {
        let except = except.and_then(|(shard, connection)| (shard == self.shard).then_some(connection));
        let to = self.devices.listeners(party, except);
        if !to.is_empty() {
            self.out.push(Effect::Tell { to, event: event.clone() });
        }
    }

    /// Tells every shard about an agent.
    pub(super) fn publish_agent(&mut self, profile: AgentProfile) {
        let profile = Arc::new(profile);
        for shard in (0..self.placement.shards()).map(ShardId) {
            self.send(shard, Letter::AgentKnown(profile.clone()));
        }
    }

    pub(super) fn write(&mut self, then: Then, write: Write) {
        let ticket = self.ticket(then);
        self.out.push(Effect::Write { ticket, write });
        self.watch_writes();
    }

    pub(super) fn read(&mut self, then: Then, read: Read) {
        let ticket = self.ticket(then);
        self.out.push(Effect::Read { ticket, read });
    }

    pub(super) fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.out.push(Effect::Arm { timer, at });
    }

    /// What was to follow a storage operation that has ended.
    pub(super) fn redeem(&mut self, ticket: u32) -> Then {
        self.tickets.remove(ticket as usize).then
    }

    /// Mints an id and sees to it that the leases do not run out.
    pub(super) fn mint<T>(
        &mut self,
        vshard: VShard,
        mint: impl FnOnce(&mut Ids, VShard) -> Option<T>,
    ) -> Result<T, Refusal> {
        let minted = mint(&mut self.ids, vshard);
        if self.ids.wants_lease(vshard) {
            self.write(Then::Leased(vshard), Write::LeaseIds(vec![vshard]));
        }
        minted.ok_or(Refusal::Busy("ids are being leased"))
    }

    fn ticket(&mut self, then: Then) -> u32 {
        let ticket = self.tickets.insert(UnderWay { since: self.now, then });
        u32::try_from(ticket).expect("operations under way are bounded far below 2^32")
    }
}
