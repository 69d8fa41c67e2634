//! `ops/bench storage`: what the engines carry on this machine, and what ours adds to a plain loop over the driver that
//! writes the same rows. Prints figures and asserts none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use switchboard_protocol::model::{Conversation, Side};
use switchboard_storage::conformance::samples;
use switchboard_storage::{
    Completions, Done, Faults, Op, ScyllaSettings, Store, StoreError, Ticket, TrialCluster, open_embedded, open_memory,
    open_scylla,
};

use crate::cluster;

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
const WARM_UP: Duration = Duration::from_millis(500);
const AT_ONCE: [usize; 3] = [1, 64, 512];

/// What a closed loop has shown.
struct Shown {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Of the threads that do the storing.
    cpu_micros: f64,
}

impl Shown {
    fn of(mut latencies: Vec<Duration>, took: Duration, cpu: Duration) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        Self {
            per_second: latencies.len() as f64 / took.as_secs_f64(),
            p50: at(0.5),
            p99: at(0.99),
            cpu_micros: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
        }
    }
}

/// Hears of what is done, as a shard does.
struct Ears(Sender<u64>);

impl Completions for Ears {
    fn done(&self, ticket: Ticket, done: Done) {
        assert!(matches!(done, Done::Written(_)), "{done:?}");
        self.0.send(ticket.number).expect("somebody listens");
    }
    fn wake(&self) {}
    fn condition_changed(&self) {}
    fn fatal(&self, error: StoreError) {
        panic!("{error}");
    }
}

/// CPU time of this process's threads whose names begin so.
fn cpu_of(prefix: &str) -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").starts_with(prefix) {
            nanos += read("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Duration::from_nanos(nanos)
}

/// Each of `at_once` conversations has one message under way, the next follows when it is durable.
fn engine(store: &dyn Store, heard: &Receiver<u64>, at_once: usize, base: u64) -> Shown {
    let mut conversations: Vec<Conversation> =
        (0..at_once as u64).map(|at| samples::conversation(base + at, samples::user(base + at))).collect();
    let mut asked = vec![Instant::now(); at_once];
    let mut next = base * 1000;
    let mut submit = |slot: usize, asked: &mut Vec<Instant>| {
        next += 1;
        let (write, _) = samples::append(&mut conversations[slot], next, Side::Customer, Some(&format!("k{next}")));
        asked[slot] = Instant::now();
        store.submit(Ticket { shard: 0, number: slot as u64 }, Op::Write(write)).expect("it takes one more");
    };
    (0..at_once).for_each(|slot| submit(slot, &mut asked));
    let (mut latencies, mut began, mut cpu) = (Vec::new(), Instant::now(), cpu_of("store-"));
    let mut warm = false;
    let until = Instant::now() + WARM_UP + Duration::from_secs(SECONDS);
    while Instant::now() < until {
        let slot = heard.recv().expect("the store answers") as usize;
        latencies.push(asked[slot].elapsed());
        submit(slot, &mut asked);
        if !warm && began.elapsed() > WARM_UP {
            (warm, began, cpu) = (true, Instant::now(), cpu_of("store-"));
            latencies.clear();
        }
    }
    let shown = Shown::of(latencies, began.elapsed(), cpu_of("store-") - cpu);
    // What is still under way.
    for _ in 0..at_once {
        heard.recv().expect("the store answers");
    }
    shown
}

fn show(name: &str, at_once: usize, shown: &Shown) {
    println!(
        "| {name} | {at_once} | {:.0} | {:.2} | {:.2} | {:.1} |",
        shown.per_second,
        shown.p50.as_secs_f64() * 1e3,
        shown.p99.as_secs_f64() * 1e3,
        shown.cpu_micros
    );
}

/// The plain loop: the same statements with the same sizes of rows, and nothing else.
struct Loop {
    session: Session,
    entry: PreparedStatement,
    header: PreparedStatement,
    place: PreparedStatement,
}

impl Loop {
    async fn new(settings: &ScyllaSettings) -> Self {
        let session = SessionBuilder::new().known_node(&settings.contact_points[0]).build().await.expect("a session");
        session.use_keyspace(&settings.keyspace, false).await.expect("the keyspace");
        let prepare = async |cql: &str| session.prepare(cql).await.expect("a statement");
        let entry = prepare(
            "INSERT INTO messages (conversation, bucket, kind, position, key, record) VALUES (?, ?, ?, ?, ?, ?) \
                USING TIMESTAMP ?",
        );
        let header = prepare("UPDATE messages USING TIMESTAMP ? SET header = ? WHERE conversation = ? AND bucket = ?");
        let place = prepare(
            "INSERT INTO message_places (block, message, conversation, seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
        );
        let (entry, header, place) = (entry.await, header.await, place.await);
        Self { entry, header, place, session }
    }

