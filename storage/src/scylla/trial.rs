//! A real CQL server on this machine, by `ops/cql-server`: for the tests of this crate and of the whole server, which panic
//! where it does not do what it is told. Must not know what is tested.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::settings::{QuorumOf, ScyllaSettings};
use super::{empty, migrate};

/// What the script exits with where Java cannot be had.
const UNAVAILABLE: i32 = 69;

/// A running cluster.
#[derive(Clone, Debug)]
pub struct TrialCluster {
    contact_points: Vec<String>,
    /// The certificates that TLS is checked against, if it speaks TLS.
    pub ca: Option<PathBuf>,
}

impl TrialCluster {
    /// The cluster of this name, started if it does not run; `options` are the script's (`--nodes 3`, `--tls`). `None`,
    /// loudly, where there can be none; in CI that fails.
    pub fn start(name: &str, options: &[&str]) -> Option<Self> {
        let output = script().args(["start", "--name", name]).args(options).stderr(Stdio::inherit()).output();
        let output = output.expect("the script runs");
        if output.status.code() == Some(UNAVAILABLE) && std::env::var_os("CI").is_none() {
            eprintln!("!!!! no Java: nothing is tested on a CQL server (in CI that fails) !!!!");
            return None;
        }
        assert!(output.status.success(), "ops/cql-server start --name {name} failed: {}", output.status);
        let text = String::from_utf8(output.stdout).expect("the script prints text");
        let said = |what: &str| text.lines().rev().find_map(|line| line.strip_prefix(what));
        let points = said("contact points: ").unwrap_or_else(|| panic!("no contact points in {text:?}"));
        let contact_points = points.split(',').map(str::to_owned).collect();
        Some(Self { contact_points, ca: said("ca: ").map(PathBuf::from) })
    }

    /// The one node that all tests share; as [`start`](Self::start).
    pub fn shared() -> Option<&'static Self> {
        static CLUSTER: OnceLock<Option<TrialCluster>> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::start("test", &[])).as_ref()
    }

    /// Does something to the cluster of this name: `ops/cql-server WORD... --name NAME`.
    #[track_caller]
    pub fn control(name: &str, words: &[&str]) {
        let status = script().args(words).args(["--name", name]).stdout(Stdio::null()).status();
        assert!(status.expect("the script runs").success(), "ops/cql-server {words:?} --name {name} failed");
    }

    /// Settings with a keyspace of this name, which may not be there yet.
    pub fn settings(&self, keyspace: &str) -> ScyllaSettings {
        ScyllaSettings {
            contact_points: self.contact_points.clone(),
            keyspace: keyspace.to_owned(),
            consistency: QuorumOf::Local,
            data_center: None,
            rack: None,
            login: None,
            tls_ca: self.ca.clone(),
            max_in_flight: 256,
            request_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(30),
            lease: Duration::from_secs(4),
            instance: "trial".into(),
        }
    }

    /// Makes the keyspace of these settings, if it is not there, with a replica on each node, and empties it.
    pub fn make(&self, settings: &ScyllaSettings) {
        let nodes = self.contact_points.len();
        let replication = format!("{{'class': 'SimpleStrategy', 'replication_factor': {nodes}}}");
        migrate(&patient(settings), Some(&replication)).expect("a keyspace can be migrated");
        Self::empty(settings);
    }

    /// Empties the keyspace of these settings.
    pub fn empty(settings: &ScyllaSettings) {
        empty(&patient(settings)).expect("a keyspace can be emptied");
    }
}

/// Tables take longer to make and to empty than rows to write, most of all beside a build.
fn patient(settings: &ScyllaSettings) -> ScyllaSettings {
    ScyllaSettings { request_timeout: Duration::from_secs(10), ..settings.clone() }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/cql-server"))
}
