//! The arguments of `export` and `import`.

use std::path::PathBuf;

use clap::Args;

use super::checked;
use crate::config::{Config, Flag, Problems};
use crate::transfer::{Export, Import, Onto};

const EXPORT_EXAMPLES: &str = "\
Examples:
  switchboard export --data-dir ./data --out backup.jsonl
  switchboard export --data-dir ./data --out backup.jsonl --resume     after an interruption
  switchboard export --data-dir ./data --out - | zstd > backup.jsonl.zst

No server may run on the store. FILE has mode 0600: it holds what people wrote, and hashes of tokens. It gets its name
when it is whole and durable; until then it is FILE.part, with FILE.export-note beside it. The signing key (jwt.key) is
not in it: copy it too, if JWTs are to stay valid. The form is documented in ops/export-format.md.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  switchboard import --in backup.jsonl --data-dir ./new
  switchboard import --in backup.jsonl --data-dir ./new --resume       after an interruption
  zstd -dc backup.jsonl.zst | switchboard import --in - --data-dir ./new

No server may run on the store, and none may be started before this command has said that it is done. A file is checked
as a whole before anything is written. FILE.import-note, beside it, says how far it is.";

/// Which store.
#[derive(Debug, Args)]
struct StoreArgs {
    /// The TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory [default: ./data].
    #[arg(long, value_name = "DIR", value_parser = |text: &str| checked("data_dir", text))]
    data_dir: Option<String>,
    /// What keeps the records [default: embedded].
    #[arg(long, value_name = "ENGINE", value_parser = |text: &str| checked("engine", text))]
    engine: Option<String>,
}

/// What is to be exported.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The file to write; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Go on with an export to FILE that was interrupted.
    #[arg(long)]
    resume: bool,
}

/// What is to be imported.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The file to read; `-` for standard input.
    #[arg(long = "in", value_name = "FILE")]
    from: PathBuf,
    /// Go on with an import of FILE that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Import into a store that is not empty: records of FILE replace those of the same name.
    #[arg(long, conflicts_with = "resume")]
    merge: bool,
}

impl StoreArgs {
    fn load(&self, variables: &[(String, String)]) -> Result<Config, Problems> {
        let flags = [("data_dir", &self.data_dir), ("engine", &self.engine)];
        let flags: Vec<_> =
            flags.into_iter().filter_map(|(key, value)| Some(Flag { key, value: value.clone()? })).collect();
        Config::load(self.config.as_deref(), variables, &flags)
    }
}

impl ExportArgs {
    /// The configuration in effect, and what is to be done.
    pub fn load(self, variables: &[(String, String)]) -> Result<(Config, Export), Problems> {
        Ok((self.store.load(variables)?, Export { out: self.out, resume: self.resume }))
    }
}

impl ImportArgs {
    /// The configuration in effect, and what is to be done.
    pub fn load(self, variables: &[(String, String)]) -> Result<(Config, Import), Problems> {
        let onto = match (self.resume, self.merge) {
            (true, _) => Onto::Interrupted,
            (false, true) => Onto::Whatever,
            (false, false) => Onto::Nothing,
        };
        Ok((self.store.load(variables)?, Import { from: self.from, onto }))
    }
}
