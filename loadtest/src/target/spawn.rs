//! A server started for a run: on a free port, pinned, its log kept, ended with the run. Knows the server's command
//! line and what it prints, nothing else of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::cpus::CpuList;
use super::http;

/// From the start to its listening, and to its being ready: a large data directory is read first.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// From SIGTERM to kill; the server gives itself ten seconds by default.
const END_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at something that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The name of the program.
const PROGRAM: &str = "switchboard";
/// Of a log that is shown when the server does not start.
const LOG_TAIL_LINES: usize = 20;

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct SpawnOptions {
    /// Its binary; else `$SWITCHBOARD_BIN`, else beside this program, else on the `PATH`.
    pub binary: Option<PathBuf>,
    /// Its data directory; else a new one that is removed afterwards.
    pub data_dir: Option<PathBuf>,
    /// Its shards; else its own default.
    pub shards: Option<u16>,
    /// Its storage engine; else its own default.
    pub engine: Option<String>,
    /// The CPUs it may use; else all.
    pub cpus: Option<CpuList>,
    /// Further arguments.
    pub arguments: Vec<OsString>,
    /// What it finds in its environment: keys of its configuration that have no flag.
    pub environment: Vec<(&'static str, &'static str)>,
    /// Where its log is written.
    pub log: PathBuf,
}

/// A running server. Dropped, it is ended: SIGTERM, and after some time kill.
#[derive(Debug)]
pub struct Spawned {
    child: Option<Child>,
    guard: Option<Guard>,
    address: SocketAddr,
    data_dir: PathBuf,
    /// Removed when this is dropped.
    _temporary: Option<TempDir>,
}

/// Ends a process if this one is gone, however it went: a shell waits for the end of a pipe that nobody else holds.
#[derive(Debug)]
struct Guard(Child);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Something on the way there failed.
    #[error("cannot {what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// It ended, or never listened.
    #[error("{program} {why}; its log {} ends with:\n{tail}", log.display())]
    NotListening {
        /// Which binary.
        program: String,
        /// What it did.
        why: String,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
}

