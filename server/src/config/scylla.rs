//! What is said about a CQL cluster: the keys of `[scylla]`, and what must go together.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_storage::QuorumOf;

use super::keys::{Key, Kind, filled, plain, within};
use super::value::{Unfit, quote_list};
use super::{Config, Engine, Problem};

/// The group `[scylla]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScyllaConfig {
    /// `scylla.contact_points`: some nodes; the others are learned from them. `["127.0.0.1:9042"]`.
    pub contact_points: Vec<String>,
    /// `scylla.keyspace`: made by `switchboard migrate`. `switchboard`.
    pub keyspace: String,
    /// `scylla.consistency`: `LOCAL_QUORUM` or `QUORUM`, of reads and writes. `LOCAL_QUORUM`.
    pub consistency: QuorumOf,
    /// `scylla.data_center`: whose nodes are asked.
    pub data_center: Option<String>,
    /// `scylla.rack`: the rack that is asked first.
    pub rack: Option<String>,
    /// `scylla.user`: who logs in, if the cluster asks.
    pub user: Option<String>,
    /// `scylla.password`: never shown.
    pub password: Option<String>,
    /// `scylla.password_file`: a file with the password, without the line's end.
    pub password_file: Option<PathBuf>,
    /// `scylla.tls_ca`: a PEM file with the certificates that TLS is checked against; unset is no TLS.
    pub tls_ca: Option<PathBuf>,
    /// `scylla.max_in_flight`: statements under way at once. 1024.
    pub max_in_flight: usize,
    /// `scylla.request_timeout`: how long one try of a statement may take before it is tried again. 2 s.
    pub request_timeout: Duration,
    /// `scylla.start_timeout`: how long the start waits for the cluster, and for another server to give up the store. 60 s.
    pub start_timeout: Duration,
    /// `scylla.lease`: how long this server owns the store without a word of the cluster. 10 s.
    pub lease: Duration,
}

impl Default for ScyllaConfig {
    fn default() -> Self {
        Self {
            contact_points: vec!["127.0.0.1:9042".to_owned()],
            keyspace: "switchboard".to_owned(),
            consistency: QuorumOf::Local,
            data_center: None,
            rack: None,
            user: None,
            password: None,
            password_file: None,
            tls_ca: None,
            max_in_flight: 1024,
            request_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(60),
            lease: Duration::from_secs(10),
        }
    }
}

