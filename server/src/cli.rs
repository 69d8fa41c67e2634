//! The command line: what may be typed, and the commands that serve nothing and are short (`token`, which may ask a
//! server for a UUID, and `check-config`).
//!
//! Reads no environment and no clock: variables and the time are handed in. Knows nothing of how the
//! server is started.

mod issue;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use switchboard_protocol::model::Timestamp;

use crate::auth::jwt::{Grant, Role, Signer, TokenError};
use crate::auth::key::{KeyError, LoadedKey, SigningKey};
use crate::config::{self, Config, DataDirError, Flag, Problems, parse_duration, prepare_data_dir};
use crate::store::{OpenError, scylla_settings};
pub use issue::IssueError;
use switchboard_storage::{Migrated, StoreError};
pub use transfer::{ExportArgs, ImportArgs};

const EXAMPLES: &str = "\
Examples:
  switchboard                                           serve on 127.0.0.1:8080 with ./data
  switchboard --listen 0.0.0.0:80 --shards 4            the word `serve` may be left out
  switchboard serve --config switchboard.toml
  switchboard token --data-dir ./data --role user --id 100
  switchboard token --role agent --id 1 --name Wang --groups sales,default --ttl 30d
  switchboard token --kind uuid --server http://127.0.0.1:8080 --role agent --id 1
  switchboard check-config switchboard.toml
  switchboard migrate --config switchboard.toml
  switchboard export --data-dir ./data --out backup.jsonl
  switchboard import --in backup.jsonl --data-dir ./new

Every setting is also a key of the TOML file and a variable: `jwt.leeway` is SWITCHBOARD_JWT_LEEWAY. A flag
goes before a variable, a variable before the file. `check-config` prints every key with its value.";

/// Switchboard: a customer service messaging server.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (also without this word).
    Serve(ServeArgs),
    /// Print one token on standard output: a JWT, which needs no running server, or a UUID, which one issues.
    Token(TokenArgs),
    /// Read a config file and print the configuration in effect, or what is wrong with it.
    CheckConfig(CheckConfigArgs),
    /// Bring the keyspace of a CQL cluster to the schema that this program works with.
    Migrate(MigrateArgs),
    /// Write all that the store holds into a file, for a backup or another engine; no server may run on it.
    Export(ExportArgs),
    /// Bring such a file into an empty store.
    Import(ImportArgs),
}

/// Settings of the server. Values are checked here as in every other source.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// The TOML file with settings.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR:PORT", value_parser = |text: &str| checked("listen", text))]
    listen: Option<String>,
    /// Where records and the signing key are kept [default: ./data].
    #[arg(long, value_name = "DIR", value_parser = |text: &str| checked("data_dir", text))]
    data_dir: Option<String>,
    /// Pinned threads [default: one for each CPU].
    #[arg(long, value_name = "N", value_parser = |text: &str| checked("shards", text))]
    shards: Option<String>,
    /// What keeps the records [default: embedded].
    #[arg(long, value_name = "embedded|scylla|memory", value_parser = |text: &str| checked("engine", text))]
    engine: Option<String>,
    /// Statements under way at once in the cluster, for the engine scylla [default: 1024].
    #[arg(long, value_name = "N", value_parser = |text: &str| checked("scylla.max_in_flight", text))]
    max_in_flight: Option<String>,
    /// How long an agent may be gone before its conversations go to others [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = |text: &str| checked("agent_grace", text))]
    agent_grace: Option<String>,
    /// Open /ws/echo, which sends back what it gets (for conformance suites and benchmarks).
    #[arg(long)]
    debug_echo: bool,
}

/// What a token is to say.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The TOML file with settings, for `jwt.key` or `jwt.key_file`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory, where the signing key is [default: ./data].
    #[arg(long, value_name = "DIR", value_parser = |text: &str| checked("data_dir", text))]
    data_dir: Option<String>,
    /// A JWT, or an agent's opaque token, as webchat (guide 3) uses it.
    #[arg(long, default_value = "jwt")]
    kind: TokenKind,
    /// The running server that issues a UUID; the signing key must be its own.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// As what the bearer acts.
    #[arg(long)]
    role: RoleName,
    /// The integrator's integer id, 1 to 2^52 - 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..1 << 52))]
    id: u64,
    /// A name shown to people.
    #[arg(long)]
    name: Option<String>,
    /// How long it is valid: 30m, 24h, 30d.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = ttl)]
    ttl: Duration,
    /// An agent's groups, separated by commas; used when the agent is first seen.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    groups: Option<Vec<String>>,
    /// An agent's skills, separated by commas.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    skills: Option<Vec<String>>,
    /// An agent's conversations at once.
    #[arg(long, value_name = "N")]
    max_concurrent: Option<u32>,
}

