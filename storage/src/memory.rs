//! The reference: what every engine must do, in plain maps; and an engine around it with slow and failing
//! moments for tests. Must not know disks.

mod answers;
mod customers;
mod scan;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use switchboard_protocol::model::limits::{ID_LEASE_BLOCK_IDS, PAGE_MAX};
use switchboard_protocol::model::{
    AgentId, AgentProfile, ClientMsgId, Conversation, ConversationFilter, ConversationId, CustomerNumber, Found,
    ListPosition, Listed, Message, MessageId, Party, Read, Sender, Sent, Seq, Side, Timestamp, VShard, Write, Written,
};

use crate::{Engine, Outcome, StoreError};

type DedupKey = (ConversationId, Side, u64, ClientMsgId);

/// Everything stored, with the meaning of each operation; no thread, no clock, no failure. The simulator
/// uses it directly.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    conversations: BTreeMap<ConversationId, Conversation>,
    open: BTreeSet<ConversationId>,
    customers: BTreeMap<Party, Customer>,
    messages: BTreeMap<(ConversationId, Seq), Message>,
    places: HashMap<MessageId, (ConversationId, Seq)>,
    sent: HashMap<DedupKey, Sent>,
    agents: BTreeMap<AgentId, Option<AgentProfile>>,
    leased: BTreeMap<VShard, u64>,
    known: customers::Customers,
    answers: answers::Answers,
}

#[derive(Clone, Debug)]
struct Customer {
    number: CustomerNumber,
    conversations: BTreeSet<ConversationId>,
}

impl Tables {
    /// Applies a write.
    pub fn apply(&mut self, write: &Write) -> Written {
        match write {
            Write::Append { conversation, opens, message, client_msg_id } => {
                self.save(conversation, *opens);
                self.append(message, client_msg_id.as_ref());
                if let (Party::Customer(id), Side::Customer) = (&conversation.customer, message.sender.side) {
                    self.known.wrote(*id, message.created_at);
                }
            }
            Write::SaveConversation { conversation, opens } => self.save(conversation, *opens),
            Write::MarkRead { conversation, messages, of, at } => {
                self.save(conversation, false);
                return Written::Marked(self.mark_read(conversation.id, messages, *of, *at));
            }
            Write::Revise { conversation, seq, revision, at } => {
                self.save(conversation, false);
                let message = self.messages.get_mut(&(conversation.id, *seq)).expect("what is revised is there");
                message.revise(revision, *at);
                return Written::Revised(Box::new(message.clone()));
            }
            Write::SaveAgent(profile) => {
                self.agents.insert(profile.id, Some(profile.clone()));
            }
            Write::DeleteAgent(id) => {
                self.agents.insert(*id, None);
            }
            Write::LeaseIds(vshards) => {
                return Written::Leased(vshards.iter().map(|vshard| (*vshard, self.lease(*vshard))).collect());
            }
            Write::CreateCustomer(profile) => return Written::Customer(self.known.create(profile)),
            Write::UpdateCustomer { profile, seen } => return Written::Customer(self.known.update(profile, *seen)),
            Write::SaveToken { hash, bearer, expires_at } => self.known.save_token(*hash, bearer, *expires_at),
            Write::RemoveTokens(tokens) => self.known.remove_tokens(tokens),
            Write::KeepAnswer(answer) => self.answers.keep(&answer.0, &answer.1),
            Write::ForgetAnswers(names) => self.answers.forget(names),
            Write::Restore(restore) => self.restore(restore),
        }
        Written::Durable
    }

