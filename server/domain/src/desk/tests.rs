//! The desk against the rules of architecture.md, "The desk", and dialects.md, told a second time without
//! any index: everything is looked through at each step. Must not know how the desk keeps its order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use switchboard_protocol::model::{Accept, AgentChange, AgentDraft, AgentRef, AgentStatus, Group, Noun, Refusal};

use super::*;
use crate::Seen;

const GRACE_MS: u64 = 50;
const GROUPS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
struct Worker {
    connected: bool,
    status: AgentStatus,
    auto: bool,
    max: u32,
    groups: Vec<usize>,
    idle_since: u64,
    gone_since: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    With(u64),
    Queue,
    Named(u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    group: usize,
    seat: Seat,
    queued_at: u64,
    returned: bool,
    arrival: u64,
}

/// The rules, looked through.
#[derive(Default)]
struct Naive {
    now: u64,
    arrivals: u64,
    workers: BTreeMap<u64, Worker>,
    guests: BTreeMap<u64, Guest>,
    decided: Vec<(u64, Option<u64>)>,
}

impl Naive {
    fn load(&self, agent: u64) -> u32 {
        self.guests.values().filter(|guest| guest.seat == Seat::With(agent)).count() as u32
    }

    fn is_free(&self, agent: u64) -> bool {
        self.workers.get(&agent).is_some_and(|worker| {
            let here = worker.connected && worker.status == AgentStatus::Online;
            here && worker.auto && self.load(agent) < worker.max
        })
    }

    /// Fewest current, then the smallest share, then the longest idle, then the id.
    fn best(&self, group: usize) -> Option<u64> {
        let of_group = self.workers.iter().filter(|(_, worker)| worker.groups.contains(&group));
        let free = of_group.filter(|(agent, _)| self.is_free(**agent));
        free.min_by_key(|(agent, worker)| (self.load(**agent), Reverse(worker.max), worker.idle_since, **agent))
            .map(|(agent, _)| *agent)
    }

    /// Returned ones first, then by waiting time, then by arrival.
    fn first(&self, fits: impl Fn(&Guest) -> bool) -> Option<u64> {
        let waiting = self.guests.iter().filter(|(_, guest)| fits(guest));
        waiting.min_by_key(|(_, guest)| (!guest.returned, guest.queued_at, guest.arrival)).map(|(id, _)| *id)
    }

    fn in_queue(&self, group: usize) -> Option<u64> {
        self.first(|guest| guest.seat == Seat::Queue && guest.group == group)
    }

    fn assign(&mut self, guest: u64, agent: u64) {
        self.guests.get_mut(&guest).unwrap().seat = Seat::With(agent);
        self.workers.get_mut(&agent).unwrap().idle_since = self.now;
        self.decided.push((guest, Some(agent)));
    }

    fn fill(&mut self, agent: u64) {
        while self.is_free(agent) {
            let groups = self.workers[&agent].groups.clone();
            let next = self.first(|guest| match guest.seat {
                Seat::Queue => groups.contains(&guest.group),
                Seat::Named(named, _) => named == agent,
                Seat::With(_) => false,
            });
            let Some(guest) = next else { return };
            self.assign(guest, agent);
        }
    }

    fn serve(&mut self, group: usize) {
        while let (Some(guest), Some(agent)) = (self.in_queue(group), self.best(group)) {
            self.assign(guest, agent);
        }
    }

    fn place(&mut self, id: u64, group: usize, named: Option<u64>, queued_at: u64) {
        self.arrivals += 1;
        let until = queued_at + GRACE_MS;
        let named = named.filter(|agent| self.workers.contains_key(agent) && until > self.now);
        let seat = named.map_or(Seat::Queue, |agent| Seat::Named(agent, until));
        self.guests.insert(id, Guest { group, seat, queued_at, returned: false, arrival: self.arrivals });
        match named {
            Some(agent) if self.is_free(agent) => self.assign(id, agent),
            Some(_) => self.decided.push((id, None)),
            None => match self.best(group) {
                Some(agent) if self.in_queue(group) == Some(id) => self.assign(id, agent),
                _ => self.decided.push((id, None)),
            },
        }
    }

