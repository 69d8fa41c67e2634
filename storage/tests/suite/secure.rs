//! A cluster that asks for a login and speaks TLS, and what is said when one of them is wrong.

use std::sync::Arc;
use std::time::Duration;

use switchboard_protocol::model::{Side, Written};
use switchboard_storage::conformance::{Caller, Inbox, samples};
use switchboard_storage::{Login, ScyllaSettings, TrialCluster, open_scylla};

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

    let refused = |settings: ScyllaSettings| {
        let settings = ScyllaSettings { start_timeout: Duration::from_secs(2), ..settings };
        match open_scylla(settings, Arc::new(Inbox::default())) {
            Ok(_) => panic!("it opened"),
            Err(error) => error.to_string(),
        }
    };
    refused(ScyllaSettings { login: login("wrong"), ..settings.clone() });
    refused(ScyllaSettings { login: None, ..settings.clone() });
    refused(ScyllaSettings { tls_ca: None, ..settings.clone() });
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let said = refused(ScyllaSettings { tls_ca: Some(stranger.path().into()), ..settings });
    assert!(said.contains("reading certificates"), "{said}");
    TrialCluster::control(NAME, &["stop", "--purge"]);
}
