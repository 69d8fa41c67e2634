//! The CQL server that the tests of this crate share, a keyspace for each. Must not know what is tested.

use std::sync::OnceLock;

use switchboard_storage::{ScyllaSettings, TrialCluster};

/// The one node that all tests share; `None`, loudly, where there can be none.
pub fn shared() -> Option<&'static TrialCluster> {
    static CLUSTER: OnceLock<Option<TrialCluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| TrialCluster::start("test", &[])).as_ref()
}

/// Settings with a keyspace for this test, which is migrated and empty.
pub fn keyspace(cluster: &TrialCluster, test: &str) -> ScyllaSettings {
    let settings = cluster.settings(&format!("suite_{test}"));
    cluster.make(&settings);
    settings
}
