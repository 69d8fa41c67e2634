//! The server under test as a process: started on a free port with a data directory of its own, killed
//! when dropped, its log shown when the test fails. Knows only the command line.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cql::{self, Keyspace};
use super::{PATIENCE, Peer, Reply, assert_like, rest, until};

/// Servers at once, of all tests together: each pins a thread to a CPU and polls.
const SERVERS_AT_ONCE: usize = 4;

/// How a server is started.
#[derive(Clone)]
pub struct Setup {
    flags: Vec<String>,
    env: Vec<(String, String)>,
    listen: String,
    /// Where the data directory is made.
    parent: PathBuf,
}

impl Setup {
    /// So many shards, a free port, all else by default (the embedded engine).
    pub fn shards(shards: u16) -> Self {
        let flags = ["--shards", &shards.to_string()].map(str::to_owned).to_vec();
        Self { flags, env: Vec::new(), listen: "127.0.0.1:0".to_owned(), parent: std::env::temp_dir() }
    }

    /// Adds a flag with its value, e.g. `--agent-grace` and `1s`.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Adds a flag that has no value.
    pub fn switch(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Sets a variable of the server's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on this address instead of a free port.
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = address.to_owned();
        self
    }

    /// Keeps its records in this keyspace.
    pub fn on(mut self, keyspace: &Keyspace) -> Self {
        self.env.extend(keyspace.variables());
        self.flag("--engine", "scylla")
    }

    /// Makes its data directory in here.
    pub fn data_in(mut self, parent: &Path) -> Self {
        self.parent = parent.to_owned();
        self
    }

    /// Starts a server in a new data directory.
    #[track_caller]
    pub fn start(self) -> Server {
        let directory = tempfile::tempdir_in(&self.parent).expect("a directory for the test");
        let permit = Permit::take();
        let named = self.flags.iter().any(|flag| flag == "--engine");
        let keyspace = if named { None } else { cql::keyspace() };
        let mut setup = self;
        if let Some(keyspace) = &keyspace {
            setup.env.extend(keyspace.variables());
        }
        let mut server = Server {
            _permit: permit,
            setup,
            _keyspace: keyspace,
            directory,
            process: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tokens: Mutex::new(HashMap::new()),
            log: Arc::new(Mutex::new(Vec::new())),
            printed: Arc::new(Mutex::new(String::new())),
        };
        server.restart();
        server
    }
}

/// A running server.
pub struct Server {
    setup: Setup,
    directory: TempDir,
    process: Option<Child>,
    /// Where it listens.
    pub address: SocketAddr,
    tokens: Mutex<HashMap<(String, u64), String>>,
    log: Arc<Mutex<Vec<u8>>>,
    printed: Arc<Mutex<String>>,
    _keyspace: Option<Keyspace>,
    _permit: Permit,
}

impl Server {
    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts it (again) in the same data directory, after [`kill`](Self::kill) or
    /// [`terminate`](Self::terminate), and waits until it listens.
    #[track_caller]
    pub fn restart(&mut self) {
        if let Err(why) = self.try_restart() {
            panic!("the server does not start: {why}");
        }
    }

    fn try_restart(&mut self) -> Result<(), String> {
        let listening = self.spawn();
        let address = listening.recv_timeout(PATIENCE).map_err(|_| "it never said that it listens".to_owned())?;
        self.address = address.parse().map_err(|_| format!("no address: {address}"))?;
        Ok(())
    }

