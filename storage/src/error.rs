//! What can go wrong with storage: who is to blame and what follows. Must not know how a dialect says it.

use std::path::PathBuf;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operator's: two processes were given one data directory. The second must not start.
    #[error("the data directory {} is in use by another process; stop that one or choose another directory", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk's, or of whoever edited the files: a stored record is not what was written. The operation
    /// that met it fails, the others go on; restore from a backup.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// Which record, and what is wrong with it.
        what: String,
    },
    /// The operator's: the cluster's tables are not those that this program works with. It must not start.
    #[error("{what}; {remedy}")]
    Schema {
        /// What was found, and what is wanted.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The operator's: two servers were given one keyspace. The second must not start.
    #[error("the store is owned by another server ({by}); stop that one, or choose another keyspace")]
    Owned {
        /// How the other one is called.
        by: String,
    },
    /// The operator's or the network's: this server could not say for a whole lease that it lives, and another one has
    /// the store now. The process must end, and everything it has acknowledged is there.
    #[error("another server has taken the store over")]
    OwnershipLost,
    /// The machine's: files or threads cannot be had (permission, space, limits). At the start it ends the
    /// start; at a read it fails that read.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: Source,
    },
    /// The operator's: the cluster will never carry out a question as it stands (a right was taken away, a table was
    /// changed). Who asked fails; a write that meets this is `Engine`.
    #[error("the cluster refuses a statement: {0}")]
    Refused(#[source] Source),
    /// The disk's: a group of writes could not be made durable, so nobody knows what is on disk. The
    /// process must end and recover by opening again.
    #[error("a group of writes could not be made durable: {0}")]
    Engine(Source),
    /// Ours: a storage thread panicked. The process must end.
    #[error("a storage thread panicked")]
    Panicked,
}

impl StoreError {
    /// Whether the process must end.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Engine(_) | Self::Panicked | Self::OwnershipLost => true,
            Self::Locked { .. }
            | Self::Corrupt { .. }
            | Self::Schema { .. }
            | Self::Owned { .. }
            | Self::Io { .. }
            | Self::Refused(_) => false,
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(crate) fn io(doing: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Io { doing: doing.into(), source: source.into() }
    }
}
