//! Tests of merging: the merged result is what one generator would have recorded alone.

use super::*;
use crate::result_samples::{chat, latency, scaled_chat};

#[test]
fn merged_is_what_one_would_have_recorded() {
    let values = |seed: u64| {
        let mut state = seed;
        (0..20_000).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1_000 + (state >> 33) % 50_000_000 * (1 + (state >> 60))
        })
    };
    let part = |seed| {
        let mut run = chat();
        run.latencies.insert("push".to_owned(), latency(values(seed)));
        run.series = vec![Series { metric: "push".to_owned(), second: 3, latency: latency(values(seed)) }];
        run.generator.lag = latency(values(seed + 1));
        run
    };
    let merged = merge(vec![part(1), part(7), part(9)], Parts::Processes).expect("alike");
    let together = latency(values(1).chain(values(7)).chain(values(9)));
    assert_eq!(merged.latencies["push"], together);
    assert_eq!(merged.series[0].latency, together);
    assert_eq!(merged.series.len(), 1);
    assert_eq!(merged.generator.lag, latency(values(2).chain(values(8)).chain(values(10))));
}

#[test]
fn counts_are_summed_and_loads_of_hosts_too() {
    let mut other = scaled_chat(2.0, 1);
    other.machine.host = "second".to_owned();
    let hosts = merge(vec![chat(), other.clone()], Parts::Hosts).expect("alike");
    assert_eq!((hosts.accounts.sent, hosts.accounts.due), (20_000, 19_980));
    assert_eq!(hosts.counters["logins"], 800);
    assert_eq!((hosts.load.connections, hosts.load.rate_per_s, hosts.load.processes), (800, 2_000.0, 2));
    assert_eq!((hosts.machine.host.as_str(), hosts.machine.cpus), ("planner, second", 4));
    assert_eq!(hosts.latencies["push"].count, 20_000);
    let processes = merge(vec![chat(), scaled_chat(2.0, 1)], Parts::Processes).expect("alike");
    assert_eq!((processes.load.connections, processes.load.processes), (400, 1));
    assert_eq!(processes.machine, chat().machine);
}

#[test]
fn one_server_seen_twice_counts_once() {
    // Both saw the same process use 2.5 s, each for its own 20,000 messages.
    let merged = merge(vec![chat(), chat()], Parts::Processes).expect("alike");
    let server = merged.server.expect("seen");
    assert_eq!(server.cpu_s, Some(2.5));
    assert!((server.cpu_us_per_message.expect("computed") - 62.5).abs() < 1e-9);
    assert_eq!(server.samples.len(), 11);
}

#[test]
fn messages_of_those_who_did_not_see_the_server_count_too() {
    let mut blind = chat();
    blind.server = None;
    let server = merge(vec![chat(), blind], Parts::Processes).expect("alike").server.expect("seen");
    assert!((server.cpu_us_per_message.expect("computed") - 62.5).abs() < 1e-9);
}

#[test]
fn two_servers_are_summed() {
    let mut other = chat();
    other.server.as_mut().expect("a server").pid = Some(4_712);
    other.server.as_mut().expect("a server").samples.pop();
    let merged = merge(vec![chat(), other], Parts::Processes).expect("alike");
    let server = merged.server.expect("seen");
    assert_eq!((server.cpu_s, server.cpu_by_thread_s["shard-0"]), (Some(5.0), 5.0));
    assert_eq!(server.waited_by_thread_s["shard-0"], 0.24);
    assert_eq!(merged.generator.waited_s, 0.06);
    assert_eq!(server.cpu_us_per_message, Some(125.0));
    assert_eq!(server.samples.len(), 10);
    assert_eq!(server.samples[1].rss_bytes, Some(2 * 20_001_000));
}

#[test]
fn objectives_are_judged_on_the_sum() {
    let objective = |run: &mut RunResult, text: &str| {
        let slo: Slo = text.parse().expect("an objective");
        run.slos = vec![slo.judge(run)];
        run.verdict = Verdict::of(&[], &run.accounts, &run.slos);
    };
    // The slow one alone breaks it; of both together 75 % are below 1.03 ms.
    let (mut fast, mut slow) = (chat(), scaled_chat(2.0, 0));
    objective(&mut fast, "p70(push)<1.1ms");
    objective(&mut slow, "p70(push)<1.1ms");
    assert!(matches!(slow.verdict, Verdict::Broken(_)));
    let merged = merge(vec![fast.clone(), slow.clone()], Parts::Processes).expect("alike");
    assert!(merged.slos[0].kept, "{:?}", merged.slos);
    assert_eq!(merged.verdict, Verdict::Kept);
    slow.accounts.missing = 1;
    slow.verdict = Verdict::Broken(vec!["agents were overbooked".to_owned()]);
    let merged = merge(vec![fast, slow], Parts::Processes).expect("alike");
    let reasons = ["deliveries missing: 1".to_owned(), "agents were overbooked".to_owned()];
    assert_eq!(merged.verdict, Verdict::Broken(reasons.to_vec()));
}

#[test]
fn one_invalid_part_makes_all_invalid() {
    let mut late = chat();
    late.generator.faults = vec!["lag p99 of 40 ms".to_owned()];
    late.verdict = Verdict::Invalid(late.generator.faults.clone());
    let mut broken = chat();
    broken.accounts.doubled = 1;
    broken.verdict = Verdict::of(&[], &broken.accounts, &[]);
    let merged = merge(vec![chat(), late, broken], Parts::Processes).expect("alike");
    assert_eq!(merged.verdict, Verdict::Invalid(vec!["lag p99 of 40 ms".to_owned()]));
    assert_eq!(merged.verdict.exit_code(), 3);
}

#[test]
fn what_is_not_alike_is_refused() {
    let change = |change: fn(&mut RunResult)| {
        let mut other = chat();
        change(&mut other);
        merge(vec![chat(), other], Parts::Hosts)
    };
    let differ = |result: Result<RunResult, MergeError>, what: &str| {
        let text = result.expect_err("refused").to_string();
        assert!(text.contains(what), "{text}");
    };
    differ(change(|run| run.scenario = "fanout".to_owned()), "scenario");
    differ(change(|run| run.dialect = "echo".to_owned()), "dialect");
    differ(change(|run| run.load.closed_window = Some(8)), "loop");
    differ(change(|run| run.measured_s = 20.0), "measured window");
    differ(change(|run| run.started_unix_ms += 8_000), "same time");
    differ(change(|run| run.latencies.get_mut("push").expect("push").histogram = "?".to_owned()), "damaged");
    assert!(change(|run| run.started_unix_ms += 2_000).is_ok());
    let mut later = chat();
    later.started_unix_ms += 8_000;
    assert!(merge(vec![chat(), later], Parts::HostsApart).is_ok());
    assert!(matches!(merge(Vec::new(), Parts::Hosts), Err(MergeError::Nothing)));
}

#[test]
fn figures() {
    let mut other = chat();
    other.figures.insert("socket_slope_bytes".to_owned(), 300.0);
    other.figures.insert("logins_per_s".to_owned(), 10.0);
    let mut first = chat();
    first.figures.insert("logins_per_s".to_owned(), 5.0);
    let merged = merge(vec![first, other], Parts::Processes).expect("alike");
    assert_eq!((merged.figures["socket_slope_bytes"], merged.figures["logins_per_s"]), (312.0, 15.0));
}
