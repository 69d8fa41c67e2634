//! From what was said to what is run: the scenario found, defaults filled in, all of it checked, and only then a
//! server started. Knows nothing of how a run goes.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use super::{Problem, room};
use crate::scenario::ScenarioKind;
use crate::script::{Options, PhaseEntry, nearest, scenario_names};
use crate::settings::{Arrivals, Fan, Phase, PingForm, Secret, Settings, Target};
use crate::target::find::listener_of;
use crate::target::resolve::resolve;
use crate::target::spawn::{SpawnOptions, Spawned, read_key};
use crate::target::token::Tokens;
use crate::values::{Addrs, Span};
use crate::wire::Dialect;

/// Sockets opened a second in a ramp that nobody gave a length.
const RAMP_PER_S: u32 = 2000;
/// What the first connection may take.
const REACH_PATIENCE: Duration = Duration::from_secs(5);
/// Of a server that is started for a run.
const TOKEN_RATE: (&str, &str) = ("SWITCHBOARD_WEBCHAT_TOKEN_RATE_PER_MINUTE", "1000000");
/// Bits of an id that count the parties of one run.
const ID_BITS_OF_A_RUN: u32 = 24;
/// Bits of an id that tell runs from each other, also ones that begin on several hosts at once; with the others, ids
/// stay below 2^52.
const ID_BITS_OF_RUNS: u32 = 27;

/// A run that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// What it is.
    pub settings: Settings,
    /// Where its result goes; exists.
    pub out: PathBuf,
    /// The server that was started for it; ends when this is dropped.
    pub server: Option<Spawned>,
    /// No progress and no table.
    pub quiet: bool,
}

/// All that was said: the flags, and the file if the scenario is one.
pub fn options(scenario: &str, flags: &Options) -> Result<Options, Problem> {
    if scenario.ends_with(".toml") || Path::new(scenario).is_file() {
        return Ok(flags.clone().or(Options::from_file(Path::new(scenario))?));
    }
    let kind = ScenarioKind::from_str(scenario, true).map_err(|_| {
        let known = scenario_names();
        let hint = match nearest(scenario, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("scenarios are {}", known.join(", ")),
        };
        Problem::Scenario { given: scenario.to_owned(), hint }
    })?;
    Ok(Options { scenario: Some(kind), ..flags.clone() })
}

/// Everything a run needs; `arguments` is what was typed.
pub fn prepare(options: &Options, arguments: &[String]) -> Result<Prepared, Problem> {
    check_spawn(options)?;
    let mut settings = settings(options)?;
    settings.command = shown(arguments);
    settings.check(&room::room())?;
    if let Some(file) = &settings.tokens {
        // Read again by each generator process; a mistake is told before anything is started.
        Tokens::from_file(file)?;
    }
    room::take_open_files()?;
    let out = options.out.clone().unwrap_or_else(|| default_out(settings.scenario));
    fs::create_dir_all(&out).map_err(|error| Problem::Write { path: out.clone(), error })?;
    let server = options.spawn.then(|| spawn(options, settings.dialect, &out)).transpose()?;
    if let Some(server) = &server {
        settings.target = resolve(&server.url(), options.path.as_deref())?;
        settings.key = Some(Secret::new(read_key(&server.key_file())?));
        settings.server_pid = Some(server.pid());
    } else {
        check_reachable(settings.target.address)?;
        settings.server_pid = options.server_pid.or_else(|| listener_of(settings.target.address));
    }
    if let Some(cpus) = &options.cpus {
        cpus.pin_this_thread().map_err(|error| Problem::Pin { cpus: cpus.to_string(), error })?;
    }
    Ok(Prepared { settings, out, server, quiet: options.quiet })
}

