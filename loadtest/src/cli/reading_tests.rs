//! Tests of the commands that read results, from what is typed to what the process ends with.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::super::{compare, merge, plan, report};
use super::*;
use crate::report::files::{load, write_all};
use crate::result::Verdict;
use crate::result_samples::{chat, scaled_chat};

#[derive(Debug, Parser)]
enum Typed {
    Compare(compare::CompareArgs),
    Merge(merge::MergeArgs),
    Plan(plan::PlanArgs),
    Report(report::ReportArgs),
}

fn parse(line: &str) -> Result<Typed, ErrorKind> {
    Typed::try_parse_from(format!("loadtest {line}").split(' ')).map_err(|error| error.kind())
}

fn end(line: &str) -> Result<ExitCode, ReadError> {
    match parse(line).unwrap_or_else(|kind| panic!("{line}: {kind}")) {
        Typed::Compare(args) => compare::run(&args),
        Typed::Merge(args) => merge::run(&args),
        Typed::Plan(args) => plan::run(&args),
        Typed::Report(args) => report::run(&args),
    }
}

fn ends_with(line: &str, code: u8) {
    assert_eq!(end(line).unwrap_or_else(|error| panic!("{line}: {error}")), ExitCode::from(code), "{line}");
}

fn repeated(dir: &Path, factor: f64) {
    for seed in 0..3 {
        write_all(&dir.join(seed.to_string()), &scaled_chat(factor, seed)).expect("written");
    }
}

#[test]
fn compare_takes_both_forms() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    repeated(&dir.path().join("a"), 1.0);
    repeated(&dir.path().join("b"), 1.5);
    // A difference is an answer, not a failure, unless asked for.
    ends_with(&format!("compare {at}/a {at}/b"), 0);
    ends_with(&format!("compare {at}/a {at}/b --fail-if-worse"), 1);
    ends_with(&format!("compare {at}/b {at}/a --fail-if-worse"), 0);
    ends_with(&format!("compare --a {at}/a/0 {at}/a/1 {at}/a/2 --b {at}/b/0 {at}/b/1 {at}/b/2 --fail-if-worse"), 1);
    ends_with(&format!("compare {at}/a/0 {at}/b/0/result.json --json"), 0);
    for bad in ["compare", "compare x", "compare x y z", "compare --a x", "compare x y --a x --b y"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!(end(&format!("compare {at}/a {at}/none")).expect_err("nothing there").exit_code(), 2);
}

#[test]
fn invalid_runs_end_with_3() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    let mut late = chat();
    late.verdict = Verdict::Invalid(vec!["late".to_owned()]);
    late.generator.faults = vec!["late".to_owned()];
    write_all(&dir.path().join("late"), &late).expect("written");
    write_all(&dir.path().join("good"), &chat()).expect("written");
    assert_eq!(end(&format!("compare {at}/good {at}/late")).expect_err("refused").exit_code(), 3);
    ends_with(&format!("compare {at}/good {at}/late --even-invalid"), 0);
    ends_with(&format!("merge {at}/good {at}/late --out {at}/both"), 3);
    ends_with(&format!("report {at}/late"), 0);
}

#[test]
fn merge_writes_a_whole_result() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    repeated(&dir.path().join("hosts"), 1.0);
    ends_with(&format!("merge {at}/hosts --out {at}/all"), 0);
    assert_eq!(load(&dir.path().join("all")).expect("a result").accounts.sent, 30_000);
    assert!(dir.path().join("all/push.hlog").is_file() && dir.path().join("all/report.html").is_file());
    assert_eq!(end(&format!("merge {at}/hosts/0 --out {at}/one")).expect_err("one only").exit_code(), 2);
    assert!(parse(&format!("merge {at}/hosts")).is_err());
}

#[test]
fn report_lays_runs_over_each_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    repeated(&dir.path().join("a"), 1.0);
    repeated(&dir.path().join("b"), 1.5);
    ends_with(&format!("report {at}/a {at}/b/1 --out {at}/page.html"), 0);
    let page = fs::read_to_string(dir.path().join("page.html")).expect("a page");
    // `1` is the name of two: their paths tell them apart.
    assert!(page.contains("b/1: ") && page.contains("a/1: ") && page.contains(">0: "));
    fs::remove_file(dir.path().join("a/0/report.html")).expect("it was there");
    ends_with(&format!("report {at}/a/0"), 0);
    assert!(dir.path().join("a/0/report.html").is_file());
}

#[test]
fn plan_takes_costs_from_runs_and_by_hand() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().display();
    repeated(&dir.path().join("a"), 1.0);
    ends_with(&format!("plan --sockets 10_000_000 --messages-per-second 100000 --from {at}/a"), 0);
    ends_with("plan --sockets 10000000 --messages-per-second 1e5 --heartbeat-us 2.5 --memory-per-machine 128GiB", 0);
    let refused = end("plan --sockets 1 --messages-per-second 1 --target-utilisation 2").expect_err("above 1");
    assert_eq!(refused.exit_code(), 2);
    assert_eq!(parse("plan --sockets 1").expect_err("no rate"), ErrorKind::MissingRequiredArgument);
    assert_eq!(
        parse("plan --sockets 1 --messages-per-second 1 --heartbeat-interval 30").expect_err("no unit"),
        ErrorKind::ValueValidation
    );
}
