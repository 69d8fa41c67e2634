//! Tests of comparing: a known difference is found, noise is not taken for one, too little is said to be too little.

use super::*;
use crate::result_samples::{chat, scaled_chat};

fn runs(factor: f64, seeds: std::ops::Range<u64>) -> Vec<RunResult> {
    seeds
        .map(|seed| {
            // Runs differ by up to 6 % as wholes, besides the jitter of their seconds.
            let drift = 1.0 + (seed * 7 % 5) as f64 * 0.015;
            scaled_chat(factor * drift, seed)
        })
        .collect()
}

fn found<'a>(comparison: &'a Comparison, quantity: &str) -> &'a Row {
    comparison.rows.iter().find(|row| row.quantity == quantity).expect(quantity)
}

#[test]
fn repeated_runs_that_differ() {
    let comparison = compare(&runs(1.0, 0..5), &runs(1.3, 5..10), false).expect("comparable");
    assert_eq!(comparison.basis, Basis::RepeatedRuns);
    for quantity in ["p50(push)", "p99(push)", "p99.9(push)", "max(push)", "server CPU a message"] {
        let row = found(&comparison, quantity);
        assert_eq!(row.finding, Finding::Differs, "{row:?}");
        let (low, high) = row.interval.expect("an interval");
        assert!(row.is_worse && low < 1.3 && 1.3 < high && high - low < 0.15, "{row:?}");
    }
    assert_eq!(found(&comparison, "rate(push)").finding, Finding::NoDifference);
    assert_eq!(found(&comparison, "server RSS").finding, Finding::NoDifference);
    assert!(comparison.is_worse());
    let back = compare(&runs(1.3, 0..5), &runs(1.0, 5..10), false).expect("comparable");
    assert!(!back.is_worse() && found(&back, "p99(push)").finding == Finding::Differs);
}

#[test]
fn repeated_runs_that_do_not() {
    let comparison = compare(&runs(1.0, 0..5), &runs(1.0, 5..10), false).expect("comparable");
    assert!(comparison.rows.iter().all(|row| row.finding == Finding::NoDifference), "{comparison}");
    assert!(comparison.warnings.is_empty(), "{:?}", comparison.warnings);
}

#[test]
fn false_alarms_are_about_one_in_twenty() {
    // 200 comparisons of runs that differ by noise only.
    let mut state = 1_u64;
    let mut noise = || {
        // The sum of 12 even chances is nearly normal with variance 1.
        let sum: f64 = (0..12)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            })
            .sum();
        100.0 * (0.05 * (sum - 6.0)).exp()
    };
    let alarms = (0..200)
        .filter(|_| {
            let (a, b): (Vec<f64>, Vec<f64>) = ((0..5).map(|_| noise()).collect(), (0..5).map(|_| noise()).collect());
            let made = row("x".to_owned(), Kind::Time, &a, &b, |a, b| repeated(a, b, Basis::RepeatedRuns));
            made.expect("values").finding == Finding::Differs
        })
        .count();
    assert!((2..=20).contains(&alarms), "{alarms} of 200");
}

#[test]
fn one_run_each_knows_its_own_noise() {
    let comparison = compare(&[chat()], &[scaled_chat(1.2, 3)], false).expect("comparable");
    assert_eq!(comparison.basis, Basis::WithinOneRun);
    let row = found(&comparison, "p99(push)");
    let (low, high) = row.interval.expect("ten seconds");
    assert!(low < row.ratio && row.ratio < high && (row.ratio - 1.2).abs() < 0.04, "{row:?}");
    assert_eq!(row.finding, Finding::Differs);
    assert_eq!(found(&comparison, "server CPU a message").finding, Finding::Differs);
    // Nothing of one run says how its memory varies.
    assert_eq!(found(&comparison, "server RSS").finding, Finding::TooFewRuns);
    let same = compare(&[chat()], &[scaled_chat(1.0, 3)], false).expect("comparable");
    assert_eq!(found(&same, "p50(push)").finding, Finding::NoDifference, "{same}");
    assert!(comparison.to_string().contains("within the run only"));
}

#[test]
fn percentiles_that_rest_on_a_handful_are_not_told() {
    let thin = |mut run: RunResult| {
        // 100 values: one is beyond p99.
        run.series.iter_mut().for_each(|entry| entry.latency = crate::result_samples::latency(1_000_000..1_000_010));
        run
    };
    let comparison = compare(&[thin(chat())], &[thin(chat())], false).expect("comparable");
    assert_eq!(found(&comparison, "p99(push)").finding, Finding::TooFewRuns);
    assert_ne!(found(&comparison, "p50(push)").finding, Finding::TooFewRuns);
}

#[test]
fn two_runs_are_too_few() {
    let comparison = compare(&runs(1.0, 0..2), &runs(9.0, 2..4), false).expect("comparable");
    assert!(comparison.rows.iter().all(|row| row.finding == Finding::TooFewRuns && row.interval.is_none()));
    assert!(comparison.to_string().contains("too few runs to say") && !comparison.is_worse());
}

#[test]
fn invalid_runs_are_refused() {
    let mut late = chat();
    late.verdict = Verdict::Invalid(vec!["lag p99 of 40 ms".to_owned()]);
    let error = compare(&[chat()], &[late.clone()], false).expect_err("refused");
    assert_eq!(error, CompareError::Invalid { side: 'B', count: 1, reason: "lag p99 of 40 ms".to_owned() });
    let comparison = compare(&[chat()], &[late], true).expect("all the same");
    assert!(comparison.warnings[0].contains("INVALID"));
    assert_eq!(compare(&[], &[chat()], true).expect_err("refused"), CompareError::Nothing('A'));
}

#[test]
fn what_is_not_alike_is_named() {
    let mut other = chat();
    other.load.rate_per_s = 2_000.0;
    other.machine.cpu = "Another".to_owned();
    other.accounts.missing = 1;
    other.verdict = Verdict::of(&[], &other.accounts, &[]);
    let comparison = compare(&[chat()], &[other], false).expect("comparable");
    let text = comparison.to_string();
    for part in ["rate is not the same: A 1,000; B 2,000", "CPU is not the same: A Test CPU; B Another", "of B broke"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn quantiles_of_blocks_are_those_of_the_histogram() {
    let run = chat();
    let blocks = Blocks::of(&run, "push").expect("readable");
    let mut sums = vec![0; blocks.values.len()];
    for (quantile, expected) in [(0.5, run.latencies["push"].p50_ns), (0.99, run.latencies["push"].p99_ns)] {
        let value = blocks.quantile(&vec![1; blocks.counts.len()], quantile, &mut sums).expect("values");
        assert!((value / expected as f64 - 1.0).abs() < 0.001, "{value} {expected}");
    }
    assert_eq!((block_length(10), block_length(60), block_length(600), block_length(7)), (1, 4, 8, 1));
}
