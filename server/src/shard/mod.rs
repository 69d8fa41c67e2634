//! A shard: one thread's part of the world, from what wakes it to what it does about it.
//!
//! `pump` turns wake-ups into inputs, `effects` turns the core's effects into deeds, `mail` is what crosses
//! between shards, `table` holds the connections, `deadlines` is everything that happens by time, `drain`
//! is the end. It must not think: what follows from an input is the domain's to say.

mod deadlines;
mod drain;
mod effects;
mod keyed;
mod mail;
mod pump;
mod replies;
mod stored;
mod table;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use slab::Slab;
use switchboard_domain::{ConnectionId, Core, Effect, Placement, ShardId};
use switchboard_protocol::dialect::{Scratch, Settings as DialectSettings};
use switchboard_protocol::model::limits;
use switchboard_storage::{Condition, Op, Store, Ticket};

use crate::auth::jwt::Verifier;
use crate::auth::origin::OriginPolicy;
use crate::auth::rate::AddressRate;
use crate::config::Config;
use crate::connection::Spares;
use crate::observe::health::Health;
use crate::observe::metrics::{Metrics, ShardFigures};
use crate::runtime::{Alarm, Clock, Listener, MeshPort, Readiness, Waker, Wheel};

pub(crate) use deadlines::Deadline;
pub(crate) use deadlines::wrapping_ms;
pub(crate) use mail::Join;
pub use mail::{Mail, MovedConnection};
pub(crate) use replies::{Begun, Reply, ReplyTo, RestEncoder};
pub use stored::{ShardCompletions, StoredInbox, completions};
pub(crate) use table::{Connection, Kind, Life, Table, token_of};

/// What all shards share; read-only but for its atomics.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// Who owns what.
    pub placement: Placement,
    /// Checks tokens.
    pub verifier: Verifier,
    /// How often an address may ask for a customer's token.
    pub token_rate: AddressRate,
    /// Which pages may speak to us.
    pub origins: OriginPolicy,
    /// For `/livez` and `/readyz`, and the sign to drain.
    pub health: Arc<Health>,
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// Shards that have nothing left to do while draining.
    pub drained: AtomicUsize,
    /// One for each shard.
    pub wakers: Vec<Waker>,
    /// The routes of HTTP.
    pub routes: crate::http::Routes,
}

/// What a shard is given besides.
pub struct Parts {
    /// Which shard.
    pub id: ShardId,
    /// What it thinks with, already started.
    pub core: Core,
    /// What that start wanted done.
    pub effects: Vec<Effect>,
    /// Its door to the other shards.
    pub port: MeshPort<Mail>,
    /// What storage tells it.
    pub stored: StoredInbox,
    /// What it accepts from.
    pub listener: Listener,
}

/// One thread's part of the world.
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) core: Core,
    pub(crate) shared: Arc<Shared>,
    pub(crate) table: Table,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel<Deadline>,
    pub(crate) replies: Slab<Reply>,
    pub(crate) effects: Vec<Effect>,
    /// Connections with something to send at the end of this turn.
    pub(crate) dirty: VecDeque<ConnectionId>,
    /// Memory for outboxes.
    pub(crate) spares: Spares,
    /// Connections with something else to be looked at before the turn ends: unread bytes whose time has
    /// come, or a hand-over.
    pub(crate) revisit: VecDeque<ConnectionId>,
    pub(crate) scratch: Scratch,
    pub(crate) figures: Arc<ShardFigures>,
    pub(crate) dialects: DialectSettings,
    /// The one buffer that all sockets of this shard are read into.
    pub(crate) read_buffer: Box<[u8]>,
    pub(crate) port: MeshPort<Mail>,
    listener: Option<Listener>,
    stored: StoredInbox,
    alarm: Alarm,
    /// Operations that storage's queues had no room for, in order.
    unsubmitted: VecDeque<(Ticket, Op)>,
    /// When each write under way was asked for, by its ticket.
    writes_asked: Vec<Instant>,
    /// What the core was last told of storage.
    condition: Condition,
    draining: Option<drain::Draining>,
    /// Bytes in all outboxes, as far as sockets did not take them.
    pub(crate) outbox_bytes: usize,
    /// Lists kept between turns, so that their memory is.
    mails: Vec<Mail>,
    due: Vec<Deadline>,
}

impl Shard {
    /// A shard that listens but has not run yet. Fails with the kernel's error.
    pub fn new(shared: Arc<Shared>, parts: Parts, mut readiness: Readiness) -> io::Result<Self> {
        let alarm = Alarm::new()?;
        readiness.watch_alarm(&alarm)?;
        pump::watch_listener(&mut readiness, &parts.listener)?;
        let clock = Clock::new();
        let wheel = Wheel::new(clock.now_ms());
        let dialects = DialectSettings { utc_offset_seconds: shared.config.kefu_time_zone_secs };
        let figures = shared.metrics.shard(usize::from(parts.id.0));
        let mut shard = Self {
            id: parts.id,
            core: parts.core,
            shared,
            table: Table::default(),
            readiness,
            clock,
            wheel,
            replies: Slab::new(),
            effects: parts.effects,
            dirty: VecDeque::new(),
            spares: Spares::default(),
            revisit: VecDeque::new(),
            scratch: Scratch::default(),
            figures,
            dialects,
            read_buffer: vec![0; limits::READ_BUFFER_BYTES].into_boxed_slice(),
            port: parts.port,
            listener: Some(parts.listener),
            stored: parts.stored,
            alarm,
            unsubmitted: VecDeque::new(),
            writes_asked: Vec::new(),
            condition: Condition::Writable,
            draining: None,
            outbox_bytes: 0,
            mails: Vec::new(),
            due: Vec::new(),
        };
        shard.arm_sweep();
        Ok(shard)
    }
}
