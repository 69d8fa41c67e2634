//! Results made up for tests: a plausible run with known distributions.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::measure::{self, Series};
use crate::result::{
    Accounts, FORMAT, Generator, Latency, Load, Machine, RunResult, ServerSample, ServerSide, SloOutcome, Verdict,
};

/// A latency of these values, nanoseconds.
pub fn latency(values: impl IntoIterator<Item = u64>) -> Latency {
    let mut histogram = measure::histogram();
    for value in values {
        histogram.saturating_record(value);
    }
    measure::sum_up(&histogram)
}

/// 10 s of `chat`, 1,000 messages a second, pushes of 1 to 1,000 us evenly in each second.
pub fn chat() -> RunResult {
    scaled_chat(1.0, 0)
}

/// The same with each push `factor` times as long, plus a jitter that depends on the second and the seed.
pub fn scaled_chat(factor: f64, seed: u64) -> RunResult {
    let (whole, series) = pushes(factor, seed);
    RunResult {
        format: FORMAT,
        scenario: "chat".to_owned(),
        dialect: "kefu".to_owned(),
        command: ["loadtest", "run", "chat", "--target", "http://127.0.0.1:8080"].map(str::to_owned).to_vec(),
        started_unix_ms: 1_780_000_000_000,
        measured_s: 10.0,
        load: Load {
            target: "http://127.0.0.1:8080".to_owned(),
            connections: 400,
            rate_per_s: 1_000.0,
            closed_window: None,
            processes: 1,
            seed: 7,
        },
        machine: Machine {
            host: "planner".to_owned(),
            cpu: "Test CPU".to_owned(),
            cpus: 2,
            memory_bytes: 24 << 30,
            kernel: "6.18".to_owned(),
            loadtest: "0.1.0".to_owned(),
            server: Some("0.1.0".to_owned()),
        },
        verdict: Verdict::Kept,
        slos: vec![SloOutcome { objective: "p99(push)<5ms".to_owned(), measured: Some(0.99), kept: true }],
        generator: Generator {
            cpu_s: 2.0,
            waited_s: 0.03,
            rss_peak_bytes: 12_000_000,
            lag: latency((1..=100).map(|micros| micros * 1_000)),
            turn: latency([20_000]),
            faults: Vec::new(),
        },
        accounts: Accounts {
            sent: 10_000,
            acknowledged: 9_990,
            refused: 10,
            due: 9_990,
            pushed: 9_990,
            ..Accounts::default()
        },
        counters: BTreeMap::from([("logins".to_owned(), 400)]),
        latencies: BTreeMap::from([("push".to_owned(), measure::sum_up(&whole))]),
        series,
        server: Some(server(factor)),
        faults: Vec::new(),
        figures: BTreeMap::from([("socket_slope_bytes".to_owned(), 312.0)]),
    }
}

fn pushes(factor: f64, seed: u64) -> (Histogram<u64>, Vec<Series>) {
    let mut whole = measure::histogram();
    let mut series = Vec::new();
    for second in 0..10_i64 {
        let mut histogram = measure::histogram();
        let mixed = (second as u64 + 1 + seed * 31).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        let jitter = 1.0 + mixed as f64 / 256.0 * 0.04;
        for micros in 1..=1_000_u64 {
            histogram.saturating_record((micros as f64 * 1_000.0 * factor * jitter) as u64);
        }
        whole.add(&histogram).expect("same bounds");
        series.push(Series { metric: "push".to_owned(), second, latency: measure::sum_up(&histogram) });
    }
    (whole, series)
}

fn server(factor: f64) -> ServerSide {
    let samples = (0..=10_u32)
        .map(|second| ServerSample {
            at_s: f64::from(second),
            cpu_s: Some(1.0 + f64::from(second) * 0.25 * factor),
            rss_bytes: Some(20_000_000 + u64::from(second) * 1_000),
            metrics: BTreeMap::new(),
        })
        .collect();
    ServerSide {
        pid: Some(4_711),
        samples,
        cpu_s: Some(2.5 * factor),
        cpu_by_thread_s: BTreeMap::from([("shard-0".to_owned(), 2.5 * factor)]),
        waited_by_thread_s: BTreeMap::from([("shard-0".to_owned(), 0.12 * factor)]),
        cpu_us_per_message: Some(125.0 * factor),
    }
}