    /// Answers a read.
    pub fn answer(&self, read: &Read) -> Found {
        match read {
            Read::Conversation(id) => Found::Conversation(self.conversations.get(id).cloned().map(Box::new)),
            Read::History { conversation, from, to } => Found::History(self.history(*conversation, *from, *to)),
            Read::SeqOf { conversation, message } => {
                let place = self.places.get(message).filter(|(of, _)| of == conversation);
                Found::Seq(place.map(|(_, seq)| *seq))
            }
            Read::Message(id) => {
                let message = self.places.get(id).and_then(|place| self.messages.get(place));
                Found::Message(message.cloned().map(Box::new))
            }
            Read::Sent { conversation, sender, client_msg_id } => {
                Found::Sent(self.sent.get(&dedup_key(*conversation, *sender, client_msg_id)).copied())
            }
            Read::SentInAny { conversations, sender, client_msg_id } => {
                let mut keys = conversations.iter().map(|id| dedup_key(*id, *sender, client_msg_id));
                Found::Sent(keys.find_map(|key| self.sent.get(&key).copied()))
            }
            Read::Customer { party, newest } => {
                let customer = self.customers.get(party);
                let ids = customer.iter().flat_map(|customer| customer.conversations.iter().rev());
                Found::Customer {
                    number: customer.map(|customer| customer.number).or(self.known.number_of(party)),
                    channel: self.known.channel_of(party),
                    conversations: self.headers(ids.take(*newest as usize)),
                }
            }
            Read::OpenConversations { after, limit } => {
                let ids = self.open.iter().filter(|id| Some(**id) > *after);
                Found::OpenConversations(self.headers(ids.take(*limit as usize)))
            }
            Read::Conversations { filter, after, limit } => self.list(filter, *after, *limit as usize),
            Read::Listed(id) => Found::Listed(self.conversations.get(id).map(|header| Box::new(self.listed(header)))),
            Read::Agents { after, limit } => {
                let page = self.agents.iter().filter(|(id, _)| Some(**id) > *after).take(*limit as usize);
                Found::Agents(page.map(|(id, profile)| (*id, profile.clone())).collect())
            }
            Read::CustomerById(id) => Found::CustomerRecord(self.known.record(*id).map(Box::new)),
            Read::CustomerByIdentity(identity) => Found::CustomerRecord(self.known.known_by(identity).map(Box::new)),
            Read::Customers(query) => self.known.page(query),
            Read::Token(hash) => Found::Token(self.known.token(hash)),
            Read::ExpiredTokens { before, limit } => Found::ExpiredTokens(self.known.expired_tokens(*before, *limit)),
            Read::KeptAnswer(name) => self.answers.kept(name),
            Read::ExpiredAnswers { before, limit } => self.answers.expired(*before, *limit),
            Read::Scan(scan) => Found::Scanned(self.scan(scan)),
        }
    }

    fn save(&mut self, conversation: &Conversation, opens: bool) {
        let id = conversation.id;
        if !conversation.is_open() {
            self.open.remove(&id);
        } else if opens {
            self.open.insert(id);
        }
        if opens {
            let number = conversation.customer_number;
            let customer = self
                .customers
                .entry(conversation.customer.clone())
                .or_insert_with(|| Customer { number, conversations: BTreeSet::new() });
            customer.number = number;
            customer.conversations.insert(id);
        }
        self.conversations.insert(id, conversation.clone());
    }

    fn append(&mut self, message: &Message, client_msg_id: Option<&ClientMsgId>) {
        if let Some(client_msg_id) = client_msg_id {
            self.sent.insert(dedup_key(message.conversation, message.sender, client_msg_id), Sent::of(message));
        }
        self.put_message(message);
    }

    fn put_message(&mut self, message: &Message) {
        self.places.insert(message.id, (message.conversation, message.seq));
        self.messages.insert((message.conversation, message.seq), message.clone());
    }

    fn mark_read(&mut self, id: ConversationId, messages: &[MessageId], of: Side, at: Timestamp) -> Vec<MessageId> {
        let mut marked = Vec::new();
        for message in messages {
            let Some(place) = self.places.get(message).filter(|(of, _)| *of == id) else { continue };
            let message = self.messages.get_mut(place).expect("a place names a message");
            if message.sender.side == of && message.read_at.is_none() {
                message.read_at = Some(at);
                marked.push(message.id);
            }
        }
        marked.sort_unstable();
        marked
    }

