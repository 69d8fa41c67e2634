//! Storage that cannot write for a while, or for long does not say what became of a write.
//!
//! While it cannot write, what would write is refused at the door; what was accepted, and what the core itself decides,
//! waits for it. Whoever waits for a write longer than the deadline is told that nobody knows yet, once; the write stays
//! under way and keeps its place. One timer looks after all of that, while anything is under way.

use switchboard_protocol::model::{
    Command, Condition, ConversationId, CustomerCommand, KeyCommand, Party, Refusal, Timestamp, limits,
};

use super::hands::{Hands, UnderWay};
use super::stored::Then as After;
use super::{Core, Job, Slot, customers, keyed};
use crate::conversation::Then;
use crate::{Origin, Timer};

/// What a sender is told that waits too long.
pub(super) const SEND_UNKNOWN: Refusal =
    Refusal::Busy("the outcome is not known yet; retry with the same client_msg_id");
/// What anybody else is told: to try again does no harm.
const UNKNOWN: Refusal = Refusal::Busy("the outcome is not known yet; retry");
/// What it is told if nothing was done.
const BEHIND: Refusal = Refusal::Busy("storage is behind");

/// Whether carrying a command out may write. A read that leads to a write by chance (an expired token is removed) does
/// not count: that is the core's own affair.
const fn may_write(command: &Command) -> bool {
    match command {
        Command::Open { .. }
        | Command::Send { .. }
        | Command::MarkRead { .. }
        | Command::End { .. }
        | Command::EndPair { .. }
        | Command::Accept { .. }
        | Command::Transfer { .. }
        | Command::Revise { .. }
        | Command::SetStatus(_)
        | Command::CreateAgent(_)
        | Command::UpdateAgent(..)
        | Command::DeleteAgent(_)
        | Command::IssueAgentToken { .. } => true,
        Command::Customers(command) => match **command {
            CustomerCommand::Enter { .. }
            | CustomerCommand::IssueToken { .. }
            | CustomerCommand::Create(_)
            | CustomerCommand::Update { .. } => true,
            CustomerCommand::Get(_) | CustomerCommand::List(_) => false,
        },
        Command::Key(command) => match **command {
            KeyCommand::Begin { .. } => true,
            // Of a request that was accepted.
            KeyCommand::Finish { .. } => false,
        },
        Command::History { .. }
        | Command::Sync { .. }
        | Command::Typing { .. }
        | Command::Transcript { .. }
        | Command::ListConversations(_)
        | Command::ShowConversation(_)
        | Command::Watch(_)
        | Command::ShowMessage(_)
        | Command::GetAgent(_)
        | Command::ListAgents { .. }
        | Command::AvailableAgents
        | Command::Identify => false,
    }
}

impl Hands {
    /// Whether a command may be carried out now: there is room for its storage operations, and it need not write while
    /// that is not possible.
    pub(super) fn takes(&self, command: &Command) -> Result<(), Refusal> {
        if matches!(command, Command::Key(key) if matches!(**key, KeyCommand::Finish { .. })) {
            return Ok(());
        }
        match self.condition {
            Condition::Unwritable(why) if may_write(command) => Err(Refusal::Busy(why.text())),
            Condition::Unwritable(_) | Condition::Writable => self.admits(),
        }
    }

    /// Has the core look for what waits too long, from now on while anything is under way.
    pub(super) fn watch_writes(&mut self) {
        if !self.watching {
            self.watching = true;
            let pause = (self.deadline_millis / 10).clamp(limits::OVERDUE_LOOK_MIN_MS, limits::OVERDUE_LOOK_MAX_MS);
            self.arm(Timer::Overdue, self.now.plus_millis(pause));
        }
    }

    fn is_overdue(&self, since: Timestamp) -> bool {
        self.now.millis_since(since) >= self.deadline_millis
    }