    fn release(&mut self, id: u64) {
        if let Some(Guest { seat: Seat::With(agent), .. }) = self.guests.remove(&id) {
            self.workers.get_mut(&agent).unwrap().idle_since = self.now;
            self.fill(agent);
        }
    }

    fn status_changed(&mut self, agent: u64) {
        let now = self.now;
        let worker = self.workers.get_mut(&agent).unwrap();
        let offline = !worker.connected || worker.status == AgentStatus::Offline;
        worker.gone_since = if offline { worker.gone_since.or(Some(now)) } else { None };
        self.fill(agent);
    }

    fn grace_over(&mut self, agent: u64) {
        let Some(worker) = self.workers.get_mut(&agent) else { return };
        if worker.gone_since.is_none_or(|since| since + GRACE_MS > self.now) {
            return;
        }
        let mut groups = Vec::new();
        let mut lost = Vec::new();
        for (id, guest) in self.guests.iter_mut().filter(|(_, guest)| guest.seat == Seat::With(agent)) {
            self.arrivals += 1;
            (guest.seat, guest.returned, guest.arrival) = (Seat::Queue, true, self.arrivals);
            worker.idle_since = self.now;
            groups.push(guest.group);
            lost.push(*id);
        }
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            self.serve(group);
        }
        for id in lost {
            if self.guests[&id].seat == Seat::Queue {
                self.decided.push((id, None));
            }
        }
    }

    fn is_offline(&self, agent: u64) -> bool {
        let worker = &self.workers[&agent];
        !worker.connected || worker.status == AgentStatus::Offline
    }

    /// A transfer to an agent: it must be there and have room, and the conversation where it was seen.
    fn give(&mut self, id: u64, agent: u64, right: bool) -> Result<(), Refusal> {
        let Some(worker) = self.workers.get(&agent) else { return Err(Refusal::NotFound(Noun::Agent)) };
        let seat = self.guests.get(&id).ok_or(Refusal::Ended)?.seat;
        match seat {
            Seat::With(has) if has == agent => return Ok(()),
            _ if !right => return Err(Refusal::WrongState),
            _ if self.is_offline(agent) => return Err(Refusal::AgentOffline),
            _ if self.load(agent) >= worker.max => return Err(Refusal::NoRoom),
            _ => {}
        }
        self.guests.get_mut(&id).unwrap().seat = Seat::With(agent);
        self.workers.get_mut(&agent).unwrap().idle_since = self.now;
        if let Seat::With(former) = seat {
            self.workers.get_mut(&former).unwrap().idle_since = self.now;
            self.fill(former);
        }
        Ok(())
    }

    /// A transfer to a group: to the end of its queue. Who gave it away has a free slot before the group is served.
    fn requeue(&mut self, id: u64, group: usize, right: bool) -> Result<(), Refusal> {
        let seat = self.guests.get(&id).ok_or(Refusal::Ended)?.seat;
        if !right {
            return Err(Refusal::WrongState);
        }
        self.arrivals += 1;
        let (queued_at, arrival) = (self.now, self.arrivals);
        self.guests.insert(id, Guest { group, seat: Seat::Queue, queued_at, returned: false, arrival });
        if let Seat::With(former) = seat {
            self.workers.get_mut(&former).unwrap().idle_since = self.now;
            self.fill(former);
        }
        self.serve(group);
        Ok(())
    }

    fn named_over(&mut self, id: u64) {
        if let Some(guest) = self.guests.get_mut(&id)
            && let Seat::Named(_, until) = guest.seat
            && until <= self.now
        {
            guest.seat = Seat::Queue;
            let group = guest.group;
            self.serve(group);
        }
    }

    fn delete(&mut self, agent: u64) {
        if self.load(agent) > 0 {
            return;
        }
        self.workers.remove(&agent);
        let named = |guest: &Guest| matches!(guest.seat, Seat::Named(named, _) if named == agent);
        while let Some(id) = self.first(named) {
            let guest = self.guests.get_mut(&id).unwrap();
            guest.seat = Seat::Queue;
            let group = guest.group;
            self.serve(group);
        }
    }
}

