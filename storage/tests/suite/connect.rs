//! Settings that say where the cluster is and who asks: what works with them, and what is said when one of them is wrong.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use switchboard_protocol::model::{Side, Written};
use switchboard_storage::conformance::{Caller, Inbox, samples};
use switchboard_storage::{Login, ScyllaSettings, TrialCluster, open_scylla};

use crate::cluster;

/// The store does not open with these settings, and the error says why.
#[track_caller]
fn is_refused(settings: &ScyllaSettings, why: &str) {
    let settings = ScyllaSettings { start_timeout: Duration::from_secs(2), ..settings.clone() };
    match open_scylla(settings, Arc::new(Inbox::default())) {
        Ok(_) => panic!("it opened"),
        Err(error) => assert!(error.to_string().contains(why), "{error}"),
    }
}

#[test]
fn a_data_center_and_a_rack_are_asked_for_by_name() {
    let Some(cluster) = TrialCluster::shared() else { return };
    let here = |center: &str, rack: &str| ScyllaSettings {
        data_center: Some(center.into()),
        rack: Some(rack.into()),
        ..cluster::keyspace(cluster, "connect")
    };
    is_refused(&here("elsewhere", "rack1"), "finding data centre elsewhere failed: the cluster has datacenter1");
    for rack in ["rack1", "no such rack"] {
        let caller = Caller::open(|completions| open_scylla(here("datacenter1", rack), completions).expect("it opens"));
        let mut conversation = samples::conversation(1, samples::user(1));
        assert_eq!(caller.write(samples::append(&mut conversation, 1, Side::Customer, None).0), Written::Durable);
        caller.store.close();
    }
}

#[test]
fn a_login_and_tls_are_needed_and_checked() {
    const NAME: &str = "secure";
    let Some(cluster) = TrialCluster::start(NAME, &["--auth", "--tls"]) else { return };
    let login = |password: &str| Some(Login { user: "cassandra".into(), password: password.into() });
    let settings = ScyllaSettings { login: login("cassandra"), ..cluster.settings("suite_secure") };
    assert!(settings.tls_ca.is_some(), "the script says where the certificates are");
    cluster.make(&settings);
    let caller = Caller::open(|completions| open_scylla(settings.clone(), completions).expect("the store opens"));
    let mut conversation = samples::conversation(1, samples::user(1));
    assert_eq!(caller.write(samples::append(&mut conversation, 1, Side::Customer, None).0), Written::Durable);
    caller.store.close();

    let wrong = ScyllaSettings { login: login("wrong"), ..settings.clone() };
    is_refused(&wrong, "Provided username cassandra and/or password are incorrect");
    is_refused(&ScyllaSettings { login: None, ..settings.clone() }, "Authentication is required");
    is_refused(&ScyllaSettings { tls_ca: None, ..settings.clone() }, "Connection broken");
    let dir = tempfile::tempdir().unwrap();
    let trusting = |file: &str| ScyllaSettings { tls_ca: Some(dir.path().join(file)), ..settings.clone() };
    std::fs::write(dir.path().join("empty.pem"), "").unwrap();
    is_refused(&trusting("empty.pem"), "reading certificates");
    let other = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=other -keyout other.key -out other.pem";
    let made = Command::new("openssl").current_dir(dir.path()).args(other.split(' ')).output().expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    is_refused(&trusting("other.pem"), "UnknownIssuer");
    TrialCluster::control(NAME, &["stop", "--purge"]);
}
