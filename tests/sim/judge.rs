//! What is right at every step: invariants 1 to 4 and 6 of architecture.md, judged from what the cores
//! write, answer and tell alone. It never looks into a core.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_domain::{Placement, ShardId};
use switchboard_protocol::model::{
    AgentId, AgentProfile, AgentView, ClientMsgId, Conversation, ConversationId, Group, Message, MessageId, Party,
    Revision, Sent, Seq, Side, State, Timestamp, VShard, Write,
};

use super::people::LOOSE;

/// What was seen so far.
#[derive(Default)]
pub struct Judge {
    /// Headers as last handed to storage.
    pub decided: BTreeMap<ConversationId, Conversation>,
    /// Headers as last confirmed.
    pub saved: BTreeMap<ConversationId, Conversation>,
    pub agents: BTreeMap<AgentId, Option<AgentProfile>>,
    /// Agents that are deleted or were: their requests may come to a shard that has heard nothing since.
    pub(super) deleted: BTreeSet<AgentId>,
    /// Groups that an agent serves or has served: shards hear of a change one after another.
    pub(super) served: BTreeSet<(AgentId, Group)>,
    /// Groups that a conversation is of or was: what is told of it may be from before.
    pub(super) groups: BTreeMap<ConversationId, BTreeSet<Group>>,
    pub(super) messages: BTreeMap<(ConversationId, Seq), Message>,
    /// What messages became, in order; and how many of that is confirmed.
    pub(super) versions: BTreeMap<(ConversationId, Seq), (Vec<Message>, usize)>,
    /// Newest confirmed seq of each conversation.
    pub(super) durable: BTreeMap<ConversationId, Seq>,
    /// Agents whose assignment was confirmed.
    pub(super) had: BTreeSet<(ConversationId, AgentId)>,
    /// By conversation, side, number and id: what each send became.
    pub(super) sends: BTreeMap<(ConversationId, u64, bool, ClientMsgId), Sent>,
    /// The same by the id alone, which each client uses once.
    pub(super) by_id: BTreeMap<ClientMsgId, Sent>,
    /// Ids that a client has been answered.
    pub(super) acknowledged: BTreeSet<ClientMsgId>,
    /// Ids of sends whose outcome a client was told not to be known.
    pub(super) unknown: BTreeSet<ClientMsgId>,
    pub counts: Counts,
    pub now: u64,
    pub deadline_millis: u64,
    /// The agents as last listed.
    pub views: Vec<AgentView>,
}

/// That a run did what it is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub sent: u64,
    pub repeated: u64,
    pub repeated_after_end: u64,
    pub ended: u64,
    pub assigned_later: u64,
    pub returned: u64,
    pub synced: u64,
    pub gaps: u64,
    pub read: u64,
    pub waited: u64,
    pub pushed: u64,
    pub crashes: u64,
    pub accepted: u64,
    pub accepted_too_late: u64,
    pub offered: u64,
    pub revised: u64,
    pub given_to_agents: u64,
    pub given_to_groups: u64,
    /// Times that storage could not write; what was refused because of it.
    pub outages: u64,
    pub refused_away: u64,
    /// Sends that were answered that their outcome is not known; of those, acknowledged when they were repeated.
    pub unknown: u64,
    pub known_after: u64,
}