fn agent_id(id: u64) -> AgentId {
    AgentId::new(id).unwrap()
}

fn guest_id(id: u64) -> ConversationId {
    ConversationId::from_wire(id).unwrap()
}

fn at(now: u64) -> Timestamp {
    Timestamp::from_millis(now)
}

/// One step of both; `what`, `a` and `b` are chance.
fn step(desk: &mut Desk, naive: &mut Naive, what: u8, a: u64, b: u64) {
    let now = at(naive.now);
    let agent = a % 4 + 1;
    let name = AgentRef::Id(agent_id(agent));
    let guest = b % 12 + 1;
    let mut decisions = Vec::new();
    match what {
        0..=5 if !naive.guests.contains_key(&guest) => {
            let named = (what < 2).then_some(agent);
            let queued_at = naive.now.saturating_sub(a % 3);
            let group = (b / 12 % 3) as usize;
            let waiting = Waiting {
                conversation: guest_id(guest),
                group: Group::new(GROUPS[group]).unwrap(),
                named: named.map(agent_id),
                queued_at: at(queued_at),
                returned: false,
            };
            let until = desk.named_until(&waiting);
            decisions.push(desk.place(now, &waiting, until));
            naive.place(guest, group, named, queued_at);
        }
        0..=8 => {
            desk.release(now, guest_id(guest), &mut decisions);
            naive.release(guest);
        }
        9 | 10 if naive.workers.contains_key(&agent) => {
            desk.agent_up(now, agent_id(agent), &mut decisions);
            let worker = naive.workers.get_mut(&agent).unwrap();
            if !worker.connected {
                (worker.connected, worker.idle_since) = (true, naive.now);
            }
            naive.status_changed(agent);
        }
        11 if naive.workers.contains_key(&agent) => {
            let grace = desk.agent_down(now, agent_id(agent));
            naive.workers.get_mut(&agent).unwrap().connected = false;
            naive.status_changed(agent);
            assert_eq!(grace.is_some(), naive.load(agent) > 0, "a grace for who has something to lose");
        }
        12 => {
            desk.grace_over(now, agent_id(agent), &mut decisions);
            naive.grace_over(agent);
        }
        13 => {
            desk.named_grace_over(now, guest_id(guest), &mut decisions);
            naive.named_over(guest);
        }
        14 if naive.workers.contains_key(&agent) => {
            let deleted = desk.delete(now, &name, &mut decisions);
            assert_eq!(deleted.is_ok(), naive.load(agent) == 0, "deleted only without conversations");
            naive.delete(agent);
        }
        20..=23 => transfer(desk, naive, what, (guest, agent, a), &mut decisions),
        _ => change(desk, naive, agent, b, &mut decisions),
    }
    let decided: Vec<_> =
        decisions.iter().map(|made| (made.conversation.get(), made.agent.map(AgentId::get))).collect();
    assert_eq!(decided, std::mem::take(&mut naive.decided), "decisions of step {what} {a} {b}");
}

/// To an agent or to a group, by who always may, or by who saw where it is, or where it is not.
fn transfer(desk: &mut Desk, naive: &mut Naive, what: u8, who: (u64, u64, u64), decisions: &mut Vec<Decision>) {
    let (now, (guest, agent, a)) = (at(naive.now), who);
    let group = |index: usize| Group::new(GROUPS[index]).unwrap();
    let seen = naive.guests.get(&guest).filter(|_| what.is_multiple_of(2)).map(|found| {
        let holder = match found.seat {
            Seat::With(agent) => Some(agent_id(agent)),
            Seat::Queue | Seat::Named(..) => None,
        };
        match a / 4 % 4 {
            0 => Seen { agent: holder, group: group((found.group + 1) % GROUPS.len()) },
            1 => Seen { agent: holder.xor(Some(agent_id(1))), group: group(found.group) },
            _ => Seen { agent: holder, group: group(found.group) },
        }
    });
    let right = seen.is_none() || a / 4 % 4 > 1;
    if what < 22 {
        let name = AgentRef::Id(agent_id(agent));
        let given = desk.transfer_to_agent(now, guest_id(guest), &name, seen.as_ref(), decisions);
        assert_eq!(given, naive.give(guest, agent, right).map(|()| agent_id(agent)));
    } else {
        let to = (a / 16 % 3) as usize;
        let given = desk.transfer_to_group(now, guest_id(guest), &group(to), seen.as_ref(), decisions);
        assert_eq!(given, naive.requeue(guest, to, right));
    }
}

