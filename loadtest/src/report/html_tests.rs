//! Tests of the page: well-formed, nothing from outside, nothing unescaped, the same numbers as the result.

use super::*;
use crate::measure::Series;
use crate::result_samples::{chat, latency, scaled_chat};

/// Every element is closed in order; the page writes void elements as `<meta …/>`, so this reads it as XML.
fn check_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a doctype");
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("the tag's end");
        let tag = &rest[..end];
        assert!(!tag.contains('<'), "`<` inside of <{tag}>");
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        let name = |tag: &'_ str| tag.find([' ', '/']).map_or(tag.len(), |end| end);
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed));
        } else if !tag.ends_with('/') {
            open.push(&tag[..name(tag)]);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    // Each & begins an entity of ours.
    for (at, _) in page.match_indices('&') {
        let is_entity =
            ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|entity| page[at..].starts_with(entity));
        assert!(is_entity, "{}", &page[at..at + 10]);
    }
}

#[test]
fn one_run() {
    let page = page(&[("first".to_owned(), &chat())]);
    check_well_formed(&page);
    for part in [
        "KEPT",
        "push: latency by the second",
        "<td>1.2 % (120 ms)</td>",
        "push: percentiles",
        "push: throughput",
        "Server CPU",
        "Server memory",
        "99.9 %",
        "p99(push)&lt;5ms",
        "125 us",
        "socket_slope_bytes",
        "out of order",
        "loadtest run chat --target http://127.0.0.1:8080",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn nothing_comes_from_outside() {
    let mut page = page(&[("first".to_owned(), &chat()), ("second".to_owned(), &scaled_chat(2.0, 1))]);
    check_well_formed(&page);
    page = page.replace(&chat().load.target, "");
    for way in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script", "<link", "<img", "<iframe"] {
        assert!(!page.contains(way), "{way}");
    }
}

#[test]
fn texts_are_escaped() {
    let evil = "<script>alert(\"x\")</script>&'\u{1}";
    let mut run = chat();
    run.scenario = evil.to_owned();
    run.command = vec![evil.to_owned()];
    run.verdict = Verdict::Broken(vec![evil.to_owned()]);
    run.machine.cpu = evil.to_owned();
    run.load.target = evil.to_owned();
    run.slos[0].objective = evil.to_owned();
    run.figures.insert(evil.to_owned(), 1.0);
    run.counters.insert(evil.to_owned(), 1);
    let latency = run.latencies["push"].clone();
    run.latencies.insert(evil.to_owned(), latency.clone());
    run.series.push(Series { metric: evil.to_owned(), second: 1, latency });
    let page = page(&[(evil.to_owned(), &run), ("other".to_owned(), &chat())]);
    check_well_formed(&page);
    assert!(!page.contains("<script") && !page.contains('\u{1}'));
}

#[test]
fn empty_runs_do_not_break_it() {
    let mut run = chat();
    run.latencies.clear();
    run.series.clear();
    run.server = None;
    run.slos.clear();
    run.measured_s = 0.0;
    check_well_formed(&page(&[("nothing".to_owned(), &run)]));
}

#[test]
fn long_runs_are_drawn_by_stretches_of_added_histograms() {
    let mut run = chat();
    run.series = (0..1_500)
        .map(|second| {
            // One second in three is slow; a mean of percentiles would lie between.
            let value = if second % 3 == 0 { 9_000_000 } else { 1_000_000 };
            Series { metric: "push".to_owned(), second, latency: latency([value; 10]) }
        })
        .collect();
    let drawn = by_stretch(&run, "push");
    assert_eq!(drawn.len(), 500);
    let (at, length, first) = &drawn[0];
    assert_eq!((*at, *length, first.count), (1.0, 3.0, 30));
    assert!((first.p99_ns as f64 / 9e6 - 1.0).abs() < 0.001 && (first.p50_ns as f64 / 1e6 - 1.0).abs() < 0.001);
    check_well_formed(&page(&[("soak".to_owned(), &run)]));
}

#[test]
fn curves_end_where_values_end() {
    let mut histogram = measure::histogram();
    (1..=1_000_u64).for_each(|value| histogram.saturating_record(value * 1_000));
    let curve = percentile_curve(&histogram);
    let (nines, value) = curve[curve.len() - 1];
    assert!((nines - 3.0).abs() < 1e-9 && (value / 999_000.0 - 1.0).abs() < 0.002, "{nines} {value}");
    let (nines, value) = curve[20];
    assert!((nines - 1.0).abs() < 1e-9 && (value / 900_000.0 - 1.0).abs() < 0.002, "{nines} {value}");
}

#[test]
fn percentile_labels() {
    let table = [
        (0.0, "0 %"),
        (std::f64::consts::LOG10_2, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (5.0, "99.999 %"),
    ];
    for (nines, text) in table {
        assert_eq!(percentile_text(nines), text);
    }
}

#[test]
fn commands_can_be_copied() {
    assert_eq!(shell_quoted("--rate=40000"), "--rate=40000");
    assert_eq!(shell_quoted("p99(push)<5ms"), "'p99(push)<5ms'");
    assert_eq!(shell_quoted("it's"), "'it'\\''s'");
    assert_eq!(shell_quoted(""), "''");
}
