//! Whether a run can be what its settings say, judged before anything is started. What this machine has room for is
//! handed in. Knows no clock, socket or file.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Mix, Phase, Settings};
use crate::scenario::ScenarioKind;
use crate::target::token::ID_END;
use crate::wire::{CONTENT_MIN_BYTES, Role};

/// A message fits into the server's 64 KiB with everything around it, even if each byte has to be escaped.
pub const PAYLOAD_MAX_BYTES: u32 = 30_000;
/// Descriptors that are no sockets of peers: listeners, files, pipes, the sampler.
const DESCRIPTORS_RESERVED: u64 = 64;
/// Generator processes.
const PROCESSES_MAX: u32 = 1024;

/// What this machine has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Descriptors a process may have open, the hard limit.
    pub open_files: u64,
    /// Local ports of one source address to one target.
    pub ports: u64,
}

/// Why settings make no run. Each is for who typed them to mend.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A number that has to be at least one.
    #[error("--{0} must be at least 1")]
    Zero(&'static str),
    /// Nobody would do anything.
    #[error("--idle {idle} of --connections {connections} leaves nobody to measure")]
    Idle {
        /// Sockets that do nothing.
        idle: u32,
        /// All of them.
        connections: u32,
    },
    /// A scenario with agents in a dialect without.
    #[error("the scenario `{scenario}` needs conversations, and the dialect `{dialect}` has no desk")]
    NoDesk {
        /// Which scenario.
        scenario: &'static str,
        /// Which dialect.
        dialect: &'static str,
    },
    /// A dialect of agents without.
    #[error("--agent-dialect {0}: nobody is an agent there")]
    NoAgents(&'static str),
    /// Customers who wait to be told of their agent, and agents who pick.
    #[error(
        "the scenario `queue` is about conversations that the desk assigns, and agents of `{0}` pick theirs: give \
         another --agent-dialect"
    )]
    Picked(&'static str),
    /// A dialect with a shorter content.
    #[error("--payload {payload} is more than the {most} bytes of one message in the dialect `{dialect}`")]
    Content {
        /// What was asked for.
        payload: u32,
        /// What there is room for.
        most: u32,
        /// Where.
        dialect: &'static str,
    },
    /// A path for sockets that each have their own.
    #[error("--path cannot stand for all sockets of the dialect `{0}`: each has its own path")]
    NamedPaths(&'static str),
    /// No rate where one is needed.
    #[error("phase `{phase}` has the rate {rate}: it must be above 0 (or use --closed WINDOW, which has no schedule)")]
    Rate {
        /// Which phase.
        phase: String,
        /// Its rate, actions a second.
        rate: f64,
    },
    /// A phase without length.
    #[error("phase `{0}` has no duration")]
    PhaseDuration(String),
    /// Nothing is measured.
    #[error("there is no phase, so nothing would be measured")]
    NoPhase,
    /// The content cannot carry its number and time, or is larger than a server takes.
    #[error(
        "--payload {0} is out of range: a message carries its number and time, so {CONTENT_MIN_BYTES} to {PAYLOAD_MAX_BYTES} bytes"
    )]
    Payload(u32),
    /// The open-file limit.
    #[error(
        "{sockets} sockets need more than the {limit} open files that a process may have here (ulimit -Hn): \
         --processes {processes} would do"
    )]
    OpenFiles {
        /// Sockets of all processes.
        sockets: u64,
        /// The hard limit.
        limit: u64,
        /// Processes that have room for them.
        processes: u64,
    },
    /// The range of local ports.
    #[error(
        "{sockets} sockets to one server need more local ports than the {ports} of one source address \
         (net.ipv4.ip_local_port_range): {addresses} source addresses would do{example}"
    )]
    Ports {
        /// Sockets of all processes.
        sockets: u64,
        /// Ports of one address.
        ports: u64,
        /// Addresses that have room for them.
        addresses: u64,
        /// A range to type, on loopback.
        example: String,
    },
    /// A source address of the other family.
    #[error("the source address {source_addr} cannot reach {target}")]
    SourceFamily {
        /// From where.
        source_addr: IpAddr,
        /// Where to.
        target: IpAddr,
    },
    /// A weight that is none, or nothing to do.
    #[error("the weights of the mix must be at least 0 and not all 0")]
    Mix,
    /// More processes than one host should run.
    #[error("--processes {0} is out of range: 1 to {PROCESSES_MAX}")]
    Processes(u32),
    /// No lag is ever zero.
    #[error("--max-lag must be above 0")]
    MaxLag,
    /// Ids would not be integrators' ids.
    #[error("--id-base {0} is out of range: ids are 1 to 2^52 - 1, and this run needs as many as it has sockets")]
    IdBase(u64),
}