    fn lease(&mut self, vshard: VShard) -> Range<u64> {
        let next = self.leased.entry(vshard).or_insert(1);
        let first = *next;
        *next += ID_LEASE_BLOCK_IDS;
        first..*next
    }

    fn history(&self, id: ConversationId, from: Seq, to: Seq) -> Vec<Message> {
        if from > to {
            return Vec::new();
        }
        let page = self.messages.range((id, from)..=(id, to)).take(PAGE_MAX as usize);
        page.map(|(_, message)| message.clone()).collect()
    }

    /// Looks through all headers: the reference has no index that could be wrong.
    fn list(&self, filter: &ConversationFilter, after: Option<ListPosition>, limit: usize) -> Found {
        let admitted = self.conversations.values().filter(|header| filter.admits(header));
        let mut places: Vec<_> =
            admitted.map(ListPosition::of).filter(|at| after.is_none_or(|after| *at < after)).collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        let more = places.len() > limit;
        places.truncate(limit);
        let page = places.iter().map(|at| self.listed(&self.conversations[&at.conversation])).collect();
        Found::Conversations { page, next: places.last().copied().filter(|_| more) }
    }

    fn listed(&self, header: &Conversation) -> Listed {
        let last_message = self.messages.get(&(header.id, header.last_seq)).cloned();
        Listed { conversation: header.clone(), last_message }
    }

    fn headers<'a>(&self, ids: impl Iterator<Item = &'a ConversationId>) -> Vec<Conversation> {
        ids.map(|id| self.conversations.get(id).expect("an index names a header").clone()).collect()
    }
}

fn dedup_key(conversation: ConversationId, sender: Sender, client_msg_id: &ClientMsgId) -> DedupKey {
    (conversation, sender.side, sender.number, client_msg_id.clone())
}

/// Slow and failing moments, the same for the same seed. None by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Chooses the delays.
    pub seed: u64,
    /// How long a commit takes; an empty range is no delay.
    pub commit_delay: Range<Duration>,
    /// How long a read takes; an empty range is no delay.
    pub read_delay: Range<Duration>,
    /// The group that would make more writes than this fails as a whole, as a failed sync does.
    pub fail_after_writes: Option<u64>,
}

/// [`Tables`] as an engine, with [`Faults`].
#[derive(Debug)]
pub struct Memory {
    tables: RwLock<Tables>,
    faults: Faults,
    state: Mutex<FaultState>,
}

#[derive(Debug)]
struct FaultState {
    random: u64,
    writes: u64,
}

impl Memory {
    /// An empty engine.
    pub fn new(faults: Faults) -> Self {
        let state = FaultState { random: faults.seed, writes: 0 };
        Self { tables: RwLock::default(), faults, state: Mutex::new(state) }
    }

    fn delay(&self, range: &Range<Duration>) {
        let Some(span) = range.end.checked_sub(range.start).filter(|span| !span.is_zero()) else { return };
        let random = split_mix_64(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).random);
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        std::thread::sleep(range.start + Duration::from_nanos(random % nanos));
    }
}

impl Engine for Memory {
    fn commit(&self, writes: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        self.delay(&self.faults.commit_delay);
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.writes += writes.len() as u64;
            if self.faults.fail_after_writes.is_some_and(|limit| state.writes > limit) {
                return Err(StoreError::Engine("a fault was asked for".into()));
            }
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        Ok(writes.iter().map(|write| Ok(tables.apply(write))).collect())
    }

    fn read(&self, read: &Read) -> Result<Found, StoreError> {
        self.delay(&self.faults.read_delay);
        Ok(self.tables.read().unwrap_or_else(PoisonError::into_inner).answer(read))
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): repeatable delays need no better random source.
pub(crate) fn split_mix_64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
