//! The runtime's parts together, on real sockets and executors. Must not know frames, dialects or the domain.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use switchboard::runtime::mesh::mesh;
use switchboard::runtime::wake::Wake;
use switchboard::runtime::{
    Accepted, Alarm, Clock, Interest, Listener, Readiness, ShardSeat, Shards, Socket, StartWarning, Wheel,
};

const LISTENER: u64 = 0;

/// A shard that echoes, the smallest pump there can be: counts its open sockets, ends when told.
async fn echo(mut readiness: Readiness, mut listener: Listener, open: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    readiness.register(listener.as_fd(), LISTENER, Interest::READ).unwrap();
    let (mut sockets, mut events, mut next) = (HashMap::new(), Vec::new(), LISTENER + 1);
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Ordering::Acquire) {
        readiness.wait(&mut events, || stop.load(Ordering::Acquire)).await.unwrap();
        for event in &events {
            if event.token == LISTENER {
                while let Accepted::Connection(socket, _) = listener.accept().unwrap() {
                    readiness.register(socket.as_fd(), next, Interest::READ).unwrap();
                    sockets.insert(next, socket);
                    next += 1;
                }
            } else if let Some(socket) = sockets.get(&event.token) {
                match socket.recv(&mut buffer) {
                    Ok(0) | Err(_) => drop(sockets.remove(&event.token)),
                    Ok(count) => {
                        let (head, tail) = buffer[..count].split_at(count / 2);
                        assert_eq!(socket.send_vectored(&[IoSlice::new(head), IoSlice::new(tail)]).unwrap(), count);
                    }
                }
            }
        }
        open.store(sockets.len(), Ordering::Release);
    }
}

