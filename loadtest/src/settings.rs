//! What a run is: everything `engine` and `scenario` need, checked. Made by `cli` and `script`, passed on to further
//! generator processes as JSON. Knows no clock and no socket.

mod check;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::ScenarioKind;
use crate::slo::Slo;
use crate::wire::{Dialect, Role, Wire};

pub use check::{PAYLOAD_MAX_BYTES, Room, SettingsError};

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// What peers do.
    pub scenario: ScenarioKind,
    /// How they say it; if it is one that only agents have, customers speak [`Dialect::of_customers`].
    pub dialect: Dialect,
    /// How agents say it, in scenarios that have some.
    pub agent_dialect: Dialect,
    /// Where to.
    pub target: Target,
    /// Sockets of all processes; of customers in `chat`, `queue` and `mixed`, whose agents come on top.
    pub connections: u32,
    /// Of these, sockets of `heartbeat` that never ping.
    pub idle: u32,
    /// The measured window's load; the first phase begins after ramp and warm-up.
    pub phases: Vec<Phase>,
    /// Actions are scheduled so.
    pub arrivals: Arrivals,
    /// So many requests in flight on each connection instead of a schedule. Latencies then are of the closed loop.
    pub closed_window: Option<u32>,
    /// All sockets are opened within.
    pub ramp: Duration,
    /// Load before the measured window.
    pub warm_up: Duration,
    /// How long answers and pushes are waited for after the last phase.
    pub drain: Duration,
    /// Bytes of a message's content; at least [`crate::wire::CONTENT_MIN_BYTES`].
    pub payload_bytes: u32,
    /// Every message has a `client_msg_id`, in the dialects that work without one too.
    pub message_ids: bool,
    /// The heartbeat's form.
    pub ping: PingForm,
    /// Agents of all processes, in scenarios that have some.
    pub agents: u32,
    /// Conversations at once of each agent.
    pub capacity: u32,
    /// Sockets of each customer, but for `fanout`.
    pub devices: u32,
    /// Who hears in `fanout`.
    pub fan: Fan,
    /// How many of a hundred customers stall in `slow`.
    pub stalled_percent: u8,
    /// Between hearing a customer and answering, and the length of a `queue` conversation.
    pub think: Duration,
    /// What `mixed` does, by weight.
    pub mix: Mix,
    /// All random choices follow from it.
    pub seed: u64,
    /// Source addresses to spread connections over; empty leaves it to the kernel.
    pub source_addrs: Vec<IpAddr>,
    /// Generator processes.
    pub processes: u32,
    /// Which of them this is, 0 for the first.
    pub process: u32,
    /// What the results must keep.
    pub slos: Vec<Slo>,
    /// The generator's lag above which a run is INVALID at its 99th percentile.
    pub max_lag: Duration,
    /// The key that tokens are signed with.
    pub key: Option<Secret>,
    /// Tokens made by somebody else, instead of a key.
    pub tokens: Option<PathBuf>,
    /// The group that conversations are opened in, where the agents are; several processes add `-0`, `-1` … to it.
    /// `None` makes one up for the run.
    pub group: Option<String>,
    /// Integers of this run's parties begin here, so that runs do not meet each other's conversations.
    pub id_base: u64,
    /// The server's process, if it is on this host and known.
    pub server_pid: Option<u32>,
    /// The command as results show it: without tokens.
    pub command: Vec<String>,
}

/// A secret: passed on to further generator processes over a pipe, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `http://HOST:PORT` as it was given.
    pub url: String,
    /// Resolved.
    pub address: SocketAddr,
    /// For the `Host` header.
    pub host: String,
    /// Path of the WebSocket, if it is not the dialect's own.
    pub path: Option<String>,
}

/// A stretch of the schedule: from one rate to another, in a straight line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Shown in the report.
    pub name: String,
    /// How long.
    pub duration: Duration,
    /// Actions a second of all processes at its start.
    pub rate_from: f64,
    /// And at its end.
    pub rate_to: f64,
}

/// How actions follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// A Poisson process: as independent people do.
    Poisson,
}

