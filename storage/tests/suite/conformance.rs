//! One suite, every engine. Must not know what the suite checks.

use std::cell::RefCell;
use std::time::Duration;

use switchboard_storage::{Faults, TrialCluster, conformance, open_embedded, open_memory, open_scylla};

use crate::cluster;

#[test]
fn memory() {
    conformance::run(&|completions| open_memory(Faults::default(), completions).unwrap());
}

#[test]
fn slow_memory() {
    let faults = Faults {
        seed: 1,
        commit_delay: Duration::ZERO..Duration::from_micros(300),
        read_delay: Duration::ZERO..Duration::from_micros(100),
        ..Faults::default()
    };
    conformance::run(&|completions| open_memory(faults.clone(), completions).unwrap());
}

#[test]
fn embedded() {
    let dirs = RefCell::new(Vec::new());
    conformance::run(&|completions| {
        let dir = tempfile::tempdir().unwrap();
        let store = open_embedded(dir.path(), 0, completions).unwrap();
        dirs.borrow_mut().push(dir);
        store
    });
}

/// On a real CQL server, each case in an empty keyspace.
#[test]
fn scylla() {
    let Some(cluster) = TrialCluster::shared() else { return };
    conformance::run_sweepless(&|completions| {
        open_scylla(cluster::keyspace(cluster, "conformance"), completions).unwrap()
    });
}
