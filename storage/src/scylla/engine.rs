//! The engine at work on its thread: each write waits for those before it that concern the same thing, and for no others;
//! what waits together is carried out together. Must not know how operations come to it.

use std::cell::{Cell as Slot, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::future::join_all;
use switchboard_protocol::model::limits::{CQL_BATCH_CUSTOMERS, CQL_BATCH_MAX_BYTES, STORE_GROUP_WRITES};
use switchboard_protocol::model::{ConversationId, Restore, Write, Written};

use super::cell::Cell;
use super::cluster::{Cluster, Together};
use super::conversation::is_plain;
use super::open_index::OpenIndex;
use super::sent_keys::SentKeys;
use super::store::{Asked, Shared};
use crate::{Done, Op, Outcome, StoreError, Ticket, layout};

/// What follows each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Conversation(ConversationId),
    Agents,
    Leases,
    Customers,
    Interactions,
    Tokens,
    Answers,
}

impl Lane {
    fn of(write: &Write) -> Self {
        match write {
            Write::Append { conversation, .. }
            | Write::SaveConversation { conversation, .. }
            | Write::MarkRead { conversation, .. }
            | Write::Revise { conversation, .. } => Self::Conversation(conversation.id),
            Write::SaveAgent(_) | Write::DeleteAgent(_) => Self::Agents,
            Write::LeaseIds(_) => Self::Leases,
            Write::CreateCustomer(_) | Write::UpdateCustomer { .. } => Self::Customers,
            Write::SaveToken { .. } | Write::RemoveTokens(_) => Self::Tokens,
            Write::KeepAnswer(_) | Write::ForgetAnswers(_) => Self::Answers,
            Write::Restore(restore) => match restore {
                Restore::Leases(_) => Self::Leases,
                Restore::Interactions(_) => Self::Interactions,
                Restore::Messages(messages) => match messages.first() {
                    Some(message) => Self::Conversation(message.conversation),
                    None => Self::Agents,
                },
                Restore::SentKeys(keys) => match keys.first() {
                    Some(key) => Self::Conversation(key.sent.conversation),
                    None => Self::Agents,
                },
            },
        }
    }

    /// Whether a write may be carried out together with one before it.
    fn together(self, before: &Write, write: &Write) -> bool {
        match self {
            Self::Conversation(_) => is_plain(before) && is_plain(write),
            // Nothing that is restored goes together with anything.
            _ if matches!(before, Write::Restore(_)) || matches!(write, Write::Restore(_)) => false,
            Self::Agents | Self::Tokens | Self::Customers => true,
            Self::Leases | Self::Interactions => false,
            Self::Answers => matches!((before, write), (Write::KeepAnswer(_), Write::KeepAnswer(_))),
        }
    }

    const fn most_together(self) -> usize {
        match self {
            Self::Customers => CQL_BATCH_CUSTOMERS,
            Self::Conversation(_) | Self::Agents | Self::Leases | Self::Interactions | Self::Tokens | Self::Answers => {
                STORE_GROUP_WRITES
            }
        }
    }
}

/// A write that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    ticket: Ticket,
    pub(super) write: Write,
    submitted: Instant,
}

/// Everything the storage thread works with.
pub(super) struct Engine {
    pub(super) cluster: Cluster,
    pub(super) open: RefCell<OpenIndex>,
    pub(super) sent_keys: RefCell<SentKeys>,
    lanes: RefCell<HashMap<Lane, VecDeque<Queued>>>,
    shared: Arc<Shared>,
    wake_wanted: Slot<bool>,
}

impl Engine {
    pub(super) fn new(cluster: Cluster, open: OpenIndex, shared: Arc<Shared>) -> Rc<Self> {
        let open = RefCell::new(open);
        let (sent_keys, lanes) = (RefCell::default(), RefCell::default());
        Rc::new(Self { cluster, open, sent_keys, lanes, shared, wake_wanted: Slot::new(false) })
    }

