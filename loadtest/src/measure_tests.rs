//! Tests of the histograms against distributions whose percentiles are known, and of what is measured from when.

use super::*;

/// A histogram's promise: three digits. A recorded value comes back as the highest that it cannot be told from.
fn near(value: u64, expected: f64) {
    assert!((value as f64 / expected - 1.0).abs() <= 0.001_1, "{value} is not {expected}");
}

fn quantiles(latency: &Latency) -> [u64; 4] {
    [latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns]
}

#[test]
fn uniform() {
    let mut histogram = histogram();
    for value in 1..=1_000_000_u64 {
        histogram.saturating_record(value * 10);
    }
    let latency = sum_up(&histogram);
    for (value, expected) in quantiles(&latency).into_iter().zip([5_000_000.0, 9_000_000.0, 9_900_000.0, 9_990_000.0]) {
        near(value, expected);
    }
    near(latency.max_ns, 10_000_000.0);
    near(latency.mean_ns as u64, 5_000_005.0);
    assert_eq!(latency.count, 1_000_000);
}

#[test]
fn exponential() {
    // The inverse of the distribution at evenly spaced chances: percentiles are -mean * ln(1 - q).
    let (mean, n) = (3_000_000.0, 400_000_u64);
    let mut histogram = histogram();
    for index in 0..n {
        let chance = (index as f64 + 0.5) / n as f64;
        histogram.saturating_record((-mean * (1.0 - chance).ln()) as u64);
    }
    let latency = sum_up(&histogram);
    for (value, quantile) in quantiles(&latency).into_iter().zip([0.5_f64, 0.9, 0.99, 0.999]) {
        near(value, -mean * (1.0 - quantile).ln());
    }
}

#[test]
fn two_points() {
    // 990 fast and 10 slow of 1,000: p99 is the last fast one, p99.9 is slow.
    let mut histogram = histogram();
    histogram.saturating_record_n(100_000, 990);
    histogram.saturating_record_n(200_000_000, 10);
    let latency = sum_up(&histogram);
    for (value, expected) in quantiles(&latency).into_iter().zip([1e5, 1e5, 1e5, 2e8]) {
        near(value, expected);
    }
    near(latency.mean_ns as u64, 0.99 * 1e5 + 0.01 * 2e8);
}

#[test]
fn comes_back_out_of_its_text() {
    let mut histogram = histogram();
    for value in [1, 999, 1_000_000, 59_000_000_000] {
        histogram.saturating_record(value);
    }
    let latency = sum_up(&histogram);
    assert_eq!(histogram_of(&latency).expect("readable"), histogram);
    assert!(histogram_of(&Latency::default()).expect("empty").is_empty());
    assert_eq!(histogram_of(&Latency { histogram: "no histogram".to_owned(), ..latency }), None);
}

#[test]
fn a_stall_is_seen_by_all_that_should_have_been_sent_in_it() {
    // 100 requests a second for 100 s, each 1 ms, but the server stands still from 50 s to 60 s. Measured from the
    // intended send 1,000 of 10,000 waited, evenly up to 10 s; a generator that waits for the answer would report one.
    let second = 1_000_000_000_u64;
    let mut recorder = Recorder::new(0, 100 * second);
    for index in 0..10_000 {
        let intended = index * second / 100;
        let stalled = (50 * second..60 * second).contains(&intended);
        let now = if stalled { 60 * second } else { intended } + 1_000_000;
        recorder.record(Metric::Answer, intended, now);
    }
    let latency = sum_up(recorder.whole(Metric::Answer).expect("recorded"));
    near(latency.p50_ns, 1e6);
    near(latency.p90_ns, 1e6);
    // 1,000 waits of 10 ms steps: the 9,900th of 10,000 is the 900th of them.
    near(latency.p99_ns, 9.001e9);
    near(latency.p999_ns, 9.901e9);
    near(latency.max_ns, 10.001e9);
}

#[test]
fn only_the_window_counts_for_the_whole() {
    let second = 1_000_000_000_u64;
    let mut recorder = Recorder::new(2 * second, 4 * second);
    recorder.record(Metric::Push, second, second + 10);
    assert_eq!(recorder.tick(2 * second).len(), 1);
    recorder.record(Metric::Push, 3 * second, 5 * second);
    recorder.record(Metric::Push, 4 * second, 4 * second + 10);
    assert_eq!(recorder.whole(Metric::Push).expect("one").len(), 1);
    let series = recorder.tick(5 * second);
    assert_eq!((series[0].second, series[0].latency.count), (2, 2));
    assert!(recorder.tick(5 * second).is_empty());
}
