//! Opens the store that a configuration names, and asks it one thing after another, or many at once. For the start of
//! the server and for commands that work without one; a shard asks by itself. Must not know what is asked.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use switchboard_storage::{Completions, Done, Full, Login, Op, ScyllaSettings, Store, StoreError, Ticket};

use crate::config::{Config, Engine};

/// The ticket shard of an [`Asker`]: no shard has it.
pub const ASKER_SHARD: u16 = u16::MAX;

/// The embedded engine's own directory in the data directory.
const STORE_DIR: &str = "store";
/// The name of this server for the owners of a cluster's store, in the data directory.
const INSTANCE_FILE: &str = "instance";

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not do what was asked, or can do nothing any more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was closed.
    #[error("the store takes no more operations")]
    Closed,
    /// Ours: an answer of another kind than the question.
    #[error("the store answered something else than {0}")]
    Else(&'static str),
}

/// Where the embedded engine keeps its files.
pub fn store_dir(config: &Config) -> PathBuf {
    config.data_dir.join(STORE_DIR)
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process of the same data directory.
    #[error("the data directory {} is in use by another process; stop that one or choose another directory", .0.display())]
    InUse(PathBuf),
    /// A file beside the store.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Opens the engine that the configuration names.
pub fn open(config: &Config, completions: Arc<dyn Completions>) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match config.engine {
        Engine::Embedded => {
            switchboard_storage::open_embedded(&store_dir(config), config.storage_min_free_bytes, completions)?
        }
        Engine::Scylla => {
            let settings = scylla_settings(config, instance(&config.data_dir)?)?;
            switchboard_storage::open_scylla(settings, completions)?
        }
        Engine::Memory => switchboard_storage::open_memory(Default::default(), completions)?,
    })
}

/// What the configuration says about the cluster.
pub fn scylla_settings(config: &Config, instance: String) -> Result<ScyllaSettings, OpenError> {
    let scylla = &config.scylla;
    let password = match &scylla.password_file {
        None => scylla.password.clone(),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| OpenError::File { path: path.clone(), error })?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    let login = scylla.user.clone().zip(password).map(|(user, password)| Login { user, password });
    Ok(ScyllaSettings {
        contact_points: scylla.contact_points.clone(),
        keyspace: scylla.keyspace.clone(),
        consistency: scylla.consistency,
        data_center: scylla.data_center.clone(),
        rack: scylla.rack.clone(),
        login,
        tls_ca: scylla.tls_ca.clone(),
        max_in_flight: scylla.max_in_flight,
        request_timeout: scylla.request_timeout,
        start_timeout: scylla.start_timeout,
        lease: scylla.lease,
        instance,
    })
}

/// The name of this server among others of its cluster: made once in its data directory, and held by a lock as long as the
/// process lives. Whoever shows it has proved that the former process of this name is dead, and need not wait for a lease.
fn instance(data_dir: &Path) -> Result<String, OpenError> {
    let path = data_dir.join(INSTANCE_FILE);
    let failed = |error: io::Error| OpenError::File { path: path.clone(), error };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(OpenError::InUse(data_dir.into())),
        Err(error) => return Err(failed(error.into())),
    }
    let mut name = String::new();
    file.read_to_string(&mut name).map_err(failed)?;
    if name.trim().is_empty() {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| failed(io::Error::other(error)))?;
        name = format!("{:016x}", u64::from_ne_bytes(bytes));
        file.write_all(format!("{name}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    // Held until the process ends, however it does.
    std::mem::forget(file);
    Ok(name.trim().to_owned())
}

type Answer = Result<(u64, Done), StoreError>;

/// Where the store puts answers for an [`Asker`].
pub struct Answers(Sender<Answer>);

/// The end of [`Answers`] that an [`Asker`] listens at.
pub struct Ears(Receiver<Answer>);

/// A pair of both.
pub fn answers() -> (Answers, Ears) {
    let (sender, receiver) = unbounded();
    (Answers(sender), Ears(receiver))
}

impl Completions for Answers {
    fn done(&self, ticket: Ticket, done: Done) {
        let _ = self.0.send(Ok((ticket.number, done)));
    }

    fn wake(&self) {}

    // Whoever asks and waits finds out by waiting.
    fn condition_changed(&self) {}

    fn fatal(&self, error: StoreError) {
        let _ = self.0.send(Err(error));
    }
}

/// Asks a store and waits.
pub struct Asker {
    store: Arc<dyn Store>,
    ears: Ears,
    /// Answers that came before they were waited for.
    early: HashMap<u64, Done>,
    next: u64,
    under_way: usize,
}

impl Asker {
    /// Asks `store`, whose answers for `ASKER_SHARD` come to `ears`.
    pub fn new(store: Arc<dyn Store>, ears: Ears) -> Self {
        Self { store, ears, early: HashMap::new(), next: 0, under_way: 0 }
    }

    /// Asks without waiting; the number is for [`Asker::answer`], which must be called for each. A full queue is waited
    /// for.
    pub fn submit(&mut self, mut op: Op) -> Result<u64, AskError> {
        self.next += 1;
        let ticket = Ticket { shard: ASKER_SHARD, number: self.next };
        loop {
            match self.store.submit(ticket, op) {
                Ok(()) => break,
                Err(Full(_)) if self.under_way == 0 && self.ears.0.is_empty() => return Err(AskError::Closed),
                Err(Full(back)) => op = back,
            }
            self.hear()?;
        }
        self.under_way += 1;
        Ok(self.next)
    }

    /// Waits for an answer; a failure is an error.
    pub fn answer(&mut self, number: u64) -> Result<Done, AskError> {
        loop {
            match self.early.remove(&number) {
                Some(Done::Failed(error)) => return Err(error.into()),
                Some(done) => return Ok(done),
                None => self.hear()?,
            }
        }
    }

    /// Asks and waits.
    pub fn ask(&mut self, op: Op) -> Result<Done, AskError> {
        let number = self.submit(op)?;
        self.answer(number)
    }

    /// Closes the store: what was asked is done, and the directory given up.
    pub fn close(&self) {
        self.store.close();
    }

    fn hear(&mut self) -> Result<(), AskError> {
        let (number, done) = self.ears.0.recv().map_err(|_| AskError::Closed)??;
        self.under_way -= 1;
        self.early.insert(number, done);
        Ok(())
    }
}
