//! The configuration: one plain struct, and where its values come from (flag, then variable, then file,
//! then default).
//!
//! Knows no socket, shard or runtime, and never reads the process's environment itself: variables are
//! handed in, so a test needs no global state.

mod data_dir;
mod file;
mod keys;
mod problem;
mod scylla;
mod value;
mod webchat;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_protocol::model::limits::STORE_MIN_FREE_BYTES;
use switchboard_protocol::model::{Channel, Group};

pub use data_dir::{DataDirError, prepare_data_dir};
pub use problem::{Problem, Problems};
pub use scylla::ScyllaConfig;
pub use value::parse_duration;

use keys::keys;
use value::Raw;

/// The prefix of every variable; `agents.max_concurrent` is `SWITCHBOARD_AGENTS_MAX_CONCURRENT`.
pub const VARIABLE_PREFIX: &str = "SWITCHBOARD_";
/// The variable that names the config file, as `--config` does.
pub const CONFIG_VARIABLE: &str = "SWITCHBOARD_CONFIG";

/// What keeps the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// fjall in the data directory.
    Embedded,
    /// A ScyllaDB or other CQL cluster.
    Scylla,
    /// Nothing survives the process; for tests and trials.
    Memory,
}

/// Whether the guides that show no authentication ask for a token (dialects.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthRequired {
    /// On any address but a loopback one.
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything an operator may set. The TOML key of a field is its name here, `_` of a group being `.`:
/// `jwt_leeway` is `jwt.leeway`.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// `listen`: where HTTP and WebSocket are served; port 0 picks a free one. 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// `data_dir`: records and the signing key; relative to the working directory. `./data`.
    pub data_dir: PathBuf,
    /// `shards`: pinned threads. One for each CPU.
    pub shards: usize,
    /// `engine`: `embedded`, `scylla` or `memory`. `embedded`.
    pub engine: Engine,
    /// `agent_grace`: how long an agent may be gone before its conversations go to others. 30 s.
    pub agent_grace: Duration,
    /// `debug_echo`: opens `/ws/echo`. Off.
    pub debug_echo: bool,
    /// `allow_unauthenticated`: lets `auth.required = false` hold on an address that is not loopback. Off.
    pub allow_unauthenticated: bool,
    /// `allowed_origins`: exact `Origin` values; `None` follows the rule of `auth::origin`.
    pub allowed_origins: Option<Vec<String>>,
    /// `connections_max_per_shard`: further ones are refused; `None` leaves it to the open-file limit.
    pub connections_max_per_shard: Option<u64>,
    /// `outbox_max_bytes`: unsent bytes of one connection, past which it is closed. 1 MiB.
    pub outbox_max_bytes: usize,
    /// `ping_interval`: a peer silent for so long is pinged. 30 s.
    pub ping_interval: Duration,
    /// `pong_timeout`: a pinged peer silent for so long is closed. 30 s.
    pub pong_timeout: Duration,
    /// `head_timeout`: from the first byte of a request to its end. There is no deadline for a `login`:
    /// a WebSocket that never logs in is a visitor's. 10 s.
    pub head_timeout: Duration,
    /// `http_idle_timeout`: a kept-alive HTTP connection without a request. 60 s.
    pub http_idle_timeout: Duration,
    /// `shutdown_timeout`: from SIGTERM to the end, whatever is still unsent. 10 s.
    pub shutdown_timeout: Duration,
    /// `jwt.key`: the HS256 secret as text; `None` uses a key file.
    pub jwt_key: Option<String>,
    /// `jwt.key_file`: a file with the secret; `None` is `jwt.key` in the data directory, made if absent.
    pub jwt_key_file: Option<PathBuf>,
    /// `jwt.leeway`: how far clocks may differ at `exp`, `nbf` and `iat`. 30 s.
    pub jwt_leeway: Duration,
    /// `auth.required`: whether the guides that show no authentication ask for a token. `auto`.
    pub auth_required: AuthRequired,
    /// `kefu.time_zone`: the fixed offset of kefu's `YYYY-MM-DD HH:MM:SS`, seconds east of UTC. `+08:00`.
    pub kefu_time_zone_secs: i32,
    /// `agents.max_concurrent`: conversations at once for an agent made without a number. 10.
    pub agents_max_concurrent: u32,
    /// `agents.groups`: groups of an agent made without any. `["default"]`.
    pub agents_groups: Vec<Group>,
    /// `idempotency.ttl`: how long the answer given under an `Idempotency-Key` is kept. 24 h.
    pub idempotency_ttl: Duration,
    /// `webchat.token_ttl`: how long tokens that the server issued are good. 24 h.
    pub webchat_token_ttl: Duration,
    /// `webchat.token_rate_per_minute`: requests for customers' tokens from one address. 600.
    pub webchat_token_rate_per_minute: u64,
    /// `webchat.identity`: the channels whose customers are believed only with a `signature`. None: all are open.
    pub webchat_signed: Vec<Channel>,
    /// `webchat.signing_key`: the integrator's key of those signatures.
    pub webchat_signing_key: Option<String>,
    /// `message.edit_window`: how long after it was sent a message may be edited. 24 h.
    pub message_edit_window: Duration,
    /// `message.recall_window`: how long after it was sent its sender may recall it. 2 min.
    pub message_recall_window: Duration,
    /// `storage.deadline`: how long a request waits for its write before it is told that the outcome is not known. 10 s.
    pub storage_deadline: Duration,
    /// `storage.min_free_bytes`: what would write is refused while less is free on the file system of `data_dir`; 0 never
    /// looks. 512 MiB.
    pub storage_min_free_bytes: u64,
    /// `log.format`: `text` or `json`. `text`.
    pub log_format: LogFormat,
    /// `[scylla]`: where the cluster is and how it is spoken to.
    pub scylla: ScyllaConfig,
    /// `log.level`: `info`, or directives as `RUST_LOG` takes them. `info`.
    pub log_level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data_dir: PathBuf::from("./data"),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            engine: Engine::Embedded,
            agent_grace: Duration::from_secs(30),
            debug_echo: false,
            allow_unauthenticated: false,
            allowed_origins: None,
            connections_max_per_shard: None,
            outbox_max_bytes: 1024 * 1024,
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            http_idle_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            jwt_key: None,
            jwt_key_file: None,
            jwt_leeway: Duration::from_secs(30),
            auth_required: AuthRequired::Auto,
            kefu_time_zone_secs: 8 * 3600,
            agents_max_concurrent: 10,
            agents_groups: vec![Group::default()],
            idempotency_ttl: Duration::from_secs(24 * 3600),
            webchat_token_ttl: Duration::from_secs(24 * 3600),
            webchat_token_rate_per_minute: 600,
            webchat_signed: Vec::new(),
            webchat_signing_key: None,
            message_edit_window: Duration::from_secs(24 * 3600),
            message_recall_window: Duration::from_secs(120),
            storage_deadline: Duration::from_secs(10),
            storage_min_free_bytes: STORE_MIN_FREE_BYTES,
            log_format: LogFormat::Text,
            scylla: ScyllaConfig::default(),
            log_level: "info".to_owned(),
        }
    }
}