/// Whose sockets are many in `fanout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// A customer's: an agent writes.
    Devices,
    /// An agent's: a customer writes.
    Screens,
}

/// Which of a dialect's pings is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PingForm {
    /// The text `ping`.
    Text,
    /// The dialect's JSON ping.
    Json,
    /// The ping frame of RFC 6455.
    Frame,
}

/// What `mixed` does, by weight; a weight that is not named is 0, and all zero is refused.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Mix::nothing", deny_unknown_fields)]
pub struct Mix {
    /// A ping.
    pub ping: f64,
    /// A customer's message.
    pub customer: f64,
    /// An agent's message.
    pub agent: f64,
    /// A read mark.
    pub read: f64,
    /// A sync.
    pub sync: f64,
    /// A customer's socket cut and back.
    pub reconnect: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { ping: 60.0, customer: 18.0, agent: 18.0, read: 2.0, sync: 1.0, reconnect: 1.0 }
    }
}

impl Mix {
    fn nothing() -> Self {
        Self { ping: 0.0, customer: 0.0, agent: 0.0, read: 0.0, sync: 0.0, reconnect: 0.0 }
    }
}

impl Secret {
    /// Wraps it.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, to sign with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Settings {
    /// Length of the measured window.
    pub fn measured(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// Sockets of all processes: customers', and each agent's.
    pub fn sockets(&self) -> u64 {
        u64::from(self.connections) + u64::from(self.agents)
    }

    /// How those of a role speak.
    pub fn wire(&self, role: Role) -> &'static dyn Wire {
        match role {
            Role::User => self.dialect.of_customers().wire(),
            Role::Agent => self.agent_dialect.wire(),
        }
    }

    /// Whether there are conversations, parties and agents.
    pub fn has_desk(&self) -> bool {
        self.dialect.wire().abilities().desk
    }

    /// Whether customers and agents take part.
    pub fn has_both_sides(&self) -> bool {
        self.has_desk() && (self.scenario.needs_desk() || self.scenario == ScenarioKind::Fanout)
    }

    /// What is spoken, as results name it: in scenarios with both sides, the customers' dialect and then the agents'
    /// where that is another.
    pub fn dialects(&self) -> String {
        let customers = self.dialect.of_customers();
        if !self.has_both_sides() {
            self.dialect.name().to_owned()
        } else if customers == self.agent_dialect {
            customers.name().to_owned()
        } else {
            format!("{}+{}", customers.name(), self.agent_dialect.name())
        }
    }
}

#[cfg(test)]
pub mod tests {
    //! Settings to change in tests.

    use super::*;

    /// A sound run of `chat` with 100 customers and 10 agents, as that one of so many processes has it.
    pub fn settings(process: u32, processes: u32) -> Settings {
        Settings {
            scenario: ScenarioKind::Chat,
            dialect: Dialect::Kefu,
            agent_dialect: Dialect::Kefu,
            target: Target {
                url: "http://127.0.0.1:8080".to_owned(),
                address: SocketAddr::from(([127, 0, 0, 1], 8080)),
                host: "127.0.0.1:8080".to_owned(),
                path: None,
            },
            connections: 100,
            idle: 0,
            phases: vec![Phase {
                name: "steady".to_owned(),
                duration: Duration::from_secs(10),
                rate_from: 1000.0,
                rate_to: 1000.0,
            }],
            arrivals: Arrivals::Constant,
            closed_window: None,
            ramp: Duration::from_secs(1),
            warm_up: Duration::from_secs(1),
            drain: Duration::from_secs(1),
            payload_bytes: 100,
            message_ids: false,
            ping: PingForm::Text,
            agents: 10,
            capacity: 10,
            devices: 1,
            fan: Fan::Devices,
            stalled_percent: 1,
            think: Duration::ZERO,
            mix: Mix::default(),
            seed: 1,
            source_addrs: Vec::new(),
            processes,
            process,
            slos: Vec::new(),
            max_lag: Duration::from_millis(1),
            key: Some(Secret::new("0123456789abcdef0123456789abcdef".to_owned())),
            tokens: None,
            group: None,
            id_base: 1,
            server_pid: None,
            command: Vec::new(),
        }
    }
}