/// Which keyspace, and how it is made if it is not there.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The TOML file with settings: `[scylla]` says where the cluster is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Nodes of the cluster, separated by commas.
    #[arg(long, value_name = "HOST:PORT,...", value_parser = |text: &str| checked("scylla.contact_points", text))]
    contact_points: Option<String>,
    /// The keyspace.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| checked("scylla.keyspace", text))]
    keyspace: Option<String>,
    /// Make the keyspace if it is not there, with this replication, a map of CQL such as
    /// {'class': 'NetworkTopologyStrategy', 'dc1': 3}.
    #[arg(long, value_name = "MAP")]
    replication: Option<String>,
    /// Print the whole schema and change nothing.
    #[arg(long)]
    print: bool,
}

/// Which file.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// The TOML file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenKind {
    Jwt,
    Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleName {
    User,
    Agent,
    Admin,
}

/// Why `token` printed none; one line each.
#[derive(Debug, thiserror::Error)]
pub enum TokenCommandError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A claim that no token may have.
    #[error("no such token can be made: {0}")]
    Token(#[from] TokenError),
    /// An agent's claim for somebody else.
    #[error("--groups, --skills and --max-concurrent are for --role agent")]
    NotAnAgent,
    /// A UUID for somebody else than an agent, without a server, or with claims.
    #[error("--kind uuid wants --role agent and --server URL, and takes no claims: the agent's record has them")]
    NotAUuid,
    /// `--server` without `--kind uuid`.
    #[error("--server is for --kind uuid: a JWT is made without one")]
    ServerForJwt,
    /// The server did not issue the token.
    #[error(transparent)]
    Server(#[from] IssueError),
}

impl Cli {
    /// The command; `serve` if none is named.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl ServeArgs {
    /// The configuration in effect. `variables` is the process's environment.
    pub fn load(&self, variables: &[(String, String)]) -> Result<Config, Problems> {
        Config::load(self.config.as_deref(), variables, &self.flags())
    }

    fn flags(&self) -> Vec<Flag> {
        let mut flags: Vec<Flag> = [
            ("listen", &self.listen),
            ("data_dir", &self.data_dir),
            ("shards", &self.shards),
            ("engine", &self.engine),
            ("scylla.max_in_flight", &self.max_in_flight),
            ("agent_grace", &self.agent_grace),
        ]
        .into_iter()
        .filter_map(|(key, value)| {
            let value = value.clone()?;
            Some(Flag { key, value })
        })
        .collect();
        if self.debug_echo {
            flags.push(Flag { key: "debug_echo", value: "true".to_owned() });
        }
        flags
    }
}

impl MigrateArgs {
    /// The configuration in effect, for the cluster whatever the engine.
    pub fn load(&self, variables: &[(String, String)]) -> Result<Config, Problems> {
        let flags = [
            ("engine", Some("scylla".to_owned())),
            ("scylla.contact_points", self.contact_points.clone()),
            ("scylla.keyspace", self.keyspace.clone()),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some(Flag { key, value: value? }));
        Config::load(self.config.as_deref(), variables, &flags.collect::<Vec<_>>())
    }
}

/// `switchboard migrate`: the schema for `--print`, else what was done to it.
pub fn migrate(args: &MigrateArgs, variables: &[(String, String)]) -> Result<String, MigrateError> {
    if args.print {
        return Ok(switchboard_storage::schema());
    }
    let config = args.load(variables)?;
    let settings = scylla_settings(&config, "migrate".to_owned())?;
    let Migrated { from, to, steps } = switchboard_storage::migrate(&settings, args.replication.as_deref())?;
    let keyspace = &settings.keyspace;
    Ok(match from == to {
        true => format!("keyspace {keyspace} has schema {to} already\n"),
        false => format!("keyspace {keyspace}: schema {from} -> {to} ({})\n", steps.join(", ")),
    })
}

/// Why `migrate` did nothing, or not everything: it may be called again.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] Problems),
    /// A file that the configuration names.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The cluster.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `switchboard token`: the token to print.
pub fn token(args: &TokenArgs, variables: &[(String, String)], now: Timestamp) -> Result<String, TokenCommandError> {
    match (args.kind, &args.server) {
        (TokenKind::Jwt, None) => jwt(args, variables, now),
        (TokenKind::Jwt, Some(_)) => Err(TokenCommandError::ServerForJwt),
        (TokenKind::Uuid, server) => {
            let claims =
                args.name.is_some() || args.groups.is_some() || args.skills.is_some() || args.max_concurrent.is_some();
            let Some(server) = server.as_ref().filter(|_| args.role == RoleName::Agent && !claims) else {
                return Err(TokenCommandError::NotAUuid);
            };
            let LoadedKey { key, .. } = key_of(args, variables)?;
            let grant =
                Grant { role: Role::Admin, id: 1, name: None, groups: None, skills: None, max_concurrent: None };
            let admin = Signer::new(&key).sign(&grant, now, ADMIN_FOR_A_MOMENT)?;
            Ok(issue::agent_token(server, args.id, &admin)?)
        }
    }
}

/// How long the admin's token is good that asks a server for an agent's.
const ADMIN_FOR_A_MOMENT: Duration = Duration::from_secs(60);

fn key_of(args: &TokenArgs, variables: &[(String, String)]) -> Result<LoadedKey, TokenCommandError> {
    let data_dir = args.data_dir.clone().map(|value| Flag { key: "data_dir", value });
    let config = Config::load(args.config.as_deref(), variables, data_dir.as_slice())?;
    let loaded = signing_key(&config)?;
    if loaded.made {
        // A mistyped directory would otherwise only show when the server refuses the token.
        eprintln!("switchboard: made a new signing key, {}", config.key_file().display());
    }
    Ok(loaded)
}

fn jwt(args: &TokenArgs, variables: &[(String, String)], now: Timestamp) -> Result<String, TokenCommandError> {
    let agent_only = args.groups.is_some() || args.skills.is_some() || args.max_concurrent.is_some();
    let role = match args.role {
        RoleName::Agent => Role::Agent,
        RoleName::User | RoleName::Admin if agent_only => return Err(TokenCommandError::NotAnAgent),
        RoleName::User => Role::User,
        RoleName::Admin => Role::Admin,
    };
    let LoadedKey { key, .. } = key_of(args, variables)?;
    let grant = Grant {
        role,
        id: args.id,
        name: args.name.clone(),
        groups: args.groups.clone(),
        skills: args.skills.clone(),
        max_concurrent: args.max_concurrent,
    };
    Ok(Signer::new(&key).sign(&grant, now, args.ttl)?)
}

/// `switchboard check-config`: the configuration in effect as TOML. Of the environment nothing is used:
/// the file alone is on trial.
pub fn check_config(args: &CheckConfigArgs) -> Result<String, Problems> {
    Ok(Config::load(Some(&args.file), &[], &[])?.to_toml())
}

/// The signing key that a configuration means: the one it gives, or the file's, which is made in the data
/// directory if it is absent there. A key file that the config names has to exist.
pub fn signing_key(config: &Config) -> Result<LoadedKey, TokenCommandError> {
    if let Some(secret) = &config.jwt_key {
        return Ok(LoadedKey { key: SigningKey::from_secret(secret.as_bytes())?, made: false, exposed: false });
    }
    let path = config.key_file();
    if config.jwt_key_file.is_some() {
        return Ok(SigningKey::load(&path)?);
    }
    prepare_data_dir(&config.data_dir)?;
    Ok(SigningKey::load_or_create(&path)?)
}

fn checked(key: &'static str, text: &str) -> Result<String, String> {
    config::check(key, text).map(|()| text.to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(3650 * 86_400);
    parse_duration(text)
        .filter(|ttl| (Duration::from_secs(1)..=LONGEST).contains(ttl))
        .ok_or_else(|| "expected a duration of 1s to 3650d, such as 30m, 24h or 30d".to_owned())
}

#[cfg(test)]
mod tests;
