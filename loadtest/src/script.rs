//! What may be said about a run, as flags and as keys of a TOML file: one list for both, so that they never differ.
//! A flag goes before the file, the file before the default. Knows no default and starts nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::scenario::ScenarioKind;
use crate::settings::{Arrivals, Fan, Mix, PingForm};
use crate::slo::Slo;
use crate::target::cpus::CpuList;
use crate::values::{Addrs, Span};
use crate::wire::Dialect;

/// What was said about a run; what was not is `None`, empty or false.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The scenario; of a file only.
    #[arg(skip)]
    pub scenario: Option<ScenarioKind>,
    /// The measured window in stretches; of a file only.
    #[arg(skip)]
    pub phase: Vec<PhaseEntry>,

    /// Where the server is: http://HOST:PORT.
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub target: Option<String>,
    /// Path and query of the WebSocket, if not the dialect's own.
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    pub path: Option<String>,
    /// How the server is spoken to [default: kefu]. A dialect that only agents have leaves customers kefu, where a
    /// scenario has both.
    #[arg(long, help_heading = "Target")]
    pub dialect: Option<Dialect>,
    /// How agents speak, in scenarios that have some [default: as --dialect].
    #[arg(long, value_name = "DIALECT", help_heading = "Target")]
    pub agent_dialect: Option<Dialect>,
    /// The file with the key that the server checks tokens with (its jwt.key); the harness signs its own.
    #[arg(long, value_name = "FILE", help_heading = "Target", conflicts_with = "tokens")]
    pub key_file: Option<PathBuf>,
    /// Tokens made by somebody else, one a line: `user ID TOKEN` or `agent ID TOKEN`.
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub tokens: Option<PathBuf>,
    /// The group that conversations are opened in [default: with --tokens `default`, else one of the run's own]. The
    /// agents of a file of tokens have to be in it; with several processes in GROUP-0, GROUP-1 and so on, in that order.
    #[arg(long, value_name = "GROUP", help_heading = "Target")]
    pub group: Option<String>,
    /// The server's process, to measure its CPU time and memory [default: who listens there, if on this host].
    #[arg(long, value_name = "PID", help_heading = "Target", conflicts_with = "spawn")]
    pub server_pid: Option<u32>,

    /// Start a server for this run, on a free port, and end it afterwards.
    #[arg(long, help_heading = "Spawned server", conflicts_with_all = ["target", "key_file", "tokens"])]
    pub spawn: bool,
    /// Its binary [default: $SWITCHBOARD_BIN, else beside this program, else on the PATH].
    #[arg(long, value_name = "FILE", help_heading = "Spawned server")]
    pub server_bin: Option<PathBuf>,
    /// Its shards.
    #[arg(long, value_name = "N", help_heading = "Spawned server")]
    pub shards: Option<u16>,
    /// Its storage engine.
    #[arg(long, value_name = "ENGINE", help_heading = "Spawned server")]
    pub engine: Option<String>,
    /// The CPUs it may use: 0, or 0-3,8.
    #[arg(long, value_name = "CPUS", help_heading = "Spawned server")]
    pub server_cpus: Option<CpuList>,
    /// Its data directory [default: a new one, removed afterwards].
    #[arg(long, value_name = "DIR", help_heading = "Spawned server")]
    pub data_dir: Option<PathBuf>,
    /// A further argument of its command line; once for each.
    #[arg(long, value_name = "ARG", help_heading = "Spawned server", allow_hyphen_values = true)]
    pub server_arg: Vec<String>,

    /// Sockets; of customers in scenarios with a desk, whose agents come on top.
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub connections: Option<u32>,
    /// Of these, sockets of `heartbeat` that never ping.
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub idle: Option<u32>,
    /// Actions a second, on a schedule that waits for nobody.
    #[arg(long, value_name = "R", help_heading = "Load", conflicts_with = "closed")]
    pub rate: Option<f64>,
    /// Length of the measured window; of a file's phases together.
    #[arg(long, value_name = "DURATION", help_heading = "Load")]
    pub duration: Option<Span>,
    /// All sockets are opened within [default: a second for each 2000, at least one].
    #[arg(long, value_name = "DURATION", help_heading = "Load")]
    pub ramp: Option<Span>,
    /// Load before the measured window [default: 3s].
    #[arg(long, value_name = "DURATION", help_heading = "Load")]
    pub warm_up: Option<Span>,
    /// How long answers and pushes are waited for afterwards [default: 5s].
    #[arg(long, value_name = "DURATION", help_heading = "Load")]
    pub drain: Option<Span>,
    /// No schedule: so many requests in flight on each connection. Latencies are then of that closed loop.
    #[arg(long, value_name = "WINDOW", help_heading = "Load")]
    pub closed: Option<u32>,
    /// How actions follow each other [default: poisson].
    #[arg(long, help_heading = "Load")]
    pub arrivals: Option<Arrivals>,
    /// Bytes of a message's content [default: 100].
    #[arg(long, value_name = "BYTES", help_heading = "Load")]
    pub payload: Option<u32>,
    /// Every message has a `client_msg_id`, which makes a retry harmless and costs the server a look-up. In webchat always:
    /// it answers no message without.
    #[arg(long, help_heading = "Load")]
    pub message_ids: bool,
    /// The heartbeat's form [default: text].
    #[arg(long, help_heading = "Load")]
    pub ping: Option<PingForm>,
    /// Agents [default: as many as all customers need at once].
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub agents: Option<u32>,
    /// Conversations at once of each agent [default: 10].
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub capacity: Option<u32>,
    /// Sockets of each customer.
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub devices: Option<u32>,
    /// Whose sockets are many in `fanout` [default: devices].
    #[arg(long, help_heading = "Load")]
    pub fan: Option<Fan>,
    /// How many of a hundred customers stop reading half-way in `slow`; 0 is the control: the same load, nobody stops [default: 1].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Load")]
    pub stalled: Option<u8>,
    /// From hearing a customer to answering; length of a conversation in `queue`.
    #[arg(long, value_name = "DURATION", help_heading = "Load")]
    pub think: Option<Span>,
    /// What `mixed` does, by weight: ping=60,customer=18,agent=18,read=2,sync=1,reconnect=1.
    #[arg(long, value_name = "WEIGHTS", value_parser = mix, help_heading = "Load")]
    pub mix: Option<Mix>,
    /// All random choices follow from it [default: 1].
    #[arg(long, value_name = "S", help_heading = "Load")]
    pub seed: Option<u64>,
    /// Integers of this run's parties begin here [default: from the time, so that runs do not meet].
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub id_base: Option<u64>,

    /// Generator processes [default: 1].
    #[arg(long, value_name = "P", help_heading = "Generator")]
    pub processes: Option<u32>,
    /// Source addresses to spread sockets over: 127.0.0.2-127.0.0.9, or a list with commas.
    #[arg(long, value_name = "RANGE", help_heading = "Generator")]
    pub source_addrs: Option<Addrs>,
    /// The CPUs the generator may use: 1, or 4-7.
    #[arg(long, value_name = "CPUS", help_heading = "Generator")]
    pub cpus: Option<CpuList>,
    /// The generator's own lag (99th percentile) above which the run is INVALID [default: 1ms].
    #[arg(long, value_name = "DURATION", help_heading = "Generator")]
    pub max_lag: Option<Span>,

    /// What the result must keep: p99(push)<5ms; once for each.
    #[arg(long, value_name = "OBJECTIVE", help_heading = "Result")]
    pub slo: Vec<Slo>,
    /// Where the result is written [default: loadtest-results/SCENARIO-TIME].
    #[arg(long, value_name = "DIR", help_heading = "Result")]
    pub out: Option<PathBuf>,
    /// No progress and no table; the exit code and the files tell.
    #[arg(long, help_heading = "Result")]
    pub quiet: bool,
}