    /// Takes who waits too long for a write that is not a conversation's; and the conversations that have such writes,
    /// once each.
    fn overdue(&mut self) -> (Vec<Origin>, Vec<ConversationId>) {
        let (now, deadline_millis) = (self.now, self.deadline_millis);
        let (mut origins, mut conversations) = (Vec::new(), Vec::new());
        for UnderWay { since, then } in self.under_way() {
            if now.millis_since(*since) < deadline_millis {
                continue;
            }
            match then {
                After::Conversation(id) => conversations.push(*id),
                After::Agent { origin, .. } => {
                    origins.push(*origin);
                    *then = After::AgentSaved;
                }
                After::Customers(then) => origins.extend(customers::give_up(then)),
                After::Keys(then) => origins.extend(keyed::give_up(then)),
                // Nobody waits for these.
                After::AgentSaved | After::Leased(_) => {}
                // Questions, which storage itself gives up.
                After::Loaded(_)
                | After::LookedUp(_)
                | After::Backlog { .. }
                | After::Located(_)
                | After::Message { .. }
                | After::MessageShown(_)
                | After::History(_)
                | After::SeqOf { .. }
                | After::Transcript { .. }
                | After::Listed { .. }
                | After::Shown { .. }
                | After::Sync { .. }
                | After::KnownCustomer(_)
                | After::CustomerLookedUp(_) => {}
            }
        }
        conversations.sort_unstable();
        conversations.dedup();
        (origins, conversations)
    }
}

impl Core {
    /// Tells those who wait too long for a write.
    pub(super) fn look_for_overdue(&mut self) {
        self.hands.watching = false;
        let (origins, conversations) = self.hands.overdue();
        for origin in origins {
            self.hands.answer(origin, Err(UNKNOWN));
        }
        for id in conversations {
            let slot = self.conversations.get_mut(&id).expect("a conversation with writes under way is not forgotten");
            slot.give_up(&mut self.hands);
            let ends = slot.live.as_ref().filter(|live| !live.header.is_open());
            if let Some(customer) = ends.map(|live| live.header.customer.clone()) {
                self.give_up_behind_end(&customer);
            }
        }
        if self.hands.ops_under_way() > 0 {
            self.hands.watch_writes();
        }
    }

    /// Requests of a customer that wait until an end is durable: nothing of them was done.
    fn give_up_behind_end(&mut self, customer: &Party) {
        let Some(slot) = self.pairs.get_mut(customer) else { return };
        for origin in slot.give_up(|since| self.hands.is_overdue(since)) {
            self.hands.answer(origin, Err(BEHIND));
        }
    }
}

impl Slot {
    /// Those who wait too long for the writes under way, or behind them.
    fn give_up(&mut self, hands: &mut Hands) {
        let live = self.live.as_mut().expect("what is being written is loaded");
        live.writes.retain_mut(|then| match then {
            Then::Sent { waiting, except, .. } => {
                waiting.retain(|asker| {
                    let overdue = hands.is_overdue(asker.since);
                    if overdue {
                        hands.answer(asker.origin, Err(SEND_UNKNOWN));
                        // It does not know the message: it hears it like anybody, when it is stored.
                        *except = except.filter(|except| *except != asker.origin);
                    }
                    !overdue
                });
                true
            }
            Then::Revised { asker, .. } | Then::Read { asker, .. } | Then::Ended { asker, .. } => {
                if let Some(asker) = asker.take_if(|asker| hands.is_overdue(asker.since)) {
                    hands.answer(asker.origin, Err(UNKNOWN));
                }
                true
            }
            Then::Barrier { asker, .. } => {
                let overdue = hands.is_overdue(asker.since);
                if overdue {
                    hands.answer(asker.origin, Err(UNKNOWN));
                }
                !overdue
            }
            Then::Assigned { .. } | Then::Waits { .. } => true,
        });
        self.waiting.retain(|job| match job {
            // One that storage is being asked about stays: the answer is on its way, and means the first in line.
            Job::Request { request, since, new_to_storage: false } if hands.is_overdue(*since) => {
                hands.answer(request.origin, Err(BEHIND));
                false
            }
            Job::Request { .. } | Job::Tell(_) => true,
        });
    }
}
