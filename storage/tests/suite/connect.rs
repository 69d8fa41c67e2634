//! A cluster that asks for a login and speaks TLS, and what is said when one of them is wrong.

use std::sync::Arc;
use std::time::Duration;

use switchboard_protocol::model::{Side, Written};
use switchboard_storage::conformance::{Caller, Inbox, samples};
use switchboard_storage::{Login, ScyllaSettings, empty, migrate, open_scylla};

use crate::cluster;

#[test]
fn a_login_and_tls_are_needed_and_checked() {
    const NAME: &str = "secure";
    let Some((cluster, ca)) = cluster::secure(NAME) else { return };
    let login = |password: &str| Some(Login { user: "cassandra".into(), password: password.into() });
    let settings = ScyllaSettings {
        login: login("cassandra"),
        tls_ca: Some(ca),
        start_timeout: Duration::from_secs(30),
        ..cluster.settings("secure")
    };
    migrate(&settings, Some("{'class': 'SimpleStrategy', 'replication_factor': 1}")).expect("it can be migrated");
    empty(&settings).expect("it can be emptied");
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
    cluster::control(NAME, &["stop", "--purge"]);
}
