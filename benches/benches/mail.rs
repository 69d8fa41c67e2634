//! Mail between shards: the bare queues that were candidates, and a whole hop between two pinned shards, asleep and
//! awake. The figures of ops/decisions/0001-mail-queue.md come from here.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use switchboard::runtime::mesh::mesh;
use switchboard::runtime::wake::Wake;
use switchboard::runtime::{MeshPort, Readiness, Shards, Waker};

/// The size of a mail that carries a small message by value.
type Mail = [u64; 16];
const CAPACITY: usize = 8192;

/// A producer's and a consumer's end of one candidate, as plain functions.
type Push = Box<dyn FnMut(Mail) -> bool + Send>;
type Pop = Box<dyn FnMut() -> Option<Mail> + Send>;

fn crossbeam(producers: usize) -> (Vec<Push>, Pop) {
    let (to, from) = crossbeam_channel::bounded::<Mail>(CAPACITY);
    let push = (0..producers).map(|_| {
        let to = to.clone();
        Box::new(move |mail| to.try_send(mail).is_ok()) as Push
    });
    (push.collect(), Box::new(move || from.try_recv().ok()))
}

fn array_queues(producers: usize) -> (Vec<Push>, Pop) {
    let rings: Vec<_> = (0..producers).map(|_| Arc::new(ArrayQueue::<Mail>::new(CAPACITY))).collect();
    let push = rings.iter().cloned().map(|ring| Box::new(move |mail| ring.push(mail).is_ok()) as Push).collect();
    let mut next = 0;
    let pop = move || {
        next = (next + 1) % rings.len();
        rings[next].pop()
    };
    (push, Box::new(pop))
}

fn spsc_rings(producers: usize) -> (Vec<Push>, Pop) {
    let (to, mut from): (Vec<_>, Vec<_>) = (0..producers).map(|_| rtrb::RingBuffer::<Mail>::new(CAPACITY)).unzip();
    let push = to.into_iter().map(|mut ring| Box::new(move |mail| ring.push(mail).is_ok()) as Push).collect();
    let mut next = 0;
    let pop = move || {
        next = (next + 1) % from.len();
        from[next].pop().ok()
    };
    (push, Box::new(pop))
}

/// Time for `mails` mails from all producers together to be taken, both sides never idle.
fn stream((push, mut pop): (Vec<Push>, Pop), mails: u64) -> Duration {
    let each = mails / push.len() as u64;
    let total = each * push.len() as u64;
    let begin = Instant::now();
    let producers: Vec<_> = push
        .into_iter()
        .map(|mut push| {
            thread::spawn(move || {
                for n in 0..each {
                    while !push([n; 16]) {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut taken = 0;
    while taken < total {
        match pop() {
            Some(mail) => {
                std::hint::black_box(mail);
                taken += 1;
            }
            None => thread::yield_now(),
        }
    }
    let elapsed = begin.elapsed();
    producers.into_iter().for_each(|producer| producer.join().expect("no panic"));
    elapsed
}

fn queues(c: &mut Criterion) {
    let mut group = c.benchmark_group("mail/queue");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(2));
    for producers in [1, 3] {
        for (name, make) in [
            ("crossbeam", crossbeam as fn(usize) -> (Vec<Push>, Pop)),
            ("array queues", array_queues),
            ("spsc rings", spsc_rings),
        ] {
            group.bench_function(format!("{name}, {producers} to 1"), |b| {
                b.iter_custom(|iterations| stream(make(producers), iterations.max(1_000) / 1_000 * 1_000));
            });
        }
    }
    group.finish();
}

/// One end of a ball game between two shards.
struct Player {
    readiness: Readiness,
    port: MeshPort<u64>,
    /// Keeps the shard from ever parking.
    awake: bool,
}

fn players(awake: bool) -> VecDeque<Player> {
    let sets: Vec<_> =
        (0..2).map(|_| Readiness::new(Wake::new().expect("an eventfd")).expect("an epoll descriptor")).collect();
    let wakers: Vec<Waker> = sets.iter().map(Readiness::waker).collect();
    sets.into_iter().zip(mesh(&wakers)).map(|(readiness, port)| Player { readiness, port, awake }).collect()
}

impl Player {
    /// Returns the ball until it has been thrown `hops` times.
    async fn play(mut self, hops: u64) {
        let mut events = Vec::new();
        let (other, mut over) = (1 - self.port.shard(), false);
        while !over {
            let (port, awake) = (&self.port, self.awake);
            self.readiness.wait(&mut events, || awake || port.has_mail()).await.expect("a working readiness set");
            let mut ball = None;
            self.port.drain(16, |mail| ball = Some(mail));
            if let Some(ball) = ball {
                over = ball + 1 >= hops;
                if ball < hops {
                    self.port.send(other, ball + 1);
                }
            }
            self.port.flush();
        }
    }
}

fn game(hops: u64, awake: bool) -> Duration {
    let mut players = players(awake);
    players[0].port.send(0, 0);
    let begin = Instant::now();
    let mains = players.drain(..).map(|player| move |_seat| player.play(hops)).collect();
    Shards::start(mains).expect("two executors").join();
    begin.elapsed()
}

fn hops(c: &mut Criterion) {
    let mut group = c.benchmark_group("mail/hop");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(4));
    for (name, awake) in [("between shards that sleep", false), ("between shards that are busy", true)] {
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                // What starting and ending two executors costs is measured apart and taken off.
                let rounds = iterations.max(10_000);
                let whole = game(rounds, awake).saturating_sub(game(2, awake));
                whole.mul_f64(iterations as f64 / rounds as f64)
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = queues, hops
}
criterion_main!(benches);
