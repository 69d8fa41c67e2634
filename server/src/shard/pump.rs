//! The pump: a shard waits, then deals with everything that woke it, then sends and waits again.

use std::io;
use std::os::fd::AsFd;

use switchboard_domain::{Input, Outcome};
use switchboard_protocol::model::limits;
use switchboard_storage::Done;

use super::effects::WRITE_TICKET;
use super::mail::Mail;
use super::table::connection_of;
use super::{Deadline, Shard};
use crate::runtime::{Accepted, Interest, Listener, Readiness, Ready};

/// The listener's token: below the readiness set's own, above any connection's.
const LISTENER_TOKEN: u64 = Readiness::RESERVED_TOKENS - 1;

/// What can wake a shard.
enum Source {
    /// A peer wants to connect.
    Listener,
    /// A socket has news.
    Connection(Ready),
}

impl Source {
    fn of(ready: Ready) -> Self {
        if ready.token == LISTENER_TOKEN { Self::Listener } else { Self::Connection(ready) }
    }
}

/// Lets a listener wake the shard.
pub(super) fn watch_listener(readiness: &mut Readiness, listener: &Listener) -> io::Result<()> {
    readiness.register(listener.as_fd(), LISTENER_TOKEN, Interest::READ)
}

impl Shard {
    /// Runs until the server is drained. An error is the kernel refusing to watch any more, which nothing
    /// can be done about.
    pub async fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::with_capacity(limits::READY_BATCH_EVENTS);
        loop {
            // The first turn does what the start wanted done, and arms the alarm for it.
            self.turn(&ready)?;
            if self.is_finished() {
                return Ok(());
            }
            // Whatever a bell announces must be looked at here, or a ring just before the shard sleeps is lost.
            let (port, stored, told, unsent) = (&self.port, &self.stored, self.told(), !self.dirty.is_empty());
            let (store, condition) = (self.shared.store.clone(), self.condition);
            let news = || unsent || port.has_mail() || !stored.is_empty() || told() || store.condition() != condition;
            self.readiness.wait(&mut ready, news).await?;
        }
    }

    /// One turn: everything that came, then one send for each socket that has something else to say.
    fn turn(&mut self, ready: &[Ready]) -> io::Result<()> {
        self.clock.turn();
        self.begin_drain_if_told();
        self.look_at_storage();
        self.take_stored();
        self.take_mail();
        for ready in ready {
            match Source::of(*ready) {
                Source::Listener => self.accept(),
                Source::Connection(ready) => self.connection_ready(ready),
            }
        }
        self.keep_deadlines();
        self.submit_waiting();
        self.run_effects();
        loop {
            while let Some(id) = self.revisit.pop_front() {
                self.revisit(id);
                self.run_effects();
            }
            self.send_all();
            if self.revisit.is_empty() {
                break;
            }
        }
        let waiting = self.port.flush() > 0 || !self.unsubmitted.is_empty();
        let next = self.wheel.next_deadline();
        let soon = waiting.then(|| self.clock.now_ms() + limits::WHEEL_TICK_MS);
        self.alarm.arm(soon.into_iter().chain(next).min(), self.clock.now_ms())?;
        self.show_figures();
        Ok(())
    }

    /// Deals with an input of the core, and with all that follows.
    pub(crate) fn handle(&mut self, input: Input) {
        self.core.handle(self.clock.wall(), input, &mut self.effects);
        self.run_effects();
    }

    /// Tells the core whether storage can write, if that is news.
    fn look_at_storage(&mut self) {
        let condition = self.shared.store.condition();
        if condition != self.condition {
            self.condition = condition;
            self.handle(Input::Storage(condition));
        }
    }

    fn take_stored(&mut self) {
        for _ in 0..limits::STORED_BATCH_OPS {
            let Some((number, done)) = self.stored.next() else { return };
            let ticket = u32::try_from(number & !WRITE_TICKET).expect("tickets are the core's 32-bit numbers");
            let outcome = match done {
                Done::Written(written) => {
                    let asked = self.writes_asked[ticket as usize];
                    self.figures.durable(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX));
                    Outcome::Written(written)
                }
                Done::Found(found) => Outcome::Found(found),
                Done::Failed(_) => Outcome::Unavailable,
            };
            self.handle(Input::Stored { ticket, outcome });
        }
    }

    fn take_mail(&mut self) {
        let mut mails = std::mem::take(&mut self.mails);
        self.port.drain(limits::MAIL_BATCH_MAX_MAILS, |mail| mails.push(mail));
        for mail in mails.drain(..) {
            match mail {
                Mail::Letter(letter) => self.handle(Input::Letter(letter)),
                Mail::HandOver(moved) => self.arrive(*moved),
            }
        }
        self.mails = mails;
    }

    /// Accepts what waits, up to a bound, so that a crowd at the door does not keep those inside waiting.
    fn accept(&mut self) {
        for _ in 0..limits::ACCEPT_BATCH_CONNECTIONS {
            let Some(listener) = &mut self.listener else { return };
            match listener.accept() {
                Ok(Accepted::Connection(socket, _)) => self.welcome(socket),
                Ok(Accepted::Empty) => return,
                Ok(Accepted::Exhausted { shed }) => {
                    tracing::warn!(shard = self.id.0, shed, "no descriptors are left; accepting pauses");
                    return self.rest_listener();
                }
                Err(error) => {
                    tracing::error!(shard = self.id.0, %error, "accepting failed; it pauses");
                    return self.rest_listener();
                }
            }
        }
    }

    fn rest_listener(&mut self) {
        if let Some(listener) = &self.listener {
            let rested = self.readiness.modify(listener.as_fd(), LISTENER_TOKEN, Interest::NOTHING);
            rested.expect("the listener is registered as long as it is there");
            self.wheel.insert(self.clock.now_ms() + limits::ACCEPT_BACKOFF_MS, Deadline::ListenAgain);
        }
    }

    /// The listener has rested long enough.
    pub(super) fn listen_again(&mut self) {
        if let Some(listener) = &self.listener {
            let woken = self.readiness.modify(listener.as_fd(), LISTENER_TOKEN, Interest::READ);
            woken.expect("the listener is registered as long as it is there");
        }
    }

    /// Stops accepting; whoever waits at the door is refused by the kernel.
    pub(super) fn close_listener(&mut self) {
        self.listener = None;
    }

    fn connection_ready(&mut self, ready: Ready) {
        let id = connection_of(ready.token);
        // A paused connection is not read, so its end would be told again and again.
        let unread_end = ready.hangup && self.table.get(id).is_some_and(|connection| connection.paused);
        if ready.error || unread_end {
            return self.lose(id);
        }
        if ready.writable {
            self.mark_dirty(id);
        }
        if ready.readable {
            self.read(id, ready.hangup);
        }
    }

    fn show_figures(&mut self) {
        let shard = usize::from(self.id.0);
        self.figures.set_connections(self.table.len() as u64);
        self.figures.set_mail_depth(self.port.depth(shard) as u64);
        self.figures.set_mail_overflow(self.port.overflow_len() as u64);
        self.figures.set_deadlines(self.wheel.len() as u64);
        self.figures.set_outbox_bytes(self.outbox_bytes as u64);
        if let Some(desk) = self.core.figures().desk {
            let figures = self.shared.metrics.desk();
            figures.set_state(desk.waiting, desk.assigned, desk.agents_connected);
            figures.set_assignments(desk.assignments);
            figures.set_violations(desk.violations);
        }
    }
}