/// One `[[phase]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseEntry {
    /// Shown in the report.
    pub name: String,
    /// How long.
    pub duration: Span,
    /// Actions a second throughout; or the two below.
    pub rate: Option<f64>,
    /// Actions a second at its start.
    pub rate_from: Option<f64>,
    /// Actions a second at its end.
    pub rate_to: Option<f64>,
}

/// Why a scenario file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no TOML, or says something unknown.
    #[error("{}, line {line}: {why}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and the nearest right.
        why: String,
    },
    /// It names no scenario.
    #[error("{}: `scenario` is missing: one of {known}", path.display())]
    NoScenario {
        /// Which file.
        path: PathBuf,
        /// What there is.
        known: String,
    },
}

impl Options {
    /// Reads a scenario file.
    pub fn from_file(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScriptError::File { path: path.to_owned(), error })?;
        Self::from_toml(path, &text)
    }

    /// Reads a scenario file's text; `path` is for messages.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ScriptError> {
        let options: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
            ScriptError::Line { path: path.to_owned(), line, why: explain(error.message()) }
        })?;
        if options.scenario.is_none() {
            let known = scenario_names().join(", ");
            return Err(ScriptError::NoScenario { path: path.to_owned(), known });
        }
        Ok(options)
    }

    /// What is said here, and by `file` where nothing is said here. What cannot go together with something said here
    /// is not taken from the file.
    pub fn or(self, file: Self) -> Self {
        let mut file = file;
        if self.target.is_some() {
            file = file.without_spawn();
        }
        if self.spawn {
            (file.target, file.key_file, file.tokens, file.server_pid) = (None, None, None, None);
        }
        if self.key_file.is_some() || self.tokens.is_some() {
            (file.key_file, file.tokens) = (None, None);
        }
        if self.closed.is_some() || self.rate.is_some() {
            (file.closed, file.rate) = (None, None);
        }
        Self {
            scenario: self.scenario.or(file.scenario),
            phase: or_list(self.phase, file.phase),
            spawn: self.spawn || file.spawn,
            target: self.target.or(file.target),
            path: self.path.or(file.path),
            dialect: self.dialect.or(file.dialect),
            agent_dialect: self.agent_dialect.or(file.agent_dialect),
            key_file: self.key_file.or(file.key_file),
            tokens: self.tokens.or(file.tokens),
            group: self.group.or(file.group),
            server_pid: self.server_pid.or(file.server_pid),
            server_bin: self.server_bin.or(file.server_bin),
            shards: self.shards.or(file.shards),
            engine: self.engine.or(file.engine),
            server_cpus: self.server_cpus.or(file.server_cpus),
            data_dir: self.data_dir.or(file.data_dir),
            server_arg: or_list(self.server_arg, file.server_arg),
            connections: self.connections.or(file.connections),
            idle: self.idle.or(file.idle),
            rate: self.rate.or(file.rate),
            duration: self.duration.or(file.duration),
            ramp: self.ramp.or(file.ramp),
            warm_up: self.warm_up.or(file.warm_up),
            drain: self.drain.or(file.drain),
            closed: self.closed.or(file.closed),
            arrivals: self.arrivals.or(file.arrivals),
            payload: self.payload.or(file.payload),
            message_ids: self.message_ids || file.message_ids,
            ping: self.ping.or(file.ping),
            agents: self.agents.or(file.agents),
            capacity: self.capacity.or(file.capacity),
            devices: self.devices.or(file.devices),
            fan: self.fan.or(file.fan),
            stalled: self.stalled.or(file.stalled),
            think: self.think.or(file.think),
            mix: self.mix.or(file.mix),
            seed: self.seed.or(file.seed),
            id_base: self.id_base.or(file.id_base),
            processes: self.processes.or(file.processes),
            source_addrs: self.source_addrs.or(file.source_addrs),
            cpus: self.cpus.or(file.cpus),
            max_lag: self.max_lag.or(file.max_lag),
            slo: or_list(self.slo, file.slo),
            out: self.out.or(file.out),
            quiet: self.quiet || file.quiet,
        }
    }

    fn without_spawn(self) -> Self {
        Self {
            spawn: false,
            server_bin: None,
            shards: None,
            engine: None,
            server_cpus: None,
            data_dir: None,
            server_arg: Vec::new(),
            ..self
        }
    }
}