impl Settings {
    /// Whether this can be run on a machine with that room.
    pub fn check(&self, room: &Room) -> Result<(), SettingsError> {
        for (name, value) in [
            ("connections", self.connections),
            ("devices", self.devices),
            ("capacity", self.capacity),
            ("processes", self.processes),
            ("closed", self.closed_window.unwrap_or(1)),
        ] {
            if value == 0 {
                return Err(SettingsError::Zero(name));
            }
        }
        if self.idle >= self.connections {
            return Err(SettingsError::Idle { idle: self.idle, connections: self.connections });
        }
        if self.processes > PROCESSES_MAX {
            return Err(SettingsError::Processes(self.processes));
        }
        self.check_phases()?;
        // A bare ping carries nothing.
        let stamped = !matches!(self.scenario, ScenarioKind::Heartbeat | ScenarioKind::Connect);
        let smallest = if stamped { u32::try_from(CONTENT_MIN_BYTES).unwrap_or(u32::MAX) } else { 1 };
        if !(smallest..=PAYLOAD_MAX_BYTES).contains(&self.payload_bytes) {
            return Err(SettingsError::Payload(self.payload_bytes));
        }
        self.check_dialects()?;
        if self.max_lag.is_zero() {
            return Err(SettingsError::MaxLag);
        }
        let ids_end = self.id_base.checked_add(self.sockets());
        if self.id_base == 0 || ids_end.is_none_or(|end| end > ID_END) {
            return Err(SettingsError::IdBase(self.id_base));
        }
        self.mix.check()?;
        self.check_room(room)
    }

    fn check_dialects(&self) -> Result<(), SettingsError> {
        if self.scenario.needs_desk() && !self.has_desk() {
            return Err(SettingsError::NoDesk { scenario: self.scenario.name(), dialect: self.dialect.name() });
        }
        let sides = if self.has_both_sides() {
            vec![self.dialect.of_customers(), self.agent_dialect]
        } else {
            vec![self.dialect]
        };
        if let Some(named) = sides.iter().find(|side| side.wire().abilities().named_paths)
            && self.target.path.is_some()
        {
            return Err(SettingsError::NamedPaths(named.name()));
        }
        if !self.has_both_sides() {
            return Ok(());
        }
        let agents = self.agent_dialect.wire().abilities();
        if !agents.desk {
            return Err(SettingsError::NoAgents(self.agent_dialect.name()));
        }
        if agents.picks && self.scenario == ScenarioKind::Queue {
            return Err(SettingsError::Picked(self.agent_dialect.name()));
        }
        for side in sides {
            let most = side.wire().abilities().content_max_bytes;
            if self.payload_bytes > most {
                return Err(SettingsError::Content { payload: self.payload_bytes, most, dialect: side.name() });
            }
        }
        Ok(())
    }

    fn check_phases(&self) -> Result<(), SettingsError> {
        if self.phases.is_empty() {
            return Err(SettingsError::NoPhase);
        }
        self.phases.iter().try_for_each(|phase| phase.check(self.closed_window.is_some()))
    }

    fn check_room(&self, room: &Room) -> Result<(), SettingsError> {
        // Who picks has a second connection.
        let lines = if self.wire(Role::Agent).abilities().picks { u64::from(self.agents) } else { 0 };
        let sockets = self.sockets() + lines;
        let per_process = room.open_files.saturating_sub(DESCRIPTORS_RESERVED).max(1);
        if sockets.div_ceil(u64::from(self.processes)) > per_process {
            return Err(SettingsError::OpenFiles {
                sockets,
                limit: room.open_files,
                processes: sockets.div_ceil(per_process),
            });
        }
        let target = self.target.address.ip();
        if let Some(other) = self.source_addrs.iter().find(|address| address.is_ipv4() != target.is_ipv4()) {
            return Err(SettingsError::SourceFamily { source_addr: *other, target });
        }
        let addresses = self.source_addrs.len().max(1) as u64;
        let ports = room.ports.max(1);
        if sockets > ports * addresses {
            let needed = sockets.div_ceil(ports);
            return Err(SettingsError::Ports { sockets, ports, addresses: needed, example: example(target, needed) });
        }
        Ok(())
    }
}

impl Phase {
    fn check(&self, closed: bool) -> Result<(), SettingsError> {
        if self.duration < Duration::from_millis(1) {
            return Err(SettingsError::PhaseDuration(self.name.clone()));
        }
        let rates = [self.rate_from, self.rate_to];
        let unsound = rates.into_iter().find(|rate| !(rate.is_finite() && *rate >= 0.0));
        // A ramp may begin or end at nothing, but not both.
        let nothing = rates.iter().all(|rate| *rate == 0.0).then_some(0.0);
        if let Some(rate) = unsound.or(nothing)
            && !closed
        {
            return Err(SettingsError::Rate { phase: self.name.clone(), rate });
        }
        Ok(())
    }
}

impl Mix {
    fn check(&self) -> Result<(), SettingsError> {
        let weights = [self.ping, self.customer, self.agent, self.read, self.sync, self.reconnect];
        let sound = weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite());
        if sound && weights.iter().any(|weight| *weight > 0.0) { Ok(()) } else { Err(SettingsError::Mix) }
    }
}

/// Loopback has a whole net of addresses; elsewhere only who runs it knows which there are.
fn example(target: IpAddr, addresses: u64) -> String {
    let last = u8::try_from(addresses + 1).ok().filter(|last| *last < 255);
    match last {
        Some(last) if target.is_loopback() && target.is_ipv4() => {
            format!(", for example --source-addrs {}-{}", Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, last))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
