//! What may be typed: the parser is sound, the help tells, usage errors end with 2.

use clap::CommandFactory;

use super::*;

fn parse(text: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(text.split_whitespace())
}

#[test]
fn the_parser_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_commands_of_the_readme_are_understood() {
    for text in [
        "loadtest list",
        "loadtest run chat --target http://127.0.0.1:8080 --connections 100 --rate 50 --duration 30s --ramp 2s \
         --processes 2 --source-addrs 127.0.0.2-127.0.0.9 --seed 7 --slo p99(push)<5ms --out d --key-file jwt.key",
        "loadtest run heartbeat --spawn --shards 1 --server-cpus 0 --cpus 1 --closed 1 --ping json --engine memory",
        "loadtest run chat --spawn --server-arg --agent-grace --server-arg 1s --devices 2 --think 0s --quiet",
        "loadtest run heartbeat --dialect echo --path /ws/echo --target http://127.0.0.1:1 --server-pid 5 --idle 4",
        "loadtest run mixed --spawn --mix ping=1,customer=2 --arrivals constant --warm-up 1s --drain 1s --max-lag 2ms",
        "loadtest search heartbeat --by connections --spawn --slo max(answer)<1s --from 10 --to 1000 --confirm 1",
    ] {
        if let Err(error) = parse(text) {
            panic!("{text}: {error}");
        }
    }
    for example in EXAMPLES.lines().filter_map(|line| line.trim().strip_prefix("loadtest ")) {
        let example = example.replace('\'', "");
        if let Err(error) = parse(&format!("loadtest {example}")) {
            panic!("{example}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    for text in [
        "loadtest",
        "loadtest walk",
        "loadtest run",
        "loadtest run chat --spawn --target http://127.0.0.1:1",
        "loadtest run chat --rate 5 --closed 1",
        "loadtest run chat --key-file a --tokens b",
        "loadtest run chat --duration soon",
        "loadtest run chat --slo fast",
        "loadtest run chat --source-addrs 127.0.0.9-127.0.0.2",
        "loadtest run chat --mix pings=1",
        "loadtest run chat --ping loud",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(USAGE), "{text}");
    }
}

#[test]
fn a_problem_says_who_can_mend_it() {
    assert_eq!(Problem::NoTarget.exit_code(), USAGE);
    let absent = std::path::PathBuf::from("absent");
    let error = std::io::ErrorKind::NotFound.into();
    assert_eq!(Problem::Write { path: absent, error }.exit_code(), INVALID);
}