/// The names of all scenarios, as they are typed.
pub fn scenario_names() -> Vec<String> {
    use clap::ValueEnum;
    let values = ScenarioKind::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect()
}

/// The known word that is most like this one, if any is.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKE: f64 = 0.5;
    let scored = known.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(word, name), name));
    scored.filter(|(likeness, _)| *likeness >= LIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn or_list<T>(own: Vec<T>, other: Vec<T>) -> Vec<T> {
    if own.is_empty() { other } else { own }
}

/// `ping=60,customer=18`: the same as the table `[mix]`.
fn mix(text: &str) -> Result<Mix, String> {
    let table = text.replace(',', "\n");
    toml::from_str(&table).map_err(|error| explain(error.message()))
}

/// serde lists all that it knows; a person wants the nearest.
fn explain(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let is_list = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match words.next() {
        Some(unknown) if is_list => {
            let known: Vec<&str> = words.collect();
            let what = if message.starts_with("unknown field") { "key" } else { "value" };
            match nearest(unknown, known.iter().copied()) {
                Some(near) => format!("unknown {what} `{unknown}`: did you mean `{near}`?"),
                None => format!("unknown {what} `{unknown}`: known are {}", known.join(", ")),
            }
        }
        _ => message.trim_end().to_owned(),
    }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
