//! The whole server in this process, asked over loopback, one thing at a time: what a step costs in its surroundings,
//! wake-ups and both ends' system calls included. A login that finds its party at home, and one whose connection
//! moves to another shard (the hand-over). Wall clock of two threads that wait for each other: compare with each
//! other, not with loads; for those there is `loadtest`.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use serde_json::json;
use switchboard::auth::jwt::{Grant, Role, Signer};
use switchboard::auth::key::SigningKey;
use switchboard::boot;
use switchboard::cli::{Cli, Command};
use switchboard_protocol::dialect::kefu::client;
use switchboard_protocol::frame::handshake::{self, Answer};
use switchboard_protocol::frame::{Opcode, write_masked};
use switchboard_protocol::model::Timestamp;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECRET: &str = "a secret of the benches, long enough for HS256";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// More shards than most machines here have CPUs would not be pinned; with two, half of all logins move.
const SHARDS: &str = "2";
/// As many parties log in, in turn.
const USERS: u64 = 256;

/// A server that ends with this process.
struct Server {
    address: SocketAddr,
    tokens: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // A data directory with records is no first run, whose tokens would be printed.
        std::fs::create_dir(dir.path().join("store")).expect("the directory is new");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|probe| probe.local_addr());
        let address = port.expect("a free port");
        let text = address.to_string();
        let data_dir = dir.path().to_str().expect("a name in UTF-8");
        let line = ["switchboard", "--listen", &text, "--data-dir", data_dir, "--shards", SHARDS, "--engine", "memory"];
        let Command::Serve(args) = Cli::parse_from(line).into_command() else { unreachable!("no other was named") };
        let variables = [("SWITCHBOARD_JWT_KEY", SECRET), ("SWITCHBOARD_LOG_LEVEL", "error")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = args.load(&variables).expect("these settings are valid");
        thread::spawn(|| boot::serve(config).expect("the server runs"));
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < START_TIMEOUT, "the server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        let signer = Signer::new(&SigningKey::from_secret(SECRET.as_bytes()).expect("it is long enough"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let now = Timestamp::from_millis(u64::try_from(now).expect("before the year 500,000,000"));
        let token = |id| {
            let grant = Grant { role: Role::User, id, name: None, groups: None, skills: None, max_concurrent: None };
            signer.sign(&grant, now, Duration::from_secs(3600)).expect("such a token may be made")
        };
        Self { address, tokens: (1..=USERS).map(token).collect(), _dir: dir }
    }

    /// Connections that moved home since the start.
    fn handovers(&self) -> u64 {
        let mut socket = TcpStream::connect(self.address).expect("the server listens");
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("it answers");
        let lines = text.lines().filter(|line| line.starts_with("switchboard_handovers_total"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// A client that waits for each answer.
struct Client {
    socket: TcpStream,
    out: Vec<u8>,
    buffer: [u8; 4096],
}

impl Client {
    /// Connects and opens the WebSocket.
    fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_nodelay(true).expect("a TCP socket");
        // A reset leaves no TIME_WAIT behind, of which thousands would use up the ports.
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
        let mut client = Self { socket, out: Vec::new(), buffer: [0; 4096] };
        handshake::write_request(&mut client.out, "a", "/ws", KEY, &[]);
        client.socket.write_all(&client.out).expect("the server reads");
        let count = client.socket.read(&mut client.buffer).expect("the server answers");
        assert_eq!(handshake::check_answer(&client.buffer[..count], KEY), Ok(Answer::Open(count)));
        client
    }

    /// Sends a text and gives the payload of the one small frame that answers.
    fn ask(&mut self, text: &str) -> &[u8] {
        self.out.clear();
        write_masked(&mut self.out, Opcode::Text, true, text.as_bytes(), MASK);
        self.socket.write_all(&self.out).expect("the server reads");
        let mut count = 0;
        loop {
            count += self.socket.read(&mut self.buffer[count..]).expect("the server answers");
            let head = match self.buffer[1] {
                126 => 4,
                _ => 2,
            };
            let length = match self.buffer[1] {
                126 => usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])),
                short => usize::from(short),
            };
            if count >= 4 && count >= head + length {
                return &self.buffer[head..head + length];
            }
        }
    }
}

/// Time for so many logins that moved, or did not. Where a connection arrives is the kernel's choice; the server's own
/// count tells which kind each login was, and the others do not count.
fn logins(server: &Server, count: u64, moved: bool) -> Duration {
    let (mut time, mut done, mut turn) = (Duration::ZERO, 0, 0);
    let mut before = server.handovers();
    while done < count {
        let login = client::login(&server.tokens[turn % server.tokens.len()], &json!(1));
        turn += 1;
        let mut client = Client::open(server.address);
        let begin = Instant::now();
        let answer = client.ask(&login);
        let took = begin.elapsed();
        assert!(answer.starts_with(br#"{"success":true"#), "{}", String::from_utf8_lossy(answer));
        let after = server.handovers();
        if (after > before) == moved {
            time += took;
            done += 1;
        }
        before = after;
    }
    time
}

fn server(c: &mut Criterion) {
    let server = Server::start();
    let mut group = c.benchmark_group("server");
    group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat).sample_size(20);
    group.bench_function("connect and upgrade", |b| b.iter(|| Client::open(server.address)));
    let mut client = Client::open(server.address);
    let ping = client::ping(&json!(7));
    assert_eq!(client.ask("ping"), b"pong");
    assert!(client.ask(&ping).starts_with(br#"{"success":true,"message":"pong""#));
    for (name, text) in [("text ping", "ping"), ("JSON ping", &*ping)] {
        group.bench_function(format!("{name}, there and back"), |b| b.iter(|| client.ask(text).len()));
    }
    group.sample_size(10);
    for (name, moved) in [("login at home", false), ("login whose connection moves", true)] {
        group.bench_function(name, |b| b.iter_custom(|count| logins(&server, count, moved)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = server
}
criterion_main!(benches);
