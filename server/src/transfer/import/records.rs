//! Records into writes: a conversation's messages and dedup keys in chunks, its header behind them, so that nobody finds
//! a header whose messages are missing. Must not know where records come from.

use std::collections::VecDeque;

use switchboard_protocol::model::limits::{
    IMPORT_CHUNK_MAX_BYTES, IMPORT_CHUNK_ROWS, IMPORT_IN_FLIGHT_MAX_BYTES, IMPORT_WRITES_IN_FLIGHT,
};
use switchboard_protocol::model::{
    Conversation, CustomerProfile, CustomerView, CustomerWritten, Found, Message, Read, Restore, SentKey, Seq, Write,
    Written,
};
use switchboard_storage::{Done, Op};

use super::super::form::{Counts, Record};
use super::super::{TransferError, read};
use super::note::{Mark, Notes};
use crate::store::{AskError, Asker};

/// Brings records in.
pub(super) struct Importer<'a> {
    asker: &'a mut Asker,
    /// What is there may be there: it is replaced.
    merge: bool,
    under_way: VecDeque<UnderWay>,
    under_way_bytes: usize,
    open: Option<Open>,
    counts: Counts,
    notes: Notes,
    /// A place that can be noted when the write of this number, and all before it, is durable.
    candidate: Option<(u64, Mark)>,
    last: u64,
}

/// A write that is not answered yet.
struct UnderWay {
    number: u64,
    bytes: usize,
    /// A customer's, and its line.
    customer: Option<(u64, Box<CustomerProfile>)>,
}

/// A conversation whose messages are coming.
struct Open {
    header: Box<Conversation>,
    last_seq: Seq,
    messages: Vec<Message>,
    keys: Vec<SentKey>,
    bytes: usize,
}

