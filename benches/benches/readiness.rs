//! How a shard hears of its sockets (step 1): a turn of its readiness set beside few and many idle sockets, and the
//! read that follows. A turn that grew with the idle ones would be a fault. Must not know frames.
#![allow(missing_docs)]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use switchboard::runtime::{Interest, Readiness, Shards, Socket, Wake};

/// A small frame of a chat.
const BYTES: usize = 200;
/// The registered sockets of each case, and how many of them have news in a turn.
const CASES: [(usize, usize); 4] = [(1, 1), (400, 1), (18_000, 1), (400, 200)];

/// A readiness set with its sockets.
struct Set {
    readiness: Readiness,
    /// TCP connections that have news: the peer's end, and ours, which is registered.
    active: Vec<(Socket, Socket)>,
    /// Registered, and silent.
    _idle: Vec<UnixStream>,
}

impl Set {
    /// A set with `sockets` registered, of which `active` are TCP connections over loopback.
    fn new(sockets: usize, active: usize) -> Self {
        let readiness = Readiness::new(Wake::new().expect("an eventfd")).expect("an epoll descriptor");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let active: Vec<_> = (0..active).map(|_| connection(&listener)).collect();
        // Both ends of a pair are registered: silent sockets need half the descriptors so.
        let idle: Vec<_> = (active.len()..sockets)
            .step_by(2)
            .flat_map(|_| <[UnixStream; 2]>::from(UnixStream::pair().expect("descriptors are left")))
            .collect();
        let all = active.iter().map(|(_, ours)| ours.as_fd()).chain(idle.iter().map(AsFd::as_fd));
        for (token, fd) in (0..).zip(all.take(sockets)) {
            readiness.register(fd, token, Interest::READ.on_edge()).expect("a watch is left");
        }
        Self { readiness, active, _idle: idle }
    }

    /// So many turns, in each of which every active socket has news: the time they took, and the time the reads took.
    /// Reading the clock, some 30 ns, is part of both.
    async fn turns(&mut self, turns: u64) -> Times {
        let mut times = Times::default();
        let (mut events, mut buffer) = (Vec::new(), [0; 4096]);
        for _ in 0..turns {
            for (peer, _) in &self.active {
                assert_eq!(peer.send(&[7; BYTES]).expect("there is room"), BYTES);
            }
            let mut told = 0;
            while told < self.active.len() {
                let begin = Instant::now();
                self.readiness.wait(&mut events, || true).await.expect("a working readiness set");
                let heard = Instant::now();
                for event in &events {
                    let (_, ours) = &self.active[usize::try_from(event.token).expect("an active one's token")];
                    assert_eq!(ours.recv(&mut buffer).expect("it is readable"), BYTES);
                }
                times.recv += heard.elapsed();
                times.wait += heard - begin;
                told += events.len();
            }
        }
        times
    }
}

#[derive(Clone, Copy, Default)]
struct Times {
    wait: Duration,
    recv: Duration,
}

fn connection(listener: &TcpListener) -> (Socket, Socket) {
    let peer = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("somebody listens");
    let (ours, _) = listener.accept().expect("it was connected");
    let [peer, ours] = [peer, ours].map(|stream| Socket::from(OwnedFd::from(stream)));
    peer.set_nodelay().expect("a TCP socket");
    (peer, ours)
}

/// Runs the turns where a shard would, on an executor of their own, whose start and end are not measured.
fn on_a_shard(mut set: Set, turns: u64) -> (Set, Times) {
    let (to, from) = mpsc::channel();
    let main = move |_seat| async move {
        let times = set.turns(turns).await;
        to.send((set, times)).expect("the bench waits");
    };
    Shards::start(vec![main]).expect("an executor").join();
    from.recv().expect("the shard has ended in order")
}

fn turns(c: &mut Criterion) {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    let mut group = c.benchmark_group("readiness");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    for (sockets, active) in CASES {
        if limit < (sockets + 2 * active + 200) as u64 {
            eprintln!("readiness: {sockets} sockets need more descriptors than the limit of {limit}; left out");
            continue;
        }
        let mut set = Some(Set::new(sockets, active));
        group.throughput(Throughput::Elements(active as u64));
        let mut measure = |name: String, of: fn(Times) -> Duration| {
            group.bench_function(name, |b| {
                b.iter_custom(|turns| {
                    let (back, times) = on_a_shard(set.take().expect("it came back"), turns);
                    set = Some(back);
                    of(times)
                });
            });
        };
        measure(format!("a turn, {active} ready of {sockets}"), |times| times.wait);
        if sockets == 400 {
            measure(format!("recv of {BYTES} B, {active} of {sockets}"), |times| times.recv);
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = turns
}
criterion_main!(benches);
