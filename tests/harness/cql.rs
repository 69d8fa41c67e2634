//! Keyspaces of a real CQL server, for servers under test with `SWITCHBOARD_TEST_ENGINE=scylla`. A keyspace is lent to one
//! server at a time and emptied in between. Must not know what is tested.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use switchboard_storage::{QuorumOf, ScyllaSettings, empty, migrate};

/// What `ops/cql-server` exits with where Java cannot be had.
const UNAVAILABLE: i32 = 69;

/// A keyspace that nobody else uses, until it is dropped.
pub struct Keyspace {
    settings: ScyllaSettings,
    /// Whether it goes back to the others.
    lent: bool,
}

/// Keyspaces that are not lent.
static FREE: Mutex<Vec<ScyllaSettings>> = Mutex::new(Vec::new());

/// An empty keyspace if the tests are to run on a cluster.
pub fn keyspace() -> Option<Keyspace> {
    let wanted = std::env::var("SWITCHBOARD_TEST_ENGINE").is_ok_and(|engine| engine == "scylla");
    wanted.then(Keyspace::lend)
}

/// Whether there is, or can be, a cluster here; says loudly if not.
pub fn is_there() -> bool {
    contact_points().is_some()
}

/// Does something to a cluster: `ops/cql-server WORD... --name NAME`.
#[track_caller]
pub fn control(name: &str, words: &[&str]) {
    let status = script().args(words).args(["--name", name]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("the script runs").success(), "ops/cql-server {words:?} --name {name} failed");
}

impl Keyspace {
    /// One that is free, or a new one.
    pub fn lend() -> Self {
        let free = FREE.lock().unwrap().pop();
        let settings = free.unwrap_or_else(new);
        empty(&settings).expect("a keyspace can be emptied");
        Self { settings, lent: true }
    }

    /// One on a cluster of its own, which a test may do to what it likes; `None` where there can be none.
    pub fn alone(name: &str) -> Option<Self> {
        let settings = settings(start(name)?, name);
        make(&settings);
        empty(&settings).expect("a keyspace can be emptied");
        Some(Self { settings, lent: false })
    }

    /// A name under which there is no keyspace, on the cluster that all share.
    pub fn unmade(name: &str) -> Self {
        let points = contact_points().expect("a CQL server was asked for").to_vec();
        Self { settings: settings(points, name), lent: false }
    }

    /// What a server's environment says so that it uses this keyspace.
    pub fn variables(&self) -> [(String, String); 4] {
        let ScyllaSettings { contact_points, keyspace, .. } = &self.settings;
        [
            ("SWITCHBOARD_ENGINE", "scylla".to_owned()),
            ("SWITCHBOARD_SCYLLA_CONTACT_POINTS", contact_points.join(",")),
            ("SWITCHBOARD_SCYLLA_KEYSPACE", keyspace.clone()),
            ("SWITCHBOARD_SCYLLA_LEASE", "3s".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        // After a panic with it locked a new one is made.
        if self.lent
            && let Ok(mut free) = FREE.lock()
        {
            free.push(self.settings.clone());
        }
    }
}

fn new() -> ScyllaSettings {
    static MADE: Mutex<u32> = Mutex::new(0);
    let mut made = MADE.lock().unwrap();
    *made += 1;
    let points = contact_points().expect("a CQL server was asked for").to_vec();
    let settings = settings(points, &format!("journey_{made}"));
    make(&settings);
    settings
}

fn settings(contact_points: Vec<String>, keyspace: &str) -> ScyllaSettings {
    ScyllaSettings {
        contact_points,
        keyspace: keyspace.to_owned(),
        consistency: QuorumOf::Local,
        data_center: None,
        rack: None,
        login: None,
        tls_ca: None,
        max_in_flight: 64,
        request_timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(30),
        lease: Duration::from_secs(3),
        instance: "tests".into(),
    }
}

fn make(settings: &ScyllaSettings) {
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    migrate(settings, Some(replication)).expect("a keyspace can be migrated");
}

fn contact_points() -> Option<&'static [String]> {
    static POINTS: OnceLock<Option<Vec<String>>> = OnceLock::new();
    POINTS.get_or_init(|| start("test")).as_deref()
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/cql-server"))
}

fn start(name: &str) -> Option<Vec<String>> {
    let output = script().args(["start", "--name", name]).stderr(Stdio::inherit()).output();
    let output = output.expect("the script runs");
    if output.status.code() == Some(UNAVAILABLE) && std::env::var_os("CI").is_none() {
        eprintln!("!!!! no Java: nothing is tested on a CQL server (in CI that fails) !!!!");
        return None;
    }
    assert!(output.status.success(), "ops/cql-server start failed: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("the script prints text");
    let points = text.lines().rev().find_map(|line| line.strip_prefix("contact points: "));
    Some(points.expect("the script prints contact points").split(',').map(str::to_owned).collect())
}
