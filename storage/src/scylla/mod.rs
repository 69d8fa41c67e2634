//! The engine of large deployments: a ScyllaDB (or other CQL) cluster. The only place that knows tokio and CQL.
//!
//! One thread of its own runs everything (`engine`): each write waits for those before it about the same thing (lanes), is
//! carried out by statements that are tried again as they were until it is known what became of them (`cluster`), and only
//! while this server owns the store (`ownership`). `conversation` says what stands where and in which order it is written.
//! `ops/scylla/schema.cql` are the tables. Must not know shards, dialects or why something is stored.

mod cell;
mod clock;
mod cluster;
mod connect;
mod conversation;
mod customers;
mod directory;
mod engine;
mod health;
mod listing;
mod migrate;
mod open_index;
mod ownership;
mod read;
mod scan;
mod sent_keys;
mod settings;
mod statements;
mod store;
mod trial;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use futures_util::stream::{self, StreamExt};
use switchboard_protocol::model::limits::{CQL_CLOSE_MS, CQL_PAGE_ROWS};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use tokio::time::Instant;

pub use migrate::{Migrated, schema};
pub use settings::{Login, QuorumOf, ScyllaSettings};
pub use trial::TrialCluster;

use crate::{Completions, Store, StoreError};
use cell::{Cell, Statement};
use cluster::Cluster;
use engine::Engine;
use health::Health;
use open_index::OpenIndex;
use ownership::{Beat, Ownership};
use statements::Statements;
use store::{Asked, Scylla, Shared};

/// Headers asked for at once at the start.
const START_READS: usize = 256;
/// How often the time is looked at while nothing happens.
const TICK: Duration = Duration::from_millis(250);

/// Connects to the cluster, takes the store, and reads what is open.
///
/// Blocks until then. Fails with `Schema` if `migrate` has to be run first, with `Owned` if another server has the store,
/// with `Io` if the cluster does not answer within `start_timeout`.
pub fn open_scylla(settings: ScyllaSettings, completions: Arc<dyn Completions>) -> Result<Arc<dyn Store>, StoreError> {
    let (queue, asked) = unbounded_channel();
    let shared = Shared::new(completions);
    let (opened, outcome) = bounded(1);
    let of_thread = shared.clone();
    let thread = std::thread::Builder::new().name("store-cql".into()).spawn(move || {
        let _guard = PanicGuard(of_thread.clone());
        let main = LocalSet::new();
        match runtime() {
            Ok(runtime) => runtime.block_on(main.run_until(run(settings, of_thread, asked, opened))),
            Err(error) => drop(opened.send(Err(error))),
        }
    });
    let thread = thread.map_err(|error| StoreError::io("starting a storage thread", error))?;
    outcome.recv().unwrap_or(Err(StoreError::Panicked))?;
    Ok(Arc::new(Scylla::new(shared, queue, thread)))
}

/// Brings the keyspace to the schema that this program wants. With `replication` (CQL's map, such as
/// `{'class': 'NetworkTopologyStrategy', 'dc1': 3}`) it makes a keyspace that is not there.
pub fn migrate(settings: &ScyllaSettings, replication: Option<&str>) -> Result<Migrated, StoreError> {
    runtime()?.block_on(migrate::migrate(settings, replication))
}

/// Deletes all that a keyspace holds: for tests, which share a cluster and want nothing of each other.
pub fn empty(settings: &ScyllaSettings) -> Result<(), StoreError> {
    runtime()?.block_on(migrate::empty(settings))
}

fn runtime() -> Result<Runtime, StoreError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| StoreError::io("starting the storage thread's runtime", error))
}

/// Tells of a panic on the storage thread, which would otherwise leave askers waiting for ever.
struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(StoreError::Panicked);
        }
    }
}

