//! A keyspace of a CQL server for each test. Must not know what is tested.

use switchboard_storage::{ScyllaSettings, TrialCluster};

/// Settings with a keyspace for this test, which is migrated and empty.
pub fn keyspace(cluster: &TrialCluster, test: &str) -> ScyllaSettings {
    let settings = cluster.settings(&format!("suite_{test}"));
    cluster.make(&settings);
    settings
}