    /// Starts the process and does not wait for it; the address comes over the channel.
    pub fn spawn(&mut self) -> mpsc::Receiver<String> {
        assert!(self.process.is_none(), "it still runs");
        let mut child = command()
            .args(["--listen", &self.setup.listen, "--data-dir"])
            .arg(self.data_dir())
            .args(&self.setup.flags)
            .envs(self.setup.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary runs");
        let (tell, listening) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let printed = Arc::clone(&self.printed);
        printed.lock().unwrap().clear();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                printed.lock().unwrap().push_str(&format!("{line}\n"));
                if let Some(address) = line.strip_prefix("listening on http://") {
                    let _ = tell.send(address.trim().to_owned());
                }
            }
        });
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                log.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        });
        self.process = Some(child);
        listening
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; returns at once, [`wait`](Self::wait) gives the status.
    pub fn signal_term(&self) {
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.pid())]).status();
        assert!(kill.expect("sh runs").success(), "the server could not be signalled");
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.process.take().expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the server did not end within {PATIENCE:?}");
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// SIGTERM and the status it ends with.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal_term();
        self.wait()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// What it printed on standard output since it was last started.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// What it logged, over all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Resident memory, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has a VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// Open file descriptors.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the process runs").count()
    }

    /// A token made by `switchboard token`; kept, so that a party's second connection costs nothing.
    #[track_caller]
    pub fn token(&self, role: &str, id: u64) -> String {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.entry((role.to_owned(), id)).or_insert_with(|| make_token(&self.data_dir(), role, id, "24h")).clone()
    }

    /// The secret that it signs tokens with (`jwt.key`, made on its first run).
    #[track_caller]
    pub fn secret(&self) -> Vec<u8> {
        let text = fs::read_to_string(self.data_dir().join("jwt.key")).expect("the first run made the key");
        text.trim_end_matches('\n').as_bytes().to_vec()
    }

    /// A request; the reply must come.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        rest::try_request(self.address, method, path, token, body)
            .unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// A GET with a party's token, if any.
    #[track_caller]
    pub fn get(&self, path: &str, who: Option<(&str, u64)>) -> Reply {
        let token = who.map(|(role, id)| self.token(role, id));
        self.request("GET", path, token.as_deref(), None)
    }

    /// The open conversation of a user, or a new one.
    #[track_caller]
    pub fn conversation(&self, user: u64) -> Value {
        let reply = self.get("/api/kefu/message/getConversation", Some(("user", user)));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["data"].clone()
    }

    /// The id of the open conversation of a user.
    #[track_caller]
    pub fn conversation_id(&self, user: u64) -> u64 {
        self.conversation(user)["id"].as_u64().expect("a conversation has an id")
    }

    /// One page of a conversation as a party sees it.
    #[track_caller]
    pub fn list(&self, who: (&str, u64), conversation: u64, page: u64, size: u64) -> Vec<Value> {
        let path = format!("/api/kefu/message/list?conversation_id={conversation}&page={page}&page_size={size}");
        let reply = self.get(&path, Some(who));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["data"].as_array().expect("a list").clone()
    }

    /// All messages of a conversation, the oldest first.
    #[track_caller]
    pub fn whole_list(&self, who: (&str, u64), conversation: u64) -> Vec<Value> {
        let mut pages = Vec::new();
        for page in 1.. {
            let messages = self.list(who, conversation, page, 100);
            let last = messages.len() < 100;
            pages.push(messages);
            if last {
                break;
            }
        }
        pages.into_iter().rev().flatten().collect()
    }

    /// Makes an agent by the admin's API; `rest` are further fields.
    #[track_caller]
    pub fn make_agent(&self, id: u64, rest: Value) {
        let mut body = json!({"id": id, "name": format!("agent {id}")});
        body.as_object_mut().unwrap().extend(rest.as_object().expect("fields").clone());
        let reply = self.request("POST", "/api/v1/agents", Some(&self.token("admin", 1)), Some(&body));
        assert!(matches!(reply.status, 200 | 201), "{} {}", reply.status, reply.text());
    }

    /// Changes an agent by the admin's API.
    #[track_caller]
    pub fn change_agent(&self, id: u64, change: &Value) {
        let path = format!("/api/v1/agents/{id}");
        let reply = self.request("PUT", &path, Some(&self.token("admin", 1)), Some(change));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// An agent as the admin sees it.
    #[track_caller]
    pub fn agent_view(&self, id: u64) -> Value {
        let reply = self.get(&format!("/api/v1/agents/{id}"), Some(("admin", 1)));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["data"].clone()
    }

    /// A connection of nobody yet.
    #[track_caller]
    pub fn connect(&self, name: &str) -> Peer {
        Peer::connect(self.address, "/ws", name).unwrap_or_else(|why| panic!("{name} cannot connect: {why:?}"))
    }

    /// A connection that asked for the extensions, of nobody yet.
    #[track_caller]
    pub fn connect_ext(&self, name: &str) -> Peer {
        Peer::connect(self.address, "/ws?ext=1", name).unwrap_or_else(|why| panic!("{name} cannot connect: {why:?}"))
    }

    /// A logged-in connection without extensions.
    #[track_caller]
    pub fn login(&self, role: &str, id: u64) -> Peer {
        let mut peer = self.connect(&format!("{role} {id}"));
        self.log_in(&mut peer, role, id);
        peer
    }

    /// A logged-in connection that asked for the extensions.
    #[track_caller]
    pub fn login_ext(&self, role: &str, id: u64) -> Peer {
        let mut peer = self.connect_ext(&format!("{role} {id} (ext)"));
        self.log_in(&mut peer, role, id);
        peer
    }

    #[track_caller]
    fn log_in(&self, peer: &mut Peer, role: &str, id: u64) {
        let answer = peer.call("login", json!({"token": self.token(role, id)}));
        assert_like(&answer, json!({"success": true, "message": "Login successfully", "data": {"uid": id}}));
        if role == "agent" {
            // The desk hears of a login after it was answered; a story begins when it has.
            let path = format!("/api/v1/agents/{id}");
            until("the desk knows of the login", || {
                let reply = self.get(&path, Some(("admin", 1)));
                (reply.status == 200 && reply.json()["data"]["status"] != "offline").then_some(())
            });
        }
    }

    /// Others are still served: a new connection is answered.
    #[track_caller]
    pub fn assert_healthy(&self, after: &str) {
        let mut peer = Peer::connect(self.address, "/ws", "healthy peer")
            .unwrap_or_else(|why| panic!("after {after}: nobody can connect: {why:?}"));
        let answer = peer.try_call("ping", json!({}));
        let answer = answer.unwrap_or_else(|why| panic!("after {after}: others are not served: {why:?}"));
        assert_like(&answer, json!({"success": true, "message": "pong", "data": null}));
    }

    /// Memory comes back to within `slack_kib` of what it was.
    #[track_caller]
    pub fn assert_memory_back(&self, before_kib: u64, slack_kib: u64) {
        until(&format!("memory back near {before_kib} KiB (now {} KiB)", self.resident_kib()), || {
            (self.resident_kib() <= before_kib + slack_kib).then_some(())
        });
    }

    /// WebSockets, and whatever else is connected, without the connection that asks.
    #[track_caller]
    pub fn connections(&self) -> u64 {
        self.metric("switchboard_connections", "shard") as u64 - 1
    }

    /// The sum of a metric over all its labels that contain `label`.
    #[track_caller]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics", None).text();
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        let values: Vec<f64> = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!values.is_empty(), "no metric {name} {label} in:\n{text}");
        values.iter().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(8000);
            let tail = (tail..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
            eprintln!("--- the server's log (end) ---\n{}\n---", &log[tail..]);
        }
    }
}