    /// Takes an operation up.
    pub(super) fn begin(self: &Rc<Self>, asked: Asked) {
        let Asked { ticket, op, submitted } = asked;
        match op {
            Op::Read(read) => {
                let engine = self.clone();
                tokio::task::spawn_local(async move {
                    let found = engine.answer(&read).await;
                    engine.shared.counters.reads.fetch_add(1, Ordering::Relaxed);
                    engine.shared.finished(false);
                    engine.tell(ticket, found.map_or_else(|error| engine.failed_alone(error), Done::Found));
                });
            }
            Op::Write(write) => {
                let lane = Lane::of(&write);
                self.note_keys(&write, lane);
                let queued = Queued { ticket, write, submitted };
                if let Some(waiting) = self.lanes.borrow_mut().get_mut(&lane) {
                    return waiting.push_back(queued);
                }
                self.lanes.borrow_mut().insert(lane, VecDeque::from([queued]));
                tokio::task::spawn_local(self.clone().run(lane));
            }
        }
    }

    /// Before it is written, what a write changes about the dedup keys of its conversation.
    fn note_keys(&self, write: &Write, lane: Lane) {
        match (write, lane) {
            (Write::Append { message, client_msg_id: Some(client_msg_id), .. }, _) => {
                let key = layout::sent_key(message.sender, client_msg_id);
                self.sent_keys.borrow_mut().add(message.conversation, &key);
            }
            (Write::Restore(_), Lane::Conversation(id)) => self.sent_keys.borrow_mut().forget(id),
            _ => {}
        }
    }

    /// Whether writes of a conversation are under way.
    pub(super) fn is_written(&self, id: ConversationId) -> bool {
        self.lanes.borrow().contains_key(&Lane::Conversation(id))
    }

    /// Carries a lane's writes out until none waits.
    async fn run(self: Rc<Self>, lane: Lane) {
        while let Some(writes) = self.next_run(lane) {
            match lane {
                Lane::Conversation(id) => self.run_conversation(id, writes).await,
                Lane::Customers => {
                    let asked: Vec<_> = writes.iter().map(|queued| &queued.write).collect();
                    match self.put_customers(&asked).await {
                        Ok(written) => {
                            let outcomes = written.into_iter().map(Ok);
                            self.confirm(writes.into_iter().zip(outcomes));
                        }
                        // One of them met a damaged record; alone, the others are carried out.
                        Err(_) if writes.len() > 1 => {
                            for queued in writes {
                                let outcome = self.put_customers(&[&queued.write]).await.map(|mut all| all.remove(0));
                                self.confirm([(queued, outcome)]);
                            }
                        }
                        Err(error) => self.confirm(writes.into_iter().zip([Err(error)])),
                    }
                }
                Lane::Leases | Lane::Interactions | Lane::Agents | Lane::Tokens | Lane::Answers => {
                    self.run_directory(writes).await;
                }
            }
        }
    }

    /// What is next in a lane, with all that may go with it; the lane ends if that is nothing.
    fn next_run(&self, lane: Lane) -> Option<Vec<Queued>> {
        let mut lanes = self.lanes.borrow_mut();
        let waiting = lanes.get_mut(&lane).expect("a lane is there as long as it runs");
        let Some(first) = waiting.pop_front() else {
            lanes.remove(&lane);
            return None;
        };
        let mut bytes = content_bytes(&first.write);
        let mut run = vec![first];
        while let Some(next) = waiting.front()
            && run.len() < lane.most_together()
            && lane.together(&run[0].write, &next.write)
        {
            bytes += content_bytes(&next.write);
            if bytes > CQL_BATCH_MAX_BYTES {
                break;
            }
            run.extend(waiting.pop_front());
        }
        Some(run)
    }

