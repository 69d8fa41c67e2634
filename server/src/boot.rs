//! From a configuration to a running server and to its end: storage is opened, the state rebuilt, the
//! shards started, signals waited for.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use miette::{Context as _, IntoDiagnostic, Result, miette};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use switchboard_domain::desk::Defaults;
use switchboard_domain::{Core, Placement, Settings, ShardId, Start, Windows};
use switchboard_protocol::model::limits::VSHARDS;
use switchboard_protocol::model::{AgentId, AgentProfile, Conversation, Found, Read, VShard, Write, Written};
use switchboard_storage::{Completions, Condition, Done, Op, Store, StoreError, Ticket};

use crate::auth::jwt::{Grant, Role, Signer, Verifier};
use crate::auth::key::SigningKey;
use crate::auth::origin::OriginPolicy;
use crate::auth::rate::AddressRate;
use crate::cli::signing_key;
use crate::config::{Config, Engine, prepare_data_dir};
use crate::http::Routes;
use crate::observe::firstrun::{FIRST_ADMIN_ID, FIRST_AGENT_ID, FIRST_USER_ID, FirstTokens, banner};
use crate::observe::health::Health;
use crate::observe::metrics::{Metrics, StorageFigures};
use crate::observe::trace;
use crate::runtime::mesh::mesh;
use crate::runtime::{Clock, Listener, Readiness, Shards, Wake, Waker};
use crate::shard::{Parts, Shard, ShardCompletions, Shared, StoredInbox, completions};
use crate::store::{self, ASKER_SHARD, Answers, Asker, store_dir};

/// The process's exit code after storage failed: sysexits' EX_IOERR.
pub const EXIT_STORAGE_FAILED: i32 = 74;

/// How long the first run's tokens are good for.
const FIRST_TOKENS_TTL: Duration = Duration::from_secs(24 * 3600);
/// Rows asked of storage at once at the start.
const START_PAGE_ROWS: u32 = 1000;

/// Serves until SIGTERM or SIGINT, then ends in order.
pub fn serve(config: Config) -> Result<()> {
    trace::init(config.log_format, &config.log_level).into_diagnostic()?;
    prepare_data_dir(&config.data_dir).into_diagnostic()?;
    let key = signing_key(&config).into_diagnostic()?;
    if key.exposed {
        tracing::warn!(path = %config.key_file().display(), "the signing key can be read by others; chmod it to 0600");
    }
    // A file-size limit shall fail a write, which storage reports clearly, and not kill the process.
    let _ignored = signal_hook::flag::register(SIGXFSZ, Arc::default()).into_diagnostic()?;
    let mut signals = Signals::new([SIGTERM, SIGINT]).into_diagnostic()?;

    // Each connection is a descriptor; the usual soft limit of 1024 is for programs that use `select`.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the open-file limit could not be raised");
    }
    let wakes: Vec<_> = (0..config.shards).map(|_| Wake::new()).collect::<Result<_, _>>().into_diagnostic()?;
    let wakers: Vec<Waker> = wakes.iter().map(Wake::waker).collect();
    let (to_shards, inboxes) = completions(&wakers);
    let first_run = key.made || (config.engine == Engine::Embedded && !store_dir(&config).exists());
    let (store, start) = open_store(&config, to_shards)?;
    let listeners = Listener::bind_all(config.listen, config.shards)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot listen on {}", config.listen))?;
    let listening = listeners[0].local_addr();
    let shared = share(config, &key.key, listening, store, wakers.clone())?;
    let shards = start_shards(&shared, &start, wakes, wakers.clone(), inboxes, listeners)?;
    for warning in shards.warnings() {
        tracing::warn!("{warning}");
    }
    shared.health.ready();
    tracing::info!(%listening, shards = shared.config.shards, engine = ?shared.config.engine, "serving");
    announce(&shared.config, &key.key, first_run, listening)?;

    let signal = signals.forever().next();
    tracing::info!(signal, "draining");
    shared.health.drain();
    for waker in &wakers {
        waker.ring();
    }
    shards.join();
    shared.store.close();
    tracing::info!("ended");
    Ok(())
}

fn share(
    config: Config,
    key: &SigningKey,
    listening: SocketAddr,
    store: Arc<dyn Store>,
    wakers: Vec<Waker>,
) -> Result<Arc<Shared>> {
    let shards = u16::try_from(config.shards).into_diagnostic()?;
    let metrics = Metrics::new(config.shards);
    let counted = Arc::downgrade(&store);
    metrics.set_storage(Box::new(move || {
        let store = counted.upgrade();
        let figures = store.as_ref().map(|store| store.figures()).unwrap_or_default();
        let writable = store.is_some_and(|store| store.condition() == Condition::Writable);
        StorageFigures {
            queue_depth: figures.write_queue_ops,
            read_queue_depth: figures.read_queue_ops,
            writes: figures.writes,
            groups: figures.groups,
            reads: figures.reads,
            failed: figures.failed,
            writable,
        }
    }));
    Ok(Arc::new(Shared {
        placement: Placement::even(shards),
        verifier: Verifier::new(key, config.jwt_leeway),
        token_rate: AddressRate::new(config.webchat_token_rate_per_minute),
        origins: OriginPolicy::new(config.allowed_origins.as_deref(), listening),
        health: Arc::new(Health::new()),
        metrics,
        store,
        drained: AtomicUsize::new(0),
        wakers,
        routes: Routes::new().into_diagnostic()?,
        config,
    }))
}