/// The binary under test, without the variables that are for the tests alone.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD_") {
            command.env_remove(name);
        }
    }
    command
}

/// `switchboard token` for a data directory.
#[track_caller]
pub fn make_token(data_dir: &Path, role: &str, id: u64, ttl: &str) -> String {
    let output = command()
        .args(["token", "--role", role, "--id", &id.to_string(), "--ttl", ttl, "--data-dir"])
        .arg(data_dir)
        .output()
        .expect("the server's binary runs");
    assert!(output.status.success(), "token: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a token is ASCII").trim().to_owned()
}

/// `SWITCHBOARD_BIN`, or the binary beside this test's own, built now so that it is never a stale one.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("SWITCHBOARD_BIN") {
            return PathBuf::from(path);
        }
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "switchboard"]).current_dir(root());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.env("CARGO_TARGET_DIR", profile.parent().expect("target"));
        assert!(cargo.status().expect("cargo runs").success(), "the server does not build");
        profile.join("switchboard")
    })
}

/// The top folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The right to run one server.
struct Permit;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Permit {
    fn take() -> Self {
        let mut running = RUNNING.0.lock().unwrap();
        while *running >= SERVERS_AT_ONCE {
            running = RUNNING.1.wait(running).unwrap();
        }
        *running += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap() -= 1;
        RUNNING.1.notify_one();
    }
}