    async fn message(&self, conversation: i64, seq: i64, id: i64) {
        let mut batch = Batch::new(BatchType::Unlogged);
        for statement in [&self.entry, &self.entry, &self.header] {
            batch.append_statement(statement.clone());
        }
        let (message, header, sent) = (vec![7_u8; 90], vec![7_u8; 120], vec![7_u8; 26]);
        let key = format!("c{id:08}k{id}").into_bytes();
        let (stamp, bucket) = (id, ((seq - 1) / 512) as i32);
        let values = (
            (conversation, bucket, 0_i8, seq, Vec::<u8>::new(), message, stamp),
            (conversation, bucket, 1_i8, 0_i64, key, sent, stamp),
            (stamp, header, conversation, bucket),
        );
        let place = (conversation, id, conversation, seq, stamp);
        let (batched, placed) = futures_util::future::join(
            self.session.batch(&batch, values),
            self.session.execute_unpaged(&self.place, place),
        )
        .await;
        batched.expect("a batch is written");
        placed.expect("a place is written");
    }

    async fn run(&self, at_once: usize, base: i64) -> Shown {
        let (began, cpu) = (Instant::now(), cpu_of("plain-loop"));
        let until = began + WARM_UP + Duration::from_secs(SECONDS);
        let one = |slot: i64| async move {
            let mut latencies = Vec::new();
            for seq in 1.. {
                let asked = Instant::now();
                if asked >= until {
                    break;
                }
                self.message(base + slot, seq, (base + slot) * 100_000 + seq).await;
                if began.elapsed() > WARM_UP {
                    latencies.push(asked.elapsed());
                }
            }
            latencies
        };
        let all = futures_util::future::join_all((0..at_once as i64).map(one)).await;
        Shown::of(all.into_iter().flatten().collect(), began.elapsed() - WARM_UP, cpu_of("plain-loop") - cpu)
    }
}

fn plain(settings: ScyllaSettings, at_once: usize, base: i64) -> Shown {
    let thread = std::thread::Builder::new().name("plain-loop".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { Loop::new(&settings).await.run(at_once, base).await })
    });
    thread.expect("a thread").join().expect("the loop ends")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One run of the plain loop, for a comparison with the whole server: one line of JSON.
#[test]
#[ignore = "a measurement: ops/bench storage"]
fn of_the_plain_loop() {
    let at_once = std::env::var("SWITCHBOARD_AT_ONCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let cluster = TrialCluster::shared().expect("a CQL server");
    let shown = plain(cluster::keyspace(cluster, "speed"), at_once, 1);
    println!(r#"{{"per_second": {}, "p50_ms": {}}}"#, shown.per_second, shown.p50.as_secs_f64() * 1e3);
}

#[test]
#[ignore = "a measurement: ops/bench storage"]
fn of_engines() {
    println!("| engine | under way | durable messages/s | p50 ms | p99 ms | CPU us a message, storage threads |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let opened = |open: &dyn Fn(Arc<dyn Completions>) -> Arc<dyn Store>| {
        let (tell, heard) = unbounded();
        (open(Arc::new(Ears(tell))), heard)
    };
    let mut base = 1;
    let mut measure = |name: &str, open: &dyn Fn(Arc<dyn Completions>) -> Arc<dyn Store>| {
        let (store, heard) = opened(open);
        for at_once in AT_ONCE {
            base += 10_000;
            show(name, at_once, &engine(&*store, &heard, at_once, base));
        }
        store.close();
    };
    measure("memory", &|completions| open_memory(Faults::default(), completions).unwrap());
    measure("embedded", &|completions| open_embedded(dir.path(), 0, completions).unwrap());
    let Some(cluster) = TrialCluster::shared() else { return };
    let settings = ScyllaSettings { max_in_flight: 1024, ..cluster::keyspace(cluster, "speed") };
    measure("scylla", &|completions| open_scylla(settings.clone(), completions).unwrap());

    let (store, heard) = opened(&|completions| open_scylla(settings.clone(), completions).unwrap());
    let mut ratios: HashMap<usize, Vec<(f64, f64, f64)>> = HashMap::new();
    for round in 0..ROUNDS as u64 {
        for at_once in AT_ONCE {
            base = 1_000_000 + round * 100_000 + at_once as u64 * 20;
            let ours = engine(&*store, &heard, at_once, base);
            let plain = plain(settings.clone(), at_once, 50_000_000 + base as i64);
            show("plain loop", at_once, &plain);
            show("ours", at_once, &ours);
            let added = ours.p50.as_secs_f64() * 1e3 - plain.p50.as_secs_f64() * 1e3;
            let kept = ours.per_second / plain.per_second;
            ratios.entry(at_once).or_default().push((added, kept, ours.cpu_micros / plain.cpu_micros));
        }
    }
    store.close();
    println!("| under way | added to the plain loop's p50, ms | throughput kept | CPU, ratio |");
    println!("| --- | --- | --- | --- |");
    for at_once in AT_ONCE {
        let of = |pick: fn(&(f64, f64, f64)) -> f64| median(ratios[&at_once].iter().map(pick).collect());
        println!("| {at_once} | {:.2} | {:.2} | {:.2} |", of(|r| r.0), of(|r| r.1), of(|r| r.2));
    }
}
