//! Keyspaces of a real CQL server, for servers under test with `SWITCHBOARD_TEST_ENGINE=scylla`. A keyspace is lent to one
//! server at a time and emptied in between. Must not know what is tested.

use std::sync::Mutex;

use switchboard_storage::{ScyllaSettings, TrialCluster};

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
    TrialCluster::shared().is_some()
}

impl Keyspace {
    /// One that is free, or a new one.
    pub fn lend() -> Self {
        let free = FREE.lock().unwrap().pop();
        let settings = match free {
            Some(settings) => {
                TrialCluster::empty(&settings);
                settings
            }
            None => new(),
        };
        Self { settings, lent: true }
    }

    /// One on a cluster of its own, which a test may do to what it likes; `None` where there can be none.
    pub fn alone(name: &str) -> Option<Self> {
        let cluster = TrialCluster::start(name, &[])?;
        let settings = cluster.settings(name);
        cluster.make(&settings);
        Some(Self { settings, lent: false })
    }

    /// A name under which there is no keyspace, on the cluster that all share.
    pub fn unmade(name: &str) -> Self {
        let cluster = TrialCluster::shared().expect("a CQL server was asked for");
        Self { settings: cluster.settings(name), lent: false }
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
    let cluster = TrialCluster::shared().expect("a CQL server was asked for");
    let settings = cluster.settings(&format!("journey_{made}"));
    cluster.make(&settings);
    settings
}