fn start_shards(
    shared: &Arc<Shared>,
    start: &Start,
    wakes: Vec<Wake>,
    wakers: Vec<Waker>,
    inboxes: Vec<StoredInbox>,
    listeners: Vec<Listener>,
) -> Result<Shards> {
    let now = Clock::new().wall();
    let config = &shared.config;
    let settings = Settings {
        agents: Defaults {
            max_concurrent: config.agents_max_concurrent,
            groups: config.agents_groups.clone(),
            grace_millis: u64::try_from(config.agent_grace.as_millis()).into_diagnostic()?,
        },
        windows: Windows {
            edit_millis: u64::try_from(config.message_edit_window.as_millis()).into_diagnostic()?,
            recall_millis: u64::try_from(config.message_recall_window.as_millis()).into_diagnostic()?,
        },
        deadline_millis: u64::try_from(config.storage_deadline.as_millis()).into_diagnostic()?,
    };
    let ports = mesh(&wakers);
    let mut mains = Vec::with_capacity(config.shards);
    for (((id, port), (stored, listener)), wake) in
        (0u16..).map(ShardId).zip(ports).zip(inboxes.into_iter().zip(listeners)).zip(wakes)
    {
        let mut core = Core::new(settings.clone(), id, shared.placement.clone());
        let mut effects = Vec::new();
        core.start(now, start, &mut effects);
        let parts = Parts { id, core, effects, port, stored, listener };
        let shared = shared.clone();
        mains.push(move |_| async move {
            let readiness = Readiness::new(wake).expect("the kernel gives each shard a readiness set");
            let shard = Shard::new(shared, parts, readiness).expect("the kernel gives each shard a timer");
            shard.run().await.expect("the kernel watches what it agreed to watch");
        });
    }
    Shards::start(mains).into_diagnostic()
}

/// Says where the server listens; at the first run also how to try it.
fn announce(config: &Config, key: &SigningKey, first_run: bool, listening: SocketAddr) -> Result<()> {
    let signer = Signer::new(key);
    let sign = |role, id| {
        let grant = Grant { role, id, name: None, groups: None, skills: None, max_concurrent: None };
        signer.sign(&grant, Clock::new().wall(), FIRST_TOKENS_TTL).into_diagnostic()
    };
    let tokens = if first_run {
        Some(FirstTokens {
            admin: sign(Role::Admin, FIRST_ADMIN_ID)?,
            user: sign(Role::User, FIRST_USER_ID)?,
            agent: sign(Role::Agent, FIRST_AGENT_ID)?,
            ttl: "24h".to_owned(),
        })
    } else {
        None
    };
    let program = std::env::args().next().unwrap_or_else(|| "switchboard".to_owned());
    let text = banner(listening, &program, &config.data_dir.display().to_string(), tokens.as_ref());
    let mut out = std::io::stdout().lock();
    // Nobody reads it (a closed pipe, say): the server serves all the same.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// Storage's answers, to the start first and to the shards from then on.
struct Told {
    start: Answers,
    shards: Arc<ShardCompletions>,
}

impl Completions for Told {
    fn done(&self, ticket: Ticket, done: Done) {
        if ticket.shard == ASKER_SHARD {
            self.start.done(ticket, done);
        } else {
            self.shards.done(ticket, done);
        }
    }

    fn wake(&self) {
        self.shards.wake();
    }

    fn condition_changed(&self) {
        self.shards.condition_changed();
    }

    fn fatal(&self, error: StoreError) {
        self.shards.fatal(error);
    }
}

/// Opens the engine and reads what the cores start from.
fn open_store(config: &Config, shards: Arc<ShardCompletions>) -> Result<(Arc<dyn Store>, Start)> {
    let (start, ears) = store::answers();
    let store = store::open(config, Arc::new(Told { start, shards })).into_diagnostic()?;
    let mut reader = StartReader(Asker::new(store.clone(), ears));
    let start = Start { agents: reader.agents()?, open: reader.open_conversations()?, leases: reader.leases()? };
    Ok((store, start))
}

struct StartReader(Asker);

impl StartReader {
    fn ask(&mut self, op: Op) -> Result<Done> {
        self.0.ask(op).into_diagnostic()
    }

    fn agents(&mut self) -> Result<Vec<(AgentId, Option<AgentProfile>)>> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|(id, _)| *id);
            let Done::Found(Found::Agents(page)) =
                self.ask(Op::Read(Read::Agents { after, limit: START_PAGE_ROWS }))?
            else {
                return Err(miette!("storage answered something else than agents"));
            };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    fn open_conversations(&mut self) -> Result<Vec<Conversation>> {
        let mut all: Vec<Conversation> = Vec::new();
        loop {
            let read = Read::OpenConversations { after: all.last().map(|header| header.id), limit: START_PAGE_ROWS };
            let Done::Found(Found::OpenConversations(page)) = self.ask(Op::Read(read))? else {
                return Err(miette!("storage answered something else than conversations"));
            };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    fn leases(&mut self) -> Result<Vec<(VShard, Range<u64>)>> {
        let all = (0..VSHARDS).map(|index| VShard::new(index).expect("below the number of virtual shards")).collect();
        match self.ask(Op::Write(Write::LeaseIds(all)))? {
            Done::Written(Written::Leased(leases)) => Ok(leases),
            Done::Written(_) | Done::Found(_) | Done::Failed(_) => Err(miette!("storage leased no ids")),
        }
    }
}
