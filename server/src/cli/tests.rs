//! The command line as issue 3, item 2 has it.

use clap::error::ErrorKind;
use switchboard_protocol::model::{Actor, AgentId, Group};

use super::*;
use crate::auth::jwt::{Identity, Verifier};
use crate::config::Engine;
use crate::transfer::Onto;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split_whitespace()).map(Cli::into_command)
}

fn serve(line: &str) -> Config {
    match parse(line).unwrap() {
        Command::Serve(args) => args.load(&[]).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn token_args(line: &str) -> TokenArgs {
    match parse(line).unwrap() {
        Command::Token(args) => args,
        other => panic!("{other:?}"),
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[test]
fn serve_is_the_default_word() {
    let flags = "--listen 127.0.0.1:0 --data-dir /tmp/x --shards 3 --engine memory --agent-grace 500ms --debug-echo";
    let with = serve(&format!("switchboard serve {flags}"));
    let without = serve(&format!("switchboard {flags}"));
    assert_eq!(with, without);
    assert_eq!(with.listen.to_string(), "127.0.0.1:0");
    assert_eq!((with.shards, with.engine, with.debug_echo), (3, Engine::Memory, true));
    assert_eq!(with.agent_grace, Duration::from_millis(500));
    assert_eq!(serve("switchboard"), Config::default());
}

#[test]
fn a_flag_goes_before_a_variable() {
    let Command::Serve(args) = parse("switchboard --shards 3").unwrap() else {
        panic!("serve");
    };
    let variables = [("SWITCHBOARD_SHARDS", "5"), ("SWITCHBOARD_DEBUG_ECHO", "true")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = args.load(&variables).unwrap();
    assert_eq!((config.shards, config.debug_echo), (3, true));
}

#[test]
fn usage_errors_exit_with_2_and_say_what_is_allowed() {
    for (line, wanted) in [
        ("switchboard --shards 0", "expected a whole number of 1 to 1024"),
        ("switchboard --engine redis", "expected \"embedded\", \"scylla\" or \"memory\""),
        ("switchboard --listen 8080", "expected an IP address and a port"),
        ("switchboard --agent-grace 30", "expected a duration"),
        ("switchboard --nope", "--nope"),
        ("switchboard frobnicate", "frobnicate"),
        ("switchboard token --role user", "--id"),
        ("switchboard token --id 1", "--role"),
        ("switchboard token --role root --id 1", "user, agent, admin"),
        ("switchboard token --role user --id 0", "0"),
        ("switchboard token --role user --id 4503599627370496", "4503599627370496"),
        ("switchboard token --role user --id 1 --ttl 0s", "expected a duration of 1s"),
        ("switchboard check-config", "FILE"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(wanted), "{line}: {error}");
    }
    assert_eq!(parse("switchboard --help").unwrap_err().kind(), ErrorKind::DisplayHelp);
    assert!(parse("switchboard --help").unwrap_err().to_string().contains("switchboard check-config switchboard.toml"));
    assert_eq!(parse("switchboard --version").unwrap_err().exit_code(), 0);
}

#[test]
fn a_token_is_good_with_the_data_directory_it_was_made_in() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").display().to_string();
    let line = format!(
        "switchboard token --data-dir {data} --role agent --id 1 --name Wang --groups sales,default --skills a --max-concurrent 4"
    );
    let text = token(&token_args(&line), &[], NOW).unwrap();
    let key = SigningKey::load(&directory.path().join("data/jwt.key")).unwrap().key;
    let verifier = Verifier::new(&key, Duration::ZERO);
    let Identity::Agent { id, claims } = verifier.verify(&text, NOW).unwrap() else {
        panic!("an agent");
    };
    assert_eq!(id, AgentId::new(1).unwrap());
    assert_eq!(claims.groups, Some(vec![Group::new("sales").unwrap(), Group::default()]));
    assert_eq!((claims.name.as_deref(), claims.max_concurrent), (Some("Wang"), Some(4)));
    let day = 86_400_000;
    assert!(verifier.verify(&text, NOW.plus_millis(day - 1000)).is_ok());
    assert_eq!(verifier.verify(&text, NOW.plus_millis(day)), Err(TokenError::Expired));

    let user = format!("switchboard token --data-dir {data} --role admin --id 7 --ttl 1h");
    let admin = verifier.verify(&token(&token_args(&user), &[], NOW).unwrap(), NOW).unwrap();
    assert_eq!(admin.actor(), Actor::Admin);
}

#[test]
fn token_uses_the_configured_key_and_refuses_what_no_token_may_say() {
    let secret = "k".repeat(40);
    let variables = [("SWITCHBOARD_JWT_KEY".to_owned(), secret.clone())];
    let args = token_args("switchboard token --data-dir /proc/nowhere --role user --id 100");
    let text = token(&args, &variables, NOW).unwrap();
    let key = SigningKey::from_secret(secret.as_bytes()).unwrap();
    assert!(Verifier::new(&key, Duration::ZERO).verify(&text, NOW).is_ok());

    let error = token(&args, &[], NOW).unwrap_err().to_string();
    assert!(error.starts_with("the data directory /proc/nowhere cannot be made: "), "{error}");
    let args = token_args("switchboard token --role user --id 100 --groups a");
    assert!(matches!(token(&args, &variables, NOW), Err(TokenCommandError::NotAnAgent)));
    let args = token_args("switchboard token --role agent --id 100 --max-concurrent 10001");
    assert!(matches!(token(&args, &variables, NOW), Err(TokenCommandError::Token(_))));
    let missing = [("SWITCHBOARD_JWT_KEY_FILE".to_owned(), "/nowhere/key".to_owned())];
    let args = token_args("switchboard token --role user --id 100");
    assert!(matches!(token(&args, &missing, NOW), Err(TokenCommandError::Key(KeyError::Read { .. }))));
}

#[test]
fn check_config_prints_what_is_in_effect_or_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("s.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        match parse(&format!("switchboard check-config {}", file.display())).unwrap() {
            Command::CheckConfig(args) => check_config(&args),
            other => panic!("{other:?}"),
        }
    };
    let printed = check("shards = 2\n[kefu]\ntime_zone = 'Z'\n").unwrap();
    for line in ["shards = 2", "time_zone = \"+00:00\"", "ping_interval = \"30s\"", "[jwt]", "# key is not set"] {
        assert!(printed.lines().any(|have| have == line), "{line} in {printed}");
    }
    let error = check("shard = 2\n").unwrap_err().to_string();
    assert!(error.ends_with(":1:1: unknown key `shard` (did you mean `shards`?)"), "{error}");
}

#[test]
fn export_and_import_name_a_file_and_a_store() {
    let Command::Export(args) = parse("switchboard export --out x.jsonl --data-dir /tmp/x --resume").unwrap() else {
        panic!("export");
    };
    let (config, export) = args.load(&[]).unwrap();
    assert_eq!((config.data_dir.as_path(), export.resume), (std::path::Path::new("/tmp/x"), true));
    for (line, wanted) in [
        ("switchboard import --in -", Onto::Nothing),
        ("switchboard import --in x --resume", Onto::Interrupted),
        ("switchboard import --in x --merge", Onto::Whatever),
    ] {
        let Command::Import(args) = parse(line).unwrap() else { panic!("import") };
        assert_eq!(args.load(&[]).unwrap().1.onto, wanted, "{line}");
    }
    for line in ["switchboard export", "switchboard import", "switchboard import --in x --resume --merge"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}