/// A value from the command line: the TOML key it stands for, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The TOML key.
    pub key: &'static str,
    /// The value as typed.
    pub value: String,
}

impl Config {
    /// Puts the configuration together. `file` is read if given, else the one that `SWITCHBOARD_CONFIG`
    /// names, else none. Every problem found is told, not only the first.
    pub fn load(file: Option<&Path>, variables: &[(String, String)], flags: &[Flag]) -> Result<Self, Problems> {
        let named = variables.iter().find(|(name, _)| name == CONFIG_VARIABLE).map(|(_, path)| Path::new(path));
        let text = match file.or(named) {
            None => None,
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => Some((path.display().to_string(), text)),
                Err(error) => {
                    let message = format!("the config file {} cannot be read: {error}", path.display());
                    return Err(Problems(vec![Problem::plain(message)]));
                }
            },
        };
        Self::resolve(text.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), variables, flags)
    }

    /// As [`Config::load`], with the file's name and text in hand.
    pub fn resolve(
        file: Option<(&str, &str)>,
        variables: &[(String, String)],
        flags: &[Flag],
    ) -> Result<Self, Problems> {
        let mut config = Self::default();
        let mut problems = Vec::new();
        if let Some((name, text)) = file {
            file::apply(name, text, &mut config, &mut problems);
        }
        apply_variables(variables, &mut config, &mut problems);
        for flag in flags {
            if let Err(message) = set_word(&mut config, flag.key, &flag.value) {
                problems.push(Problem::plain(message));
            }
        }
        if config.jwt_key.is_some() && config.jwt_key_file.is_some() {
            problems.push(Problem::plain("`jwt.key` and `jwt.key_file` are both set; keep one".to_owned()));
        }
        webchat::check(&config, &mut problems);
        scylla::check(&config, &mut problems);
        if config.auth_required == AuthRequired::No && !config.is_loopback() && !config.allow_unauthenticated {
            let message = format!(
                "`auth.required` is false while `listen` is {}: whoever reaches that address could read every \
                 conversation and answer in any agent's name",
                config.listen
            );
            let help = "keep \"auto\", or set `allow_unauthenticated = true` if something in front asks who it is";
            problems.push(Problem::with_help(message, Some(help.to_owned())));
        }
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// Whether the guides that show no authentication are open to everybody.
    pub fn is_open(&self) -> bool {
        match self.auth_required {
            AuthRequired::Auto => self.is_loopback(),
            AuthRequired::Yes => false,
            AuthRequired::No => true,
        }
    }

    fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// The file that holds the signing key, unless `jwt.key` gives it.
    pub fn key_file(&self) -> PathBuf {
        self.jwt_key_file.clone().unwrap_or_else(|| self.data_dir.join("jwt.key"))
    }

    /// The configuration in effect as a TOML file; a secret is named and not shown.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for key in keys() {
            let (group, name) = key.path.split_once('.').unwrap_or(("", key.path));
            if group != table {
                text.push_str(&format!("\n[{group}]\n"));
                table = group;
            }
            match (key.secret, key.show(self)) {
                (_, None) => text.push_str(&format!("# {name} is not set\n")),
                (true, Some(_)) => text.push_str(&format!("# {name} is set and not shown\n")),
                (false, Some(value)) => text.push_str(&format!("{name} = {value}\n")),
            }
        }
        text
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config {{\n{}}}", self.to_toml())
    }
}

/// Says whether `value` would do for a key, in the words a wrong one is refused with.
pub fn check(key: &str, value: &str) -> Result<(), String> {
    set_word(&mut Config::default(), key, value)
}

fn set_word(config: &mut Config, path: &str, value: &str) -> Result<(), String> {
    let key = keys().find(|key| key.path == path).ok_or_else(|| format!("there is no key `{path}`"))?;
    key.set(config, &Raw::Word(value)).map_err(|_| key.refusal(&key.quoted(value)))
}

fn apply_variables(variables: &[(String, String)], config: &mut Config, problems: &mut Vec<Problem>) {
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        if name == CONFIG_VARIABLE {
            continue;
        }
        let Some(key) = keys().find(|key| key.variable() == rest) else {
            let known = keys().map(keys::Key::variable);
            let nearest = problem::nearest(rest, known).map(|near| format!("did you mean {VARIABLE_PREFIX}{near}?"));
            problems.push(Problem::with_help(format!("unknown variable {name}"), nearest));
            continue;
        };
        if key.set(config, &Raw::Word(value)).is_err() {
            problems.push(Problem::plain(format!("{name}: {}", key.refusal(&key.quoted(value)))));
        }
    }
}

#[cfg(test)]
mod tests;
