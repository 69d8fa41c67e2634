//! A real CQL server for the tests of this crate, by `ops/cql-server`. Must not know what is tested.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use switchboard_storage::{QuorumOf, ScyllaSettings, empty, migrate};

/// What `ops/cql-server` exits with where Java cannot be had.
const UNAVAILABLE: i32 = 69;

/// A running cluster.
pub struct Cluster {
    contact_points: Vec<String>,
}

/// The one node that all tests share, started if it is not there; `None`, loudly, where there can be none.
pub fn shared() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| start(&["start", "--name", "test"])).as_ref()
}

/// Three nodes of which a test may do what it likes; as [`shared`].
pub fn three_nodes(name: &str) -> Option<Cluster> {
    start(&["start", "--name", name, "--nodes", "3"])
}

/// A node that asks for a login and speaks TLS, and the certificates it is checked against; as [`shared`].
pub fn secure(name: &str) -> Option<(Cluster, PathBuf)> {
    let text = printed(&["start", "--name", name, "--auth", "--tls"])?;
    let ca = text.lines().find_map(|line| line.strip_prefix("ca: ")).expect("the script prints where they are");
    Some((Cluster::of(&text), ca.into()))
}

/// Does something to a cluster: `ops/cql-server WORD... --name NAME`.
pub fn control(name: &str, words: &[&str]) {
    let status = script().args(words).args(["--name", name]).stdout(Stdio::null()).status();
    assert!(status.expect("the script runs").success(), "ops/cql-server {words:?} --name {name} failed");
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/cql-server"))
}

fn start(arguments: &[&str]) -> Option<Cluster> {
    printed(arguments).map(|text| Cluster::of(&text))
}

/// What the script printed; `None`, loudly, where there can be no server.
fn printed(arguments: &[&str]) -> Option<String> {
    let output = script().args(arguments).stderr(Stdio::inherit()).output().expect("the script runs");
    if output.status.code() == Some(UNAVAILABLE) && std::env::var_os("CI").is_none() {
        eprintln!("!!!! no Java: the engine `scylla` is NOT tested (in CI that fails) !!!!");
        return None;
    }
    assert!(output.status.success(), "ops/cql-server {arguments:?} failed: {}", output.status);
    Some(String::from_utf8(output.stdout).expect("the script prints text"))
}

impl Cluster {
    fn of(printed: &str) -> Self {
        let points = printed.lines().rev().find_map(|line| line.strip_prefix("contact points: "));
        let points = points.unwrap_or_else(|| panic!("no contact points in {printed:?}"));
        Self { contact_points: points.split(',').map(str::to_owned).collect() }
    }

    /// Settings with a keyspace of this name, which may not be there yet.
    pub fn settings(&self, name: &str) -> ScyllaSettings {
        ScyllaSettings {
            contact_points: self.contact_points.clone(),
            keyspace: format!("suite_{name}"),
            consistency: QuorumOf::Local,
            data_center: None,
            rack: None,
            login: None,
            tls_ca: None,
            max_in_flight: 256,
            request_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(30),
            lease: Duration::from_secs(4),
            instance: "suite".into(),
        }
    }

    /// Settings with a keyspace of this name, which is migrated and empty.
    pub fn keyspace(&self, name: &str) -> ScyllaSettings {
        let settings = self.settings(name);
        let nodes = self.contact_points.len();
        let replication = format!("{{'class': 'SimpleStrategy', 'replication_factor': {nodes}}}");
        migrate(&settings, Some(&replication)).expect("a keyspace can be migrated");
        empty(&settings).expect("a keyspace can be emptied");
        settings
    }
}