/// The storage thread's life.
async fn run(
    settings: ScyllaSettings,
    shared: Arc<Shared>,
    mut asked: UnboundedReceiver<Asked>,
    opened: Sender<Result<(), StoreError>>,
) {
    let engine = match start(&settings, &shared).await {
        Ok(engine) => engine,
        Err(error) => return drop(opened.send(Err(error))),
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    let beating = tokio::task::spawn_local(beat(engine.clone(), shared.clone()));
    serve(&engine, &shared, &mut asked).await;
    beating.abort();
    let Cluster { session, owner, clock, .. } = &engine.cluster;
    if let Err(error) = owner.release(session, clock).await {
        tracing::warn!(%error, "the store could not be given up; another server has to wait for the lease");
    }
}

async fn start(settings: &ScyllaSettings, shared: &Arc<Shared>) -> Result<Rc<Engine>, StoreError> {
    let until = Instant::now() + settings.start_timeout;
    let session = connect::session(settings, until).await?;
    migrate::check(&session, settings).await?;
    let prepared = Statements::prepare(&session).await;
    let statements = prepared.map_err(|error| StoreError::io("preparing statements", error))?;
    let read = settings.consistency.serial_read();
    let (owner, clock) = Ownership::take(&session, read, &settings.instance, settings.lease, until).await?;
    let of_fatal = shared.clone();
    let cluster = Cluster {
        session,
        statements,
        clock,
        owner,
        health: Rc::new(Health::new(shared.clone())),
        permits: Semaphore::new(settings.max_in_flight),
        fatal: Box::new(move |error| of_fatal.fail(error)),
    };
    let engine = Engine::new(cluster, OpenIndex::default(), shared.clone());
    load_open(&engine).await?;
    Ok(engine)
}

/// Reads the headers of all open conversations. An index entry that outlived its conversation is taken away.
async fn load_open(engine: &Rc<Engine>) -> Result<(), StoreError> {
    for part in 0..conversation::OPEN_PARTS as i32 {
        let mut after = -1_i64;
        loop {
            let values = [Cell::Int(part), Cell::Big(after), Cell::Int(CQL_PAGE_ROWS)];
            let rows = engine.cluster.rows(Statement::new(|s| &s.open, values)).await?;
            let rows = rows.rows::<(i64,)>().map_err(read::unreadable)?;
            let ids: Vec<_> =
                rows.map(|row| row.map_err(read::unreadable).map(|(id,)| id)).collect::<Result<_, _>>()?;
            let Some(last) = ids.last() else { break };
            after = *last;
            let mut headers = stream::iter(ids)
                .map(|id| async move {
                    let id = read::conversation_id(id)?;
                    engine.stored_header(id).await
                })
                .buffer_unordered(START_READS);
            while let Some(header) = headers.next().await {
                match header? {
                    Some(header) if header.is_open() => engine.open.borrow_mut().put(&header, true),
                    Some(header) => engine.remove_open(header.id).await,
                    // Never acknowledged; should it come to be after all, it is open.
                    None => {}
                }
            }
        }
    }
    Ok(())
}

/// Takes operations up until no more come and those under way are finished.
async fn serve(engine: &Rc<Engine>, shared: &Arc<Shared>, asked: &mut UnboundedReceiver<Asked>) {
    let mut tick = tokio::time::interval(TICK);
    let mut closing: Option<Instant> = None;
    while !shared.has_failed() {
        tokio::select! {
            next = asked.recv(), if closing.is_none() => match next {
                Some(next) => {
                    engine.begin(next);
                    while let Ok(next) = asked.try_recv() {
                        engine.begin(next);
                    }
                }
                None => closing = Some(Instant::now()),
            },
            () = shared.wanted.notified() => {}
            _ = tick.tick() => engine.cluster.health.look(),
        }
        engine.wake();
        if let Some(since) = closing {
            if shared.idle() {
                return;
            }
            if since.elapsed() >= Duration::from_millis(CQL_CLOSE_MS) {
                tracing::error!("the cluster has not confirmed everything in time; what it did not was told to nobody");
                return;
            }
        }
    }
}

/// Says again and again that this server lives; ends the process when another has the store.
async fn beat(engine: Rc<Engine>, shared: Arc<Shared>) {
    let Cluster { session, owner, clock, health, .. } = &engine.cluster;
    let mut pause = owner.interval();
    loop {
        tokio::time::sleep(pause).await;
        pause = match owner.beat(session, clock).await {
            Ok(Beat::Renewed) => {
                health.worked();
                owner.interval()
            }
            Ok(Beat::Lost) => return shared.fail(StoreError::OwnershipLost),
            Err(error) => {
                health.failed(&error);
                tracing::warn!(%error, "the cluster did not take a sign of life; trying again");
                owner.interval() / 4
            }
        };
    }
}
