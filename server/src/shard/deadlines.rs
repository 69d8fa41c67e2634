//! Everything that happens by time, on the shard's one wheel. A connection has at most one deadline of its own, which goes
//! when it does; the core's timers are not cancelled: it looks whether their reason still stands.

use switchboard_domain::{ConnectionId, Input, Timer};
use switchboard_protocol::frame::{CloseCode, Opcode, write_frame};
use switchboard_protocol::model::{Timestamp, limits};

use super::Shard;
use super::table::{Kind, Life};

/// What a deadline is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// The core's.
    Core {
        /// Which.
        timer: Timer,
        /// Not before this wall time, which the wheel does not know.
        at: Timestamp,
    },
    /// An HTTP connection: its request is late, or it was idle too long.
    Http(ConnectionId),
    /// A connection we closed: the peer did not end its half.
    Close(ConnectionId),
    /// Look at the next stretch of the table for silent peers. One for the whole shard, so that an idle
    /// connection has no timer of its own.
    Sweep {
        /// The first slot of the stretch.
        from: usize,
    },
    /// The listener has rested after descriptors ran out.
    ListenAgain,
    /// Draining has taken long enough.
    DrainOver,
}

/// Slots looked at in one go: a few microseconds.
const SWEEP_SLOTS: usize = 1024;

impl Shard {
    /// Fires what is due.
    pub(super) fn keep_deadlines(&mut self) {
        let now_ms = self.clock.now_ms();
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now_ms, |deadline| due.push(deadline));
        for deadline in due.drain(..) {
            match deadline {
                Deadline::Core { timer, at } if self.clock.wall() < at => self.arm_core(timer, at),
                Deadline::Core { timer, .. } => self.handle(Input::Timer(timer)),
                Deadline::Http(id) => self.http_late(id),
                Deadline::Close(id) => self.lose(id),
                Deadline::Sweep { from } => self.sweep(from),
                Deadline::ListenAgain => self.listen_again(),
                Deadline::DrainOver => self.drain_over(),
            }
        }
        self.due = due;
    }

    /// Lets the core be woken at a wall time. The wheel counts monotonic time: if the wall clock was set back
    /// meanwhile, the timer is armed again.
    pub(super) fn arm_core(&mut self, timer: Timer, at: Timestamp) {
        let wait_ms = at.millis_since(self.clock.wall());
        self.wheel.insert(self.clock.now_ms() + wait_ms, Deadline::Core { timer, at });
    }

    /// Begins the sweeps.
    pub(super) fn arm_sweep(&mut self) {
        self.wheel.insert(self.clock.now_ms() + self.sweep_pause_ms(), Deadline::Sweep { from: 0 });
    }

    /// The pause between two stretches, so that the whole table is seen four times in the shorter of the
    /// two silences that matter.
    fn sweep_pause_ms(&self) -> u64 {
        let config = &self.shared.config;
        let shorter = config.ping_interval.min(config.pong_timeout);
        let cycle_ms = u64::try_from(shorter.as_millis()).unwrap_or(u64::MAX) / 4;
        let stretches = (self.table.slots() / SWEEP_SLOTS).max(1) as u64;
        (cycle_ms / stretches).max(limits::WHEEL_TICK_MS)
    }

    fn sweep(&mut self, from: usize) {
        let stretch: Vec<_> = self.table.ids_in(from..from + SWEEP_SLOTS).collect();
        for id in stretch {
            self.look_after(id);
        }
        let next = from + SWEEP_SLOTS;
        let from = if next >= self.table.slots() { 0 } else { next };
        self.wheel.insert(self.clock.now_ms() + self.sweep_pause_ms(), Deadline::Sweep { from });
    }

    /// Pings a silent peer; closes one that stays silent.
    fn look_after(&mut self, id: ConnectionId) {
        let now_ms = wrapping_ms(self.clock.now_ms());
        let config = &self.shared.config;
        let (ping_after, close_after) =
            (config.ping_interval.as_millis(), config.ping_interval.as_millis() + config.pong_timeout.as_millis());
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.life != Life::Open || matches!(connection.kind, Kind::Http(_)) {
            return;
        }
        let silent_ms = u128::from(now_ms.wrapping_sub(connection.heard_ms));
        if connection.paused {
            // We do not read it, so its silence is ours.
            return;
        }
        if connection.pinged && silent_ms >= close_after {
            self.close(id, CloseCode::INTERNAL_ERROR, "no answer to ping");
        } else if !connection.pinged && silent_ms >= ping_after {
            connection.pinged = true;
            connection.outbox.write(|out| write_frame(out, Opcode::Ping, b""));
            self.mark_dirty(id);
        }
    }
}

/// The shard's milliseconds as connections keep them: 49 days until they repeat, far above any silence.
pub(crate) fn wrapping_ms(now_ms: u64) -> u32 {
    u32::try_from(now_ms & u64::from(u32::MAX)).expect("masked to 32 bits")
}