/// Settings with all defaults. Of a server that is yet to be started the target is a place holder.
pub fn settings(options: &Options) -> Result<Settings, Problem> {
    let scenario = options.scenario.ok_or_else(|| Problem::Scenario {
        given: String::new(),
        hint: format!("scenarios are {}", scenario_names().join(", ")),
    })?;
    let dialect = options.dialect.unwrap_or(Dialect::Kefu);
    let connections = options.connections.unwrap_or(if scenario.needs_desk() { 200 } else { 1000 });
    let capacity = options.capacity.unwrap_or(10);
    let devices = options.devices.unwrap_or(1);
    let ramp = Duration::from_secs(u64::from(connections.div_ceil(RAMP_PER_S).max(1)));
    let target = target(options)?;
    let key = key(options, dialect)?;
    Ok(Settings {
        scenario,
        dialect,
        agent_dialect: options.agent_dialect.unwrap_or(dialect),
        target,
        connections,
        idle: options.idle.unwrap_or(0),
        phases: phases(options, scenario, connections)?,
        arrivals: options.arrivals.unwrap_or(Arrivals::Poisson),
        closed_window: options.closed,
        ramp: span(options.ramp, ramp),
        warm_up: span(options.warm_up, Duration::from_secs(3)),
        drain: span(options.drain, Duration::from_secs(5)),
        payload_bytes: options.payload.unwrap_or(100),
        message_ids: options.message_ids,
        ping: options.ping.unwrap_or(PingForm::Text),
        agents: options.agents.unwrap_or_else(|| default_agents(scenario, connections / devices.max(1), capacity)),
        capacity,
        devices,
        fan: options.fan.unwrap_or(Fan::Devices),
        stalled_percent: options.stalled.unwrap_or(1),
        think: span(options.think, Duration::from_millis(500)),
        mix: options.mix.unwrap_or_default(),
        seed: options.seed.unwrap_or(1),
        source_addrs: options.source_addrs.clone().map(|Addrs(list)| list).unwrap_or_default(),
        processes: options.processes.unwrap_or(1),
        process: 0,
        slos: options.slo.clone(),
        max_lag: span(options.max_lag, Duration::from_millis(1)),
        key,
        tokens: options.tokens.clone(),
        // Agents whose tokens name no group are in `default`.
        group: options.group.clone().or_else(|| options.tokens.is_some().then(|| "default".to_owned())),
        id_base: options.id_base.unwrap_or_else(fresh_id_base),
        server_pid: options.server_pid,
        command: Vec::new(),
    })
}

/// The command as results show it: a token in the query of a path is left out.
pub fn shown(arguments: &[String]) -> Vec<String> {
    let hide = |argument: &String| match argument.split_once("token=") {
        Some((before, after)) => {
            let rest = after.find('&').map_or("", |at| &after[at..]);
            format!("{before}token=…{rest}")
        }
        None => argument.clone(),
    };
    arguments.iter().map(hide).collect()
}

/// Where the ids of a new run begin: by chance, so that runs do not meet each other's conversations.
pub fn fresh_id_base() -> u64 {
    // Without a random source the clock has to do.
    let chance = getrandom::u64().unwrap_or_else(|_| jiff::Timestamp::now().as_microsecond().unsigned_abs());
    ((chance % (1 << ID_BITS_OF_RUNS)) << ID_BITS_OF_A_RUN) + 1
}

fn default_out(scenario: ScenarioKind) -> PathBuf {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Path::new("loadtest-results").join(format!("{}-{time}", scenario.name()))
}

/// As many as all customers need at once; in `queue`, where somebody has to wait, half of that.
fn default_agents(scenario: ScenarioKind, customers: u32, capacity: u32) -> u32 {
    let all = customers.div_ceil(capacity.max(1)).max(1);
    match scenario {
        ScenarioKind::Queue => all.div_ceil(2),
        _ if scenario.needs_desk() => all,
        _ => 0,
    }
}

/// A phase of the given or the scenario's own rate; or the file's phases, to which `--rate` and `--duration` give
/// another rate and another length.
fn phases(options: &Options, scenario: ScenarioKind, connections: u32) -> Result<Vec<Phase>, Problem> {
    let default_rate = if options.closed.is_some() { 0.0 } else { default_rate(scenario, connections) };
    if options.phase.is_empty() {
        let rate = options.rate.unwrap_or(default_rate);
        let soak = Duration::from_secs(if scenario == ScenarioKind::Soak { 4 * 3600 } else { 30 });
        let duration = span(options.duration, soak);
        return Ok(vec![Phase { name: "steady".to_owned(), duration, rate_from: rate, rate_to: rate }]);
    }
    let mut phases = options.phase.iter().map(phase).collect::<Result<Vec<_>, _>>()?;
    if let Some(Span(whole)) = options.duration {
        let written: Duration = phases.iter().map(|phase| phase.duration).sum();
        if !written.is_zero() {
            let factor = whole.as_secs_f64() / written.as_secs_f64();
            phases.iter_mut().for_each(|phase| phase.duration = phase.duration.mul_f64(factor));
        }
    }
    if let Some(rate) = options.rate {
        phases.iter_mut().for_each(|phase| (phase.rate_from, phase.rate_to) = (rate, rate));
    }
    Ok(phases)
}