impl Spawned {
    /// Starts a server and waits until it is ready.
    pub fn start(options: &SpawnOptions) -> Result<Self, SpawnError> {
        let (data_dir, temporary) = match &options.data_dir {
            Some(given) => (given.clone(), None),
            None => {
                let made = tempfile::Builder::new().prefix("loadtest-").tempdir();
                let made = made.map_err(|error| io_error("make a data directory", error))?;
                (made.path().join("data"), Some(made))
            }
        };
        let program = options.binary.clone().unwrap_or_else(find_binary);
        let mut child = spawn_pinned(command(&program, &data_dir, options)?, options.cpus.clone())
            .map_err(|error| io_error(&format!("start {}", program.display()), error))?;
        let listening = listening(&mut child);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let guard = Guard::over(&child);
        let mut server = Self { child: Some(child), guard: None, address, data_dir, _temporary: temporary };
        server.guard = Some(guard.map_err(|error| io_error("start a shell", error))?);
        let ready = listening.recv_timeout(START_PATIENCE).map_err(|error| match error {
            mpsc::RecvTimeoutError::Disconnected => "ended".to_owned(),
            mpsc::RecvTimeoutError::Timeout => format!("did not listen within {START_PATIENCE:?}"),
        });
        let ready = ready.and_then(|address| {
            server.address = address.parse().map_err(|_| format!("said that it listens on `{address}`"))?;
            server.wait_until_ready()
        });
        ready.map_err(|why| SpawnError::NotListening {
            program: program.display().to_string(),
            why,
            log: options.log.clone(),
            tail: tail(&options.log),
        })?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The file with the key it signs tokens with, made on its first run.
    pub fn key_file(&self) -> PathBuf {
        self.data_dir.join("jwt.key")
    }

    /// Ends it and waits for that; `None` if it had to be killed.
    pub fn stop(mut self) -> Option<ExitStatus> {
        self.end()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            let reply = http::get(self.address, &self.address.to_string(), "/readyz", Duration::from_secs(1));
            if reply.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok()?) {
                return Err(format!("ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("was not ready within {START_PATIENCE:?}"));
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    fn end(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        // The guard goes first: the process id may be somebody else's as soon as the child was waited for.
        self.guard = None;
        // It may have ended by itself: then there is only the status to collect.
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let deadline = Instant::now() + END_PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.end();
    }
}

impl Guard {
    fn over(child: &Child) -> io::Result<Self> {
        let script = "read -r _; kill -TERM \"$0\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, &child.id().to_string()]).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Killed, it does nothing more; it may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a key file as the server does: without the newline at its end.
pub fn read_key(path: &Path) -> Result<String, SpawnError> {
    let text = fs::read_to_string(path).map_err(|error| io_error(&format!("read {}", path.display()), error))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

fn command(program: &Path, data_dir: &Path, options: &SpawnOptions) -> Result<Command, SpawnError> {
    let log = File::create(&options.log);
    let log = log.map_err(|error| io_error(&format!("write {}", options.log.display()), error))?;
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    if let Some(shards) = options.shards {
        command.args(["--shards", &shards.to_string()]);
    }
    if let Some(engine) = &options.engine {
        command.args(["--engine", engine]);
    }
    // What the server is comes from the command of the run alone; `SWITCHBOARD_BIN` would even be refused.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SWITCHBOARD_")) {
        command.env_remove(name);
    }
    command.envs(options.environment.iter().copied());
    command.args(&options.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(log));
    // Ctrl-C at a terminal is for the run, which ends its load and then its server.
    command.process_group(0);
    Ok(command)
}

/// A child begins where the thread that forks it is: so a thread is pinned, forks, and ends. The process is then
/// never anywhere else, not even for its first instructions.
fn spawn_pinned(mut command: Command, cpus: Option<CpuList>) -> io::Result<Child> {
    let thread = std::thread::Builder::new().spawn(move || {
        if let Some(cpus) = cpus {
            cpus.pin_this_thread()?;
        }
        command.spawn()
    });
    thread?.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
}

/// The address it says it listens on. All else it prints is read, so that it never waits, and forgotten: the first
/// run prints tokens.
fn listening(child: &mut Child) -> mpsc::Receiver<String> {
    let (tell, listening) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on http://") {
                    // Nobody listens any more if the start was given up.
                    let _ = tell.send(address.trim().to_owned());
                }
            }
        });
    }
    listening
}

fn find_binary() -> PathBuf {
    if let Some(given) = std::env::var_os("SWITCHBOARD_BIN").filter(|given| !given.is_empty()) {
        return given.into();
    }
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PROGRAM.into())
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

fn io_error(what: &str, error: io::Error) -> SpawnError {
    SpawnError::Io { what: what.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::http::stand_in;

    /// A program that does what the script says. Another process writes it: a file that this one has open to write
    /// while another test forks could not be run (ETXTBSY).
    fn program(directory: &Path, script: &str) -> PathBuf {
        let path = directory.join("fake-server");
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let status = Command::new("sh").args(["-c", write]).arg(&path).arg(script).status().unwrap();
        assert!(status.success());
        path
    }

    fn options(directory: &Path, script: &str) -> SpawnOptions {
        let binary = Some(program(directory, script));
        SpawnOptions { binary, log: directory.join("server.log"), ..SpawnOptions::default() }
    }

    #[test]
    fn it_is_started_as_asked_and_ended_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let address = stand_in::serve(|path| Some(path.to_owned()));
        let here = directory.path().display();
        let script = format!(
            "echo \"$@\" > {here}/arguments; grep Cpus_allowed_list /proc/self/status > {here}/cpus; echo warming >&2
             trap 'echo ended > {here}/ended; exit 0' TERM
             echo starting; echo listening on http://{address}; echo '  export ADMIN_TOKEN=secret'
             while :; do sleep 0.01; done"
        );
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cpu = (0..1024).find(|cpu| allowed.is_set(*cpu)).unwrap();
        let options = SpawnOptions {
            data_dir: Some(directory.path().join("data")),
            shards: Some(2),
            engine: Some("memory".to_owned()),
            cpus: Some(cpu.to_string().parse().unwrap()),
            arguments: vec!["--agent-grace".into(), "1s".into()],
            ..options(directory.path(), &script)
        };
        let server = Spawned::start(&options).unwrap();
        assert_eq!((server.address(), server.url()), (address, format!("http://{address}")));
        assert!(server.pid() > 0);
        assert_eq!(server.stop().and_then(|status| status.code()), Some(0));
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let expected =
            format!("--listen 127.0.0.1:0 --data-dir {here}/data --shards 2 --engine memory --agent-grace 1s\n");
        assert_eq!(read("arguments"), expected);
        assert_eq!(read("cpus").split_whitespace().last(), Some(cpu.to_string().as_str()));
        assert_eq!((read("ended"), read("server.log")), ("ended\n".to_owned(), "warming\n".to_owned()));
    }

    #[test]
    fn one_that_does_not_start_shows_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let error = Spawned::start(&options(directory.path(), "echo no io_uring here >&2; exit 1")).unwrap_err();
        assert!(error.to_string().contains("no io_uring here"), "{error}");
        let missing = SpawnOptions {
            binary: Some(directory.path().join("absent")),
            log: directory.path().join("server.log"),
            ..SpawnOptions::default()
        };
        assert!(matches!(Spawned::start(&missing), Err(SpawnError::Io { .. })));
    }

    #[test]
    fn nothing_is_left_behind_by_a_harness_that_is_gone() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut guard = Guard::over(&child).unwrap();
        // What the kernel does when a process is gone.
        drop(guard.0.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > deadline => break None,
                None => std::thread::sleep(LOOK_INTERVAL),
            }
        };
        let _ = child.kill();
        assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    }

    #[test]
    fn a_key_ends_before_its_newline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt.key");
        fs::write(&path, "secret of the server\n").unwrap();
        assert_eq!(read_key(&path).unwrap(), "secret of the server");
        assert!(read_key(&directory.path().join("absent")).is_err());
    }

    /// With the real one, if there is one.
    #[test]
    fn the_servers_own_binary_is_spawned_and_sampled() {
        if std::env::var_os("SWITCHBOARD_BIN").is_none() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("server.log");
        let options = SpawnOptions { shards: Some(1), engine: Some("memory".to_owned()), log, ..Default::default() };
        let server = Spawned::start(&options).unwrap();
        assert!(read_key(&server.key_file()).unwrap().len() >= 32);
        assert_eq!(crate::target::find::listener_of(server.address()), Some(server.pid()));
        let target = crate::target::sample::SampleTarget {
            pid: Some(server.pid()),
            address: server.address(),
            host: server.address().to_string(),
        };
        let sampler = crate::target::sample::Sampler::start(target);
        let deadline = Instant::now() + Duration::from_secs(10);
        while sampler.newest_metrics().is_empty() && Instant::now() < deadline {
            std::thread::sleep(LOOK_INTERVAL);
        }
        assert!(sampler.server_version().is_some(), "its version is in /metrics");
        for name in crate::target::metrics::KEPT {
            assert!(sampler.newest_metrics().contains_key(name), "{name} is not in /metrics");
        }
        assert!(sampler.read_cpu_now().unwrap().total_s() > 0.0);
        assert!(sampler.read_rss_now().unwrap() > 0);
        assert!(server.stop().is_some_and(|status| status.success()));
    }
}
