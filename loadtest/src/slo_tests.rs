//! Tests of objectives: good and bad texts, and each form held against a known result.

use crate::result_samples::chat;
use crate::slo::{Slo, SloError};

fn parse(text: &str) -> Slo {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn good_texts_are_judged() {
    // Pushes are 1..=1000 us evenly with up to 4 % of jitter; 10 s; see result_samples.
    let table = [
        ("p99(push)<5ms", true),
        ("p99(push)<900us", false),
        ("p50(push) <= 530 us", true),
        ("p50(push)<480us", false),
        ("p99.9(push)<1.1ms", true),
        ("p100(push)<1ms", false),
        ("max(push)<1.05ms", true),
        ("max(push)<1s", true),
        ("min(push)>900ns", true),
        ("mean(push)>0.49ms", true),
        ("mean(push)<0.53ms", true),
        ("p99(lag)<1ms", true),
        ("rate(push)>=1000", true),
        ("rate(push)>=1_000/s", true),
        ("rate(push)>1000/s", false),
        ("rate(acknowledged)>=999/s", true),
        ("count(missing)==0", true),
        ("count(refused)==0", false),
        ("count(refused)<=10", true),
        ("count(logins)==400", true),
        ("share(refused)<0.1%", false),
        ("share(refused)<=0.1%", true),
        ("share(refused)<0.002", true),
        ("share(missing)<0.1%", true),
        ("figure(socket_slope_bytes)<=320", true),
        ("figure(cpu_us_per_message)<100", false),
    ];
    let result = chat();
    for (text, kept) in table {
        let outcome = parse(text).judge(&result);
        assert_eq!(outcome.kept, kept, "{text}: measured {:?}", outcome.measured);
        assert!(outcome.measured.is_some(), "{text}");
    }
}

#[test]
fn measured_is_in_the_objectives_unit() {
    let result = chat();
    let near = |text: &str, expected: f64| {
        let measured = parse(text).judge(&result).measured.expect("measured");
        assert!((measured / expected - 1.0).abs() < 0.05, "{text}: {measured}");
    };
    near("p50(push)<1ms", 0.51);
    near("p50(push)<1us", 510.0);
    near("share(refused)<1%", 0.1);
    near("share(refused)<1", 0.001);
    near("rate(push)>1/s", 1_000.0);
}

#[test]
fn what_was_not_measured_is_broken() {
    let result = chat();
    for text in ["p99(wait)<5ms", "count(nothing_of_the_sort)==0", "figure(none)<1", "share(unknown)<1%"] {
        let outcome = parse(text).judge(&result);
        assert_eq!((outcome.measured, outcome.kept), (None, false), "{text}");
    }
    // A rate of a metric that never came is 0, which is a measurement.
    assert_eq!(parse("rate(wait)>=1").judge(&result).measured, Some(0.0));
}

#[test]
fn bad_texts_are_refused() {
    let form = |text: &str| SloError::Form(text.to_owned());
    for text in ["", "p99", "p99(push)", "p99(push)5ms", "p99(push)<", "(push)<5ms", "p99()<5ms", "p99(push)!=5ms"] {
        assert_eq!(text.parse::<Slo>().expect_err(text), form(text), "{text}");
    }
    let bad = |text: &str| text.parse::<Slo>().expect_err(text);
    assert!(matches!(bad("avg(push)<5ms"), SloError::Statistic(_)));
    assert!(matches!(bad("percentile(push)<5ms"), SloError::Statistic(_)));
    assert!(matches!(bad("p101(push)<5ms"), SloError::Percentile(_)));
    assert!(matches!(bad("p0(push)<5ms"), SloError::Percentile(_)));
    assert!(matches!(bad("p9.9.9(push)<5ms"), SloError::Percentile(_)));
    assert!(matches!(bad("p99(push)<5"), SloError::Unit { .. }));
    assert!(matches!(bad("p99(push)<5min"), SloError::Unit { .. }));
    assert!(matches!(bad("rate(push)>5ms"), SloError::Unit { .. }));
    assert!(matches!(bad("count(missing)==0%"), SloError::Unit { .. }));
    assert!(matches!(bad("p99(push)<ms"), SloError::Number(_)));
    assert!(matches!(bad("p99(push)<-5ms"), SloError::Number(_)));
    assert!(matches!(bad("count(Lost!)==0"), SloError::Name(_)));
    let unknown = bad("p99(pusch)<5ms").to_string();
    assert!(unknown.contains("pusch") && unknown.contains("push, first, last"), "{unknown}");
}

#[test]
fn percentiles_keep_their_decimals() {
    // 99.9 / 100.0 is above 0.999, which would give the 1000th of 1000 values.
    let mut result = chat();
    let values = (0..999).map(|_| 1_000_000).chain([50_000_000]);
    result.latencies.insert("push".to_owned(), crate::result_samples::latency(values));
    assert!(parse("p99.9(push)<2ms").judge(&result).kept);
    assert!(!parse("p99.99(push)<2ms").judge(&result).kept);
}

#[test]
fn goes_through_json_as_its_text() {
    let slo = parse("p99.9(push) < 5ms");
    let json = serde_json::to_string(&slo).expect("json");
    assert_eq!(json, "\"p99.9(push)<5ms\"");
    assert_eq!(serde_json::from_str::<Slo>(&json).expect("back"), slo);
    assert!(serde_json::from_str::<Slo>("\"p99(nothing)<5ms\"").is_err());
}
