//! The built server, started for one test, and who may load this machine at the same time. Knows only the command
//! line, through the harness's own `--spawn`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use switchboard_loadtest::target::spawn::{SpawnOptions, Spawned};
use tempfile::TempDir;

/// A server with one shard and records in memory, and the directory of its log.
pub struct Server {
    spawned: Spawned,
    _directory: TempDir,
}

impl Server {
    /// Starts one and waits until it is ready.
    #[track_caller]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let options = SpawnOptions {
            binary: Some(binary().to_owned()),
            shards: Some(1),
            engine: Some("memory".to_owned()),
            log: directory.path().join("server.log"),
            ..SpawnOptions::default()
        };
        let spawned = Spawned::start(&options).unwrap_or_else(|why| panic!("no server: {why}"));
        Self { spawned, _directory: directory }
    }

    /// It, as it runs.
    pub fn spawned(&self) -> &Spawned {
        &self.spawned
    }
}

/// `SWITCHBOARD_BIN`, or the binary beside this test's own, built now so that it is never a stale one.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("SWITCHBOARD_BIN") {
            return PathBuf::from(path);
        }
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("loadtest/ lies in the repository");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "switchboard"]).current_dir(root);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.env("CARGO_TARGET_DIR", profile.parent().expect("target"));
        assert!(cargo.status().expect("cargo runs").success(), "the server does not build");
        profile.join("switchboard")
    })
}

static MACHINE: RwLock<()> = RwLock::new(());

/// The right to run beside other tests that only count. A test that failed leaves the machine to the next.
pub fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(|failed| failed.into_inner())
}

/// The right to run alone, for a test that looks at times.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(|failed| failed.into_inner())
}
