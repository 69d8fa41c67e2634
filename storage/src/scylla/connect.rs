//! From settings to a session: contact points, consistency, time-outs, data centre, login, TLS. Must not know tables.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::NewSessionError;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::time::Instant;

use super::settings::{QuorumOf, ScyllaSettings};
use crate::StoreError;

/// How long a node may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the cluster is tried at the start, and how often it is said that it does not answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const LOG_INTERVAL: Duration = Duration::from_secs(3);

impl QuorumOf {
    const fn consistency(self) -> Consistency {
        match self {
            Self::Local => Consistency::LocalQuorum,
            Self::All => Consistency::Quorum,
        }
    }

    const fn serial(self) -> SerialConsistency {
        match self {
            Self::Local => SerialConsistency::LocalSerial,
            Self::All => SerialConsistency::Serial,
        }
    }

    /// What a lightweight transaction's outcome is read at.
    pub(super) const fn serial_read(self) -> Consistency {
        match self {
            Self::Local => Consistency::LocalSerial,
            Self::All => Consistency::Serial,
        }
    }
}

/// A session, tried for again until `until` while nobody answers. Settings that cannot work fail at once.
pub(super) async fn session(settings: &ScyllaSettings, until: Instant) -> Result<Session, StoreError> {
    let tls = settings.tls_ca.as_deref().map(tls).transpose()?;
    let mut logged: Option<Instant> = None;
    loop {
        let error = match try_session(settings, tls.clone()).await {
            Ok(session) => return in_its_place(session, settings),
            Err(error) => chain(&error),
        };
        let points = settings.contact_points.join(", ");
        if Instant::now() >= until {
            return Err(StoreError::io(format!("connecting to {points}"), error));
        }
        if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            logged = Some(Instant::now());
            tracing::warn!(points, error, "no node of the cluster can be used; trying again");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

async fn try_session(
    settings: &ScyllaSettings,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> Result<Session, NewSessionError> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    policy = match (&settings.data_center, &settings.rack) {
        (Some(center), Some(rack)) => policy.prefer_datacenter_and_rack(center.clone(), rack.clone()),
        (Some(center), None) => policy.prefer_datacenter(center.clone()),
        (None, _) => policy,
    };
    // Nothing is tried again behind our back: with what timestamp and for how long is ours to say.
    let profile = ExecutionProfile::builder()
        .consistency(settings.consistency.consistency())
        .serial_consistency(Some(settings.consistency.serial()))
        .request_timeout(Some(settings.request_timeout))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.contact_points)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(CONNECT_TIMEOUT)
        .keepalive_interval(Duration::from_secs(5))
        .keepalive_timeout(Duration::from_secs(5))
        .schema_agreement_interval(Duration::from_millis(20))
        .tcp_nodelay(true)
        .tls_context(tls);
    if let Some(login) = &settings.login {
        builder = builder.user(&login.user, &login.password);
    }
    builder.build().await
}

/// The session, if the cluster has nodes where the settings say that this server is.
fn in_its_place(session: Session, settings: &ScyllaSettings) -> Result<Session, StoreError> {
    let Some(wanted) = &settings.data_center else { return Ok(session) };
    let state = session.get_cluster_state();
    let centers: BTreeSet<_> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if centers.contains(wanted.as_str()) {
        return Ok(session);
    }
    let centers = centers.into_iter().collect::<Vec<_>>().join(", ");
    Err(StoreError::io(format!("finding data centre {wanted}"), format!("the cluster has {centers}")))
}

/// TLS that trusts the operator's certificates, and nothing else.
fn tls(ca: &Path) -> Result<Arc<rustls::ClientConfig>, StoreError> {
    let reading = || format!("reading certificates from {}", ca.display());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| StoreError::io(reading(), error))? {
        let certificate = certificate.map_err(|error| StoreError::io(reading(), error))?;
        roots.add(certificate).map_err(|error| StoreError::io(reading(), error))?;
    }
    if roots.is_empty() {
        return Err(StoreError::io(reading(), "there are none in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::io("preparing TLS", error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
