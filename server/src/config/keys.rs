//! The table of keys: for each its name, what it takes, and the field it sets. File, variables, flags and
//! `check-config` all go by it, so a key cannot work in one and not in another.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_protocol::model::Group;
use switchboard_protocol::model::limits::{
    AGENT_GROUPS_MAX, AGENT_MAX_CONCURRENT, JWT_SECRET_MAX_BYTES, JWT_SECRET_MIN_BYTES, MESSAGE_MAX_BYTES,
};

use super::value::{
    Raw, Unfit, parse_duration, parse_offset, parse_origin, quote, quote_list, show_duration, show_offset,
};
use super::{AuthRequired, Config, Engine, LogFormat, scylla, webchat};

/// One key.
pub(super) struct Key {
    /// The TOML key; a group's come together and after those without one.
    pub(super) path: &'static str,
    /// Never shown, not even in a refusal.
    pub(super) secret: bool,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Integer {
        range: RangeInclusive<u64>,
        set: fn(&mut Config, u64),
        get: fn(&Config) -> Option<u64>,
    },
    Duration {
        range: RangeInclusive<Duration>,
        slot: fn(&mut Config) -> &mut Duration,
    },
    Boolean {
        slot: fn(&mut Config) -> &mut bool,
    },
    Text {
        expects: &'static str,
        set: fn(&mut Config, &str) -> Result<(), Unfit>,
        get: fn(&Config) -> Option<String>,
    },
    /// One of a few words, two of which may be TOML's booleans.
    Choice {
        expects: &'static str,
        set: fn(&mut Config, &str) -> Result<(), Unfit>,
        get: fn(&Config) -> &'static str,
    },
    List {
        expects: &'static str,
        set: fn(&mut Config, &[&str]) -> Result<(), Unfit>,
        /// As TOML.
        get: fn(&Config) -> Option<String>,
    },
}

impl Key {
    /// The name of its variable after the prefix.
    pub(super) fn variable(&self) -> String {
        self.path.replace('.', "_").to_ascii_uppercase()
    }

    /// Sets the field if the value does.
    pub(super) fn set(&self, config: &mut Config, raw: &Raw<'_>) -> Result<(), Unfit> {
        match &self.kind {
            Kind::Integer { range, set, .. } => {
                let value = raw.integer()?;
                within(range, &value)?;
                set(config, value);
                Ok(())
            }
            Kind::Duration { range, slot } => {
                let value = parse_duration(raw.text()?).ok_or(Unfit)?;
                within(range, &value)?;
                *slot(config) = value;
                Ok(())
            }
            Kind::Boolean { slot } => {
                *slot(config) = raw.boolean()?;
                Ok(())
            }
            Kind::Text { set, .. } => set(config, raw.text()?),
            Kind::Choice { set, .. } => set(config, raw.word()?),
            Kind::List { set, .. } => set(config, &raw.list()?),
        }
    }

    /// The value in effect as TOML; `None` if there is none.
    pub(super) fn show(&self, config: &Config) -> Option<String> {
        match &self.kind {
            Kind::Integer { get, .. } => get(config).map(|value| value.to_string()),
            Kind::Duration { slot, .. } => Some(quote(&show_duration(*slot(&mut config.clone())))),
            Kind::Boolean { slot } => Some(slot(&mut config.clone()).to_string()),
            Kind::Text { get, .. } => get(config).map(|text| quote(&text)),
            Kind::Choice { get, .. } => match get(config) {
                word @ ("true" | "false") => Some(word.to_owned()),
                word => Some(quote(word)),
            },
            Kind::List { get, .. } => get(config),
        }
    }

    /// One sentence for a value that does not do; `written` is the value as its source has it.
    pub(super) fn refusal(&self, written: &str) -> String {
        let path = self.path;
        match &self.kind {
            Kind::Integer { range, .. } => {
                let (least, most) = (range.start(), range.end());
                format!("`{path}` is {written}; expected a whole number of {least} to {most}")
            }
            Kind::Duration { range, .. } => {
                let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
                format!("`{path}` is {written}; expected a duration of {least} to {most}, such as \"30s\" or \"500ms\"")
            }
            Kind::Boolean { .. } => format!("`{path}` is {written}; expected true or false"),
            Kind::Text { expects, .. } | Kind::Choice { expects, .. } | Kind::List { expects, .. } => {
                format!("`{path}` is {written}; expected {expects}")
            }
        }
    }

    /// A word from a flag or variable as a refusal shows it.
    pub(super) fn quoted(&self, value: &str) -> String {
        if self.secret { "a text that is not shown".to_owned() } else { quote(value) }
    }
}

const SECRET_FORM: &str = "a secret of 32 to 4096 bytes";

pub(super) fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: &T) -> Result<(), Unfit> {
    if range.contains(value) { Ok(()) } else { Err(Unfit) }
}

