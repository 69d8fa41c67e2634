//! From what is typed to settings: defaults, phases, and what is refused before anything is started.

use std::time::Duration;

use super::*;
use crate::cli::USAGE;

fn read(toml: &str) -> Options {
    Options::from_toml(Path::new("s.toml"), toml).unwrap()
}

fn chat(toml: &str) -> Options {
    let tokens = if toml.contains("tokens =") { "" } else { "tokens = 'tokens.txt'" };
    read(&format!("scenario = 'chat'\ntarget = 'http://127.0.0.1:1'\n{tokens}\n{toml}"))
}

#[test]
fn a_scenario_is_a_name_or_a_file() {
    assert_eq!(options("chat", &Options::default()).unwrap().scenario, Some(ScenarioKind::Chat));
    let problem = options("chatt", &Options::default()).unwrap_err();
    assert_eq!(problem.to_string(), "`chatt` is neither a scenario nor a file; did you mean `chat`?");
    assert_eq!(problem.exit_code(), USAGE);
    let problem = options("absent.toml", &Options::default()).unwrap_err();
    assert!(problem.to_string().starts_with("cannot read absent.toml"), "{problem}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    fs::write(&file, "scenario = 'mixed'\nconnections = 7\nseed = 4\n").unwrap();
    let flags = Options { connections: Some(9), ..Options::default() };
    let both = options(file.to_str().unwrap(), &flags).unwrap();
    assert_eq!((both.scenario, both.connections, both.seed), (Some(ScenarioKind::Mixed), Some(9), Some(4)));
}

#[test]
fn defaults_make_a_sound_run_of_every_scenario() {
    for kind in ScenarioKind::ALL {
        let options = Options { scenario: Some(*kind), ..chat("") };
        let settings = settings(&options).unwrap();
        settings.check(&crate::settings::Room { open_files: 20_000, ports: 28_000 }).unwrap();
        assert_eq!(settings.agents > 0, kind.needs_desk(), "{}", kind.name());
    }
    let chat = settings(&chat("connections = 105\ncapacity = 10")).unwrap();
    assert_eq!(chat.agents, 11, "everybody has an agent");
}

#[test]
fn agents_speak_as_customers_do_unless_told_otherwise() {
    let spoken = |toml: &str| {
        let settings = settings(&chat(toml)).unwrap();
        (settings.dialect, settings.agent_dialect)
    };
    assert_eq!(spoken(""), (Dialect::Kefu, Dialect::Kefu));
    assert_eq!(spoken("dialect = 'webchat'"), (Dialect::Webchat, Dialect::Webchat));
    let both = spoken("dialect = 'webchat'\nagent_dialect = 'multichannel'");
    assert_eq!(both, (Dialect::Webchat, Dialect::Multichannel));
    let flags = Options { agent_dialect: Some(Dialect::Kefu), ..Options::default() };
    let file = chat("dialect = 'webchat'\nagent_dialect = 'multichannel'\nmessage_ids = true");
    let both = settings(&flags.or(file)).unwrap();
    assert_eq!((both.agent_dialect, both.message_ids), (Dialect::Kefu, true));
}

#[test]
fn a_file_of_phases_is_stretched_and_overridden() {
    let text = "[[phase]]\nname = 'up'\nduration = '10s'\nrate_from = 0\nrate_to = 50
        [[phase]]\nname = 'on'\nduration = '30s'\nrate = 50";
    let run = settings(&chat(text)).unwrap();
    assert_eq!((run.phases[0].rate_from, run.phases[0].rate_to), (0.0, 50.0));
    assert_eq!(run.measured(), Duration::from_secs(40));
    let flags = Options { duration: Some("4s".parse().unwrap()), rate: Some(7.0), ..Options::default() };
    let run = settings(&flags.or(chat(text))).unwrap();
    assert_eq!(run.phases[0].duration, Duration::from_secs(1));
    assert_eq!(run.phases[1].duration, Duration::from_secs(3));
    assert!(run.phases.iter().all(|phase| (phase.rate_from, phase.rate_to) == (7.0, 7.0)));
    for half in ["", "rate_from = 1", "rate = 1\nrate_to = 2"] {
        let text = format!("[[phase]]\nname = 'a'\nduration = '1s'\n{half}");
        assert!(matches!(settings(&chat(&text)), Err(Problem::PhaseRate(_))), "{half}");
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let refused = |options: &Options| prepare(options, &[]).unwrap_err();
    assert!(matches!(refused(&read("scenario = 'chat'")), Problem::NoTarget));
    let no_tokens = refused(&read("scenario = 'chat'\ntarget = 'http://127.0.0.1:1'"));
    assert!(matches!(no_tokens, Problem::NoTokens));
    let no_key = refused(&read("scenario = 'chat'\ntarget = 'http://127.0.0.1:1'\nkey_file = '/nonexistent/jwt.key'"));
    assert!(matches!(no_key, Problem::KeyFile(_)));
    let no_file = refused(&chat("tokens = '/nonexistent/tokens'"));
    assert!(matches!(no_file, Problem::Token(_)), "{no_file}");
    assert!(matches!(refused(&chat("shards = 2")), Problem::OnlySpawned("shards")));
    assert!(matches!(refused(&chat("key_file = 'k'")), Problem::KeyAndTokens));
    assert!(matches!(refused(&chat("rate = 0")), Problem::Settings(_)));
    let echo = read("scenario = 'heartbeat'\ndialect = 'echo'\ntarget = 'http://127.0.0.1:1'");
    settings(&echo).expect("an echo has no logins");
    for problem in [refused(&read("scenario = 'chat'")), refused(&chat("rate = 0")), refused(&chat("connections = 0"))]
    {
        assert_eq!(problem.exit_code(), USAGE, "{problem}");
    }
}

#[test]
fn nobody_there_is_told_at_once() {
    // Bound and given back: nobody listens on it now.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let problem = check_reachable(address).unwrap_err();
    assert!(problem.to_string().starts_with(&format!("no server at {address}: ")), "{problem}");
    assert_eq!(problem.exit_code(), crate::cli::INVALID);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check_reachable(listener.local_addr().unwrap()).unwrap();
}

#[test]
fn a_server_is_spawned_last_and_its_key_read() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "scenario = 'chat'\nspawn = true\nserver_bin = '/nonexistent/switchboard'\nout = '{}'",
        directory.path().join("out").display()
    );
    let problem = prepare(&read(&text), &[]).unwrap_err();
    assert!(matches!(problem, Problem::Spawn(_)), "{problem}");
    assert!(directory.path().join("out/server.log").exists(), "its log is where the result is");
}

#[test]
fn ids_are_below_the_end_and_differ() {
    let bases: Vec<u64> = (0..100).map(|_| fresh_id_base()).collect();
    assert!(bases.iter().all(|base| (1..crate::target::token::ID_END >> 1).contains(base)));
    assert!(bases.iter().any(|base| *base != bases[0]));
}

#[test]
fn no_token_is_shown() {
    let typed = ["loadtest", "run", "chat", "--path", "/ws?token=abc.def&ext=1", "--key-file", "jwt.key"];
    let shown = shown(&typed.map(str::to_owned));
    assert_eq!(shown[4], "/ws?token=…&ext=1");
    assert_eq!(shown[6], "jwt.key", "a file's name is no secret");
}
