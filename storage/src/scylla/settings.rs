//! What an operator says about the cluster. Must not know keys of a configuration or how a session is made.

use std::path::PathBuf;
use std::time::Duration;

/// How many replicas must have said yes, of reads and writes alike. Those that need less than a quorum are not offered:
/// what was acknowledged could then not be there for the next read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuorumOf {
    /// `LOCAL_QUORUM`: of this data centre's replicas.
    Local,
    /// `QUORUM`: of all data centres' replicas.
    All,
}

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The role's name.
    pub user: String,
    /// Its password; never shown.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where the cluster is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScyllaSettings {
    /// `HOST:PORT`s of some nodes; the others are learned from them.
    pub contact_points: Vec<String>,
    /// The keyspace, which `switchboard migrate` makes.
    pub keyspace: String,
    /// The consistency of all reads and writes.
    pub consistency: QuorumOf,
    /// The data centre whose nodes are asked; `None` leaves it to the contact points' answer.
    pub data_center: Option<String>,
    /// The rack that is asked first; only together with a data centre.
    pub rack: Option<String>,
    /// Who logs in, if the cluster asks.
    pub login: Option<Login>,
    /// Certificates that TLS is checked against; `None` is no TLS.
    pub tls_ca: Option<PathBuf>,
    /// Statements under way at once.
    pub max_in_flight: usize,
    /// How long one try of a statement may take before it is tried again.
    pub request_timeout: Duration,
    /// How long the start waits for a cluster that does not answer, and for another server to give up the store.
    pub start_timeout: Duration,
    /// How long this server owns the store without a word of the cluster.
    pub lease: Duration,
    /// Says which server this is, for people and for itself after a restart: whoever shows the name has proved (by a
    /// lock on its data directory) that the former process of this name is dead.
    pub instance: String,
}