/// One echo shard, run beside `clients`.
fn with_echo(clients: impl FnOnce(SocketAddr, &AtomicUsize)) {
    let listener = Listener::bind_all((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap().remove(0);
    let address = listener.local_addr();
    let readiness = Readiness::new(Wake::new().unwrap()).unwrap();
    let waker = readiness.waker();
    let (open, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (its_open, its_stop) = (Arc::clone(&open), Arc::clone(&stop));
    let shards = Shards::start(vec![move |_: ShardSeat| echo(readiness, listener, its_open, its_stop)]).unwrap();
    clients(address, &open);
    stop.store(true, Ordering::Release);
    waker.ring();
    shards.join();
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn echoes(client: &mut TcpStream, text: &[u8]) {
    client.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn echoes_beside_2000_idle_sockets() {
    with_echo(|address, open| {
        let idle: Vec<_> = (0..2_000).map(|_| TcpStream::connect(address).unwrap()).collect();
        until("all idle sockets are accepted", || open.load(Ordering::Acquire) == idle.len());
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        for n in 0..2_000 {
            echoes(&mut client, format!("message {n}").as_bytes());
        }
        let mut last_idle = idle.last().unwrap();
        last_idle.write_all(b"still here").unwrap();
        let mut back = [0; 10];
        last_idle.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"still here");
    });
}

#[test]
fn no_descriptor_leaks_in_1000_connections_nor_from_the_shard_itself() {
    // Other tests of this process open descriptors, too: only sockets between this test's own two ends count.
    let sockets_on = |port: u16| {
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let local = format!("0100007F:{port:04X}");
        let established = |line: &&str| line.split_whitespace().nth(1) == Some(&local) && !line.contains(" 0A ");
        table.lines().filter(established).filter(|line| line.split_whitespace().nth(3) != Some("06")).count()
    };
    let mut port = 0;
    with_echo(|address, open| {
        port = address.port();
        for _ in 0..1_000 {
            let mut client = TcpStream::connect(address).unwrap();
            echoes(&mut client, b"hello");
        }
        until("the server has noticed every end", || open.load(Ordering::Acquire) == 0);
        until("the server has closed every socket", || sockets_on(port) == 0);
    });
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "the listener is closed");
}

/// Mail to a shard that never sleeps is there in its next turn; it waits for no timer.
#[test]
fn mail_reaches_a_busy_shard_within_its_turn() {
    const MAILS: u64 = 2_000;
    let sets: Vec<_> = (0..2).map(|_| Readiness::new(Wake::new().unwrap()).unwrap()).collect();
    let wakers: Vec<_> = sets.iter().map(Readiness::waker).collect();
    let mut ports = mesh::<u64>(&wakers);
    let mut readiness = sets.into_iter().nth(1).unwrap();
    let main = move |_: ShardSeat| async move {
        // A level-triggered socket with unread input keeps the shard busy for ever.
        let (mut peer, busy) = UnixStream::pair().unwrap();
        peer.write_all(b"x").unwrap();
        readiness.register(busy.as_fd(), 7, Interest::READ).unwrap();
        let mut events = Vec::new();
        for mail in 0..MAILS {
            ports[0].send(1, mail);
            ports[0].flush();
            readiness.wait(&mut events, || ports[1].has_mail()).await.unwrap();
            assert!(events.iter().any(|event| event.token == 7 && event.readable), "it is busy");
            let mut got = Vec::new();
            ports[1].drain(16, |mail| got.push(mail));
            assert_eq!(got, [mail]);
        }
    };
    Shards::start(vec![main]).unwrap().join();
}

#[test]
fn ready_says_what_happened_and_interest_can_change() {
    let shards = Shards::start(vec![|_: ShardSeat| async {
        let mut readiness = Readiness::new(Wake::new().unwrap()).unwrap();
        let (a, mut b) = UnixStream::pair().unwrap();
        let a = Socket::from(OwnedFd::from(a));
        let mut events = Vec::new();
        readiness.register(a.as_fd(), 1, Interest::READ_WRITE).unwrap();
        readiness.wait(&mut events, || false).await.unwrap();
        assert_eq!(events.len(), 1);
        assert!(events[0].writable && !events[0].readable && !events[0].hangup && !events[0].error);

        b.write_all(b"input").unwrap();
        readiness.modify(a.as_fd(), 2, Interest::READ).unwrap();
        for _ in 0..2 {
            readiness.wait(&mut events, || false).await.unwrap();
            assert_eq!((events.len(), events[0].token), (1, 2), "level-triggered: told until it is read");
            assert!(events[0].readable && !events[0].writable);
        }
        readiness.modify(a.as_fd(), 3, Interest::NOTHING).unwrap();
        readiness.wait(&mut events, || true).await.unwrap();
        assert_eq!(events, [], "its input may wait");
        drop(b);
        readiness.wait(&mut events, || false).await.unwrap();
        assert!(events[0].hangup, "a full hang-up is always told: {events:?}");
        readiness.deregister(a.as_fd()).unwrap();
        readiness.wait(&mut events, || true).await.unwrap();
        assert_eq!(events, []);
        assert!(readiness.register(a.as_fd(), Readiness::RESERVED_TOKENS, Interest::READ).is_err());
    }])
    .unwrap();
    shards.join();
}

/// Parks many times on one executor: each wait ends when there is news, and a wait that is dropped while it sleeps
/// leaves the set usable.
#[test]
fn parks_again_and_again_and_can_be_cancelled() {
    let readiness = Readiness::new(Wake::new().unwrap()).unwrap();
    let waker = readiness.waker();
    let (ask, asked) = mpsc::channel();
    let news = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&news);
    let ringer = std::thread::spawn(move || {
        for () in asked {
            std::thread::sleep(Duration::from_micros(200));
            told.store(true, Ordering::Release);
            waker.ring();
        }
    });
    let main = move |_: ShardSeat| async move {
        let mut readiness = readiness;
        let mut events = Vec::new();
        for turn in 0..500 {
            if turn % 10 == 3 {
                let never = readiness.wait(&mut events, || false);
                let soon = async {
                    futures_lite::future::yield_now().await;
                    Ok(())
                };
                futures_lite::future::or(never, soon).await.unwrap();
            }
            ask.send(()).unwrap();
            while !news.swap(false, Ordering::AcqRel) {
                readiness.wait(&mut events, || news.load(Ordering::Acquire)).await.unwrap();
                assert_eq!(events, [], "the bell has no token of its own");
            }
        }
    };
    Shards::start(vec![main]).unwrap().join();
    ringer.join().unwrap();
}

/// A ball between two shards that sleep in between, on CPUs that are busy with something else: each shard must wake
/// every time, though it is descheduled at any point (see `PREEMPT_TIMER`).
#[test]
fn no_wake_up_is_lost_on_a_crowded_machine() {
    const HOPS: u64 = 10_000;
    let over = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..3)
        .map(|_| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        })
        .collect();
    let sets: Vec<_> = (0..2).map(|_| Readiness::new(Wake::new().unwrap()).unwrap()).collect();
    let wakers: Vec<_> = sets.iter().map(Readiness::waker).collect();
    let mains = sets.into_iter().zip(mesh::<u64>(&wakers)).map(|(mut readiness, mut port)| {
        move |seat: ShardSeat| async move {
            let (mut events, mut last) = (Vec::new(), 0);
            if seat.shard == 0 {
                port.send(1, 1);
                port.flush();
            }
            while last + 1 < HOPS {
                readiness.wait(&mut events, || port.has_mail()).await.unwrap();
                let mut ball = None;
                port.drain(16, |mail| ball = Some(mail));
                if let Some(ball) = ball.filter(|ball| *ball < HOPS) {
                    port.send(1 - seat.shard, ball + 1);
                }
                port.flush();
                last = ball.unwrap_or(last);
            }
        }
    });
    let mains = mains.collect();
    let (to, done) = mpsc::channel();
    std::thread::spawn(move || {
        Shards::start(mains).unwrap().join();
        to.send(()).unwrap();
    });
    let in_time = done.recv_timeout(Duration::from_secs(60));
    over.store(true, Ordering::Relaxed);
    crowd.into_iter().for_each(|thread| thread.join().unwrap());
    in_time.expect("a shard sleeps over its mail");
}