impl<'a> Importer<'a> {
    pub(super) fn new(asker: &'a mut Asker, merge: bool, notes: Notes, from: Mark) -> Self {
        Self {
            asker,
            merge,
            under_way: VecDeque::new(),
            under_way_bytes: 0,
            open: None,
            counts: from.counts,
            notes,
            candidate: None,
            last: 0,
        }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a record whose line begins at a place.
    pub(super) fn take(&mut self, record: Record, before: Mark) -> Result<(), TransferError> {
        let line = before.line + 1;
        self.counts.add(&record);
        let record = match record {
            Record::Message(message) => return self.message(message, line),
            Record::Sent(key) => return self.sent(key, line),
            record => record,
        };
        self.close(line)?;
        self.note(before)?;
        match record {
            Record::Lease(vshard, next) => self.write(Write::Restore(Restore::Leases(vec![(vshard, next)])), 0),
            Record::Agent(profile) => self.write(Write::SaveAgent(profile), 0),
            Record::DeletedAgent(id) => self.write(Write::DeleteAgent(id), 0),
            Record::Customer(view) => self.customer(*view, line),
            Record::Token(token) => {
                let write = Write::SaveToken { hash: token.hash, bearer: token.bearer, expires_at: token.expires_at };
                self.write(write, 0)
            }
            Record::Answer(name, kept) => {
                let bytes = kept.body.len();
                self.write(Write::KeepAnswer(Box::new((name, kept))), bytes)
            }
            Record::Conversation(header) => self.conversation(header, line),
            Record::Message(_) | Record::Sent(_) => Ok(()),
        }
    }

    /// Ends when all is durable.
    pub(super) fn finish(mut self, line: u64) -> Result<Counts, TransferError> {
        self.close(line)?;
        while !self.under_way.is_empty() {
            self.settle()?;
        }
        self.notes.done()?;
        Ok(self.counts)
    }

    fn conversation(&mut self, header: Box<Conversation>, line: u64) -> Result<(), TransferError> {
        if self.merge {
            let Found::Conversation(there) = read(self.asker, Read::Conversation(header.id))? else {
                return Err(AskError::Else("a conversation").into());
            };
            if let Some(there) = there {
                let same = there.customer == header.customer && there.created_at == header.created_at;
                if !same {
                    return Err(order(line, "is a conversation whose id is another one's in the store"));
                }
                if there.last_seq > header.last_seq {
                    return Err(order(line, "is a conversation that has more messages in the store"));
                }
            }
        }
        let open = Open { header, last_seq: Seq::ZERO, messages: Vec::new(), keys: Vec::new(), bytes: 0 };
        self.open = Some(open);
        Ok(())
    }

    fn message(&mut self, message: Message, line: u64) -> Result<(), TransferError> {
        let stray = || order(line, "is a message that is not behind its conversation, or not the next one of it");
        let open = self.open.as_mut().ok_or_else(stray)?;
        let next = open.last_seq.next();
        if message.conversation != open.header.id || message.seq != next || next > open.header.last_seq {
            return Err(stray());
        }
        open.last_seq = next;
        open.bytes += message.body.content.len() + message.body.metadata.as_deref().map_or(0, str::len) + 128;
        open.messages.push(message);
        self.flush_full()
    }

    fn sent(&mut self, key: SentKey, line: u64) -> Result<(), TransferError> {
        let stray = || order(line, "is a dedup key that is not behind the messages of its conversation");
        let open = self.open.as_mut().ok_or_else(stray)?;
        let complete = open.last_seq == open.header.last_seq;
        if key.sent.conversation != open.header.id || !complete || key.sent.seq > open.last_seq {
            return Err(stray());
        }
        open.bytes += 128;
        open.keys.push(key);
        self.flush_full()
    }

    /// Writes what has gathered of a conversation, if it is a chunk.
    fn flush_full(&mut self) -> Result<(), TransferError> {
        let full = self.open.as_ref().is_some_and(|open| {
            open.messages.len() + open.keys.len() >= IMPORT_CHUNK_ROWS || open.bytes >= IMPORT_CHUNK_MAX_BYTES
        });
        if full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let (messages, keys) = (std::mem::take(&mut open.messages), std::mem::take(&mut open.keys));
        let bytes = std::mem::take(&mut open.bytes);
        if !messages.is_empty() {
            self.write(Write::Restore(Restore::Messages(messages)), bytes)?;
        }
        if !keys.is_empty() {
            self.write(Write::Restore(Restore::SentKeys(keys)), bytes)?;
        }
        Ok(())
    }

    /// Ends the conversation that was open: its header comes last.
    fn close(&mut self, line: u64) -> Result<(), TransferError> {
        self.flush()?;
        let Some(Open { header, last_seq, .. }) = self.open.take() else { return Ok(()) };
        if last_seq != header.last_seq {
            let why = format!("comes where message {} of conversation {} should", last_seq.next().get(), header.id);
            return Err(order(line, why));
        }
        self.write(Write::SaveConversation { conversation: *header, opens: true }, 256)
    }

    fn customer(&mut self, view: CustomerView, line: u64) -> Result<(), TransferError> {
        let CustomerView { profile, last_interaction_at } = view;
        let id = profile.id;
        let profile = Box::new(profile);
        self.submit(Write::CreateCustomer(profile.clone()), 512, Some((line, profile)))?;
        match last_interaction_at {
            Some(at) => self.write(Write::Restore(Restore::Interactions(vec![(id, at)])), 0),
            None => Ok(()),
        }
    }

    fn write(&mut self, write: Write, bytes: usize) -> Result<(), TransferError> {
        self.submit(write, bytes, None)
    }

    fn submit(
        &mut self,
        write: Write,
        bytes: usize,
        customer: Option<(u64, Box<CustomerProfile>)>,
    ) -> Result<(), TransferError> {
        while self.under_way.len() >= IMPORT_WRITES_IN_FLIGHT
            || (self.under_way_bytes >= IMPORT_IN_FLIGHT_MAX_BYTES && !self.under_way.is_empty())
        {
            self.settle()?;
        }
        self.last = self.asker.submit(Op::Write(write))?;
        self.under_way_bytes += bytes;
        self.under_way.push_back(UnderWay { number: self.last, bytes, customer });
        Ok(())
    }

    /// Waits for the oldest write.
    fn settle(&mut self) -> Result<(), TransferError> {
        let Some(UnderWay { number, bytes, customer }) = self.under_way.pop_front() else { return Ok(()) };
        self.under_way_bytes -= bytes;
        let done = self.asker.answer(number)?;
        match (customer, done) {
            (None, Done::Written(Written::Durable)) => {}
            (Some((line, profile)), Done::Written(Written::Customer(written))) => {
                self.customer_written(line, profile, written)?;
            }
            (None | Some(_), Done::Written(_) | Done::Found(_) | Done::Failed(_)) => {
                return Err(AskError::Else("that it is durable").into());
            }
        }
        // All before it were waited for before it.
        if let Some((_, mark)) = self.candidate.filter(|(last, _)| *last <= number) {
            self.candidate = None;
            self.notes.write(mark)?;
        }
        Ok(())
    }

    fn customer_written(
        &mut self,
        line: u64,
        profile: Box<CustomerProfile>,
        written: CustomerWritten,
    ) -> Result<(), TransferError> {
        match written {
            CustomerWritten::Saved => Ok(()),
            CustomerWritten::Taken { kind, by } => {
                let why = format!("is a customer whose {} is the one of customer {by} in the store", kind.name());
                Err(order(line, why))
            }
            CustomerWritten::Stale => {
                let Found::CustomerRecord(Some(there)) = read(self.asker, Read::CustomerById(profile.id))? else {
                    return Err(AskError::Else("a customer").into());
                };
                if there.profile == *profile {
                    return Ok(());
                }
                let fixed = |profile: &CustomerProfile| (profile.number, profile.channel, profile.created_at);
                if !self.merge || fixed(&there.profile) != fixed(&profile) {
                    return Err(order(line, "is a customer who is another one in the store"));
                }
                let seen = there.profile.updated_at;
                let write = Write::UpdateCustomer { profile: profile.clone(), seen };
                match self.asker.ask(Op::Write(write))? {
                    Done::Written(Written::Customer(CustomerWritten::Saved)) => Ok(()),
                    Done::Written(Written::Customer(taken @ CustomerWritten::Taken { .. })) => {
                        self.customer_written(line, profile, taken)
                    }
                    Done::Written(_) | Done::Found(_) | Done::Failed(_) => {
                        Err(AskError::Else("that a customer was changed").into())
                    }
                }
            }
        }
    }

    /// All before `mark` was submitted: it is noted once that is durable.
    fn note(&mut self, mark: Mark) -> Result<(), TransferError> {
        if self.candidate.is_none() && self.notes.is_due() {
            if self.under_way.is_empty() {
                return self.notes.write(mark);
            }
            self.candidate = Some((self.last, mark));
        }
        Ok(())
    }
}

fn order(line: u64, why: impl Into<String>) -> TransferError {
    TransferError::Order { line, why: why.into() }
}