/// Actions a second that any machine carries.
fn default_rate(scenario: ScenarioKind, connections: u32) -> f64 {
    match scenario {
        ScenarioKind::Connect => 200.0,
        // Each socket once in thirty seconds, as clients do.
        ScenarioKind::Heartbeat => f64::from(connections.max(30)) / 30.0,
        ScenarioKind::Fanout => 5.0,
        ScenarioKind::Queue => 20.0,
        ScenarioKind::Chat
        | ScenarioKind::Reconnect
        | ScenarioKind::Slow
        | ScenarioKind::Soak
        | ScenarioKind::Mixed => 100.0,
    }
}

fn phase(entry: &PhaseEntry) -> Result<Phase, Problem> {
    let (rate_from, rate_to) = match (entry.rate, entry.rate_from, entry.rate_to) {
        (Some(rate), None, None) => (rate, rate),
        (None, Some(from), Some(to)) => (from, to),
        _ => return Err(Problem::PhaseRate(entry.name.clone())),
    };
    let Span(duration) = entry.duration;
    Ok(Phase { name: entry.name.clone(), duration, rate_from, rate_to })
}

fn target(options: &Options) -> Result<Target, Problem> {
    match &options.target {
        Some(url) => Ok(resolve(url, options.path.as_deref())?),
        None if options.spawn => Ok(resolve("http://127.0.0.1:0", options.path.as_deref())?),
        None => Err(Problem::NoTarget),
    }
}

fn key(options: &Options, dialect: Dialect) -> Result<Option<Secret>, Problem> {
    match (&options.key_file, &options.tokens) {
        (Some(_), Some(_)) => Err(Problem::KeyAndTokens),
        (Some(file), None) => {
            let key = read_key(file).map_err(|error| Problem::KeyFile(Box::new(error)))?;
            Ok(Some(Secret::new(key)))
        }
        (None, None) if dialect.wire().abilities().desk && !options.spawn => Err(Problem::NoTokens),
        (None, _) => Ok(None),
    }
}

/// A mistyped target is told at once, and not after a ramp of refusals.
fn check_reachable(address: SocketAddr) -> Result<(), Problem> {
    let connected = TcpStream::connect_timeout(&address, REACH_PATIENCE);
    connected.map(drop).map_err(|error| Problem::Unreachable { address, error })
}

fn check_spawn(options: &Options) -> Result<(), Problem> {
    let given = [
        ("server-bin", options.server_bin.is_some()),
        ("shards", options.shards.is_some()),
        ("engine", options.engine.is_some()),
        ("server-cpus", options.server_cpus.is_some()),
        ("data-dir", options.data_dir.is_some()),
        ("server-arg", !options.server_arg.is_empty()),
    ];
    match given.iter().find(|(_, given)| *given && !options.spawn) {
        Some((flag, _)) => Err(Problem::OnlySpawned(flag)),
        None => Ok(()),
    }
}

fn spawn(options: &Options, dialect: Dialect, out: &Path) -> Result<Spawned, Problem> {
    let mut arguments: Vec<_> = options.server_arg.iter().map(Into::into).collect();
    if dialect == Dialect::Echo {
        arguments.push("--debug-echo".into());
    }
    // A crowd asks for its tokens from one address.
    let environment = if dialect.wire().abilities().issues { vec![TOKEN_RATE] } else { Vec::new() };
    Ok(Spawned::start(&SpawnOptions {
        binary: options.server_bin.clone(),
        data_dir: options.data_dir.clone(),
        shards: options.shards,
        engine: options.engine.clone(),
        cpus: options.server_cpus.clone(),
        arguments,
        environment,
        log: out.join("server.log"),
    })?)
}

fn span(given: Option<Span>, default: Duration) -> Duration {
    given.map_or(default, |Span(duration)| duration)
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