impl Judge {
    /// A shard hands a write to storage.
    pub fn wrote(&mut self, shard: ShardId, placement: &Placement, write: &Write) {
        match write {
            Write::Append { conversation, opens, message, client_msg_id } => {
                let before = self.decided.get(&conversation.id).cloned();
                self.header(shard, placement, conversation, *opens);
                unread_after(before.as_ref(), conversation, message.sender.side);
                self.appended(conversation, message, client_msg_id.as_ref());
            }
            Write::SaveConversation { conversation, opens } => {
                let before = self.decided.get(&conversation.id).cloned();
                self.header(shard, placement, conversation, *opens);
                if let Some(before) = before {
                    self.saved_header(&before, conversation);
                }
            }
            Write::MarkRead { conversation, of, .. } => {
                let before = self.decided[&conversation.id].clone();
                self.header(shard, placement, conversation, false);
                let unread = match of {
                    Side::Customer => (before.customer_unread, 0),
                    Side::Agent => (0, before.agent_unread),
                };
                assert_eq!((conversation.customer_unread, conversation.agent_unread), unread, "unread after a mark");
                assert_eq!(conversation.last_seq, before.last_seq, "a mark is no message");
                assert_eq!((conversation.agent, conversation.state), (before.agent, before.state));
            }
            Write::Revise { conversation, seq, revision, at } => {
                let before = self.decided[&conversation.id].clone();
                self.header(shard, placement, conversation, false);
                self.revised(&before, conversation, *seq, (revision, *at));
            }
            Write::SaveAgent(profile) => {
                assert_eq!(shard, placement.desk(), "only the desk writes agents");
                self.agents.insert(profile.id, Some(profile.clone()));
                self.served.extend(profile.groups.iter().map(|group| (profile.id, group.clone())));
            }
            Write::DeleteAgent(id) => {
                assert_eq!(shard, placement.desk(), "only the desk writes agents");
                self.agents.insert(*id, None);
                self.deleted.insert(*id);
            }
            Write::LeaseIds(vshards) => {
                assert!(vshards.iter().all(|vshard| placement.shard_of(*vshard) == shard), "another's ids");
            }
            Write::CreateCustomer(_)
            | Write::UpdateCustomer { .. }
            | Write::SaveToken { .. }
            | Write::RemoveTokens(_)
            | Write::KeepAnswer(_)
            | Write::ForgetAnswers(_)
            | Write::Restore(_) => {}
        }
    }

    /// The stored messages of a conversation, ascending.
    pub fn ids_of(&self, id: ConversationId) -> Vec<MessageId> {
        let durable = self.durable_seq(id);
        self.messages.range((id, Seq::ZERO)..=(id, durable)).map(|(_, message)| message.id).collect()
    }

    /// All stored messages as they were sent.
    pub fn durable_messages(&self) -> Vec<&Message> {
        self.messages.values().filter(|message| message.seq <= self.durable_seq(message.conversation)).collect()
    }

    /// The newest id that was minted in a virtual shard, as far as it shows.
    pub fn newest_id(&self, vshard: VShard) -> u64 {
        let conversations = self.decided.keys().map(|id| id.get()).filter(|id| id % 4096 == u64::from(vshard.index()));
        let messages = self.messages.values().map(|message| message.id);
        conversations.chain(messages.filter(|id| id.vshard() == vshard).map(|id| id.get())).max().unwrap_or(0)
    }

    /// What holds for every header: one writer, what never changes, one open conversation.
    fn header(&mut self, shard: ShardId, placement: &Placement, header: &Conversation, opens: bool) {
        let id = header.id;
        assert_eq!(placement.owner(id), shard, "one writer: {id} was written by another shard");
        assert_eq!(placement.home(&header.customer), shard, "the owner is the customer's home");
        let before = self.decided.get(&id);
        assert_eq!(opens, before.is_none(), "the first write of {id} opens it, no other");
        if let Some(before) = before {
            let fixed = |header: &Conversation| {
                (header.customer.clone(), header.customer_number, header.named, header.created_at)
            };
            assert_eq!(fixed(header), fixed(before), "what never changes");
            if (&header.group, header.queued_at) != (&before.group, before.queued_at) {
                assert!(header.queued_at >= before.queued_at, "to the end of the queue");
                assert_eq!((header.state, header.agent, header.returned), (State::Pending, None, false), "given away");
                self.counts.given_to_groups += 1;
            }
            assert!(before.is_open() || !header.is_open(), "{id} was closed and is open again");
        }
        assert_eq!(header.agent.is_some() && header.is_open(), header.state == State::Active, "state and agent");
        if header.is_open() && opens {
            let same = |other: &&Conversation| {
                other.is_open()
                    && other.customer == header.customer
                    && (other.named == header.named || matches!(header.customer, Party::User(_)))
            };
            let others: Vec<_> = self.decided.values().filter(same).map(|other| other.id).collect();
            assert!(others.is_empty(), "one open conversation: {id} beside {others:?}");
        }
        let mut same = self.decided.values().filter(|other| other.customer == header.customer);
        assert!(same.all(|other| other.customer_number == header.customer_number), "a customer has one number");
        self.groups.entry(id).or_default().insert(header.group.clone());
        self.decided.insert(id, header.clone());
    }