/// The keys, in the order `check-config` prints them.
pub(super) const KEYS: &[Key] = &[
    plain(
        "scylla.contact_points",
        Kind::List {
            expects: "a list of 1 to 64 nodes, such as [\"10.0.0.1:9042\", \"db2.example:9042\"]",
            set: |config, items| {
                within(&(1..=64), &items.len())?;
                let fits = |item: &&str| {
                    item.rsplit_once(':')
                        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
                };
                if !items.iter().all(fits) {
                    return Err(Unfit);
                }
                config.scylla.contact_points = items.iter().map(|item| (*item).to_owned()).collect();
                Ok(())
            },
            get: |config| Some(quote_list(config.scylla.contact_points.iter().map(String::as_str))),
        },
    ),
    plain(
        "scylla.keyspace",
        Kind::Text {
            expects: "a name of up to 48 small letters, digits and underscores that begins with a letter",
            set: |config, text| {
                let fits = text.len() <= 48
                    && text.starts_with(|first: char| first.is_ascii_lowercase())
                    && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                if !fits {
                    return Err(Unfit);
                }
                text.clone_into(&mut config.scylla.keyspace);
                Ok(())
            },
            get: |config| Some(config.scylla.keyspace.clone()),
        },
    ),
    plain(
        "scylla.consistency",
        Kind::Text {
            expects: "\"LOCAL_QUORUM\" or \"QUORUM\"",
            set: |config, text| {
                config.scylla.consistency = match text {
                    "LOCAL_QUORUM" => QuorumOf::Local,
                    "QUORUM" => QuorumOf::All,
                    _ => return Err(Unfit),
                };
                Ok(())
            },
            get: |config| {
                let word = match config.scylla.consistency {
                    QuorumOf::Local => "LOCAL_QUORUM",
                    QuorumOf::All => "QUORUM",
                };
                Some(word.to_owned())
            },
        },
    ),
    plain(
        "scylla.data_center",
        Kind::Text {
            expects: "the name of a data centre",
            set: |config, text| filled(text).map(|text| config.scylla.data_center = Some(text.to_owned())),
            get: |config| config.scylla.data_center.clone(),
        },
    ),
    plain(
        "scylla.rack",
        Kind::Text {
            expects: "the name of a rack",
            set: |config, text| filled(text).map(|text| config.scylla.rack = Some(text.to_owned())),
            get: |config| config.scylla.rack.clone(),
        },
    ),
    plain(
        "scylla.user",
        Kind::Text {
            expects: "a name",
            set: |config, text| filled(text).map(|text| config.scylla.user = Some(text.to_owned())),
            get: |config| config.scylla.user.clone(),
        },
    ),
    Key {
        path: "scylla.password",
        secret: true,
        kind: Kind::Text {
            expects: "a password",
            set: |config, text| filled(text).map(|text| config.scylla.password = Some(text.to_owned())),
            get: |config| config.scylla.password.clone(),
        },
    },
    plain(
        "scylla.password_file",
        Kind::Text {
            expects: "the path of a file",
            set: |config, text| filled(text).map(|text| config.scylla.password_file = Some(PathBuf::from(text))),
            get: |config| Some(config.scylla.password_file.as_ref()?.display().to_string()),
        },
    ),
    plain(
        "scylla.tls_ca",
        Kind::Text {
            expects: "the path of a PEM file",
            set: |config, text| filled(text).map(|text| config.scylla.tls_ca = Some(PathBuf::from(text))),
            get: |config| Some(config.scylla.tls_ca.as_ref()?.display().to_string()),
        },
    ),
    plain(
        "scylla.max_in_flight",
        Kind::Integer {
            range: 1..=32_768,
            set: |config, value| config.scylla.max_in_flight = value as usize,
            get: |config| Some(config.scylla.max_in_flight as u64),
        },
    ),
    plain(
        "scylla.request_timeout",
        Kind::Duration {
            range: Duration::from_millis(100)..=Duration::from_secs(60),
            slot: |config| &mut config.scylla.request_timeout,
        },
    ),
    plain(
        "scylla.start_timeout",
        Kind::Duration {
            range: Duration::from_secs(1)..=Duration::from_secs(3600),
            slot: |config| &mut config.scylla.start_timeout,
        },
    ),
    plain(
        "scylla.lease",
        Kind::Duration {
            range: Duration::from_secs(1)..=Duration::from_secs(300),
            slot: |config| &mut config.scylla.lease,
        },
    ),
];

/// What no single key can say.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let mut complain = |message: &str| problems.push(Problem::plain(message.to_owned()));
    let scylla = &config.scylla;
    if scylla.rack.is_some() && scylla.data_center.is_none() {
        complain("`scylla.rack` is set; `scylla.data_center` is missing");
    }
    match (&scylla.user, &scylla.password, &scylla.password_file) {
        (_, Some(_), Some(_)) => complain("`scylla.password` and `scylla.password_file` are both set; keep one"),
        (Some(_), None, None) => {
            complain("`scylla.user` is set; `scylla.password` or `scylla.password_file` is missing")
        }
        (None, Some(_), None) | (None, None, Some(_)) => {
            complain("a password for the cluster is set; `scylla.user` is missing")
        }
        (None, None, None) | (Some(_), Some(_), None) | (Some(_), None, Some(_)) => {}
    }
    if config.engine != Engine::Scylla && *scylla != ScyllaConfig::default() {
        complain("`[scylla]` is configured, but `engine` is not \"scylla\"");
    }
}
