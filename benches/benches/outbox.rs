//! From an outbox into a socket (step 11), beside the bare system call with the same bytes: the difference is ours.
//! Over TCP on loopback, where a send carries the bytes all the way to the peer. Must not know dialects.
#![allow(missing_docs)]

use std::io::{IoSlice, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use switchboard::measured::{Outbox, Spares};
use switchboard::runtime::Socket;
use switchboard_protocol::frame::{Opcode, write_frame};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A small frame of a chat, its header included.
const BYTES: usize = 200;
/// The peer reads after so many sends, outside the measured time; they fit its buffer.
const BATCH: u64 = 64;
/// Frames that gather in a turn for one busy peer.
const GATHERED: usize = 10;

/// A connection whose peer reads when told to.
struct Line {
    socket: Socket,
    peer: TcpStream,
    spares: Spares,
    sink: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let peer = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("somebody listens");
        let (ours, _) = listener.accept().expect("it was connected");
        let socket = Socket::from(OwnedFd::from(ours));
        socket.set_nodelay().expect("a TCP socket");
        Self { socket, peer, spares: Spares::default(), sink: Vec::new() }
    }

    /// Time for so many calls of `send`, each of which sends `bytes`.
    fn time(&mut self, sends: u64, bytes: usize, mut send: impl FnMut(&Socket, &mut Spares)) -> Duration {
        let mut time = Duration::ZERO;
        let mut left = sends;
        while left > 0 {
            let batch = left.min(BATCH);
            let begin = Instant::now();
            (0..batch).for_each(|_| send(&self.socket, &mut self.spares));
            time += begin.elapsed();
            left -= batch;
            self.sink.resize(bytes * batch as usize, 0);
            self.peer.read_exact(&mut self.sink).expect("everything was sent");
        }
        time
    }
}

fn outbox(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox");
    group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat);
    let mut line = Line::new();
    let payload = [b'x'; BYTES - 4];
    let mut frame = Vec::new();
    write_frame(&mut frame, Opcode::Text, &payload);
    assert_eq!(frame.len(), BYTES);
    let shared = Arc::new(frame.clone());
    let mut measure = |name: &str, bytes: usize, send: &mut dyn FnMut(&Socket, &mut Spares)| {
        line.time(1, bytes, &mut *send);
        assert!(line.sink.chunks(BYTES).all(|got| got == frame), "{name}: the peer got what was said");
        group.bench_function(name, |b| b.iter_custom(|sends| line.time(sends, bytes, &mut *send)));
    };

    let bare = shared.clone();
    measure("the bare send of 200 B", BYTES, &mut |socket, _| {
        assert_eq!(socket.send(&bare).expect("there is room"), BYTES);
    });
    let mut outbox = Outbox::default();
    measure("an answer: lent, written, sent", BYTES, &mut |socket, spares| {
        outbox.lend(spares);
        outbox.write(|out| write_frame(out, Opcode::Text, &payload));
        outbox.send(socket, spares).expect("there is room");
    });
    measure("an event: shared, sent", BYTES, &mut |socket, spares| {
        outbox.share(shared.clone(), spares);
        outbox.send(socket, spares).expect("there is room");
    });

    let slices = [IoSlice::new(&bare); GATHERED];
    measure("the bare sendmsg of 10", GATHERED * BYTES, &mut |socket, _| {
        assert_eq!(socket.send_vectored(&slices).expect("there is room"), GATHERED * BYTES);
    });
    measure("10 events: shared, gathered, sent", GATHERED * BYTES, &mut |socket, spares| {
        (0..GATHERED).for_each(|_| outbox.share(shared.clone(), spares));
        outbox.send(socket, spares).expect("there is room");
    });
    measure("10 events, each sent by itself", GATHERED * BYTES, &mut |socket, spares| {
        (0..GATHERED).for_each(|_| {
            outbox.share(shared.clone(), spares);
            outbox.send(socket, spares).expect("there is room");
        });
    });
    group.finish();
}

fn without_sending(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox/not sent");
    group.throughput(Throughput::Elements(1));
    let payload = [b'x'; BYTES - 4];
    let shared = Arc::new(payload.to_vec());
    let mut outbox = Outbox::default();
    group.bench_function("an answer: written behind another", |b| {
        b.iter(|| {
            outbox.write(|out| write_frame(out, Opcode::Text, &payload));
            // A peer that reads nothing would be closed long before.
            if outbox.len() > 1 << 20 {
                outbox = Outbox::default();
            }
        });
    });
    outbox = Outbox::default();
    let mut spares = Spares::default();
    group.bench_function("an event: shared, and dropped", |b| {
        b.iter(|| {
            outbox.share(shared.clone(), &mut spares);
            outbox = Outbox::default();
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = outbox, without_sending
}
criterion_main!(benches);