    fn saved_header(&mut self, before: &Conversation, header: &Conversation) {
        let unread = |header: &Conversation| (header.customer_unread, header.agent_unread, header.last_seq);
        assert_eq!(unread(header), unread(before), "neither a message nor a mark");
        if before.agent != header.agent {
            assert!(header.is_open(), "assigned when closed");
            self.counts.assigned_later += 1;
            // Given to a group in the millisecond in which it began to wait, it looks as it did; else what lost its
            // agent goes to the head.
            let given = header.group != before.group || header.queued_at != before.queued_at;
            let at_once = header.queued_at.plus_millis(1000) > header.updated_at;
            let returned = header.agent.is_none() && !given;
            assert!(header.returned == returned || (returned && at_once), "what lost its agent goes to the head");
            self.counts.returned += u64::from(header.returned);
        }
        self.counts.ended += u64::from(!header.is_open());
    }

    /// A revision leaves everything but the message, and a recall one unread less.
    fn revised(&mut self, before: &Conversation, header: &Conversation, seq: Seq, what: (&Revision, Timestamp)) {
        let (revision, at) = what;
        let place = (header.id, seq);
        let (versions, _) = self.versions.entry(place).or_default();
        let mut message = versions.last().unwrap_or(&self.messages[&place]).clone();
        assert!(message.recalled_at().is_none(), "what was recalled is changed again");
        let fewer = u32::from(matches!(revision, Revision::Recall));
        let (customer, agent) = (before.customer_unread, before.agent_unread);
        let least = match message.sender.side {
            Side::Customer => (customer, agent.saturating_sub(fewer)),
            Side::Agent => (customer.saturating_sub(fewer), agent),
        };
        let now = (header.customer_unread, header.agent_unread);
        assert!(now == (customer, agent) || now == least, "unread after a revision");
        assert_eq!((header.agent, header.state, header.last_seq), (before.agent, before.state, before.last_seq));
        message.revise(revision, at);
        versions.push(message);
        self.counts.revised += 1;
    }

    fn appended(&mut self, header: &Conversation, message: &Message, client_msg_id: Option<&ClientMsgId>) {
        let (id, seq) = (message.conversation, message.seq);
        assert_eq!(id, header.id);
        assert_eq!(header.last_seq, seq);
        assert!(header.is_open(), "a message in a closed conversation");
        let last = self.messages.range((id, Seq::ZERO)..(id, Seq::new(u64::MAX))).next_back();
        let last = last.map(|(_, message)| (message.seq, message.id));
        assert_eq!(seq, last.map_or(Seq::ZERO, |(seq, _)| seq).next(), "seq is dense");
        assert!(last.is_none_or(|(_, before)| before < message.id), "ids ascend with seq");
        assert_eq!(message.id.vshard(), id.vshard(), "the owner is read off a message's id");
        let number = match message.sender.side {
            Side::Customer => header.customer_number.get(),
            Side::Agent => header.agent.expect("an agent writes only where it is").get(),
        };
        assert_eq!(message.sender.number, number, "the sender");
        if let Some(client_msg_id) = client_msg_id {
            let sent = Sent { message: message.id, conversation: id, seq, created_at: message.created_at };
            let key = (id, number, message.sender.side == Side::Agent, client_msg_id.clone());
            let first = self.sends.insert(key, sent);
            assert_eq!(first, None, "stored once: {client_msg_id} again in {id}");
            let first = self.by_id.insert(client_msg_id.clone(), sent);
            assert!(first.is_none() || client_msg_id.as_str().starts_with(LOOSE), "{client_msg_id} again: {first:?}");
        }
        self.messages.insert((id, seq), message.clone());
        self.counts.sent += 1;
    }
}

/// Unread counts up on the other side and is else what the last mark left.
fn unread_after(before: Option<&Conversation>, header: &Conversation, side: Side) {
    let (customer, agent) = before.map_or((0, 0), |before| (before.customer_unread, before.agent_unread));
    let expected = match side {
        Side::Customer => (customer, agent + 1),
        Side::Agent => (customer + 1, agent),
    };
    assert_eq!((header.customer_unread, header.agent_unread), expected, "unread after a message");
    assert_eq!(before.map(|before| before.agent), Some(header.agent), "a message assigns nobody");
}
