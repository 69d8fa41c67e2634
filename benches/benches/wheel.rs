//! What a deadline costs: insert and expiry, and a turn in which nothing is due beside many that wait.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use switchboard::runtime::Wheel;

const DEADLINES: u64 = 100_000;

fn wheel(c: &mut Criterion) {
    let mut group = c.benchmark_group("wheel");
    group.throughput(Throughput::Elements(DEADLINES));
    group.bench_function("insert 100,000 within a minute", |b| {
        b.iter_batched(
            || Wheel::new(0),
            |mut wheel| {
                for n in 0..DEADLINES {
                    wheel.insert(n * 7919 % 60_000, n);
                }
                wheel
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("fire 100,000 within a minute", |b| {
        b.iter_batched(
            full,
            |mut wheel| {
                (0..=6_000).for_each(|tick| {
                    wheel.advance(tick * 10, |n| {
                        black_box(n);
                    });
                });
                assert!(wheel.is_empty());
                wheel
            },
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("insert and cancel one beside 100,000", |b| {
        let mut wheel = full();
        b.iter(|| {
            let key = wheel.insert(black_box(10_000), 0);
            wheel.cancel(key)
        });
    });
    group.bench_function("a turn with nothing due", |b| {
        let mut wheel = full();
        b.iter(|| {
            wheel.advance(black_box(5), |_| ());
            wheel.next_deadline()
        });
    });
    group.finish();
}

fn full() -> Wheel<u64> {
    let mut wheel = Wheel::new(0);
    for n in 0..DEADLINES {
        wheel.insert(n * 7919 % 60_000, n);
    }
    wheel
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = wheel
}
criterion_main!(benches);