fn change(desk: &mut Desk, naive: &mut Naive, agent: u64, b: u64, decisions: &mut Vec<Decision>) {
    let now = at(naive.now);
    let status = [AgentStatus::Online, AgentStatus::Online, AgentStatus::Busy, AgentStatus::Offline][(b % 4) as usize];
    let groups: Vec<usize> = (0..3).filter(|group| (b / 4 % 7 + 1) >> group & 1 == 1).collect();
    let (max, auto) = ((b / 28 % 4) as u32, !(b / 112).is_multiple_of(8));
    let rest = AgentChange {
        max_concurrent: Some(max),
        groups: Some(groups.iter().map(|group| Group::new(GROUPS[*group]).unwrap()).collect()),
        accept: Some(Some(if auto { Accept::Auto } else { Accept::Manual })),
        status: Some(status),
        ..AgentChange::default()
    };
    let before = naive.workers.get(&agent).cloned();
    let new = Worker { connected: false, status, auto, max, groups, idle_since: 0, gone_since: None };
    match before {
        None => {
            desk.create(AgentDraft { id: Some(agent_id(agent)), code: None, rest, again: false }).unwrap();
            naive.workers.insert(agent, new);
        }
        Some(Worker { connected, idle_since, gone_since, .. }) => {
            let change = desk.change(now, &AgentRef::Id(agent_id(agent)), rest).unwrap();
            decisions.extend(change.decisions);
            naive.workers.insert(agent, Worker { connected, idle_since, gone_since, ..new });
            naive.status_changed(agent);
        }
    }
}

/// Both see the same, and it is fair.
fn compare(desk: &Desk, naive: &Naive) {
    for (agent, worker) in &naive.workers {
        assert_eq!(desk.load(agent_id(*agent)), Some((naive.load(*agent), worker.max)), "load of {agent}");
    }
    assert_eq!(desk.places.len(), naive.guests.len());
    for (id, guest) in &naive.guests {
        let seat = match desk.places[&guest_id(*id)].at {
            At::Agent(agent) => Seat::With(agent.get()),
            At::Queue(_) => Seat::Queue,
            At::Named { agent, until, .. } => Seat::Named(agent.get(), until.as_millis()),
        };
        assert_eq!(seat, guest.seat, "where {id} is");
    }
    for group in 0..GROUPS.len() {
        let idle = naive.best(group).filter(|_| naive.in_queue(group).is_some());
        assert_eq!(idle, None, "somebody waits in {group} beside a free agent");
    }
    let figures = desk.figures();
    let waiting = naive.guests.values().filter(|guest| !matches!(guest.seat, Seat::With(_))).count() as u64;
    assert_eq!((figures.waiting, figures.violations), (waiting, 0));
    assert_eq!(figures.assigned, naive.guests.len() as u64 - waiting);
    assert_eq!(figures.agents_connected, naive.workers.values().filter(|worker| worker.connected).count() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_desk_decides_as_the_rules_say(
        steps in proptest::collection::vec((0u8..24, any::<u64>(), any::<u64>(), 0u64..20), 1..120),
    ) {
        let groups: Vec<_> = GROUPS.iter().map(|name| Group::new(name).unwrap()).collect();
        let mut desk = Desk::new(Defaults { max_concurrent: 2, groups: groups.clone(), grace_millis: GRACE_MS });
        let mut naive = Naive { now: 1000, ..Naive::default() };
        // The desk serves groups in the order in which it met them.
        groups.iter().for_each(|group| { desk.queues.group(group); });
        for (what, a, b, pause) in steps {
            naive.now += pause;
            step(&mut desk, &mut naive, what, a, b);
            compare(&desk, &naive);
        }
    }
}
