//! Arrivals against the agents' capacity: how long customers wait, how soon a freed slot is the next one's, and
//! whether the line is kept.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Built, Scenario, cast};
use crate::engine::{Asked, Client, Ground, Stage, schedule};
use crate::measure::{Metric, Nanos};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};
use crate::wire::{Ask, Heard, Opened};

/// Customers wait at their sockets; one arrives by asking for a conversation over HTTP (an errand), is told of its
/// agent, talks for the think time, and ends. Clients are the agents, the customers, and the customers' errands.
struct Queue {
    agents: u32,
    customers: u32,
    capacity: u32,
    numbers: HashMap<u64, u32>,
    free: Vec<u32>,
    visits: Vec<Visit>,
    /// Who waits, by when the desk said so.
    line: BTreeSet<(Nanos, u32)>,
    seats: Vec<Seat>,
}

/// One customer's stay.
#[derive(Clone, Copy, Default)]
struct Visit {
    arrived: Nanos,
    conversation: u64,
    queued: Option<Nanos>,
    agent: Option<u32>,
}

/// One agent as the customers see it.
#[derive(Clone, Default)]
struct Seat {
    talking: u32,
    /// Ends that freed a slot while somebody waited.
    freed: VecDeque<Nanos>,
}

/// Requests overtake each other on their way to the desk by less than this.
const OVERTAKEN_NS: Nanos = 250_000_000;

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    let (first_agent, agents) = cast::share(settings, settings.agents.max(settings.processes));
    let (first_customer, customers) = cast::share(settings, settings.connections);
    let mut ground = Ground { parties: Vec::new(), clients: Vec::new() };
    for index in 0..agents {
        ground.parties.push(cast::agent(settings, tokens, first_agent + index)?);
        ground.clients.push(Client::of(index));
    }
    for index in 0..customers {
        ground.parties.push(cast::user(settings, tokens, first_customer + index)?);
        ground.clients.push(Client::of(agents + index));
    }
    for index in 0..customers {
        ground.clients.push(Client::errand_of(agents + index));
    }
    let queue = Queue {
        agents,
        customers,
        capacity: settings.capacity,
        numbers: (0..agents).map(|index| (ground.parties[index as usize].number, index)).collect(),
        free: (0..customers).rev().collect(),
        visits: vec![Visit::default(); customers as usize],
        line: BTreeSet::new(),
        seats: vec![Seat::default(); agents as usize],
    };
    Ok((ground, Box::new(queue)))
}

impl Queue {
    fn assigned(&mut self, stage: &mut Stage<'_>, customer: u32, agent: u64) {
        let Some(agent) = self.numbers.get(&agent).copied() else {
            return stage.fault(|| format!("customer {customer} was given to agent {agent}, who is not of this run"));
        };
        let visit = &mut self.visits[customer as usize];
        if visit.agent.replace(agent).is_some() {
            return;
        }
        stage.count("assigned");
        stage.record(Metric::Wait, visit.arrived);
        let seat = &mut self.seats[agent as usize];
        seat.talking += 1;
        if seat.talking > self.capacity {
            stage.fault(|| format!("an agent has {} conversations of {}", seat.talking, self.capacity));
        }
        if let Some(queued) = visit.queued.take() {
            self.line.remove(&(queued, customer));
            if let Some(freed) = seat.freed.pop_front() {
                stage.record(Metric::Refill, freed);
            }
            if self.line.first().is_some_and(|(first, _)| first + OVERTAKEN_NS < queued) {
                stage.count("overtaken");
            }
        }
        let stay = stage.settings.think.as_nanos() as f64 * schedule::exponential(&mut stage.rng);
        stage.act_at(stage.now + stay as Nanos, customer);
    }
}

impl Scenario for Queue {
    fn ramp(&self, _stage: &Stage<'_>) -> Vec<u32> {
        (0..self.agents + self.customers).collect()
    }

    fn act(&mut self, stage: &mut Stage<'_>, intended: Nanos) {
        let Some(customer) = self.free.pop() else { return stage.count("no_place_free") };
        stage.accounts.sent += 1;
        self.visits[customer as usize] = Visit { arrived: intended, ..Visit::default() };
        let seat = self.agents + customer;
        if stage.wire(seat).abilities().greets {
            return stage.greet(seat, intended);
        }
        stage.open_at(intended, seat + self.customers);
    }

    fn opened(&mut self, stage: &mut Stage<'_>, client: u32, opened: Opened) {
        // By its errand, or by its own first message.
        let customer = (client - self.agents) % self.customers;
        stage.accounts.acknowledged += 1;
        let visit = &mut self.visits[customer as usize];
        visit.conversation = opened.conversation;
        match opened.agent {
            Some(agent) => self.assigned(stage, customer, agent),
            // The push may have been quicker than this answer.
            None if visit.agent.is_none() => {
                visit.queued = Some(stage.now);
                self.line.insert((stage.now, customer));
                let longest = stage.figures.entry("line_longest_customers".to_owned()).or_default();
                *longest = longest.max(self.line.len() as f64);
            }
            None => {}
        }
    }

    fn heard(&mut self, stage: &mut Stage<'_>, client: u32, heard: Heard<'_>) {
        let customer = client.wrapping_sub(self.agents);
        if let Heard::Assigned { agent, .. } = heard
            && customer < self.customers
            && agent != 0
        {
            self.assigned(stage, customer, agent);
        }
    }

    fn cue(&mut self, stage: &mut Stage<'_>, customer: u32, intended: Nanos) {
        let Visit { conversation, agent, .. } = self.visits[customer as usize];
        if let Some(agent) = agent {
            let seat = &mut self.seats[agent as usize];
            seat.talking -= 1;
            if seat.freed.len() < self.line.len() {
                seat.freed.push_back(intended);
            }
        }
        stage.end(self.agents + customer, conversation, customer, intended);
    }

    fn answered(&mut self, stage: &mut Stage<'_>, asked: Asked, success: bool, _data: &str) {
        if asked.ask == Ask::End {
            if !success {
                stage.fault(|| "an end was refused".to_owned());
            }
            self.free.push(asked.about);
        }
    }

    fn lost(&mut self, stage: &mut Stage<'_>, client: u32) {
        if client < self.agents + self.customers {
            stage.come_back(client);
        }
    }

    fn is_settled(&self, _stage: &Stage<'_>) -> bool {
        self.free.len() == self.customers as usize
    }

    fn finish(&mut self, stage: &mut Stage<'_>) {
        stage.figures.insert("still_waiting_customers".to_owned(), self.line.len() as f64);
    }
}