const fn secs(range: RangeInclusive<u64>) -> RangeInclusive<Duration> {
    Duration::from_secs(*range.start())..=Duration::from_secs(*range.end())
}

pub(super) const fn plain(path: &'static str, kind: Kind) -> Key {
    Key { path, secret: false, kind }
}

/// Every key, in the order `check-config` prints them.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(scylla::KEYS)
}

/// Those but for the cluster's.
const KEYS: &[Key] = &[
    plain(
        "listen",
        Kind::Text {
            expects: "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
            set: |config, text| text.parse().map(|at| config.listen = at).map_err(|_| Unfit),
            get: |config| Some(config.listen.to_string()),
        },
    ),
    plain(
        "data_dir",
        Kind::Text {
            expects: "the path of a directory",
            set: |config, text| filled(text).map(|text| config.data_dir = PathBuf::from(text)),
            get: |config| Some(config.data_dir.display().to_string()),
        },
    ),
    plain(
        "shards",
        Kind::Integer {
            range: 1..=1024,
            set: |config, value| config.shards = value as usize,
            get: |config| Some(config.shards as u64),
        },
    ),
    plain(
        "engine",
        Kind::Text {
            expects: "\"embedded\", \"scylla\" or \"memory\"",
            set: |config, text| {
                config.engine = match text {
                    "embedded" => Engine::Embedded,
                    "scylla" => Engine::Scylla,
                    "memory" => Engine::Memory,
                    _ => return Err(Unfit),
                };
                Ok(())
            },
            get: |config| {
                let text = match config.engine {
                    Engine::Embedded => "embedded",
                    Engine::Scylla => "scylla",
                    Engine::Memory => "memory",
                };
                Some(text.to_owned())
            },
        },
    ),
    plain("agent_grace", Kind::Duration { range: secs(0..=86_400), slot: |config| &mut config.agent_grace }),
    plain("debug_echo", Kind::Boolean { slot: |config| &mut config.debug_echo }),
    plain("allow_unauthenticated", Kind::Boolean { slot: |config| &mut config.allow_unauthenticated }),
    plain(
        "allowed_origins",
        Kind::List {
            expects: "a list of origins as browsers send them, such as [\"https://shop.example\"]",
            set: |config, items| {
                let origins = items.iter().map(|item| parse_origin(item));
                config.allowed_origins = Some(origins.collect::<Result<_, _>>()?);
                Ok(())
            },
            get: |config| {
                let origins = config.allowed_origins.as_ref()?;
                Some(quote_list(origins.iter().map(String::as_str)))
            },
        },
    ),
    plain(
        "connections_max_per_shard",
        Kind::Integer {
            range: 1..=10_000_000,
            set: |config, value| config.connections_max_per_shard = Some(value),
            get: |config| config.connections_max_per_shard,
        },
    ),
    plain(
        "outbox_max_bytes",
        Kind::Integer {
            // Below one message nothing could ever be sent.
            range: MESSAGE_MAX_BYTES as u64 * 2..=1024 * 1024 * 1024,
            set: |config, value| config.outbox_max_bytes = value as usize,
            get: |config| Some(config.outbox_max_bytes as u64),
        },
    ),
    plain("ping_interval", Kind::Duration { range: secs(1..=3600), slot: |config| &mut config.ping_interval }),
    plain("pong_timeout", Kind::Duration { range: secs(1..=3600), slot: |config| &mut config.pong_timeout }),
    plain("head_timeout", Kind::Duration { range: secs(1..=600), slot: |config| &mut config.head_timeout }),
    plain("http_idle_timeout", Kind::Duration { range: secs(1..=3600), slot: |config| &mut config.http_idle_timeout }),
    plain("shutdown_timeout", Kind::Duration { range: secs(1..=3600), slot: |config| &mut config.shutdown_timeout }),
    Key {
        path: "jwt.key",
        secret: true,
        kind: Kind::Text {
            expects: SECRET_FORM,
            set: |config, text| secret(text).map(|text| config.jwt_key = Some(text)),
            get: |config| config.jwt_key.clone(),
        },
    },
    plain(
        "jwt.key_file",
        Kind::Text {
            expects: "the path of a file",
            set: |config, text| filled(text).map(|text| config.jwt_key_file = Some(PathBuf::from(text))),
            get: |config| Some(config.jwt_key_file.as_ref()?.display().to_string()),
        },
    ),
    plain("jwt.leeway", Kind::Duration { range: secs(0..=600), slot: |config| &mut config.jwt_leeway }),
    plain(
        "auth.required",
        Kind::Choice {
            expects: "\"auto\", true or false",
            set: |config, text| {
                config.auth_required = match text {
                    "auto" => AuthRequired::Auto,
                    "true" => AuthRequired::Yes,
                    "false" => AuthRequired::No,
                    _ => return Err(Unfit),
                };
                Ok(())
            },
            get: |config| match config.auth_required {
                AuthRequired::Auto => "auto",
                AuthRequired::Yes => "true",
                AuthRequired::No => "false",
            },
        },
    ),
    plain(
        "kefu.time_zone",
        Kind::Text {
            expects: "a fixed offset from UTC of -14:00 to +14:00, such as \"+08:00\", or \"Z\"",
            set: |config, text| parse_offset(text).map(|seconds| config.kefu_time_zone_secs = seconds),
            get: |config| Some(show_offset(config.kefu_time_zone_secs)),
        },
    ),
    plain(
        "agents.max_concurrent",
        Kind::Integer {
            range: 0..=AGENT_MAX_CONCURRENT as u64,
            set: |config, value| config.agents_max_concurrent = value as u32,
            get: |config| Some(u64::from(config.agents_max_concurrent)),
        },
    ),
    plain(
        "agents.groups",
        Kind::List {
            expects: "a list of 1 to 64 groups, each of 1 to 64 characters",
            set: |config, items| {
                within(&(1..=AGENT_GROUPS_MAX), &items.len())?;
                let groups = items.iter().map(|item| Group::new(item).map_err(|_| Unfit));
                config.agents_groups = groups.collect::<Result<_, _>>()?;
                Ok(())
            },
            get: |config| Some(quote_list(config.agents_groups.iter().map(Group::as_str))),
        },
    ),
    plain(
        "idempotency.ttl",
        Kind::Duration { range: secs(1..=30 * 86_400), slot: |config| &mut config.idempotency_ttl },
    ),
    plain(
        "webchat.token_ttl",
        Kind::Duration { range: secs(1..=3650 * 86_400), slot: |config| &mut config.webchat_token_ttl },
    ),
    plain(
        "webchat.token_rate_per_minute",
        Kind::Integer {
            range: 1..=1_000_000,
            set: |config, value| config.webchat_token_rate_per_minute = value,
            get: |config| Some(config.webchat_token_rate_per_minute),
        },
    ),
    plain(
        "webchat.identity",
        Kind::List {
            expects: webchat::IDENTITY_FORM,
            set: |config, items| webchat::signed_channels(items).map(|signed| config.webchat_signed = signed),
            get: |config| {
                let items: Vec<_> =
                    config.webchat_signed.iter().map(|channel| format!("{}=signed", channel.name())).collect();
                Some(quote_list(items.iter().map(String::as_str)))
            },
        },
    ),
    Key {
        path: "webchat.signing_key",
        secret: true,
        kind: Kind::Text {
            expects: SECRET_FORM,
            set: |config, text| secret(text).map(|text| config.webchat_signing_key = Some(text)),
            get: |config| config.webchat_signing_key.clone(),
        },
    },
    plain(
        "message.edit_window",
        Kind::Duration { range: secs(0..=31_536_000), slot: |config| &mut config.message_edit_window },
    ),
    plain(
        "message.recall_window",
        Kind::Duration { range: secs(0..=31_536_000), slot: |config| &mut config.message_recall_window },
    ),
    plain("storage.deadline", Kind::Duration { range: secs(1..=600), slot: |config| &mut config.storage_deadline }),
    plain(
        "storage.min_free_bytes",
        Kind::Integer {
            range: 0..=1 << 50,
            set: |config, value| config.storage_min_free_bytes = value,
            get: |config| Some(config.storage_min_free_bytes),
        },
    ),
    plain(
        "log.format",
        Kind::Text {
            expects: "\"text\" or \"json\"",
            set: |config, text| {
                config.log_format = match text {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err(Unfit),
                };
                Ok(())
            },
            get: |config| {
                let text = match config.log_format {
                    LogFormat::Text => "text",
                    LogFormat::Json => "json",
                };
                Some(text.to_owned())
            },
        },
    ),
    plain(
        "log.level",
        Kind::Text {
            expects: "error, warn, info, debug or trace, or directives such as \"info,switchboard::shard=debug\"",
            set: |config, text| {
                // An empty filter would silence everything.
                let parsed = filled(text)?.parse::<tracing_subscriber::filter::Targets>();
                parsed.map(|_| config.log_level = text.to_owned()).map_err(|_| Unfit)
            },
            get: |config| Some(config.log_level.clone()),
        },
    ),
];

fn secret(text: &str) -> Result<String, Unfit> {
    within(&(JWT_SECRET_MIN_BYTES..=JWT_SECRET_MAX_BYTES), &text.len())?;
    Ok(text.to_owned())
}

pub(super) fn filled(text: &str) -> Result<&str, Unfit> {
    if text.is_empty() { Err(Unfit) } else { Ok(text) }
}