#[test]
fn the_alarm_drives_the_wheel_of_a_shard_that_sleeps() {
    let main = |_: ShardSeat| async {
        let mut readiness = Readiness::new(Wake::new().unwrap()).unwrap();
        let mut alarm = Alarm::new().unwrap();
        readiness.watch_alarm(&alarm).unwrap();
        let mut clock = Clock::new();
        let mut wheel = Wheel::new(clock.now_ms());
        let begin = clock.now_ms();
        for delay in [120, 10, 40] {
            wheel.insert(begin + delay, delay);
        }
        let (mut events, mut turns) = (Vec::new(), 0);
        let fired = Rc::new(RefCell::new(Vec::new()));
        while !wheel.is_empty() {
            alarm.arm(wheel.next_deadline(), clock.now_ms()).unwrap();
            readiness.wait(&mut events, || false).await.unwrap();
            clock.turn();
            turns += 1;
            let now = clock.now_ms();
            wheel.advance(now, |delay| {
                assert!(now >= begin + delay, "{delay} fired early");
                fired.borrow_mut().push(delay);
            });
        }
        assert_eq!(*fired.borrow(), [10, 40, 120]);
        assert!(turns <= 20, "it slept between deadlines: {turns} turns");
    };
    Shards::start(vec![main]).unwrap().join();
}

#[test]
fn more_shards_than_cpus_run_unpinned_and_say_so() {
    let cpus = std::thread::available_parallelism().unwrap().get();
    let (to, names) = mpsc::channel();
    let mains = (0..cpus + 2).map(|_| to.clone()).map(|to| {
        move |seat: ShardSeat| async move {
            assert_eq!(seat.cpu, None);
            to.send((seat.shard, std::thread::current().name().map(str::to_owned))).unwrap();
        }
    });
    let shards = Shards::start(mains.collect()).unwrap();
    assert!(matches!(shards.warnings()[0], StartWarning::MoreShardsThanCpus { .. }), "{:?}", shards.warnings());
    shards.join();
    drop(to);
    let mut names: Vec<_> = names.iter().collect();
    names.sort();
    let expected: Vec<_> = (0..cpus + 2).map(|shard| (shard, Some(format!("shard-{shard}")))).collect();
    assert_eq!(names, expected);
}

/// Runs this test binary again for the two tests that spoil their process.
fn again(test: &str) -> std::process::Output {
    let this = std::env::current_exe().unwrap();
    Command::new(this).args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap()
}

#[test]
fn a_panic_in_a_shard_ends_the_process_with_a_clear_message() {
    let output = again("child_panics");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.status.code().is_none(), "aborted: {:?}", output.status);
    assert!(said.contains("the cause"), "{said}");
    assert!(said.contains("shard-1 panicked: the process ends"), "{said}");
}

#[test]
#[ignore = "run by a_panic_in_a_shard_ends_the_process_with_a_clear_message"]
fn child_panics() {
    let mains = (0..2).map(|_| {
        |seat: ShardSeat| async move {
            assert!(seat.shard == 0, "the cause");
            std::future::pending::<()>().await;
        }
    });
    Shards::start(mains.collect()).unwrap().join();
}

#[test]
fn without_descriptors_a_connection_is_shed_and_the_shard_still_sleeps() {
    let output = again("child_runs_out_of_descriptors");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "run by without_descriptors_a_connection_is_shed_and_the_shard_still_sleeps"]
fn child_runs_out_of_descriptors() {
    let main = |_: ShardSeat| async {
        let mut listener = Listener::bind_all((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap().remove(0);
        let mut readiness = Readiness::new(Wake::new().unwrap()).unwrap();
        readiness.register(listener.as_fd(), LISTENER, Interest::READ).unwrap();
        let mut clients: Vec<_> = (0..2).map(|_| TcpStream::connect(listener.local_addr()).unwrap()).collect();
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let mut events = Vec::new();
        readiness.wait(&mut events, || false).await.unwrap();
        assert_eq!(events.len(), 1);
        assert!(matches!(listener.accept().unwrap(), Accepted::Exhausted { shed: true }));
        assert_eq!(clients[0].read(&mut [0; 1]).unwrap_or(0), 0, "the first client was told");
        readiness.modify(listener.as_fd(), LISTENER, Interest::NOTHING).unwrap();
        let waker = readiness.waker();
        hoard.truncate(hoard.len() - 64); // for the ringer's thread
        let ringer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            waker.ring();
        });
        readiness.wait(&mut events, || false).await.unwrap();
        ringer.join().unwrap();
        drop(hoard);
        assert!(matches!(listener.accept().unwrap(), Accepted::Connection(..)), "and then it goes on");
        clients.clear();
    };
    Shards::start(vec![main]).unwrap().join();
}
