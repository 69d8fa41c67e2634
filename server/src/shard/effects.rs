//! The only place where deeds happen: what the core wants done is done here.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use switchboard_domain::{ConnectionId, Effect, Listeners, Origin};
use switchboard_protocol::dialect::{DialectKind, Hearer, Settings, dialect};
use switchboard_protocol::frame::{CloseCode, Opcode, OpenFrame};
use switchboard_protocol::model::{Answer, Event, Party, Refusal, Side};
use switchboard_storage::{Op, Ticket};

use super::Shard;
use super::mail::Mail;
use super::replies::ReplyTo;
use super::table::{Kind, Life};

/// Set in the ticket number of a write, beside the core's 32 bits.
pub(super) const WRITE_TICKET: u64 = 1 << 32;

impl Shard {
    /// Does everything that the core has asked for.
    pub(crate) fn run_effects(&mut self) {
        // Deeds may lead to new effects (a peer found gone, say), which are then done too.
        while !self.effects.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.run_effect(effect);
            }
            if self.effects.is_empty() {
                self.effects = effects;
            }
        }
    }

    fn run_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { origin, result } => self.answer(origin, result),
            Effect::Tell { to, event } => self.tell(&to, &event),
            Effect::Mail { to, letter } => {
                self.port.send(usize::from(to.0), Mail::Letter(letter));
            }
            Effect::Write { ticket, write } => {
                self.write_asked(ticket);
                self.submit(u64::from(ticket) | WRITE_TICKET, Op::Write(write));
            }
            Effect::Read { ticket, read } => self.submit(u64::from(ticket), Op::Read(read)),
            Effect::Arm { timer, at } => self.arm_core(timer, at),
            Effect::Expel { connections } => {
                for id in connections {
                    self.expel(id);
                }
            }
        }
    }

    fn answer(&mut self, origin: Origin, result: Result<Answer, Refusal>) {
        let reply = self.replies.remove(origin.reply as usize);
        if let Ok(Answer::Sent(_)) = &result {
            self.figures.message();
        }
        match reply.to {
            ReplyTo::Upgrade(begun) => self.identified(reply.connection, *begun, result),
            ReplyTo::Rest(encode) => {
                let answer = encode(result.as_ref(), &self.dialects);
                self.respond_rest(reply.connection, answer);
            }
            ReplyTo::Kept(keeping) => self.keeping(reply.connection, *keeping, result),
            ReplyTo::Socket(context) => {
                let id = reply.connection;
                let settings = self.dialects;
                let Some(connection) = self.table.get_mut(id) else { return };
                connection.in_flight = connection.in_flight.saturating_sub(1);
                let Kind::Dialect(kind) = connection.kind else { return };
                if connection.life == Life::Open {
                    connection.outbox.lend(&mut self.spares);
                    connection.outbox.write(|out| {
                        let frame = OpenFrame::begin(out);
                        dialect(kind).encode_answer(&context, result.as_ref(), &settings, out);
                        frame.finish_unless_empty(out, Opcode::Text);
                    });
                }
                if connection.leaving && connection.in_flight == 0 {
                    return self.dismiss(id);
                }
                if !std::mem::replace(&mut connection.dirty, true) {
                    self.dirty.push_back(id);
                }
                if connection.unread.is_some() || connection.moving.is_some() || connection.paused {
                    self.revisit.push_back(id);
                }
            }
        }
    }

    /// Tells connections something, encoded once for each dialect and shared.
    fn tell(&mut self, to: &Listeners, event: &Event) {
        let mut encoded: SmallVec<[Encoded; 2]> = SmallVec::new();
        let mut told = 0;
        for id in to {
            let settings = self.dialects;
            let Some(connection) = self.table.get_mut(*id) else { continue };
            let Kind::Dialect(kind) = connection.kind else { continue };
            if connection.life != Life::Open {
                continue;
            }
            let key = (kind, Hearer { side: side_of(connection.session.party()), ext: connection.ext });
            let frame = match encoded.iter().find(|(known, _)| *known == key) {
                Some((_, frame)) => frame.clone(),
                None => {
                    let frame = encode(kind, event, key.1, &settings);
                    encoded.push((key, frame.clone()));
                    frame
                }
            };
            if let Some(frame) = frame {
                connection.outbox.share(frame, &mut self.spares);
                told += 1;
                if !std::mem::replace(&mut connection.dirty, true) {
                    self.dirty.push_back(*id);
                }
            }
        }
        self.figures.pushes(told);
    }

    fn expel(&mut self, id: ConnectionId) {
        self.close(id, CloseCode::POLICY_VIOLATION, "this account was deleted");
    }

    fn write_asked(&mut self, ticket: u32) {
        let (ticket, now) = (ticket as usize, Instant::now());
        if self.writes_asked.len() <= ticket {
            self.writes_asked.resize(ticket + 1, now);
        }
        self.writes_asked[ticket] = now;
    }

    fn submit(&mut self, number: u64, op: Op) {
        let ticket = Ticket { shard: self.id.0, number };
        if !self.unsubmitted.is_empty() {
            self.unsubmitted.push_back((ticket, op));
        } else if let Err(full) = self.shared.store.submit(ticket, op) {
            self.unsubmitted.push_back((ticket, full.0));
        }
    }

    /// Submits what storage had no room for, in order. The line is bounded by the core's own limit on
    /// operations under way.
    pub(super) fn submit_waiting(&mut self) {
        while let Some((ticket, op)) = self.unsubmitted.pop_front() {
            if let Err(full) = self.shared.store.submit(ticket, op) {
                self.unsubmitted.push_front((ticket, full.0));
                return;
            }
        }
    }
}

/// An event in one dialect for one kind of listener; `None` if such a listener is not told.
type Encoded = ((DialectKind, Hearer), Option<Arc<Vec<u8>>>);

/// On which side of conversations a party is.
const fn side_of(party: Option<&Party>) -> Side {
    match party {
        Some(Party::Agent(_)) => Side::Agent,
        Some(Party::User(_) | Party::Visitor(_) | Party::Customer(_)) | None => Side::Customer,
    }
}

fn encode(kind: DialectKind, event: &Event, hearer: Hearer, settings: &Settings) -> Option<Arc<Vec<u8>>> {
    let mut out = Vec::with_capacity(512);
    let frame = OpenFrame::begin(&mut out);
    if !dialect(kind).encode_event(event, hearer, settings, &mut out) {
        return None;
    }
    frame.finish(&mut out, Opcode::Text);
    Some(Arc::new(out))
}
