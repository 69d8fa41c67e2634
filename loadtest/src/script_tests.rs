//! Scenario files: what they may say, what goes before what, and what a mistake is answered with.

use std::time::Duration;

use super::*;

fn read(text: &str) -> Result<Options, String> {
    Options::from_toml(Path::new("s.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn keys_are_the_flags() {
    use clap::Args as _;
    let command = Options::augment_args(clap::Command::new("run"));
    for argument in command.get_arguments() {
        let flag = argument.get_long().unwrap();
        let key = flag.replace('-', "_");
        // A value of the wrong type is refused for its type, so the key is known.
        let why = read(&format!("scenario = 'chat'\n{key} = [[]]")).unwrap_err();
        assert!(!why.contains("unknown"), "--{flag} is no key: {why}");
        assert!(why.starts_with("s.toml, line 2: "), "{why}");
    }
}

#[test]
fn the_shipped_files_are_sound() {
    let office = include_str!("../scripts/office-day.toml");
    let office = read(office).unwrap();
    assert_eq!(office.scenario, Some(ScenarioKind::Chat));
    assert!(office.phase.len() >= 4 && office.phase.iter().any(|phase| phase.rate_from.is_some()));
    let mixed = read(include_str!("../scripts/mixed.toml")).unwrap();
    assert_eq!(mixed.scenario, Some(ScenarioKind::Mixed));
    assert!(mixed.mix.is_some() && !mixed.slo.is_empty());
}

#[test]
fn a_mistake_is_named_with_its_line_and_the_nearest() {
    let refused = |text: &str| read(text).unwrap_err();
    assert_eq!(
        refused("scenario = 'chat'\n\nconections = 5\n"),
        "s.toml, line 3: unknown key `conections`: did you mean `connections`?"
    );
    assert_eq!(refused("scenario = 'chatt'"), "s.toml, line 1: unknown value `chatt`: did you mean `chat`?");
    let phase = refused("scenario = 'chat'\n[[phase]]\nname = 'a'\nduration = '1s'\nrates = 5\n");
    assert_eq!(phase, "s.toml, line 5: unknown key `rates`: did you mean `rate`?");
    let far = refused("scenario = 'chat'\n[mix]\nzzzz = 5\n");
    assert!(far.starts_with("s.toml, line 3: unknown key `zzzz`: known are ping, customer"), "{far}");
    assert!(refused("scenario = 'chat'\nramp = '5 parsecs'").contains("line 2: `5 parsecs` is no duration"));
    assert!(refused("scenario = 'chat'\nslo = ['p99(push)']").contains("is no objective"));
    assert!(refused("scenario = ").starts_with("s.toml, line 1: "));
    assert!(refused("connections = 5").contains("`scenario` is missing: one of connect, "));
}

#[test]
fn a_flag_goes_before_the_file() {
    let file = read(
        "scenario = 'chat'\nconnections = 5\nrate = 10.0\nramp = '2s'\nslo = ['max(push)<1s']\nspawn = true\nshards = 2\nserver_arg = ['--agent-grace', '1s']",
    );
    let flags = Options { connections: Some(7), slo: vec!["p99(push)<5ms".parse().unwrap()], ..Options::default() };
    let both = flags.or(file.clone().unwrap());
    assert_eq!((both.connections, both.rate, both.shards), (Some(7), Some(10.0), Some(2)));
    assert_eq!(both.ramp, Some(Span(Duration::from_secs(2))));
    assert_eq!(both.slo, ["p99(push)<5ms".parse().unwrap()]);
    assert!(both.spawn);
    assert_eq!(both.server_arg, ["--agent-grace", "1s"]);
    let elsewhere = Options { target: Some("http://127.0.0.1:1".to_owned()), ..Options::default() };
    let elsewhere = elsewhere.or(file.clone().unwrap());
    assert_eq!((elsewhere.spawn, elsewhere.shards), (false, None), "the target replaces the file's spawned server");
    let closed = Options { closed: Some(8), ..Options::default() }.or(file.unwrap());
    assert_eq!((closed.closed, closed.rate), (Some(8), None), "a closed loop has no rate");
}

#[test]
fn a_mix_is_typed_as_weights() {
    let typed = mix("ping=1,customer=2.5").unwrap();
    assert_eq!((typed.ping, typed.customer, typed.agent), (1.0, 2.5, 0.0));
    assert_eq!(mix("pin=1").unwrap_err(), "unknown key `pin`: did you mean `ping`?");
    assert!(mix("ping").is_err());
}