    async fn run_conversation(&self, id: ConversationId, mut writes: Vec<Queued>) {
        let first = &writes[0].write;
        if is_plain(first) {
            self.put_plain(&writes).await;
            for queued in &writes {
                self.known(&queued.write);
            }
            return self.confirm(writes.into_iter().map(|queued| (queued, Ok(Written::Durable))));
        }
        let outcome = match first {
            Write::Append { .. } | Write::SaveConversation { .. } => {
                self.put_indexed(first).await;
                self.groups(1);
                Ok(Written::Durable)
            }
            Write::MarkRead { conversation, messages, of, at } => {
                self.mark_read(conversation, messages, *of, *at).await
            }
            Write::Revise { conversation, seq, revision, at } => self.revise(conversation, *seq, revision, *at).await,
            Write::Restore(restore) => self.restore(restore).await,
            _ => unreachable!("no other write is about a conversation"),
        };
        let closed = match first {
            Write::SaveConversation { conversation, .. } => !conversation.is_open(),
            _ => false,
        };
        if outcome.is_ok() {
            self.known(first);
        }
        self.confirm([(writes.remove(0), outcome)]);
        if closed {
            self.sent_keys.borrow_mut().forget(id);
            // Nobody waits for this; should the process end first, the next start sees that it is closed.
            self.remove_open(id).await;
        }
    }

    /// The header of a durable write is what readers see.
    fn known(&self, write: &Write) {
        let (header, opens) = match write {
            Write::Append { conversation, opens, .. } | Write::SaveConversation { conversation, opens } => {
                (conversation, *opens)
            }
            Write::MarkRead { conversation, .. } | Write::Revise { conversation, .. } => (conversation, false),
            _ => return,
        };
        self.open.borrow_mut().put(header, opens);
    }

    async fn run_directory(&self, mut writes: Vec<Queued>) {
        let outcome = match &writes[0].write {
            Write::LeaseIds(vshards) => self.lease(vshards).await,
            Write::ForgetAnswers(names) => self.forget_answers(names).await,
            Write::Restore(restore) => self.restore(restore).await,
            _ => {
                // Each with its timestamp, in the order in which they came: the last one wins.
                let statements: Vec<_> = writes.iter().map(|queued| self.blind(&queued.write)).collect();
                let all = statements.iter().flatten();
                join_all(all.map(|one| self.cluster.write(Together::OnePartition, std::slice::from_ref(one)))).await;
                self.groups(writes.len() as u64);
                return self.confirm(writes.into_iter().map(|queued| (queued, Ok(Written::Durable))));
            }
        };
        self.groups(1);
        self.confirm([(writes.remove(0), outcome)]);
    }

    /// A timestamp as a value.
    pub(super) fn timestamp(&self) -> Cell {
        Cell::Big(self.cluster.clock.next())
    }

    /// Statements or batches that have made writes durable.
    pub(super) fn groups(&self, groups: u64) {
        self.shared.counters.groups.fetch_add(groups, Ordering::Relaxed);
    }

    fn confirm(&self, outcomes: impl IntoIterator<Item = (Queued, Outcome)>) {
        let now = Instant::now();
        for (queued, outcome) in outcomes {
            self.shared.counters.writes.fetch_add(1, Ordering::Relaxed);
            self.shared.counters.durable.record(now - queued.submitted);
            self.shared.finished(true);
            self.tell(queued.ticket, outcome.map_or_else(|error| self.failed_alone(error), Done::Written));
        }
    }

    fn failed_alone(&self, error: StoreError) -> Done {
        self.shared.counters.failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "a storage operation failed");
        Done::Failed(error)
    }

    /// Tells a shard; the shards are woken once for all that is told in one turn of this thread.
    fn tell(&self, ticket: Ticket, done: Done) {
        self.shared.completions.done(ticket, done);
        if !self.wake_wanted.replace(true) {
            self.shared.wanted.notify_one();
        }
    }

    /// Wakes the shards if anything was told since the last time.
    pub(super) fn wake(&self) {
        if self.wake_wanted.replace(false) {
            self.shared.completions.wake();
        }
    }
}

fn content_bytes(write: &Write) -> usize {
    match write {
        Write::Append { message, .. } => message.body.content.len(),
        _ => 0,
    }
}
