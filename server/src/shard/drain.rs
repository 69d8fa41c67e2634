//! The end: stop accepting, say good-bye, answer what was accepted, and finish when all shards have.

use std::sync::atomic::Ordering;

use switchboard_domain::ConnectionId;
use switchboard_protocol::frame::CloseCode;

use super::table::{Kind, Life};
use super::{Deadline, Shard};
use crate::observe::health::Phase;

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Draining {
    /// This shard has told the others that it has nothing left to do.
    reported: bool,
    /// It has taken long enough.
    over: bool,
}

impl Shard {
    /// Begins the end once the process was told to.
    pub(super) fn begin_drain_if_told(&mut self) {
        if self.draining.is_some() || self.shared.health.phase() != Phase::Draining {
            return;
        }
        self.draining = Some(Draining::default());
        self.close_listener();
        let timeout = u64::try_from(self.shared.config.shutdown_timeout.as_millis()).unwrap_or(u64::MAX);
        self.wheel.insert(self.clock.now_ms().saturating_add(timeout), Deadline::DrainOver);
        let all: Vec<_> = self.table.ids_in(0..self.table.slots()).collect();
        for id in all {
            self.dismiss(id);
        }
    }

    /// Says whether there is news about the end that this shard has not dealt with.
    pub(super) fn told(&self) -> impl Fn() -> bool + use<> {
        let (shared, draining, shards) = (self.shared.clone(), self.draining.is_some(), self.port.shards());
        move || match draining {
            false => shared.health.phase() == Phase::Draining,
            true => shared.drained.load(Ordering::Acquire) == shards,
        }
    }

    /// Whether the server is ending: what arrives now is dismissed at once.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Says good-bye to a connection, once what it has asked for is answered.
    pub(crate) fn dismiss(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        match &connection.kind {
            Kind::Http(http) if http.is_busy() => {}
            Kind::Http(_) if connection.outbox.is_empty() => self.lose(id),
            Kind::Http(_) => self.end_here(id),
            Kind::Dialect(_) | Kind::Echo if connection.in_flight > 0 => {
                connection.leaving = true;
                self.pause(id, true);
            }
            Kind::Dialect(_) | Kind::Echo => self.close(id, CloseCode::SERVICE_RESTART, "the server restarts"),
        }
    }

    pub(super) fn drain_over(&mut self) {
        if let Some(draining) = &mut self.draining {
            draining.over = true;
        }
    }

    /// Whether this shard may end: nothing is left to do here or anywhere, or it took too long.
    pub(super) fn is_finished(&mut self) -> bool {
        let Some(draining) = &mut self.draining else { return false };
        let idle = self.table.len() == 0
            && self.replies.is_empty()
            && self.core.figures().storage_ops == 0
            && self.port.overflow_len() == 0
            && !self.port.has_mail();
        if idle && !draining.reported {
            draining.reported = true;
            self.shared.drained.fetch_add(1, Ordering::AcqRel);
            // The others may wait only for this.
            for waker in &self.shared.wakers {
                waker.ring();
            }
        }
        draining.over || idle && self.shared.drained.load(Ordering::Acquire) == self.port.shards()
    }
}
